"""The trace of a call, which its caller carries where it is well-formed."""

import pytest

from app.rpc.authentication import caller_from

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_the_caller_carries_the_trace_that_the_call_names() -> None:
    assert caller_from([("x-seatline-user", "jane@example.com"), ("traceparent", TRACE)]).trace_parent == TRACE


@pytest.mark.parametrize("sent", ["", "00-1-2-01", TRACE.upper(), TRACE + "-more"])
def test_a_malformed_trace_is_ignored(sent: str) -> None:
    assert caller_from([("x-seatline-user", "jane@example.com"), ("traceparent", sent)]).trace_parent == ""


def test_our_own_span_of_the_call_replaces_the_clients() -> None:
    own = "00-4bf92f3577b34da6a3ce929d0e0e4736-1111111111111111-01"
    assert caller_from([("x-seatline-user", "jane@example.com"), ("traceparent", TRACE)], own).trace_parent == own
