"""Method policies: each RPC has one row, and a method without a row stops the start."""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message_factory import GetMessageClass

from app.domain.people import Caller
from app.rpc import services
from app.rpc.authentication import MetadataAuthenticator
from app.rpc.bookings.servicer import BookingServicer
from app.rpc.context import CallContext
from app.rpc.guard import Guard, GuardedServer
from app.rpc.holds.servicer import HoldServicer
from app.rpc.jobs.servicer import JobServicer
from app.rpc.policies import POLICIES, Access, Kind, MethodPolicy, MissingPolicyError, RateClass
from app.rpc.services import method_names, method_types
from app.rpc.train_runs.servicer import RunServicer
from app.rpc.trains.servicer import TrainServicer
from app.rpc.users.servicer import UserServicer
from app.rpc.webhooks.servicer import WebhookServicer

SERVICERS = (BookingServicer, HoldServicer, JobServicer, RunServicer, TrainServicer, UserServicer, WebhookServicer)
METHOD = "/seatline.v1.BookingService/GetBooking"
UNARY_ROW = MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.READ)
STREAMING_ROW = MethodPolicy(Kind.SERVER_STREAMING, Access.ANYONE, RateClass.READ)


async def _answer(request: bytes, context: CallContext) -> bytes:
    return request


async def _messages(request: bytes, context: CallContext) -> AsyncIterator[bytes]:
    yield request


UNARY = grpc.unary_unary_rpc_method_handler(_answer, bytes, bytes)
STREAMING = grpc.unary_stream_rpc_method_handler(_messages, bytes, bytes)
CLIENT_STREAMING = grpc.stream_unary_rpc_method_handler(_answer, bytes, bytes)


def guard_with(policies: dict[str, MethodPolicy]) -> Guard:
    return Guard(
        calls_in_flight_max=1,
        call_seconds_max=1,
        request_seconds_max=1,
        is_available=lambda: True,
        policies=policies,
        authenticator=MetadataAuthenticator(),
    )


def test_each_method_of_the_contract_has_one_row_and_no_row_is_left_over() -> None:
    assert sorted(POLICIES) == sorted(method_names())


def test_the_kind_of_each_row_is_that_of_the_contract() -> None:
    methods = {f"/{service.full_name}/{method.name}": method for service in services._services() for method in service.methods}
    for name, policy in POLICIES.items():
        method = methods[name]
        assert not method.client_streaming, name
        assert (policy.kind is Kind.SERVER_STREAMING) is bool(method.server_streaming), name
        assert method_types()[name] == policy.kind.value


def test_a_method_without_a_row_stops_the_start() -> None:
    server: Any = GuardedServer(grpc.aio.server, guard_with({}).wrap)  # type: ignore[arg-type]  # it is never reached
    with pytest.raises(MissingPolicyError, match=r"^/seatline\.v1\.BookingService/GetBooking has no method policy"):
        server.add_registered_method_handlers("seatline.v1.BookingService", {"GetBooking": UNARY})


@pytest.mark.parametrize(
    ("row", "handler"),
    [(UNARY_ROW, STREAMING), (STREAMING_ROW, UNARY), (UNARY_ROW, CLIENT_STREAMING)],
    ids=["a stream as unary", "unary as a stream", "a stream of requests"],
)
def test_a_method_of_another_kind_than_its_row_stops_the_start(row: MethodPolicy, handler: Any) -> None:
    with pytest.raises(MissingPolicyError, match="says"):
        guard_with({METHOD: row}).wrap(METHOD, handler)


def test_a_stream_whose_servicer_is_no_generator_stops_the_start() -> None:
    handler: Any = grpc.unary_stream_rpc_method_handler(_answer, bytes, bytes)
    with pytest.raises(MissingPolicyError, match="server_stream"):
        guard_with({METHOD: STREAMING_ROW}).wrap(METHOD, handler)


@pytest.mark.parametrize("servicer", SERVICERS)
def test_each_servicer_takes_and_gives_the_messages_of_its_service(servicer: type) -> None:
    (service,) = [found for found in services._services() if found.name == servicer.__name__.replace("Servicer", "Service")]
    for method in service.methods:
        call: Callable[..., Any] = getattr(servicer, method.name)
        hints = typing.get_type_hints(call)
        assert hints["request"] is GetMessageClass(method.input_type), method.full_name
        assert hints["context"] is CallContext, method.full_name
        answer = GetMessageClass(method.output_type)
        assert hints["return"] == (AsyncIterator[answer] if method.server_streaming else answer), method.full_name  # type: ignore[valid-type]  # made at run time


async def test_authentication_that_waits_for_nothing_takes_no_turn_of_the_event_loop() -> None:
    authentication = MetadataAuthenticator().authenticate((("x-seatline-user", "jane@example.com"),))
    with pytest.raises(StopIteration) as answered:  # the first step of the coroutine is its last
        authentication.send(None)
    assert answered.value.value == Caller("jane@example.com")
