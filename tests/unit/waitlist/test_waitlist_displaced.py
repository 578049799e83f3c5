"""Displaced passengers on the waitlist: promotion, the end of the waitlist, and every change of their bookings."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import Booking, BookingState
from app.domain.commands import CancelUnpaid
from app.domain.events import EventType
from app.domain.layout.operations import AddCoach, RemoveSection
from app.domain.money import Money
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking_with_position
from app.domain.rules.expire_due import expire_due
from app.domain.rules.promote_waitlist import promote_to
from app.domain.rules.update_booking import update_booking
from app.domain.rules.waitlist import position_in_waitlist, waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.terms import DEFAULT_TERMS, SalesTerms
from tests.support.builders import (
    DEPARTS_LONDON,
    LILLE,
    NOW,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    key_of,
    move,
    seat_labels,
    sell,
    time_passes,
)
from tests.support.layout_changes import change_layout, remove_seats
from tests.support.run_snapshots import refused

CONFIRMED, WAITLISTED, CANCELLED = BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED
EXPIRED = BookingState.EXPIRED
UNTIL_DEPARTURE = SalesTerms(waitlist_closes_minutes_before=0)  # the waitlist stays open until then
A_MOMENT = timedelta(microseconds=1)


def seats_of(run: TrainRun, booking: Booking) -> list[str | None]:
    """Return the label of each passenger's seat, None for a passenger without one."""
    return [passenger.seat.label if passenger.seat else None for passenger in current_booking(run, booking).passengers]


def refunds_of(run: TrainRun, booking: Booking) -> list[int]:
    return [refund.minor for refund in current_booking(run, booking).refunds]


def a_pair_of_whom_one_waits(layout: str = "A4", terms: SalesTerms = DEFAULT_TERMS) -> tuple[TrainRun, Booking, list[Booking]]:
    """A full run on which Ann has lost her seat and Ben has his, with the bookings of the others in section A."""
    run = a_run(layout, terms=terms)
    pair = book(run, "ann", "ben")
    others = fill(run)
    remove_seats(run, "A", 1)
    return run, current_booking(run, pair), others


# -- promotion


def test_a_displaced_passenger_gets_the_first_seat_that_comes_free_before_those_who_waited_longer() -> None:
    run = a_run("A3")
    pair, other = book(run, "ann", "ben"), book(run, "cem")
    ordinary = book_waitlisted(run, "dot")
    remove_seats(run, "A", 1)
    assert seats_of(run, pair) == [None, "A-2"]
    cancel(run, other)
    promoted = current_booking(run, pair)
    assert (promoted.state, seats_of(run, pair), promoted.ticket_number) == (CONFIRMED, ["A-3", "A-2"], 0)
    assert current_booking(run, ordinary).state is WAITLISTED


def test_the_first_displaced_are_promoted_first() -> None:
    run = a_run("A3")
    first, second, third = fill(run)
    remove_seats(run, "A", 2)
    remove_seats(run, "A", 1)
    cancel(run, third)
    assert (seats_of(run, first), seats_of(run, second)) == ([None], ["A-3"])


def test_a_promotion_keeps_the_fare_in_a_better_section_and_emits_an_event() -> None:
    run = a_run("A2 B1", fares={"B": 5_000})
    pair = book(run, "ann", "ben")
    (dear,) = fill(run, "B")
    remove_seats(run, "A", 1)
    cancel_booking(run, asks_to_cancel(dear), NOW)
    promoted = current_booking(run, pair)
    assert (seats_of(run, pair), promoted.price, promoted.refunds) == (["B-1", "A-2"], pair.price, ())
    assert [event.event_type for event in run.change_set.events] == [EventType.BOOKING_CANCELLED, EventType.BOOKING_PROMOTED]


def test_a_displaced_passenger_is_not_promoted_to_a_lower_section() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    remove_seats(run, "A", 1)
    assert seats_of(run, pair) == [None, "A-2"]
    assert sell(run, asks_for_seats("cem", section="B")).state is CONFIRMED


