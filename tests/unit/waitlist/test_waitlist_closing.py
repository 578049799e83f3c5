"""The waitlist: who leaves it, who may not join it, and what happens when it closes."""

from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import Booking, BookingState
from app.domain.commands import Cancellation
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.close_waitlist import has_expired_waitlist
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.update_booking import update_booking
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from tests.support.builders import (
    DEPARTS_LONDON,
    NOW,
    a_person,
    a_run,
    asks_for_new_fields,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    key_of,
    seat_labels,
    time_passes,
)
from tests.support.run_snapshots import refused, snapshot

LATER = NOW + timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)
CLOSES = DEPARTS_LONDON - timedelta(minutes=240)
CONFIRMED, WAITLISTED, CANCELLED = BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED
EXPIRED = BookingState.EXPIRED


# -- leaving


def test_leaving_the_waitlist_refunds_everything_however_late() -> None:
    run = a_run("A2")
    fill(run)
    waiting = book_waitlisted(run, "ann", "ben")
    left = cancel(run, waiting, now=DEPARTS_LONDON - A_MOMENT)
    assert (left.state, left.ticket_number) == (CANCELLED, 0)
    assert [refund.minor for refund in left.refunds] == [left.charged_minor]
    assert (run.waitlist, run.live_reference(key_of("ann"))) == ({}, None)


def test_leaving_a_waitlisted_group_refunds_the_fare_and_the_group_keeps_its_position() -> None:
    run = a_run("A3")
    fill(run)
    group, behind = book_waitlisted(run, "ann", "ben", "cem"), book_waitlisted(run, "dot")
    fewer = cancel(run, group, "ben")
    assert (fewer.state, fewer.ticket_number, fewer.price) == (WAITLISTED, group.ticket_number, Money(4_000, "USD"))
    assert [refund.minor for refund in fewer.refunds] == [2_000]
    assert [passenger.seat for passenger in fewer.cancelled_passengers] == [None]
    assert [(entry.ticket_number, entry.count) for entry in run.waitlist.values()] == [
        (group.ticket_number, 2),
        (behind.ticket_number, 1),
    ]


def test_a_smaller_group_may_be_promoted_at_once_and_the_answer_says_so() -> None:
    run = a_run("A3")
    sold = fill(run)
    group = book_waitlisted(run, "ann", "ben")
    cancel(run, sold[1])
    assert current_booking(run, group).state is WAITLISTED
    answer = cancel(run, group, "ann")
    assert (answer.state, seat_labels(answer), answer.ticket_number) == (CONFIRMED, ["A-2"], 0)
    assert answer == current_booking(run, group)
    assert run.waitlist == {}
    assert [refund.minor for refund in answer.refunds] == [2_000]


def test_the_last_of_a_group_leaves_the_waitlist_with_a_full_refund() -> None:
    run = a_run("A2")
    fill(run)
    group = book_waitlisted(run, "ann", "ben")
    left = cancel(run, cancel(run, group, "ann"), "ben")
    assert (left.state, run.waitlist) == (CANCELLED, {})
    assert [(refund.refund_id, refund.minor) for refund in left.refunds] == [
        (f"{group.reference}-1", 2_000),
        (f"{group.reference}-2", 2_000),
    ]


def test_leaving_the_waitlist_again_changes_nothing() -> None:
    run = a_run("A1")
    fill(run)
    left = cancel(run, book_waitlisted(run, "ann"))
    assert cancel_booking(run, asks_to_cancel(left), LATER) is left
    assert not run.change_set


# -- bounds


def test_a_waitlist_has_a_limited_length() -> None:
    run = a_run("A1", terms=SalesTerms(waitlist_max=2))
    fill(run)
    first, _ = book_waitlisted(run, "ann"), book_waitlisted(run, "ben")
    with refused(Reason.WAITLIST_FULL, run):
        book_waitlisted(run, "cem")
    cancel(run, first)
    assert book_waitlisted(run, "cem").state is WAITLISTED


def test_a_train_may_have_no_waitlist() -> None:
    run = a_run("A1", terms=SalesTerms(waitlist_max=0))
    fill(run)
    with refused(Reason.WAITLIST_FULL, run):
        book_waitlisted(run, "ann")


def test_a_user_has_a_limited_number_of_waitlisted_bookings() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    for number in range(limits.WAITLISTED_PER_USER_MAX):
        book_waitlisted(run, f"w{number}", by="bob")
    with refused(Reason.WAITLIST_FULL, run):
        book_waitlisted(run, "eve", by="BOB@example.com")
    assert book_waitlisted(run, "eve").state is WAITLISTED
    cancel(run, sold)
    assert book_waitlisted(run, "fay", by="bob").state is WAITLISTED


def test_nobody_joins_once_the_waitlist_is_closed() -> None:
    run = a_run("A1")
    fill(run)
    assert waitlist_closing_time(run) == CLOSES
    assert book_waitlisted(run, "ann", now=waitlist_closing_time(run) - A_MOMENT).state is WAITLISTED
    with refused(Reason.WAITLIST_CLOSED, run):
        book_waitlisted(run, "ben", now=waitlist_closing_time(run))


def test_a_group_larger_than_every_section_is_not_waitlisted() -> None:
    run = a_run("A2 B3")
    for section in "AB":
        fill(run, section)
    for section, who in (("", ("ann", "ben", "cem", "dot")), ("A", ("ann", "ben", "cem"))):
        with refused(Reason.SECTION_FULL, run):
            book_waitlisted(run, *who, section=section)
    assert book_waitlisted(run, "ann", "ben", "cem", section="").state is WAITLISTED


