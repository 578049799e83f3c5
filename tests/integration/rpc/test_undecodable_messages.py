"""Undecodable requests and calls without one: each is refused, counted, and logged within bounds."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from app.pb.seatline.v1 import booking_pb2
from app.rpc.errors import STATUS_CODES
from app.rpc.services import method_names
from app.store.in_memory import connect_in_memory
from tests.support.clients import RefusedCall, refusal, seats_of
from tests.support.health_checks import LIVENESS, health
from tests.support.metrics_scrapes import scrape
from tests.support.world import World, running_server, settings_for

CREATE = "/seatline.v1.BookingService/CreateBooking"
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
REFLECTION = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
MALFORMED, INCOMPLETE = (INVALID, "MESSAGE_MALFORMED"), (INVALID, "MESSAGE_INCOMPLETE")
CALLER = (("x-seatline-user", "desk@example.com"), ("x-seatline-roles", "operator"))
DOCUMENTED = {(code, reason.value) for reason, code in STATUS_CODES.items()}
SOON_SECONDS = 5.0  # on a busy machine; the server waits a tenth of it

NO_MESSAGES = {
    "a tag without a value": b"\x0a",
    "less than its length says": b"\x0a\x05abc",
    "a wire type that there is not": b"\x0f",
    "a number without an end": b"\x08" + b"\xff" * 11,
    "field 0": b"\x00\x00",
    "a group that never ends": b"\x0b",
    "groups within groups": b"\x0b" * 10_000 + b"\x0c" * 10_000,
    "an end of a group that never began": b"\x0c",
    "only ones": b"\xff" * 100,
}


async def _send(world: World, method: str, data: bytes) -> RefusedCall:
    call: Any = world.channel.unary_unary(method)
    return await refusal(call(data, metadata=CALLER, timeout=20))


@pytest.mark.parametrize("data", NO_MESSAGES.values(), ids=NO_MESSAGES)
async def test_undecodable_bytes_are_refused_by_every_method(world: World, data: bytes) -> None:
    for method in (*method_names(), CHECK):
        refused = await _send(world, method, data)
        assert (refused.says, refused.domain) == (MALFORMED, "seatline"), method
        assert "rotobuf" not in refused.message
        assert "pars" not in refused.message.lower()


async def test_text_that_is_not_utf_8_is_refused(world: World) -> None:
    invalid = {
        CREATE: booking_pb2.CreateBookingRequest(request_id="????"),
        "/seatline.v1.BookingService/GetBooking": booking_pb2.GetBookingRequest(reference="????"),
        "/seatline.v1.BookingService/CancelBooking": booking_pb2.CancelBookingRequest(passenger_emails=["????"]),
        CHECK: health_pb2.HealthCheckRequest(service="????"),
    }
    for method, request in invalid.items():
        for broken in (b"\xff\xfe\xfd\xfc", b"\xed\xa0\x80?", b"\xc0\xaf??", b"\xf0\x9f\x98?"):
            refused = await _send(world, method, request.SerializeToString().replace(b"????", broken))
            assert refused.says == MALFORMED, (method, broken)


async def test_random_bytes_get_documented_refusals_only(world: World) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    for method in method_names():
        for _ in range(20):
            data = chance.randbytes(chance.randrange(1, 200))
            call: Any = world.channel.unary_unary(method)
            try:
                await call(data, metadata=CALLER, timeout=20)
            except grpc.aio.AioRpcError as error:
                refused = await refusal(_raise(error))
                assert refused.says in DOCUMENTED - {(grpc.StatusCode.INTERNAL, "INTERNAL")}, (method, data, refused)


async def _raise(error: grpc.aio.AioRpcError) -> None:
    raise error


async def test_streams_of_health_and_reflection_refuse_undecodable_bytes(world: World) -> None:
    watch: Any = world.channel.unary_stream(WATCH)
    assert (await refusal(_all(watch(b"\xff\xff", timeout=20)))).says == MALFORMED
    ask: Any = world.channel.stream_stream(REFLECTION)
    assert (await refusal(_all(ask(_messages(b"\xff\xff"), timeout=20)))).says == MALFORMED
    good = reflection_pb2.ServerReflectionRequest(list_services="*").SerializeToString()
    answers = aiter(ask(_messages(good, b"\xff\xff"), timeout=20))
    first = reflection_pb2.ServerReflectionResponse.FromString(await anext(answers))
    assert "seatline.v1.BookingService" in {service.name for service in first.list_services_response.service}
    assert (await refusal(_all(answers))).says == MALFORMED


async def _all(answers: Any) -> list[bytes]:
    return [answer async for answer in answers]


async def _messages(*data: bytes) -> AsyncIterator[bytes]:
    for message in data:
        yield message


async def _nothing() -> AsyncIterator[bytes]:
    """Send no request, as a client that only begins a call."""
    await asyncio.Event().wait()
    yield b""


@pytest.mark.parametrize("method", [CREATE, CHECK, WATCH, REFLECTION])
async def test_a_call_whose_request_never_arrives_ends_soon(method: str) -> None:
    async with running_server(settings_for(request_seconds_max=SOON_SECONDS / 10), connect_in_memory()) as world:
        call: Any = world.channel.stream_unary(method)
        begin = time.monotonic()
        assert (await refusal(call(_nothing(), timeout=20))).says == INCOMPLETE
        assert time.monotonic() - begin < SOON_SECONDS


@pytest.mark.parametrize("method", [CREATE, CHECK])
async def test_a_call_that_ends_without_a_request_is_refused(world: World, method: str) -> None:
    call: Any = world.channel.stream_unary(method)
    assert (await refusal(call(_messages(), timeout=20))).says == INCOMPLETE


async def test_calls_whose_requests_never_arrive_keep_no_other_out() -> None:
    async with running_server(settings_for(calls_in_flight_max=5), connect_in_memory()) as world:
        run = await world.run()
        call: Any = world.channel.stream_unary(CREATE)
        half_sent = [asyncio.ensure_future(refusal(call(_nothing(), timeout=20))) for _ in range(20)]
        done, _ = await asyncio.wait(half_sent, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().says for task in done} == {(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")}
        assert all(task.result().retry_seconds > 0 for task in done)
        assert seats_of(await world.api_client("jane").book(run)) == ["A-1"]
        for task in half_sent:
            task.cancel()
        await asyncio.gather(*half_sent, return_exceptions=True)


async def test_one_connection_may_open_a_bounded_number_of_watches(world: World) -> None:
    watch: Any = world.channel.unary_stream(WATCH)
    watches = [watch(b"", timeout=20) for _ in range(16)]
    for answers in watches:
        assert await answers.read()
    refused = await refusal(watch(b"", timeout=20).read())
    assert refused.says == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
    assert await health(world.channel, LIVENESS) == "SERVING"
    for answers in watches:
        answers.cancel()


async def test_many_undecodable_requests_are_all_counted_and_logged_within_the_budget(caplog: pytest.LogCaptureFixture) -> None:
    settings = settings_for(metrics_listen="127.0.0.1:0", log_call_lines_per_second_max=3)
    with caplog.at_level(logging.INFO):
        async with running_server(settings, connect_in_memory()) as world:
            begin = time.monotonic()
            for _ in range(100):
                assert (await _send(world, CREATE, b"\xff")).says == MALFORMED
                assert (await _send(world, CHECK, b"\xff")).says == MALFORMED
            seconds = time.monotonic() - begin
            page = await scrape(world.server.metrics_port)
    assert page.value("seatline_refusals_total", reason="MESSAGE_MALFORMED") == 100
    lines = [record for record in caplog.records if getattr(record, "reason", "") == "MESSAGE_MALFORMED"]
    assert 0 < len(lines) <= 2 * 3 * (seconds + 2)
    own = [record for record in caplog.records if record.name.startswith("app.")]
    assert not [record for record in own if record.levelno >= logging.ERROR]