def test_a_displaced_unit_is_promoted_together_or_apart_but_never_in_part() -> None:
    run = a_run("A6 B1", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    others = fill(run)
    remove_seats(run, "A", 1, 2)
    cancel(run, others[0])
    assert seats_of(run, pair) == [None, None]
    cancel(run, others[2])
    assert seats_of(run, pair) == ["A-3", "A-5"]


def test_new_seats_go_to_displaced_passengers_in_the_same_commit() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    change_layout(run, AddCoach("2", "A", 1))
    assert seats_of(run, pair) == ["A-5", "A-2"]


def test_nobody_buys_a_seat_that_a_displaced_passenger_waits_for() -> None:
    run, pair, others = a_pair_of_whom_one_waits()
    cancel(run, others[0])
    with refused(Reason.SECTION_FULL, run):
        book(run, "eve")
    assert seats_of(run, pair) == ["A-3", "A-2"]


def test_an_entry_can_be_promoted_to_planned_seats() -> None:
    run = a_run("A1 B3", fares={"B": 1_000})
    (waiting,) = fill(run)
    remove_seats(run, "A", 1)
    (entry,) = run.waitlist.values()
    promote_to(run, entry, [(1, 2)], NOW)
    assert seats_of(run, waiting) == ["B-2"]
    assert run.sections[1].next_number == 1


def test_a_booking_that_another_server_has_promoted_since_keeps_its_seat_until_the_run_is_read_again() -> None:
    run = a_run("A1")
    ann, bob = book(run, "ann"), book_waitlisted(run, "bob")
    seated = replace(bob.passengers[0], seat=run.seat(0, 1))
    run.apply_newer([replace(bob, state=CONFIRMED, passengers=(seated,), ticket_number=0, revision=run.version + 1)])
    cancel(run, ann)
    assert (seats_of(run, bob), current_booking(run, bob).state) == (["A-1"], CONFIRMED)


# -- the end of the waitlist


def test_a_booking_without_seats_expires_with_everything_back() -> None:
    run = a_run("A1 B1", fares={"B": 1_000})
    (waiting,) = fill(run)
    remove_seats(run, "A", 1)
    time_passes(run, waitlist_closing_time(run))
    expired = current_booking(run, waiting)
    assert (expired.state, refunds_of(run, waiting), expired.ticket_number, run.waitlist) == (EXPIRED, [2_000], 0, {})


def test_waiting_passengers_of_a_booking_with_seats_are_cancelled_with_everything_back() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    time_passes(run, waitlist_closing_time(run) - A_MOMENT)
    assert seats_of(run, pair) == [None, "A-2"]
    time_passes(run, waitlist_closing_time(run))
    changed = current_booking(run, pair)
    assert (changed.state, seats_of(run, pair), refunds_of(run, pair)) == (CONFIRMED, ["A-2"], [2_000])
    assert [passenger.number for passenger in changed.cancelled_passengers] == [1]
    assert (changed.ticket_number, run.waitlist, run.live_reference(key_of("ann"))) == (0, {}, None)


def test_the_end_of_the_waitlist_says_who_was_cancelled_and_who_expired() -> None:
    run, pair, others = a_pair_of_whom_one_waits()
    remove_seats(run, "A", 3)
    expire_due(run, waitlist_closing_time(run))
    assert [(event.event_type, event.subject) for event in run.change_set.events] == [
        (EventType.BOOKING_CANCELLED, pair.reference),
        (EventType.BOOKING_EXPIRED, others[0].reference),
    ]


def test_a_booking_that_waits_for_a_removed_section_expires_with_everything_back() -> None:
    run = a_run("A1 B1", fares={"B": 1_000})
    fill(run)
    waiting = book_waitlisted(run, "ann")
    change_layout(run, RemoveSection("A"))
    time_passes(run, waitlist_closing_time(run))
    assert (current_booking(run, waiting).state, refunds_of(run, waiting)) == (EXPIRED, [2_000])


# -- cancelling


def test_cancelling_a_waiting_passenger_refunds_everything_however_late() -> None:
    run, pair, _ = a_pair_of_whom_one_waits(terms=UNTIL_DEPARTURE)
    cancel(run, pair, "ann", now=DEPARTS_LONDON - A_MOMENT)
    changed = current_booking(run, pair)
    assert (changed.state, seats_of(run, pair), changed.ticket_number) == (CONFIRMED, ["A-2"], 0)
    assert (refunds_of(run, pair), run.waitlist) == ([2_000], {})


def test_cancelling_one_of_several_waiting_passengers_keeps_the_position_of_the_others() -> None:
    run = a_run("A3 B1", fares={"B": 1_000})
    group = book(run, "ann", "ben", "cem")
    remove_seats(run, "A", 1, 2)
    (entry,) = run.waitlist.values()
    cancel(run, group, "ann")
    assert [(left.ticket_number, left.count) for left in run.waitlist.values()] == [(entry.ticket_number, 1)]
    assert seats_of(run, group) == [None, "A-3"]


def test_the_rest_of_a_unit_may_be_promoted_by_the_cancellation_of_the_others() -> None:
    run = a_run("A4 B1", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    others = fill(run)
    remove_seats(run, "A", 1, 2)
    cancel(run, others[0])
    assert seats_of(run, pair) == [None, None]
    cancel(run, pair, "ann")
    assert seats_of(run, pair) == ["A-3"]


def test_cancelling_the_seated_passengers_leaves_a_waitlisted_booking() -> None:
    run = a_run("A3 B1", fares={"B": 1_000})
    group = book(run, "ann", "ben", "cem")
    remove_seats(run, "A", 1, 3)
    (entry,) = run.waitlist.values()
    changed = cancel(run, group, "ben")
    assert (changed.state, changed.ticket_number, seats_of(run, group)) == (WAITLISTED, entry.ticket_number, [None, None])
    assert run.waitlist == {entry.ticket_number: entry}


def test_a_seated_passenger_who_cancels_gives_the_seat_to_the_one_who_waits() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    changed = cancel(run, pair, "ben")
    assert (changed.state, seats_of(run, pair), refunds_of(run, pair)) == (CONFIRMED, ["A-2"], [2_000])


def test_a_seated_passenger_is_refunded_by_the_terms_and_a_waiting_one_in_full() -> None:
    run, pair, _ = a_pair_of_whom_one_waits(terms=UNTIL_DEPARTURE)
    cancel(run, pair, now=DEPARTS_LONDON - timedelta(hours=1))
    gone = current_booking(run, pair)
    assert (gone.state, gone.ticket_number, refunds_of(run, pair)) == (CANCELLED, 0, [1_000 + 2_000])
    assert run.waitlist == {}


def test_cancelling_both_frees_the_seat_for_the_waitlist() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    waiting = book_waitlisted(run, "eve")
    cancel(run, pair)
    assert seats_of(run, waiting) == ["A-2"]


def test_after_a_lower_section_cancelling_is_free_until_departure() -> None:
    run = a_run("A1 B1", fares={"B": 1_500})
    booking = book(run, "ann")
    remove_seats(run, "A", 1, allow_lower=True)
    assert refunds_of(run, booking) == [500]
    with refused(Reason.RUN_DEPARTED, run):
        cancel(run, booking, now=DEPARTS_LONDON)
    cancel(run, booking, now=DEPARTS_LONDON - A_MOMENT)
    assert (refunds_of(run, booking), booking.charged_minor) == ([500, 1_500], 2_000)


def test_an_etag_from_before_the_displacement_is_stale() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    booking = book(run, "ann", "ben")
    remove_seats(run, "A", 1)
    with refused(Reason.ETAG_STALE, run):
        cancel_booking(run, asks_to_cancel(booking, etag=booking.etag), NOW)
    cancel_booking(run, asks_to_cancel(booking, etag=current_booking(run, booking).etag), NOW)
    assert current_booking(run, booking).state is CANCELLED


def test_a_payment_that_fails_frees_seats_and_the_position_on_the_waitlist() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    cancel_unpaid(run, CancelUnpaid(Caller(), pair.reference), NOW)
    gone = current_booking(run, pair)
    assert (gone.state, gone.ticket_number, gone.charged_minor, gone.refunds) == (CANCELLED, 0, 0, ())
    assert (run.waitlist, run.sections[0].is_free(2, 0b111)) == ({}, True)


# -- changing seats and names


def test_a_waiting_passenger_cannot_change_seats() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    remove_seats(run, "A", 1)
    for number in (0, 1):
        with refused(Reason.BOOKING_WAITLISTED, run):
            change_seat(run, asks_for_another_seat(pair, who="ann", section="B", number=number), NOW)


def test_a_seated_passenger_changes_seats_and_the_other_gets_the_seat_before() -> None:
    run = a_run("A3 B2", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    fill(run)
    remove_seats(run, "A", 1)
    move(run, pair, who="ben", section="B", number=2)
    assert seats_of(run, pair) == ["A-2", "B-2"]
    assert refunds_of(run, pair) == [1_000]


def test_a_change_of_seats_says_where_from_and_where_to() -> None:
    run = a_run("A3")
    booking = book(run, "ann")
    change_seat(run, asks_for_another_seat(booking, number=3), NOW)
    (event,) = run.change_set.events
    assert event.data["cause"] == "seat_change"
    assert event.data["moves"] == [{"passenger_number": 1, "from": "A-1", "to": "A-3"}]


def test_a_waiting_passenger_can_get_another_name() -> None:
    run, pair, _ = a_pair_of_whom_one_waits()
    update_booking(run, asks_for_new_fields(pair, a_person("zoe"), numbers=(1,)), NOW)
    changed = current_booking(run, pair)
    assert (changed.state, changed.ticket_number, seats_of(run, pair)) == (CONFIRMED, pair.ticket_number, [None, "A-2"])
    assert run.live_reference(key_of("zoe")) == pair.reference


# -- position and limits


def test_the_position_of_displaced_passengers_is_before_all_others() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    pair = book(run, "ann", "ben")
    ordinary = book_waitlisted(run, "cem")
    assert position_in_waitlist(run, ordinary) == 1
    remove_seats(run, "A", 1)
    assert position_in_waitlist(run, current_booking(run, pair)) == 1
    assert position_in_waitlist(run, ordinary) == 2


def test_a_repeated_request_gets_the_position_of_its_waiting_passengers() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    command = asks_for_seats("ann", "ben", section="A")
    sell(run, command)
    remove_seats(run, "A", 1)
    assert create_booking_with_position(run, command, NOW, {}).waitlist_position == 1


def test_displaced_passengers_do_not_count_for_the_limits_of_the_waitlist() -> None:
    run = a_run("A4 B1", fares={"B": 1_000}, terms=SalesTerms(waitlist_max=limits.WAITLISTED_PER_USER_MAX))
    for name in ("ann", "ben", "cem", "dot"):
        sell(run, asks_for_seats(name, by="zoe", section="A"))
    remove_seats(run, "A", 1, 2, 3)
    assert (len(run.waitlist), run.waitlisted_count("zoe@example.com")) == (3, 0)
    for number in range(limits.WAITLISTED_PER_USER_MAX):
        book_waitlisted(run, f"w{number}", by="zoe")
    assert run.waitlisted_count("zoe@example.com") == limits.WAITLISTED_PER_USER_MAX
    with refused(Reason.WAITLIST_FULL, run):
        book_waitlisted(run, "eve")


def test_a_group_waits_for_no_section_whose_seats_without_the_retired_ones_are_too_few() -> None:
    run = a_run("A3")
    fill(run)
    remove_seats(run, "A", 1)
    with refused(Reason.SECTION_FULL, run):
        book_waitlisted(run, "x1", "x2", "x3")


def test_a_booking_of_which_some_wait_stays_in_memory() -> None:
    run, pair, others = a_pair_of_whom_one_waits()
    run.evict_except(())
    assert (run.find(pair.reference), run.find(others[0].reference)) == (pair, None)


@pytest.mark.parametrize("origin", ["", LILLE])
def test_a_promotion_takes_the_seat_with_the_fewest_other_legs_free(origin: str) -> None:
    run = a_run("A3 B1", fares={"B": 1_000})
    waiting = book(run, "ann", origin=LILLE)
    both = [book(run, "ben"), book(run, "cem", origin=LILLE)]
    remove_seats(run, "A", 1)
    book(run, "dot", destination=LILLE, seats=[3])
    assert current_booking(run, waiting).state is WAITLISTED
    if origin:
        cancel(run, both[1])
        assert seat_labels(current_booking(run, waiting)) == ["A-3"]
    else:
        cancel(run, both[0])
        assert seat_labels(current_booking(run, waiting)) == ["A-2"]
    assert current_booking(run, waiting).price == Money(2_000, "USD")
