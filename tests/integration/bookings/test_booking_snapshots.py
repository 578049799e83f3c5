"""A booking is shown with its waitlist position and its payment as of one moment; and what a caller gets if the
database cannot read a snapshot.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import pytest
from pymongo.errors import OperationFailure

from app.pb.seatline.v1 import booking_pb2, payment_pb2
from app.store.snapshots import ServerSnapshots
from tests.support.clients import Run, decoded, refusal
from tests.support.interrupted_snapshots import InterruptedSnapshots
from tests.support.world import World, eventually

CAPTURED = payment_pb2.PAYMENT_STATE_CAPTURED
TOO_OLD, UNAVAILABLE = 239, 246


def _between_reads(world: World, happens: Callable[[], Awaitable[object]]) -> None:
    """Make that change once, after the first read of the next answer."""

    async def once(reads: int) -> None:
        if reads == 1:
            await happens()

    object.__setattr__(world.server.store, "snapshots", InterruptedSnapshots(world.database, once))


async def test_a_waitlisted_booking_is_shown_with_its_position_although_it_is_promoted_meanwhile(real_world: World) -> None:
    run = await real_world.run("A1")
    sold = await real_world.api_client("joe").book(run)
    waiting = await real_world.api_client("jane").wait(run)
    _between_reads(real_world, lambda: real_world.api_client("joe").cancel(sold.reference))
    shown = await real_world.api_client("jane").booking(waiting.reference)
    assert (shown.state, shown.waitlist_position) == (booking_pb2.BOOKING_STATE_WAITLISTED, 1)
    shown = await real_world.api_client("jane").booking(waiting.reference)
    assert (shown.state, shown.waitlist_position) == (booking_pb2.BOOKING_STATE_CONFIRMED, 0)


@pytest.mark.parametrize("call", ["GetBooking", "GetReceipt", "ListReceipts"])
async def test_a_booking_is_shown_with_its_payment_as_of_the_same_moment(real_world: World, call: str) -> None:
    run, jane = await real_world.run("A1"), real_world.api_client("jane")
    reference = (await jane.book(run)).reference
    real_world.server.start_worker()

    async def is_paid() -> bool:
        return (await jane.booking(reference)).payment.state == CAPTURED

    await eventually(is_paid)

    async def cancel_and_refund() -> None:
        await jane.cancel(reference)

        async def is_refunded() -> bool:
            payments = await real_world.database["payments"].find({}).to_list(2)
            return [refund["state"] for payment in payments for refund in payment["refunds"]] == ["DONE"]

        await eventually(is_refunded)

    _between_reads(real_world, cancel_and_refund)
    shown: booking_pb2.Booking | booking_pb2.Receipt
    match call:
        case "GetBooking":
            shown = await jane.booking(reference)
        case "GetReceipt":
            shown = await jane.receipt(reference)
        case _:
            (shown,) = (await jane.receipts_page()).receipts
    kinds = [payment_pb2.PaymentAttemptKind.Name(attempt.kind) for attempt in shown.payment.attempts]
    assert (shown.state, list(shown.refunds)) == (booking_pb2.BOOKING_STATE_CONFIRMED, [])
    assert "PAYMENT_ATTEMPT_KIND_REFUND" not in kinds
    assert shown.payment.state == CAPTURED
    assert (await jane.booking(reference)).state == booking_pb2.BOOKING_STATE_CANCELLED


# -- if there is no snapshot


def _reads_of(jane: str, reference: str, run: Run, world: World) -> dict[str, Callable[[], Awaitable[Any]]]:
    return {
        "GetBooking": lambda: world.api_client(jane).booking(reference),
        "GetReceipt": lambda: world.api_client(jane).receipt(reference),
        "ListReceipts": lambda: world.api_client(jane).receipts_page(),
        "ListSectionBookings": lambda: world.desk.section_page(run, "A"),
    }


@pytest.mark.parametrize("code", [TOO_OLD, UNAVAILABLE])
@pytest.mark.parametrize("call", ["GetBooking", "GetReceipt", "ListReceipts", "ListSectionBookings"])
async def test_a_snapshot_that_is_lost_each_time_is_unavailable_with_a_retry_delay(
    real_world: World, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    run = await real_world.run("A1")
    reference = (await real_world.api_client("jane").book(run)).reference
    attempts = 0

    async def lost(*_: object) -> None:
        nonlocal attempts
        attempts += 1
        raise OperationFailure("the moment is lost", code)

    with monkeypatch.context() as patched:
        patched.setattr(ServerSnapshots, "_look", lost)
        refused = await refusal(_reads_of("jane", reference, run, real_world)[call]())
    assert refused.says == (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert refused.retry_seconds > 0
    assert attempts == 5
    await _reads_of("jane", reference, run, real_world)[call]()


async def test_another_database_error_is_not_taken_for_a_lost_snapshot(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise OperationFailure("no such stage", 40324)

    await real_world.run("A1")
    monkeypatch.setattr(ServerSnapshots, "_look", fails)
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await real_world.api_client("jane").receipts_page()
    assert decoded(error.value).says == (grpc.StatusCode.INTERNAL, "INTERNAL")
