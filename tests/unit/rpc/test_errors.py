"""Errors on the wire: every reason has a status and a name in the contract, and details for programs."""

from pathlib import Path
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status

from app.domain import limits
from app.domain.booking import Seat
from app.domain.layout.plan import (
    LayoutCounts,
    LayoutPlan,
    LayoutRefund,
    PlacementStep,
    PlanChanged,
    RefundCause,
    SeatMove,
    SectionChange,
)
from app.domain.money import Money
from app.domain.refusals import InvalidField, Reason, Refusal
from app.pb.seatline.v1 import layout_pb2
from app.pb.seatline.v1.errors_pb2 import ErrorReason
from app.rpc.errors import RETRY_SECONDS, STATUS_CODES, abort_arguments, status_of
from app.rpc.layouts.answers import layout_plan

PREFIX = "ERROR_REASON_"
ERRORS_PROTO = Path(__file__).parents[3] / "proto" / "seatline" / "v1" / "errors.proto"
# What grpc lets through in trailers before it ends the connection, less the room for what grpc adds itself.
TRAILER_BYTES_MAX = 8_192 - 500

T = TypeVar("T", bound=Message)


def detail(status: Status, kind: type[T]) -> T | None:
    """Return the only detail of a type, None where there is none."""
    found = [detail for detail in status.details if detail.Is(kind.DESCRIPTOR)]
    if not found:
        return None
    assert len(found) == 1
    message = kind()
    found[0].Unpack(message)
    return message


def comment_of(reason: Reason) -> str:
    """Return the comment of a reason in the contract."""
    lines = ERRORS_PROTO.read_text().splitlines()
    at = next(index for index, line in enumerate(lines) if line.strip().startswith(f"{PREFIX}{reason.value} ="))
    return lines[at - 1].strip().removeprefix("// ")


def contract_names() -> list[str]:
    return [value.name for value in ErrorReason.DESCRIPTOR.values]