def test_an_unknown_section_has_no_waitlist() -> None:
    run = a_run("A1")
    fill(run)
    with refused(Reason.INVALID_FIELD, run, field="section"):
        book_waitlisted(run, "ann", section="C")


def test_a_booking_that_is_newer_than_the_run_in_memory_can_be_cancelled_without_an_error() -> None:
    """Such a decision is never committed, since the run is out of date. But it must not raise an error."""
    run, newer = a_run("A1"), a_run("A1")
    fill(newer)
    joined = book_waitlisted(newer, "ann")
    run.apply_newer([joined])
    outcome = decide(run, asks_to_cancel(joined), NOW, {})
    assert isinstance(outcome, Cancellation)
    assert outcome.booking.state is CANCELLED


# -- closing


def a_long_line(run: TrainRun, count: int) -> list[Booking]:
    """So many waitlisted bookings of a full train."""
    fill(run)
    return [book_waitlisted(run, f"w{number}") for number in range(1, count + 1)]


def states(run: TrainRun, bookings: list[Booking]) -> list[BookingState]:
    return [current_booking(run, booking).state for booking in bookings]


def test_when_the_waitlist_closes_its_bookings_are_refunded_in_full() -> None:
    run = a_run("A2")
    fill(run)
    waiting = book_waitlisted(run, "ann", "ben")
    before = snapshot(run)
    expire_due(run, CLOSES - A_MOMENT)
    assert snapshot(run) == before
    assert not run.change_set
    expire_due(run, CLOSES)
    expired = current_booking(run, waiting)
    assert (expired.state, expired.is_live, expired.ticket_number) == (EXPIRED, False, 0)
    assert [(refund.minor, refund.time) for refund in expired.refunds] == [(expired.charged_minor, CLOSES)]
    assert (expired.update_time, expired.revision) == (CLOSES, run.version + 1)
    assert (run.waitlist, run.live_reference(key_of("ben"))) == ({}, None)
    assert [(event.event_type, event.subject) for event in run.change_set.events] == [
        (EventType.BOOKING_EXPIRED, waiting.reference)
    ]


@pytest.mark.parametrize("minutes", [0, 1, 30 * 24 * 60])
def test_the_terms_say_how_long_before_departure_the_waitlist_closes(minutes: int) -> None:
    run = a_run("A1", terms=SalesTerms(waitlist_closes_minutes_before=minutes))
    (waiting,) = a_long_line(run, 1)
    closes = DEPARTS_LONDON - timedelta(minutes=minutes)
    time_passes(run, closes - A_MOMENT)
    assert current_booking(run, waiting).state is WAITLISTED
    time_passes(run, closes)
    assert current_booking(run, waiting).state is EXPIRED


def test_a_long_waitlist_expires_in_parts_from_the_front() -> None:
    run = a_run("A1", terms=SalesTerms(waitlist_max=1_000))
    at_once = limits.WAITLIST_EXPIRED_PER_DECISION
    waiting = a_long_line(run, 2 * at_once + 50)
    ended = []
    while has_expired_waitlist(run, CLOSES):
        expire_due(run, CLOSES)
        assert len(run.change_set.events) == len(run.change_set.bookings) <= at_once
        run.committed()
        ended.append(states(run, waiting).index(WAITLISTED) if run.waitlist else len(waiting))
    assert ended == [at_once, 2 * at_once, len(waiting)]
    assert states(run, waiting) == [EXPIRED] * len(waiting)
    assert all(
        sum(refund.minor for refund in current_booking(run, booking).refunds) == booking.charged_minor for booking in waiting
    )
    time_passes(run, CLOSES)
    assert not run.change_set


def test_nobody_is_promoted_once_the_waitlist_is_closed_and_the_next_buyer_gets_the_seat() -> None:
    run = a_run("A1", terms=SalesTerms(waitlist_max=1_000))
    (sold,) = fill(run)
    waiting = [book_waitlisted(run, f"w{number}") for number in range(limits.WAITLIST_EXPIRED_PER_DECISION + 1)]
    time_passes(run, CLOSES)
    assert current_booking(run, waiting[-1]).state is WAITLISTED, "the last one is still waitlisted"
    cancel(run, sold, now=CLOSES)
    assert current_booking(run, waiting[-1]).state is WAITLISTED
    assert seat_labels(book(run, "late")) == ["A-1"]
    time_passes(run, CLOSES)
    assert current_booking(run, waiting[-1]).state is EXPIRED


def test_a_seat_that_comes_free_just_before_the_closing_goes_to_the_waitlist() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    cancel(run, sold, now=CLOSES - A_MOMENT)
    assert current_booking(run, waiting).state is CONFIRMED


def test_the_rest_of_a_group_is_refunded_the_rest_of_the_price() -> None:
    run = a_run("A2")
    fill(run)
    group = book_waitlisted(run, "ann", "ben")
    cancel(run, group, "ann")
    time_passes(run, CLOSES)
    assert [refund.minor for refund in current_booking(run, group).refunds] == [2_000, 2_000]


def test_an_expired_booking_is_final() -> None:
    run = a_run("A1")
    (waiting,) = a_long_line(run, 1)
    time_passes(run, CLOSES)
    expired = current_booking(run, waiting)
    assert cancel_booking(run, asks_to_cancel(expired), CLOSES) is expired
    with refused(Reason.BOOKING_CANCELLED, run) as caught:
        update_booking(run, asks_for_new_fields(expired, a_person("eve")), CLOSES)
    assert "expired" in caught[0].message


def test_a_passenger_of_an_expired_booking_may_book_again() -> None:
    run = a_run("A1 B1")
    (waiting,) = a_long_line(run, 1)
    time_passes(run, CLOSES)
    again = book(run, "w1", section="B")
    assert (again.state, again.reference != waiting.reference) == (CONFIRMED, True)
