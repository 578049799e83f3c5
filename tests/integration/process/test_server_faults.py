"""Internal errors: every caller gets a status without a stack trace, and later calls work."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import Any

import grpc
import pytest

from tests.support.clients import booking_request, refusal, seats_of
from tests.support.world import World

SECRET = "mongodb://admin:hunter2@db.internal"  # noqa: S105
INTERNAL = (grpc.StatusCode.INTERNAL, "INTERNAL")
INCIDENT = re.compile(r"incident ([0-9a-f]{12})")


async def test_an_unhandled_exception_is_internal_and_its_text_stays_in_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(world.server.store.bookings, "find", broken)
    with caplog.at_level(logging.ERROR):
        refused = await refusal(world.api_client("jane").booking("ZZZZZZ"))
    assert (refused.says, refused.domain) == (INTERNAL, "seatline")
    assert "hunter2" not in repr(refused)
    incident = INCIDENT.search(refused.message)
    assert incident is not None
    assert f"incident {incident[1]}" in caplog.text
    assert SECRET in caplog.text


async def test_a_cancellation_from_inside_does_not_leave_the_caller_hanging(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cancelled(*_: object) -> None:
        raise asyncio.CancelledError(SECRET)

    monkeypatch.setattr(world.server.store.bookings, "find", cancelled)
    refused = await refusal(world.api_client("jane").booking("ZZZZZZ"))
    assert refused.says == INTERNAL
    assert INCIDENT.search(refused.message)


async def test_an_error_in_a_commit_is_internal_for_the_whole_batch_and_the_lane_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await world.run("A9")
    await world.api_client("joe").book(run)

    async def broken(_: object) -> bool:
        raise RuntimeError(SECRET)

    request = booking_request(run, "jane")
    with monkeypatch.context() as patched:
        patched.setattr(world.server.store.runs, "commit_each", broken)
        calls = [refusal(world.api_client(name).book(run)) for name in ("p1", "p2", "p3")]
        refused = await asyncio.gather(refusal(world.api_client("jane").send(request)), *calls)
    assert {error.says for error in refused} == {INTERNAL}
    assert "hunter2" not in repr(refused)
    assert seats_of(await world.api_client("jane").send(request)) == ["A-2"]
    assert await world.api_client().free(run) == {"A": 7}


async def test_an_unknown_method_is_unimplemented(world: World) -> None:
    call: Any = world.channel.unary_unary("/seatline.v1.BookingService/StealSeat")
    assert (await refusal(call(b"", timeout=5))).code == grpc.StatusCode.UNIMPLEMENTED


async def test_an_undecodable_message_is_refused_and_the_server_goes_on(world: World) -> None:
    call: Any = world.channel.unary_unary("/seatline.v1.BookingService/CreateBooking")
    refused = await refusal(call(b"\xff\xff\xff\xff", timeout=5))
    assert refused.code in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNKNOWN)
    assert "app." not in refused.message, refused.message
    assert seats_of(await world.api_client("jane").book(await world.run())) == ["A-1"]
