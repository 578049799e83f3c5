"""A call that has ended leaves nothing in memory, however it ended, without the garbage collector."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Iterator
from types import FrameType
from typing import Any

import grpc
import pytest

from tests.support.clients import ASHFORD, booking_request, refusal
from tests.support.health_checks import health, slow_commits
from tests.support.world import World, a_train, eventually, outcomes

CALLS = 20
# gRPC keeps the last exception that went through it until the next one comes.
LAST_CALLS = 1


@pytest.fixture
def _nothing_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _left() -> Counter[str]:
    """Count what is left of calls in the server, by type: exceptions and the frames of our own code."""
    found: Counter[str] = Counter()
    for left in gc.get_objects():
        kind = type(left)  # not `isinstance`, which would resolve weak proxies
        if kind is FrameType and "/app/rpc/" in left.f_code.co_filename:
            found[left.f_code.co_qualname] += 1
        elif kind.__name__ in ("Refusal", "InvalidField", "AbortError", "_ServicerContext"):
            found[kind.__name__] += 1
    return found


async def _is_gone(before: Counter[str]) -> bool:
    return max((_left() - before).values(), default=0) <= LAST_CALLS


async def _assert_nothing_is_left(before: Counter[str]) -> None:
    try:
        await eventually(lambda: _is_gone(before), seconds_max=5)
    except AssertionError:
        pytest.fail(f"calls have left {dict(_left() - before)}")


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_calls_that_are_refused_by_a_rule_leave_nothing_behind(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    await jane.book(run, "jane", "joe")
    before = _left()
    for _ in range(CALLS):
        await refusal(world.api_client().book(run, "ann"))
        await refusal(jane.book(run, "ann", origin="Nowhere"))
        await refusal(jane.book(run, "jane"))
        await refusal(jane.book(run, "ann"))
        await refusal(jane.booking("ZZZZZZ"))
        await refusal(world.api_client("ann").create_train(a_train()))
    await _assert_nothing_is_left(before)


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_calls_that_are_answered_leave_nothing_behind(world: World) -> None:
    run = await world.run("A50")
    before = _left()
    for number in range(CALLS):
        await world.api_client(f"p{number}").book(run, destination=ASHFORD)
        await world.api_client().free(run)
        await health(world.channel)
        await health(world.channel, "nobody knows it")
    await _assert_nothing_is_left(before)


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_calls_that_fail_leave_nothing_behind(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "app")  # pytest keeps the records, which refer to the exceptions

    async def broken(_: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr(world.server.store.bookings, "find", broken)
    before = _left()
    for _ in range(CALLS):
        assert (await refusal(world.api_client("jane").booking("ZZZZZZ"))).code is grpc.StatusCode.INTERNAL
    await _assert_nothing_is_left(before)


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_calls_whose_client_leaves_leave_nothing_behind(real_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await real_world.run("A50")
    before = _left()
    async with slow_commits(real_world.server, monkeypatch) as (begun, _):
        calls = [real_world.api_client(f"p{number}").send(booking_request(run, f"p{number}")) for number in range(CALLS)]
        waiting = [asyncio.ensure_future(call) for call in calls]
        await begun.wait()
        for call in waiting:
            call.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        found = await outcomes([real_world.api_client("late").book(run, seconds=0.1) for _ in range(CALLS)])
        assert {error.code() for error in found} == {grpc.StatusCode.DEADLINE_EXCEEDED}
    await real_world.wait_until_archived()
    await _assert_nothing_is_left(before)


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_calls_with_undecodable_bytes_leave_nothing_behind(world: World) -> None:
    before = _left()
    for method in ("/seatline.v1.BookingService/CreateBooking", "/grpc.health.v1.Health/Check"):
        call: Any = world.channel.unary_unary(method)
        for _ in range(CALLS):
            assert (await refusal(call(b"\xff" * 1_000, timeout=5))).says == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "MESSAGE_MALFORMED",
            )
    await _assert_nothing_is_left(before)
