"""The caller in a call's metadata: one address in one key, by the rules for passengers."""

import pytest

from app.domain.people import Role
from app.domain.refusals import Reason, Refusal
from app.rpc.authentication import caller_from

USER, BYTES, ROLES = "x-seatline-user", "x-seatline-user-bin", "x-seatline-roles"
Metadata = list[tuple[str, str | bytes]]


def refused(metadata: Metadata) -> str:
    """Return the text with which the metadata is refused."""
    with pytest.raises(Refusal) as caught:
        caller_from(metadata)
    assert caught.value.reason is Reason.CREDENTIALS_MISSING
    return caught.value.message


@pytest.mark.parametrize(
    ("metadata", "email"),
    [
        ([(USER, "jane@example.com")], "jane@example.com"),
        ([(USER, " Jane@Example.com ")], "Jane@Example.com"),
        ([(USER, "a@xn--bcher-kva.example")], "a@xn--bcher-kva.example"),
        ([(BYTES, "zoë@bücher.example".encode())], "zoë@bücher.example"),
        ([(BYTES, b"jane@example.com")], "jane@example.com"),
        ([(USER, "a@xn--bcher-kva.example"), (BYTES, "A@Bücher.example".encode())], "A@Bücher.example"),
        ([(USER, ""), (BYTES, "zoë@example.com".encode())], "zoë@example.com"),
        ([(USER, "jane@example.com"), (BYTES, b"")], "jane@example.com"),
    ],
)
def test_a_caller_names_itself_in_ascii_or_in_utf_8(metadata: Metadata, email: str) -> None:
    assert caller_from(metadata).email == email


@pytest.mark.parametrize(
    "metadata", [[], [(USER, "")], [(USER, "   ")], [(BYTES, b"")], [(BYTES, b" ")], [(ROLES, "operator")]]
)
def test_a_call_without_a_name_is_anonymous(metadata: Metadata) -> None:
    caller = caller_from(metadata)
    assert (caller.email, caller.is_operator) == (None, False)


@pytest.mark.parametrize(
    "address",
    [
        "jane",
        "jane@",
        "@example.com",
        "jane@example",
        "a b@example.com",
        "jane@example.com,bob@example.com",
        "jane@example.com, jane@example.com",
        "jane@my.localhost",
        "jane@exa_mple.com",
        "Jane <jane@example.com>",
        f"{'x' * 65}@example.com",
        f"jane@{'x' * 260}.com",
        "ja\u200bne@example.com",
        "ja\u202ene@example.com",
        "jane@b\u00fc\u00adcher.example",
    ],
)
def test_a_caller_needs_an_address_by_the_rules_for_passengers(address: str) -> None:
    assert USER in refused([(USER, address)])
    assert BYTES in refused([(BYTES, address.encode())])


@pytest.mark.parametrize("value", [b"\xff\xfe", "zoë@example.com".encode("latin-1"), b"\xed\xa0\x80@example.com"])
def test_bytes_that_are_not_utf_8_are_refused(value: bytes) -> None:
    assert "UTF-8" in refused([(BYTES, value)])


@pytest.mark.parametrize(
    "metadata",
    [
        [(USER, "jane@example.com"), (USER, "bob@example.com")],
        [(USER, "jane@example.com"), (USER, "jane@example.com")],
        [(USER, ""), (USER, "jane@example.com")],
        [(USER, "jane@example.com"), ("user-agent", "x"), (USER, "")],
        [(BYTES, b"jane@example.com"), (BYTES, b"jane@example.com")],
        [(USER, "jane@example.com"), (ROLES, "operator"), (ROLES, "auditor")],
        [(USER, "jane@example.com"), (ROLES, ""), (ROLES, "operator")],
    ],
)
def test_a_metadata_key_that_occurs_twice_is_refused_whatever_its_values(metadata: Metadata) -> None:
    assert "occurs twice" in refused(metadata)


def test_two_headers_that_name_two_callers_are_refused() -> None:
    assert "two callers" in refused([(USER, "jane@example.com"), (BYTES, b"bob@example.com")])


def test_two_traces_in_one_call_are_ignored() -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    named: Metadata = [(USER, "jane@example.com"), ("traceparent", trace)]
    assert caller_from(named).trace_parent == trace
    assert caller_from([*named, ("traceparent", trace)]).trace_parent == ""


def test_roles_are_read_from_a_list() -> None:
    assert caller_from([(USER, "jane@example.com"), (ROLES, "auditor, operator")]).roles == {Role.OPERATOR}
