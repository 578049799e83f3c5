"""Bookings, receipts and runs show scheduled and expected times, as their run has them when they are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.pb.seatline.v1 import booking_pb2, payment_pb2, train_run_pb2
from tests.support.clients import ASHFORD, LILLE, PARIS
from tests.support.world import NEXT_DATE, TRAVEL_DATE, Clock, World

MINUTE = timedelta(minutes=1)


def late_minutes(answer: booking_pb2.Booking | booking_pb2.Receipt) -> tuple[float, float]:
    """Return by how many minutes the journey is expected to begin and to end late."""
    depart = answer.expected_depart_time.ToDatetime(UTC) - answer.depart_time.ToDatetime(UTC)
    arrive = answer.expected_arrive_time.ToDatetime(UTC) - answer.arrive_time.ToDatetime(UTC)
    return depart / MINUTE, arrive / MINUTE


async def test_a_booking_and_its_receipt_follow_the_reports_of_their_run(world: World) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    booking = await jane.book(run, origin=ASHFORD)
    scheduled = (booking.depart_time, booking.arrive_time)
    assert (late_minutes(booking), booking.run_state) == ((0, 0), train_run_pb2.RUN_STATE_SCHEDULED)
    for minutes, from_stop, found in ((70, "", (70, 70)), (40, LILLE, (70, 40)), (0, "", (0, 0))):
        await world.desk.set_delay(run, minutes, from_stop=from_stop)
        state = train_run_pb2.RUN_STATE_DELAYED if minutes else train_run_pb2.RUN_STATE_SCHEDULED
        for answer in (await jane.booking(booking.reference), await jane.receipt(booking.reference)):
            assert (late_minutes(answer), answer.run_state) == (found, state)
            assert (answer.depart_time, answer.arrive_time) == scheduled


async def test_every_answer_about_a_booking_on_a_late_train_has_its_expected_times(world: World) -> None:
    run = await world.run("A4 B4")
    await world.desk.set_delay(run, 25)
    jane = world.api_client("jane")
    bought = await jane.book(run, "jane", "joe", request_id="r1", section="A")
    answers = [
        bought,
        await jane.book(run, "jane", "joe", request_id="r1", section="A"),
        await jane.move(bought.reference, "jane", section="B"),
        await jane.cancel(bought.reference, "joe", validate_only=True),
        (await jane.give_back(bought.reference, "joe", validate_only=True)).current_booking,
        await world.api_client("joe").cancel(bought.reference, "joe"),  # who sees no more than the journey afterwards
        await jane.cancel(bought.reference),
        await jane.booking(bought.reference),
    ]
    assert [late_minutes(answer) for answer in answers] == [(25, 25)] * len(answers)
    assert {answer.run_state for answer in answers} == {train_run_pb2.RUN_STATE_DELAYED}


async def test_a_waitlisted_booking_on_a_late_train_has_its_expected_times_at_once(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    await world.desk.set_delay(run, 25)
    waiting = await world.api_client("joe").wait(run)
    assert (waiting.waitlist_position, late_minutes(waiting)) == (1, (25, 25))


async def test_receipts_of_several_runs_have_each_the_times_of_its_own(world: World) -> None:
    first, second = await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    jane = world.api_client("jane")
    for run in (first, second):
        await jane.book(run)
    await world.desk.set_delay(first, 15)
    await world.desk.cancel_run(second)
    receipts = (await jane.receipts_page()).receipts
    assert [(late_minutes(receipt), receipt.run_state, receipt.journey_cancelled) for receipt in receipts] == [
        ((15, 15), train_run_pb2.RUN_STATE_DELAYED, False),
        ((0, 0), train_run_pb2.RUN_STATE_CANCELLED, True),
    ]


async def test_a_reported_arrival_is_the_arrival_of_the_booking(clock: Clock, world: World) -> None:
    run = await world.run("A4")
    booking = await world.api_client("jane").book(run, destination=LILLE)
    arrives = booking.arrive_time.ToDatetime(UTC)
    clock.ahead = arrives + 30 * MINUTE - datetime.now(UTC)
    shown = await world.desk.record_arrival(run, LILLE, arrives + 20 * MINUTE)
    assert [stop.has_arrived for stop in shown.stops] == [False, False, True, False]
    assert shown.state == train_run_pb2.RUN_STATE_DEPARTED
    found = await world.api_client("jane").receipt(booking.reference)
    assert (late_minutes(found), found.run_state) == ((0, 20), train_run_pb2.RUN_STATE_DEPARTED)


@pytest.mark.parametrize(
    ("minutes", "reason", "percent"),
    [(59, payment_pb2.REFUND_REASON_TERMS, 50), (60, payment_pb2.REFUND_REASON_DELAY, 100)],
)
async def test_the_quote_of_a_cancellation_says_why_it_is_what_it_is(
    clock: Clock, world: World, minutes: int, reason: payment_pb2.RefundReason.ValueType, percent: int
) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    clock.ahead = booking.depart_time.ToDatetime(UTC) - timedelta(hours=2) - datetime.now(UTC)
    await world.desk.set_delay(run, minutes, from_stop=PARIS)
    quote = await jane.give_back(booking.reference, validate_only=True)
    assert (quote.refund.units, quote.refund_reason) == (20 * percent // 100, reason)
    done = await jane.give_back(booking.reference)
    assert (done.refund, done.refund_reason) == (quote.refund, reason)
    assert [refund.reason for refund in done.booking.refunds] == [reason]
    assert [refund.reason for refund in (await jane.receipt(booking.reference)).refunds] == [reason]
    again = await jane.give_back(booking.reference)
    assert (again.refund.units, again.refund_reason) == (0, payment_pb2.REFUND_REASON_UNSPECIFIED)


async def test_a_passenger_of_a_cancelled_run_gets_everything_back_once_whoever_cancels_the_booking_first(world: World) -> None:
    run = await world.run("A4")
    jane = world.api_client("jane")
    booking = await jane.book(run)
    shown = await world.desk.cancel_run(run)
    assert (shown.state, all(stop.cancelled for stop in shown.stops)) == (train_run_pb2.RUN_STATE_CANCELLED, True)
    found = await jane.booking(booking.reference)
    assert (found.journey_cancelled, found.run_state) == (True, train_run_pb2.RUN_STATE_CANCELLED)
    refunds = (await jane.give_back(booking.reference)).booking.refunds
    assert [(refund.amount.units, refund.reason) for refund in refunds] == [(20, payment_pb2.REFUND_REASON_RUN_CANCELLED)]


async def test_anyone_sees_that_a_run_is_late_or_cancelled_and_only_operators_the_evidence(world: World) -> None:
    late, cancelled = await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    await world.desk.set_delay(late, 15, evidence="https://example.com/1")
    await world.desk.cancel_run(cancelled, LILLE, evidence="https://example.com/2")
    found = (await world.api_client().list_runs()).train_runs
    assert [(run.delay.minutes, run.cancelled_from_stop) for run in found] == [(15, ""), (0, LILLE)]
    assert [(run.delay.evidence, run.cancellation.evidence) for run in found] == [("", ""), ("", "")]
    shown = (await world.desk.list_runs()).train_runs
    assert [run.delay.evidence + run.cancellation.evidence for run in shown] == [
        "https://example.com/1",
        "https://example.com/2",
    ]
