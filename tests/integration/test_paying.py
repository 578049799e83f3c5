"""Payments, over the wire and through the worker: money is taken for what is sold, and given back for what is not."""

from __future__ import annotations

import grpc
import pytest_asyncio

from app.pb.seatline.v1 import booking_pb2
from tests.integration.clients import Phone, booking_request, refusal
from tests.integration.world import World, eventually, usd

WAIT = booking_pb2.IF_FULL_WAITLIST
AUTHORIZED, CAPTURED = booking_pb2.PAYMENT_STATE_AUTHORIZED, booking_pb2.PAYMENT_STATE_CAPTURED
DONE, PENDING = booking_pb2.REFUND_STATE_DONE, booking_pb2.REFUND_STATE_PENDING


@pytest_asyncio.fixture
async def working(world: World) -> World:
    """The world with its worker at work."""
    world.server.start_work()
    return world


async def _paid(phone: Phone, reference: str) -> booking_pb2.Booking:
    async def is_captured() -> bool:
        return (await phone.booking(reference)).payment.state == CAPTURED

    await eventually(is_captured)
    return await phone.booking(reference)


async def _refunded(phone: Phone, reference: str) -> booking_pb2.Booking:
    async def is_done() -> bool:
        return all(one.state == DONE for one in (await phone.booking(reference)).refunds)

    await eventually(is_done)
    return await phone.booking(reference)


async def test_a_sale_is_paid_soon_after_and_the_receipt_says_so(working: World) -> None:
    run = await working.run("A2")
    jane = working.phone("jane")
    booking = await jane.book(run)
    assert (booking.payment.state, booking.payment.amount) == (AUTHORIZED, usd(20))
    await _paid(jane, booking.reference)
    receipt = await jane.receipt(booking.reference)
    assert (receipt.payment.state, receipt.payment.amount, receipt.price_paid) == (CAPTURED, usd(20), usd(20))


async def test_what_a_cancellation_gives_back_is_pending_until_it_is_done(working: World) -> None:
    run = await working.run("A2")
    jane = working.phone("jane")
    booking = await jane.book(run)
    await _paid(jane, booking.reference)
    cancelled = await jane.cancel(booking.reference)
    assert [(refund.state, refund.amount) for refund in cancelled.refunds] in ([(PENDING, usd(20))], [(DONE, usd(20))])
    refunded = await _refunded(jane, booking.reference)
    assert [(refund.state, refund.amount) for refund in refunded.refunds] == [(DONE, usd(20))]


async def test_a_declined_payment_sells_nothing(working: World) -> None:
    run = await working.run("A2")
    refused = await refusal(working.phone("jane").send(booking_request(run, "jane", payment_token="tok_decline")))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DECLINED")
    assert await working.phone().free(run) == {"A": 2}


async def test_a_payment_that_is_answered_late_is_found_by_the_same_request_and_taken_once(working: World) -> None:
    run = await working.run("A2")
    jane, request = working.phone("jane"), booking_request(run, "jane", payment_token="tok_succeed_late")
    refused = await refusal(jane.send(request))
    assert refused.says == (grpc.StatusCode.UNAVAILABLE, "PAYMENT_UNAVAILABLE")
    booking = await jane.send(request)
    await _paid(jane, booking.reference)
    entries = await working.database["ledger"].find().to_list(10)
    assert [(entry["state"], entry["captured_minor"]) for entry in entries] == [("CAPTURED", 2_000)]


async def test_a_booking_whose_money_never_comes_is_cancelled_and_its_seat_goes_to_who_waits(working: World) -> None:
    run = await working.run("A1")
    jane, joe = working.phone("jane"), working.phone("joe")
    unpaid = await jane.send(booking_request(run, "jane", payment_token="tok_capture_fails"))
    waiting = await joe.send(booking_request(run, "joe", if_full=WAIT))

    async def is_promoted() -> bool:
        return (await joe.booking(waiting.reference)).state == booking_pb2.BOOKING_STATE_CONFIRMED

    await eventually(is_promoted)
    lost = await jane.booking(unpaid.reference)
    assert (lost.state, list(lost.refunds)) == (booking_pb2.BOOKING_STATE_CANCELLED, [])


async def test_who_was_declined_may_send_the_same_request_without_a_token_and_keeps_the_seat(working: World) -> None:
    run = await working.run("A2")
    jane = working.phone("jane")
    request = booking_request(run, "jane", payment_token="tok_decline")
    await refusal(jane.send(request))
    request.payment_token = ""
    booking = await _paid(jane, (await jane.send(request)).reference)
    assert booking.state == booking_pb2.BOOKING_STATE_CONFIRMED
