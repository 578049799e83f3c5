"""The steps of a cancellation: everybody gets everything back, once, and nothing is left."""

from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import Booking, BookingState, RefundReason
from app.domain.events import EventType
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.rules.cancel_next_bookings import cancel_next_bookings
from app.domain.rules.decisions import decide
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import CancelNextBookings
from app.domain.terms import SalesTerms
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_run,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    key_of,
    time_passes,
)
from tests.support.cancellations import cancel_all_bookings, cancel_run, cancel_step, cancellation_of
from tests.support.layout_changes import remove_seats
from tests.support.run_snapshots import refused

CONFIRMED, WAITLISTED, CANCELLED = BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED
LATER = NOW + timedelta(hours=1)
NO_REFUND = SalesTerms(refund_tiers=())


@pytest.fixture
def few_per_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a step look at three bookings."""
    monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", 3)


def step(run: TrainRun) -> bool:
    """Decide the next step without a commit."""
    return decide(run, CancelNextBookings(Caller(), run.run_id), NOW, {})


def refunds(booking: Booking) -> list[tuple[int, RefundReason | None]]:
    return [(refund.minor, refund.reason) for refund in booking.refunds]


def all_free(run: TrainRun) -> bool:
    return not any(sold for section in run.sections for sold in section.sold_legs)


# -- everybody, everything, once


def test_a_run_that_is_not_cancelled_has_no_step() -> None:
    run = a_run("A2")
    fill(run)
    assert step(run) is False
    assert not run.change_set


@pytest.mark.usefixtures("few_per_commit")
def test_each_step_cancels_the_next_bookings_until_none_is_left() -> None:
    run = a_run("A8")
    sold = fill(run)
    cancel_run(run)
    counts = []
    while cancel_step(run):
        counts.append(sum(not booking.is_live for booking in run.bookings.values()))
    assert counts == [3, 6]
    assert [current_booking(run, booking).state for booking in sold] == [CANCELLED] * 8
    record = cancellation_of(run)
    assert (record.booking_count, record.passenger_count, record.refunded_minor) == (8, 8, 16_000)
    assert record.complete_time == NOW
    assert all_free(run)
    assert (run.passenger_index.references, dict(run.passenger_index.passenger_counts)) == ({}, {})


@pytest.mark.usefixtures("few_per_commit")
def test_bookings_are_cancelled_in_order_of_their_references() -> None:
    run = a_run("A8")
    fill(run)
    cancel_run(run)
    cancel_step(run)
    gone = sorted(reference for reference, booking in run.bookings.items() if not booking.is_live)
    assert gone == sorted(run.bookings)[:3]
    assert cancellation_of(run).cursor == gone[-1]


@pytest.mark.usefixtures("few_per_commit")
def test_a_full_last_step_is_followed_by_one_that_finds_nobody() -> None:
    run = a_run("A3")
    fill(run)
    cancel_run(run)
    assert cancel_step(run) is True
    assert cancel_step(run) is False
    assert cancellation_of(run).booking_count == 3


def test_an_empty_run_is_complete_at_once_without_an_event() -> None:
    run = a_run()
    cancel_run(run)
    assert step(run) is False
    assert run.change_set.events == []
    assert run.eventless_version == run.version + 1
    run.committed()
    assert cancellation_of(run).complete_time == NOW


def test_a_complete_cancellation_has_no_further_step() -> None:
    run = a_run("A2")
    fill(run)
    cancel_run(run)
    cancel_all_bookings(run)
    assert step(run) is False
    assert not run.change_set


def test_fares_are_refunded_in_full_whatever_the_terms_say() -> None:
    run = a_run("A4", terms=NO_REFUND)
    group = book(run, "ann", "ben")
    cancel_run(run, now=DEPARTS_LONDON - timedelta(minutes=1))
    cancel_all_bookings(run, now=DEPARTS_LONDON + timedelta(hours=1))
    assert refunds(current_booking(run, group)) == [(4_000, RefundReason.RUN_CANCELLED)]


def test_who_was_cancelled_before_keeps_the_refund_from_then() -> None:
    run = a_run("A4", terms=NO_REFUND)
    group, other = book(run, "ann", "ben", "cem"), book(run, "dot")
    cancel(run, group, "ben")
    cancel(run, other)
    cancel_run(run)
    cancel_all_bookings(run)
    assert refunds(current_booking(run, group)) == [(4_000, RefundReason.RUN_CANCELLED)]
    assert current_booking(run, other).refunds == ()
    record = cancellation_of(run)
    assert (record.booking_count, record.passenger_count, record.refunded_minor) == (1, 2, 4_000)


def test_who_cancels_before_the_step_is_refunded_once() -> None:
    run = a_run("A4", terms=NO_REFUND)
    group = book(run, "ann", "ben")
    cancel_run(run)
    cancel(run, group, "ben")
    cancel_all_bookings(run)
    assert refunds(current_booking(run, group)) == [(2_000, RefundReason.RUN_CANCELLED)] * 2
    assert cancellation_of(run).passenger_count == 1


def test_a_booking_that_cost_nothing_is_cancelled_without_a_refund() -> None:
    run = a_run("A2", fares={"A": 0})
    free = book(run, "ann")
    cancel_run(run)
    cancel_all_bookings(run)
    assert (current_booking(run, free).state, current_booking(run, free).refunds) == (CANCELLED, ())
    assert cancellation_of(run).booking_count == 1


def test_each_booking_has_an_event_with_its_cause() -> None:
    run = a_run("A2")
    sold = fill(run)
    cancel_run(run)
    step(run)
    events = run.change_set.events
    assert {event.event_type for event in events} == {EventType.BOOKING_CANCELLED}
    assert sorted(event.subject for event in events) == sorted(booking.reference for booking in sold)
    for event in events:
        assert (event.data["cause"], event.data["state"], event.data["refunded_minor"]) == ("run_cancelled", "CANCELLED", 2_000)


def test_those_who_wait_are_refunded_and_leave_the_waitlist() -> None:
    run = a_run("A2")
    fill(run)
    waiting = book_waitlisted(run, "ann", "ben")
    cancel_run(run)
    cancel_all_bookings(run)
    left = current_booking(run, waiting)
    assert (left.state, left.ticket_number, refunds(left)) == (CANCELLED, 0, [(4_000, RefundReason.RUN_CANCELLED)])
    assert (run.waitlist, run.live_reference(key_of("ann"))) == ({}, None)


def test_those_who_wait_for_a_cancelled_run_do_not_expire_when_the_waitlist_closes() -> None:
    run = a_run("A2")
    fill(run)
    waiting = book_waitlisted(run, "ann")
    cancel_run(run)
    closes = waitlist_closing_time(run)
    time_passes(run, closes)
    assert current_booking(run, waiting).state is WAITLISTED
    cancel_all_bookings(run, now=closes)
    assert refunds(current_booking(run, waiting)) == [(2_000, RefundReason.RUN_CANCELLED)]


def test_a_group_of_whom_some_wait_for_a_seat_again_is_cancelled_as_one() -> None:
    run = a_run("A2")
    group = book(run, "ann", "ben")
    remove_seats(run, "A", 2)
    assert [passenger.seat is None for passenger in current_booking(run, group).passengers] == [False, True]
    cancel_run(run)
    cancel_all_bookings(run)
    assert refunds(current_booking(run, group)) == [(4_000, RefundReason.RUN_CANCELLED)]
    assert (run.waitlist, run.sections[0].sold_legs[0]) == ({}, 0)


# -- from a stop on


def test_only_journeys_on_missing_legs_are_cancelled() -> None:
    run = a_run("A8")
    touches = [book(run, "ann"), book(run, "ben", origin=ASHFORD), book(run, "cem", origin=LILLE)]
    stays = [book(run, "dot", destination=LILLE), book(run, "eli", origin=ASHFORD, destination=LILLE)]
    cancel_run(run, LILLE)
    cancel_all_bookings(run)
    assert [current_booking(run, booking).state for booking in touches] == [CANCELLED] * 3
    assert [current_booking(run, booking) for booking in stays] == stays
    assert cancellation_of(run).booking_count == 3


@pytest.mark.usefixtures("few_per_commit")
def test_a_step_that_finds_nobody_to_cancel_goes_on_without_an_event() -> None:
    run = a_run("A8")
    fill(run, destination=LILLE)
    cancel_run(run, LILLE)
    assert step(run) is True
    assert run.change_set.events == []
    assert run.eventless_version == run.version + 1
    run.committed()
    assert cancellation_of(run).cursor == sorted(run.bookings)[2]
    cancel_all_bookings(run)
    assert cancellation_of(run).booking_count == 0


def test_seats_that_come_free_go_to_those_who_wait_for_other_legs() -> None:
    run = a_run("A2")
    far = [book(run, "ann"), book(run, "ben")]
    near, too_far = book_waitlisted(run, "cem", destination=LILLE), book_waitlisted(run, "dot")
    cancel_run(run, LILLE)
    cancel_all_bookings(run)
    assert [current_booking(run, booking).state for booking in (*far, too_far)] == [CANCELLED] * 3
    assert current_booking(run, near).state is CONFIRMED
    assert current_booking(run, near).refunds == ()
    assert run.waitlist == {}


def test_a_booking_that_the_step_promotes_is_not_cancelled_by_it() -> None:
    run = a_run("A1")
    book(run, "ann")
    near = book_waitlisted(run, "ben", destination=LILLE)
    cancel_run(run, LILLE)
    assert cancel_all_bookings(run) == 1
    assert current_booking(run, near).state is CONFIRMED


def test_the_waitlist_closes_for_the_others_as_ever() -> None:
    run = a_run("A1")
    book(run, "ann", destination=LILLE)
    near, far = book_waitlisted(run, "ben", destination=LILLE), book_waitlisted(run, "cem")
    cancel_run(run, LILLE)
    cancel_all_bookings(run, now=waitlist_closing_time(run))
    assert refunds(current_booking(run, near)) == [(2_000, RefundReason.WAITLIST)]
    assert refunds(current_booking(run, far)) == [(2_000, RefundReason.RUN_CANCELLED)]


# -- extended


@pytest.mark.parametrize(("further", "count"), [(ASHFORD, 2), ("", 3)])
def test_an_extension_cancels_the_others_and_refunds_nobody_again(further: str, count: int) -> None:
    run = a_run("A4")
    first = book(run, "ann", origin=LILLE, destination=PARIS)
    second = book(run, "ben", origin=ASHFORD, destination=LILLE)
    third = book(run, "cem", origin=LONDON, destination=ASHFORD)
    cancel_run(run, LILLE)
    cancel_all_bookings(run)
    cancel_run(run, further, now=LATER)
    cancel_all_bookings(run, now=LATER)
    record = cancellation_of(run)
    assert (record.booking_count, record.passenger_count, record.refunded_minor) == (count, count, count * 2_000)
    assert (record.time, record.complete_time) == (LATER, LATER)
    back = [refunds(current_booking(run, booking)) for booking in (first, second, third)]
    assert back == [[(2_000, RefundReason.RUN_CANCELLED)]] * count + [[]] * (3 - count)


@pytest.mark.usefixtures("few_per_commit")
def test_an_extension_in_the_middle_begins_with_the_first_booking_again() -> None:
    run = a_run("A8")
    fill(run, destination=LILLE)
    cancel_run(run, LILLE)
    cancel_step(run)
    cancel_run(run)
    cancel_all_bookings(run)
    assert cancellation_of(run).booking_count == 8
    assert all_free(run)


# -- bookings that are not in memory


def test_a_step_stops_at_a_booking_that_another_end_brought_within_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CANCELLED_BOOKINGS_PER_COMMIT", 2)
    run = a_run("A6")
    fill(run)
    cancel_run(run)
    first, second, third, *_ = sorted(run.bookings)
    run.bookings.pop(third)  # as where only the first two were loaded
    cancel(run, run.bookings[first])
    run.set_hidden(hidden=True)  # as what is due by the clock changes the run in the same decision
    assert step(run) is True
    assert cancellation_of(run).cursor == second


def test_a_booking_that_does_not_exist_stops_the_cancellation() -> None:
    run = a_run("A2")
    fill(run)
    cancel_run(run)
    run.bookings.pop(min(run.bookings))
    with refused(Reason.INTERNAL, run):
        cancel_next_bookings(run, CancelNextBookings(Caller(), run.run_id), NOW)
