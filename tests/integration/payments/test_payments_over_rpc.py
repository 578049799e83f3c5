"""Payments over gRPC and through the worker: bookings are charged, and what they give up is refunded."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest_asyncio

from app.pb.seatline.v1 import booking_pb2, payment_pb2
from app.usecases.payments import VOID_AFTER_SECONDS
from tests.support.clients import ApiClient, booking_request, people, refusal
from tests.support.world import Clock, World, eventually, let_waitlist_close, usd

WAIT = booking_pb2.IF_FULL_WAITLIST
AUTHORIZED, CAPTURED = payment_pb2.PAYMENT_STATE_AUTHORIZED, payment_pb2.PAYMENT_STATE_CAPTURED
DONE, PENDING = payment_pb2.REFUND_STATE_DONE, payment_pb2.REFUND_STATE_PENDING


@pytest_asyncio.fixture
async def working(world: World) -> World:
    """The server with a running worker."""
    world.server.start_worker()
    return world


async def _paid(api_client: ApiClient, reference: str) -> booking_pb2.Booking:
    async def is_captured() -> bool:
        return (await api_client.booking(reference)).payment.state == CAPTURED

    await eventually(is_captured)
    return await api_client.booking(reference)


async def _refunded(api_client: ApiClient, reference: str) -> booking_pb2.Booking:
    async def is_done() -> bool:
        return all(refund.state == DONE for refund in (await api_client.booking(reference)).refunds)

    await eventually(is_done)
    return await api_client.booking(reference)


async def _attempted(api_client: ApiClient, reference: str, count: int) -> booking_pb2.Booking:
    async def is_asked() -> bool:
        return (await api_client.booking(reference)).payment.attempt_count >= count

    await eventually(is_asked)
    return await api_client.booking(reference)


async def _refunded_in_full(api_client: ApiClient, reference: str) -> booking_pb2.Booking:
    async def is_done() -> bool:
        refunds = (await api_client.booking(reference)).refunds
        return bool(refunds) and all(refund.state == DONE for refund in refunds)

    await eventually(is_done)
    return await api_client.booking(reference)


async def _entries(world: World) -> list[tuple[str, int]]:
    """Return state and captured amount of each ledger entry."""
    return [(entry["state"], entry["captured_minor"]) for entry in await world.database["ledger"].find().to_list(10)]


async def test_a_booking_is_captured_soon_after_and_its_receipt_shows_it(working: World) -> None:
    run = await working.run("A2")
    jane = working.api_client("jane")
    booking = await jane.book(run)
    assert (booking.payment.state, booking.payment.amount) == (AUTHORIZED, usd(20))
    await _paid(jane, booking.reference)
    receipt = await jane.receipt(booking.reference)
    assert (receipt.payment.state, receipt.payment.amount, receipt.price_paid) == (CAPTURED, usd(20), usd(20))


async def test_the_refund_of_a_cancellation_is_pending_until_it_is_done(working: World) -> None:
    run = await working.run("A2")
    jane = working.api_client("jane")
    booking = await jane.book(run)
    await _paid(jane, booking.reference)
    cancelled = await jane.cancel(booking.reference)
    assert [(refund.state, refund.amount) for refund in cancelled.refunds] in ([(PENDING, usd(20))], [(DONE, usd(20))])
    refunded = await _refunded(jane, booking.reference)
    assert [(refund.state, refund.amount) for refund in refunded.refunds] == [(DONE, usd(20))]


async def test_a_declined_payment_sells_nothing(working: World) -> None:
    run = await working.run("A2")
    refused = await refusal(working.api_client("jane").send(booking_request(run, "jane", payment_token="tok_decline")))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DECLINED")
    assert await working.api_client().free(run) == {"A": 2}


async def test_a_payment_that_is_answered_late_is_found_by_a_repetition_and_captured_once(working: World) -> None:
    run = await working.run("A2")
    jane, request = working.api_client("jane"), booking_request(run, "jane", payment_token="tok_succeed_late")
    refused = await refusal(jane.send(request))
    assert refused.says == (grpc.StatusCode.UNAVAILABLE, "PAYMENT_UNAVAILABLE")
    booking = await jane.send(request)
    await _paid(jane, booking.reference)
    assert await _entries(working) == [("CAPTURED", 2_000)]


async def test_a_booking_whose_payment_fails_is_cancelled_and_its_seat_goes_to_a_waitlisted_booking(working: World) -> None:
    run = await working.run("A1")
    jane, joe = working.api_client("jane"), working.api_client("joe")
    unpaid = await jane.send(booking_request(run, "jane", payment_token="tok_capture_fails"))
    waiting = await joe.send(booking_request(run, "joe", if_full=WAIT))

    async def is_promoted() -> bool:
        return (await joe.booking(waiting.reference)).state == booking_pb2.BOOKING_STATE_CONFIRMED

    await eventually(is_promoted)
    lost = await jane.booking(unpaid.reference)
    assert (lost.state, list(lost.refunds)) == (booking_pb2.BOOKING_STATE_CANCELLED, [])


async def test_after_a_decline_the_same_request_without_a_token_gets_the_seat(working: World) -> None:
    run = await working.run("A2")
    jane = working.api_client("jane")
    request = booking_request(run, "jane", payment_token="tok_decline")
    await refusal(jane.send(request))
    request.payment_token = ""
    booking = await _paid(jane, (await jane.send(request)).reference)
    assert booking.state == booking_pb2.BOOKING_STATE_CONFIRMED


async def test_every_attempt_is_in_the_booking_and_in_the_receipt(working: World) -> None:
    run = await working.run("A2")
    jane = working.api_client("jane")
    booking = await jane.send(booking_request(run, "jane", payment_token="tok_capture_fails_once"))
    failed = await _attempted(jane, booking.reference, 2)
    assert [(attempt.kind, attempt.outcome, attempt.amount) for attempt in failed.payment.attempts[:2]] == [
        (payment_pb2.PAYMENT_ATTEMPT_KIND_AUTHORIZE, payment_pb2.PAYMENT_ATTEMPT_OUTCOME_DONE, usd(20)),
        (payment_pb2.PAYMENT_ATTEMPT_KIND_CAPTURE, payment_pb2.PAYMENT_ATTEMPT_OUTCOME_FAILED, usd(20)),
    ]
    paid = await _paid(jane, booking.reference)
    assert (await jane.receipt(booking.reference)).payment == paid.payment


async def test_no_money_is_authorized_for_an_expired_hold(clock: Clock, world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    hold = await jane.hold(run, seconds=30)
    clock.ahead = timedelta(seconds=31)
    refused = await refusal(jane.book(run, hold_id=hold.hold_id, payment_token="tok_of_a_slow_buyer"))
    assert refused.reason == "HOLD_EXPIRED"
    assert await _entries(world) == []


async def test_a_repeated_request_with_hold_and_token_gets_its_booking_though_the_hold_is_used(world: World) -> None:
    run = await world.run("A2")
    jane = world.api_client("jane")
    hold = await jane.hold(run)
    request = booking_request(run, "jane", hold_id=hold.hold_id, payment_token="tok_jane")
    booking = await jane.send(request)
    assert (await jane.send(request)).reference == booking.reference
    await jane.cancel(booking.reference)
    assert (await jane.send(request)).state == booking_pb2.BOOKING_STATE_CANCELLED
    request.passengers[0].first_name = "Janet"
    assert (await refusal(jane.send(request))).reason == "REQUEST_ID_REUSED"
    assert len(await _entries(world)) == 1


async def test_an_authorization_of_a_refused_sale_is_voided(clock: Clock, world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    jane = world.api_client("jane")
    assert (await refusal(jane.book(run, payment_token="tok_of_a_late_buyer"))).reason == "SECTION_FULL"
    assert await _entries(world) == [("AUTHORIZED", 0)]
    clock.ahead += timedelta(seconds=VOID_AFTER_SECONDS + 1)
    await world.server.payments.void_abandoned()
    assert await _entries(world) == [("VOIDED", 0)]


async def test_a_request_that_was_authorized_and_voided_too_often_is_rejected_for_good(clock: Clock, world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    jane, request = world.api_client("jane"), booking_request(run, "jane", payment_token="tok_jane")
    for _ in range(5):
        assert (await refusal(jane.send(request))).reason == "SECTION_FULL"
        clock.ahead += timedelta(seconds=VOID_AFTER_SECONDS + 1)
        await world.server.payments.void_abandoned()
    refused = await refusal(jane.send(request))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_REJECTED")
    assert {state for state, _ in await _entries(world)} == {"VOIDED"}


async def test_an_authorization_without_a_sale_is_used_when_a_repetition_finds_a_seat(clock: Clock, working: World) -> None:
    run = await working.run("A1")
    other, jane = await working.api_client("ann").book(run), working.api_client("jane")
    request = booking_request(run, "jane", payment_token="tok_jane")
    assert (await refusal(jane.send(request))).reason == "SECTION_FULL"
    await working.api_client("ann").cancel(other.reference)
    booking = await jane.send(request)
    await _paid(jane, booking.reference)
    assert (await jane.send(request)).reference == booking.reference
    clock.ahead = timedelta(seconds=VOID_AFTER_SECONDS + 1)
    await working.server.payments.void_abandoned()
    assert (await jane.booking(booking.reference)).payment.state == CAPTURED


async def test_every_waitlisted_booking_is_refunded_when_the_waitlist_closes(clock: Clock, working: World) -> None:
    run = await working.run("A1")
    await working.api_client("ann").book(run)
    waiting = {name: await working.api_client(name).wait(run) for name in people("w", 12)}
    await let_waitlist_close(clock, working, run)
    for name, booking in waiting.items():
        refunded = await _refunded_in_full(working.api_client(name), booking.reference)
        assert refunded.state == booking_pb2.BOOKING_STATE_EXPIRED
        assert [refund.amount for refund in refunded.refunds] == [usd(20)]
