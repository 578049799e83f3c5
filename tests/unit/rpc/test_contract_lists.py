"""The contract and the code agree on event types, reasons, states and the status codes in comments."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor import MethodDescriptor

from app.domain.events import EventType
from app.domain.refusals import Reason
from app.pb.seatline.v1 import booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2
from app.rpc.authentication import ROLES_METADATA, USER_METADATA

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "proto" / "seatline" / "v1"
# Where reasons and event types are declared or translated, but not used.
DECLARATIONS = {"app/domain/events.py", "app/domain/refusals.py", "app/rpc/errors.py"}
STATUS_NAMES = {code.name for code in grpc.StatusCode}
# What is written like a status code.
_WORD = re.compile(r"\b[A-Z][A-Z]+(?:_[A-Z]+)*\b")


def members_used(enum: str) -> set[str]:
    """Return the members of an enum that the application's code uses, without the declarations."""
    return {
        node.attr
        for path in sorted((ROOT / "app").rglob("*.py"))
        if "pb" not in path.parts and path.relative_to(ROOT).as_posix() not in DECLARATIONS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enum
    }


def comments_of(text: str) -> str:
    """Return the comments of a .proto file as one text."""
    return " ".join(line.strip().removeprefix("//").strip() for line in text.splitlines() if line.strip().startswith("//"))


def listed(begin: str) -> list[str]:
    """Return the event types in the contract's sentence with this beginning."""
    match = re.search(rf"{begin} ([a-z., ]+?)\.(?: |$)", comments_of((CONTRACT / "webhook.proto").read_text()))
    assert match is not None
    return match[1].split(", ")


def calls() -> Iterator[tuple[str, str]]:
    """Yield each RPC of the contract with its comment."""
    for path in sorted(CONTRACT.glob("*.proto")):
        for comment, name in re.findall(r"((?:^ *//.*\n)+) *rpc (\w+)", path.read_text(), re.MULTILINE):
            yield name, comments_of(comment)


def errors_of(comment: str) -> str:
    """Return the errors that an RPC's comment lists; empty where it lists none."""
    match = re.search(r"Errors(?:, [a-z ]+)?: (.*)", comment)
    return match[1] if match else ""


def methods() -> list[MethodDescriptor]:
    """Return each RPC of the contract."""
    files = (booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2)
    services = [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    return [method for service in services for method in service.methods]


def test_the_contract_lists_the_event_types_that_are_emitted_and_apart_from_them_those_to_come() -> None:
    emitted = members_used("EventType")
    assert listed("Types are") == [event_type.value for event_type in EventType if event_type.name in emitted]
    assert listed("Types to come are") == [event_type.value for event_type in EventType if event_type.name not in emitted]


def test_every_reason_of_the_contract_is_raised_by_some_code() -> None:
    # INVALID_FIELD is given by its own class of refusals.
    assert {reason.name for reason in Reason} - members_used("Reason") <= {Reason.INVALID_FIELD.name}


@pytest.mark.parametrize("path", sorted(CONTRACT.glob("*.proto")), ids=lambda path: path.name)
def test_every_value_of_the_contracts_enums_is_read_or_sent(path: Path) -> None:
    code = "\n".join(file.read_text() for file in (ROOT / "app").rglob("*.py") if "pb" not in file.parts)
    names = set(re.findall(r"^  ([A-Z_]+) = \d+;", path.read_text(), re.MULTILINE))
    values = {name for name in names if not name.endswith("_UNSPECIFIED") and not name.startswith("ERROR_REASON_")}
    assert values <= set(re.findall(r"\b[A-Z_]+\b", code))


def test_every_call_lists_its_errors_by_their_status_codes() -> None:
    documented = dict(calls())
    assert len(documented) >= 20
    for name, comment in documented.items():
        outside_brackets = re.sub(r"\([^()]*\)", "", errors_of(comment))
        named = set(_WORD.findall(outside_brackets))
        assert named, name
        assert named <= STATUS_NAMES, f"{name}: {named - STATUS_NAMES}"


@pytest.mark.parametrize(("field", "code"), [("etag", "ABORTED"), ("request_id", "ALREADY_EXISTS")])
def test_every_call_with_a_field_that_may_be_refused_lists_its_error(field: str, code: str) -> None:
    documented = dict(calls())
    asking = [method.name for method in methods() if field in method.input_type.fields_by_name]
    assert asking
    assert [name for name in asking if code not in errors_of(documented[name])] == []


def test_every_answer_to_a_request_that_may_be_a_dry_run_says_whether_it_was_one() -> None:
    asking = [method for method in methods() if "validate_only" in method.input_type.fields_by_name]
    assert {method.name for method in asking} >= {"CancelBooking", "CreateTrain", "CreateWebhook"}
    assert [method.name for method in asking if "validate_only" not in method.output_type.fields_by_name] == []


def test_the_contract_says_how_a_caller_names_itself() -> None:
    said = comments_of((CONTRACT / "errors.proto").read_text())
    assert f"{USER_METADATA}: " in said
    assert f"{ROLES_METADATA}: " in said
    for service in ("booking", "hold", "job", "train", "train_run", "user", "webhook"):
        assert USER_METADATA in (CONTRACT / f"{service}.proto").read_text()