def test_the_reasons_are_those_of_the_contract() -> None:
    named = {name.removeprefix(PREFIX) for name in contract_names() if name != f"{PREFIX}UNSPECIFIED"}
    assert {reason.value for reason in Reason} == named
    assert all(name.startswith(PREFIX) for name in contract_names())
    assert all(reason.name == reason.value for reason in Reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_status_that_is_an_error(reason: Reason) -> None:
    assert STATUS_CODES[reason] is not grpc.StatusCode.OK


@pytest.mark.parametrize("reason", Reason)
def test_the_contract_says_the_status_of_every_reason(reason: Reason) -> None:
    assert comment_of(reason).startswith(STATUS_CODES[reason].name)


@pytest.mark.parametrize("reason", Reason)
def test_the_contract_promises_retry_info_exactly_where_it_is_sent(reason: Reason) -> None:
    assert ("with RetryInfo" in comment_of(reason).split(":")[0]) == (reason in RETRY_SECONDS)


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_carries_its_reason_and_our_domain(reason: Reason) -> None:
    status = status_of(Refusal(reason, "no"))
    info = detail(status, ErrorInfo)
    assert (status.code, status.message) == (STATUS_CODES[reason].value[0], "no")
    assert info is not None
    assert (info.reason, info.domain) == (reason.value, "seatline")
    assert ErrorReason.Value(f"{PREFIX}{info.reason}")


def test_an_invalid_field_is_named_with_its_path() -> None:
    status = status_of(InvalidField("passengers[2].email", "is required"))
    request = detail(status, BadRequest)
    assert request is not None
    [violation] = request.field_violations
    assert (violation.field, violation.description) == ("passengers[2].email", "is required")
    assert status.message == "passengers[2].email: is required"
    assert detail(status, ResourceInfo) is None
    assert detail(status, RetryInfo) is None


def test_a_missing_or_conflicting_resource_is_named() -> None:
    status = status_of(Refusal(Reason.SEAT_TAKEN, "seat A-3 is taken", resource=("seat", "A-3")))
    resource = detail(status, ResourceInfo)
    assert resource is not None
    assert (resource.resource_type, resource.resource_name, resource.description) == ("seat", "A-3", "seat A-3 is taken")
    assert detail(status, BadRequest) is None


def test_what_programs_may_want_to_know_besides_is_metadata() -> None:
    opens = {"sales_open_time": "2026-06-01T08:00:00Z"}
    info = detail(status_of(Refusal(Reason.SALES_NOT_OPEN, "not before June", details=opens)), ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == opens


def test_retry_info_says_when_to_try_again() -> None:
    retry = detail(status_of(Refusal(Reason.DATABASE_UNAVAILABLE, "away")), RetryInfo)
    assert retry is not None
    assert retry.retry_delay.ToMilliseconds() == RETRY_SECONDS[Reason.DATABASE_UNAVAILABLE] * 1_000
    assert detail(status_of(Refusal(Reason.SECTION_FULL, "full")), RetryInfo) is None


@pytest.mark.parametrize("code", [grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE])
def test_every_reason_of_a_retryable_status_has_retry_info(code: grpc.StatusCode) -> None:
    assert {reason for reason, its_code in STATUS_CODES.items() if its_code is code} <= set(RETRY_SECONDS)


def test_a_refusal_is_sent_with_code_text_and_status() -> None:
    refusal = Refusal(Reason.RUN_BUSY, "too many wait")
    code, text, [(key, details)] = abort_arguments(refusal)
    assert (code, text, key) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many wait", "grpc-status-details-bin")
    assert Status.FromString(details) == status_of(refusal)


@pytest.mark.parametrize("letter", ["x", "\u00e9", "駅", "🚆"])
def test_a_long_text_is_cut_so_that_the_trailers_fit(letter: str) -> None:
    for refusal in (
        InvalidField("section", letter * 100_000),
        Refusal(Reason.SEAT_TAKEN, letter * 100_000, resource=("passenger", letter * 63)),
    ):
        _, text, [(_, details)] = abort_arguments(refusal)
        percent_encoded = sum(3 * len(character.encode()) if not character.isascii() else 1 for character in text)
        assert percent_encoded + len(details) * 4 / 3 < TRAILER_BYTES_MAX
        assert text.endswith("…")


def test_a_text_of_ordinary_length_is_sent_whole() -> None:
    assert Refusal(Reason.INTERNAL, "x" * 300).message == "x" * 300


def a_plan(moves: int, sections: int = 2) -> LayoutPlan:
    """Return a plan with texts and numbers as long as they can be."""
    seat, fare = Seat("Z" * 8, "9" * 8, 20_000), Money(limits.FARE_MINOR_MAX, "USD")
    return LayoutPlan(
        plan_hash="f" * 32,
        sections=tuple(SectionChange(f"SECTION{index:02}"[-8:], 5_000, 5_000, fare, fare) for index in range(sections)),
        moves=tuple(SeatMove("ZZZZZZ", 9, seat, seat, PlacementStep.LOWER) for _ in range(moves)),
        refunds=tuple(LayoutRefund("ZZZZZZ", (9,), fare, RefundCause.LOWER_SECTION) for _ in range(moves)),
        counts=LayoutCounts(moved_passengers=moves),
    )


def test_a_changed_plan_is_sent_whole_where_it_is_short() -> None:
    plan = a_plan(moves=12)
    assert detail(status_of(PlanChanged(plan)), layout_pb2.LayoutPlan) == layout_plan(plan)


@pytest.mark.parametrize(("moves", "sections"), [(20, 26), (500, 2), (500, 26), (500, 26 + limits.LAYOUT_OPERATIONS_MAX)])
def test_a_long_plan_is_sent_without_its_lists_so_that_the_trailers_fit(moves: int, sections: int) -> None:
    _, text, [(_, details)] = abort_arguments(PlanChanged(a_plan(moves, sections)))
    assert len(text) + len(details) * 4 / 3 < TRAILER_BYTES_MAX
    sent = detail(Status.FromString(details), layout_pb2.LayoutPlan)
    assert sent is not None
    assert (sent.plan_hash, sent.counts.moved_passengers, sent.validate_only) == ("f" * 32, moves, True)
    assert not sent.moves
    assert not sent.refunds
    assert len(sent.sections) in (0, sections)
    assert sent.sections or sections > limits.SECTIONS_PER_TRAIN_MAX
