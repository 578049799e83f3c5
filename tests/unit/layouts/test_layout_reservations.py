"""The reservation of a layout plan: its seats are off sale, and the plan stays true while selling goes on."""

from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.booking import BookingState
from app.domain.events import EventType
from app.domain.layout.operations import AddCoach, LayoutOperation, RemoveCoach, RemoveSeats, RemoveSection, SetSeatCount
from app.domain.layout.plan import LayoutPlan, PlacementStep, PlanChanged, PlannedOutcome
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.decisions import decide
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.store.run_fields import next_due
from tests.support.builders import (
    ASHFORD,
    LILLE,
    NOW,
    a_run,
    asks_to_cancel,
    asks_to_hold,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    hold,
    move,
    release,
    seat_labels,
    time_passes,
)
from tests.support.layout_changes import asks_for_layout, change_layout, decide_alone, plan_layout
from tests.support.run_snapshots import refused, snapshot

FARES = {"A": 2_000, "B": 5_000, "C": 1_000}
SECONDS = 600


def free(run: TrainRun, section: str = "A") -> list[int]:
    """The numbers of the seats that are free for the whole journey."""
    seats = run.sections[run.section_index(section)]
    return [number for number in range(1, seats.size + 1) if seats.is_free(number, seats.all_legs)]


def seat_of(run: TrainRun, who: str) -> str:
    """The label of this passenger's seat; `waits` without one, `gone` without a live booking."""
    for booking in run.bookings.values():
        for passenger in booking.passengers if booking.is_live else ():
            if passenger.person.first_name.lower() == who:
                return passenger.seat.label if passenger.seat else "waits"
    return "gone"


def reserved(
    run: TrainRun, *operations: LayoutOperation, allow_lower: bool = False, refund_displaced: bool = False
) -> LayoutPlan:
    """Reserve the plan of these operations."""
    return plan_layout(run, *operations, allow_lower=allow_lower, refund_displaced=refund_displaced, reserve_seconds=SECONDS)


# -- making and ending


def test_a_reservation_takes_removed_seats_and_promised_seats_off_sale() -> None:
    run = a_run("A3 A3")
    book(run, "ann", seats=(1,))
    plan = reserved(run, RemoveCoach("1"))
    (place,) = run.layout_reservation.places if run.layout_reservation else ()
    assert (place.section, place.number, place.outcome) == ("A", 4, PlannedOutcome.TOGETHER_SAME)
    assert free(run) == [5, 6]
    assert plan.reserve_expire_time == NOW + timedelta(seconds=SECONDS)
    assert not plan.is_applied


def test_only_the_legs_of_the_promised_journey_are_taken_off_sale() -> None:
    run = a_run("A1 A1")
    book(run, "ann", seats=(1,), destination=ASHFORD)
    reserved(run, RemoveCoach("1"))
    assert seat_labels(book(run, "ben", origin=ASHFORD)) == ["A-2"]
    assert change_layout(run, RemoveCoach("1")).is_applied
    assert (seat_of(run, "ann"), seat_of(run, "ben")) == ("A-2", "A-2")


def test_a_reservation_expires_and_its_seats_go_to_the_waitlist_first() -> None:
    run = a_run("A1 A1")
    reserved(run, RemoveCoach("1"))
    book(run, "ann")
    book_waitlisted(run, "wim")
    book_waitlisted(run, "xia")
    assert next_due(run) == NOW + timedelta(seconds=SECONDS)
    time_passes(run, NOW + timedelta(seconds=SECONDS))
    assert run.layout_reservation is None
    assert (seat_of(run, "wim"), seat_of(run, "xia")) == ("A-1", "waits")


def test_a_later_reservation_ends_the_earlier_one() -> None:
    run = a_run("A2 A2")
    reserved(run, RemoveCoach("1"))
    reserved(run, RemoveCoach("2"))
    assert free(run) == [1, 2]
    reservation = run.layout_reservation
    assert reservation is not None
    assert reservation.withdrawn == {("A", 3), ("A", 4)}


def test_another_change_of_the_layout_ends_a_reservation_and_promotes_into_its_seats() -> None:
    run = a_run("A1 A1 B1")
    reserved(run, RemoveCoach("1"))
    book(run, "ann")
    book_waitlisted(run, "wim")
    change_layout(run, RemoveSection("B"))
    assert run.layout_reservation is None
    assert seat_of(run, "wim") == "A-1"


def test_a_plan_without_reserve_leaves_the_reservation_of_another_one() -> None:
    run = a_run("A2 A2")
    reserved(run, RemoveCoach("1"))
    before = snapshot(run)
    plan_layout(run, RemoveCoach("2"))
    assert snapshot(run) == before


def test_holds_on_removed_seats_end_when_the_plan_is_reserved() -> None:
    run = a_run("A2 A2")
    hold(run, "hal", seats=(2, 3))
    plan = decide(run, asks_for_layout(RemoveCoach("1"), reserve_seconds=SECONDS), NOW, {})
    assert [(event.event_type, event.data["cause"]) for event in run.change_set.events] == [(EventType.HOLD_RELEASED, "layout")]
    assert plan.counts.released_holds == 1
    run.committed()
    assert not run.holds
    assert free(run) == [3, 4]
    assert change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash).counts.released_holds == 0


def test_seats_that_ended_holds_give_free_go_to_the_waitlist_when_the_plan_is_reserved() -> None:
    run = a_run("A1 A1 A1")
    hold(run, "hal", seats=(1, 2))
    book(run, "ann", seats=(3,))
    run.advance_counter(0, 3)
    book_waitlisted(run, "wim")
    operations = (RemoveCoach("1"), AddCoach("4", "A", 1))
    plan = reserved(run, *operations)
    assert [seat.label for promotion in plan.promoted for seat in promotion.seats] == ["A-4"]
    assert seat_of(run, "wim") == "A-2"
    assert change_layout(run, *operations, plan_hash=plan.plan_hash).promoted == ()


def test_a_plan_may_promise_a_seat_whose_hold_expired_just_before_it() -> None:
    run = a_run("A1 A1")
    book(run, "ann", seats=(1,))
    hold(run, "hal", seats=(2,), seconds=60)
    later = NOW + timedelta(seconds=60)
    plan = plan_layout(run, RemoveCoach("1"), reserve_seconds=SECONDS, now=later)
    assert [found.after.label for found in plan.moves] == ["A-2"]
    assert not run.holds
    assert run.layout_reservation is not None
    assert [(name, number) for name, number, _ in run.layout_reservation.claims] == [("A", 2)]


def test_a_plan_with_the_hash_of_another_one_is_refused_and_not_reserved() -> None:
    run = a_run("A2 A2 A2")
    earlier = reserved(run, RemoveCoach("1"))
    stale = asks_for_layout(RemoveCoach("2"), plan_hash=earlier.plan_hash, reserve_seconds=SECONDS)
    with refused(Reason.PLAN_CHANGED, run):
        decide(run, stale, NOW, {})
    again = asks_for_layout(RemoveCoach("1"), plan_hash=earlier.plan_hash, reserve_seconds=SECONDS)
    assert decide_alone(run, again, NOW + timedelta(seconds=60)).plan_hash == earlier.plan_hash
    assert run.layout_reservation is not None
    assert run.layout_reservation.expire_time == NOW + timedelta(seconds=SECONDS + 60)


# -- the plan stays true


def test_the_plan_stays_true_while_all_other_seats_are_sold_and_people_join_the_waitlist() -> None:
    run = a_run("A3 A4")
    book(run, "ann", "ben", seats=(1, 2))
    plan = reserved(run, RemoveCoach("1"))
    book(run, "cem")
    book(run, "dan")
    book_waitlisted(run, "wim")
    done = change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, done.moves) == (plan.plan_hash, plan.moves)
    assert [seat_of(run, who) for who in ("ann", "ben", "cem", "dan", "wim")] == ["A-4", "A-5", "A-6", "A-7", "waits"]


def test_without_a_reservation_the_same_sales_change_the_plan() -> None:
    run = a_run("A3 A4")
    book(run, "ann", "ben", seats=(1, 2))
    plan = plan_layout(run, RemoveCoach("1"))
    book(run, "cem")
    with refused(Reason.PLAN_CHANGED, run):
        decide(run, asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash), NOW, {})


def test_a_removed_seat_that_is_cancelled_is_not_sold_again() -> None:
    run = a_run("A2 A2")
    ann = book(run, "ann", seats=(1,))
    plan = reserved(run, RemoveCoach("1"))
    cancel(run, ann)
    assert free(run) == [4]  # ann's promised seat stays off sale as well, until the plan is carried out
    done = change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    assert done.moves == ()
    assert free(run) == [3, 4]


def test_a_removed_seat_whose_passenger_changes_seats_is_not_sold_again() -> None:
    run = a_run("A2 A3")
    ann = book(run, "ann", seats=(1,))
    plan = reserved(run, RemoveCoach("1"))
    move(run, ann, number=5)
    assert free(run) == [4]
    assert change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash).moves == ()
    assert seat_of(run, "ann") == "A-5"


def test_of_a_group_those_who_stay_get_their_promised_seats() -> None:
    run = a_run("A3 A3")
    group = book(run, "ann", "ben", "cem", seats=(1, 2, 3))
    plan = reserved(run, RemoveCoach("1"))
    cancel(run, group, 2)
    change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    assert (seat_of(run, "ann"), seat_of(run, "cem")) == ("A-4", "A-6")
    assert free(run) == [5]


def test_a_seat_that_comes_free_meanwhile_is_given_to_who_was_to_wait_and_the_plan_stays_true() -> None:
    run = a_run("A1 A1")
    fill(run)
    a2 = next(booking for booking in run.bookings.values() if seat_labels(booking) == ["A-2"])
    plan = reserved(run, RemoveCoach("1"))
    assert plan.counts.waitlisted_passengers == 1
    cancel(run, a2)
    done = change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, done.counts.moved_passengers, done.counts.waitlisted_passengers) == (plan.plan_hash, 1, 0)
    assert seat_of(run, "a1") == "A-2"


def test_a_seat_of_the_own_section_that_comes_free_is_better_than_the_promised_lower_one() -> None:
    run = a_run("A1 A1 C1", fares=FARES)
    fill(run)
    a2 = next(booking for booking in run.bookings.values() if seat_labels(booking) == ["A-2"])
    plan = reserved(run, RemoveCoach("1"), allow_lower=True)
    assert [found.step for found in plan.moves] == [PlacementStep.LOWER]
    cancel(run, a2)
    command = asks_for_layout(RemoveCoach("1"), allow_lower=True, plan_hash=plan.plan_hash)
    done = decide_alone(run, command)
    assert (seat_of(run, "a1"), done.refunds, done.plan_hash) == ("A-2", (), plan.plan_hash)
    assert free(run, "C") == [1]


def test_seats_of_a_new_coach_are_kept_for_who_was_promised_them() -> None:
    run = a_run("A2 A1")
    book(run, "ann", seats=(3,))
    book(run, "ben", "cem", seats=(1, 2))
    book_waitlisted(run, "wim")
    operations = (RemoveCoach("2"), AddCoach("3", "A", 2))
    plan = reserved(run, *operations)
    assert [found.after.label for found in plan.moves] == ["A-4"]
    assert [seat.label for promotion in plan.promoted for seat in promotion.seats] == ["A-5"]
    done = change_layout(run, *operations, plan_hash=plan.plan_hash)
    assert (done.moves, done.promoted) == (plan.moves, plan.promoted)


def test_who_was_to_be_promoted_may_get_a_seat_earlier_and_the_next_one_is_promoted_too() -> None:
    run = a_run("A2")
    fill(run)
    a1 = next(booking for booking in run.bookings.values() if seat_labels(booking) == ["A-1"])
    book_waitlisted(run, "wim")
    book_waitlisted(run, "xia")
    plan = reserved(run, AddCoach("2", "A", 1))
    cancel(run, a1)
    assert seat_of(run, "wim") == "A-1"
    done = change_layout(run, AddCoach("2", "A", 1), plan_hash=plan.plan_hash)
    assert seat_of(run, "xia") == "A-3"
    assert done.plan_hash == plan.plan_hash


def test_who_joins_the_waitlist_of_a_section_that_goes_is_not_refunded_by_a_plan_made_before() -> None:
    run = a_run("A1 B1", fares=FARES)
    book(run, "ben", section="B")
    plan = reserved(run, RemoveSection("A"), refund_displaced=True)
    wim = book_waitlisted(run, "wim")
    done = decide_alone(run, asks_for_layout(RemoveSection("A"), refund_displaced=True, plan_hash=plan.plan_hash))
    assert done.plan_hash == plan.plan_hash
    assert current_booking(run, wim).state is BookingState.WAITLISTED


def test_fewer_seats_are_those_that_were_withdrawn_even_if_others_are_empty_by_then() -> None:
    run = a_run("A4")
    book(run, "ann", seats=(4,))
    dan = book(run, "dan", seats=(3,))
    plan = reserved(run, SetSeatCount("1", 2))
    cancel(run, dan)
    change_layout(run, SetSeatCount("1", 2), plan_hash=plan.plan_hash)
    assert run.sections[0].retired == {1, 2}


def test_a_plan_that_lets_passengers_wait_has_changed_once_the_waitlist_is_closed() -> None:
    run = a_run("A1 A1")
    fill(run)
    early = waitlist_closing_time(run) - timedelta(seconds=10)
    plan = plan_layout(run, RemoveCoach("1"), reserve_seconds=SECONDS, now=early)
    command = asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash)
    with pytest.raises(PlanChanged) as changed:
        decide(run, command, waitlist_closing_time(run), {})
    assert changed.value.plan.counts.cancelled_passengers == 1
    assert changed.value.plan.plan_hash != plan.plan_hash


def test_the_reservation_of_other_operations_promises_nothing() -> None:
    run = a_run("A2 A2")
    book(run, "ann", seats=(1,))
    plan = reserved(run, RemoveCoach("1"))
    assert [found.after.label for found in plan.moves] == ["A-3"]
    done = change_layout(run, RemoveSeats("A", (1,)))
    assert [found.after.label for found in done.moves] == ["A-2"]
    assert free(run) == [3, 4]


def test_a_reservation_is_renewed_with_a_plan_of_its_own() -> None:
    run = a_run("A1 A1")
    fill(run)
    a2 = next(booking for booking in run.bookings.values() if seat_labels(booking) == ["A-2"])
    first = reserved(run, RemoveCoach("1"))
    cancel(run, a2)
    second = reserved(run, RemoveCoach("1"))
    assert second.plan_hash != first.plan_hash
    assert [found.after.label for found in second.moves] == ["A-2"]
    assert change_layout(run, RemoveCoach("1"), plan_hash=second.plan_hash).moves == second.moves


def test_a_hold_on_another_seat_may_expire_be_used_or_released_meanwhile() -> None:
    run = a_run("A1 A2")
    book(run, "ann", seats=(1,))
    held = hold(run, "hal", seats=(3,), seconds=60)
    plan = reserved(run, RemoveCoach("1"))
    release(run, held)
    decide(run, asks_to_hold("ida", seats=(3,), destination=LILLE, seconds=60), NOW, {})
    run.committed()
    time_passes(run, NOW + timedelta(seconds=90))
    later = NOW + timedelta(seconds=100)
    assert change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash, now=later).moves == plan.moves


def test_who_was_promised_a_new_seat_gets_it_even_if_a_group_ahead_would_fit_with_it_by_then() -> None:
    run = a_run("A2")
    short = book(run, "sue", seats=(1,), destination=ASHFORD)
    book(run, "ann", seats=(1,), origin=ASHFORD)
    book(run, "ben", seats=(2,))
    book_waitlisted(run, "gus", "gil", destination=ASHFORD)
    book_waitlisted(run, "wim")
    plan = reserved(run, AddCoach("2", "A", 1))
    assert [seat.label for promotion in plan.promoted for seat in promotion.seats] == ["A-3"]
    cancel(run, short)
    done = change_layout(run, AddCoach("2", "A", 1), plan_hash=plan.plan_hash)
    assert (seat_of(run, "gus"), seat_of(run, "wim")) == ("waits", "A-3")
    assert done.promoted == plan.promoted


def test_nobody_is_promoted_by_a_plan_that_was_made_before_the_waitlist_closed() -> None:
    run = a_run("A2")
    fill(run)
    for number in range(limits.WAITLIST_EXPIRED_PER_DECISION):
        book_waitlisted(run, f"g{number}", f"h{number}", destination=ASHFORD, by=f"agent{number}")
    last = book_waitlisted(run, "wim")
    closes = waitlist_closing_time(run)
    early = closes - timedelta(seconds=10)
    plan = plan_layout(run, AddCoach("2", "A", 1), reserve_seconds=SECONDS, now=early)
    assert [promotion.reference for promotion in plan.promoted] == [last.reference]
    done = change_layout(run, AddCoach("2", "A", 1), plan_hash=plan.plan_hash, now=closes)
    assert done.promoted == ()
    assert current_booking(run, last).state is BookingState.WAITLISTED
    assert free(run) == [3]


def test_undo_takes_back_what_a_cancellation_gave_to_a_reservation() -> None:
    run = a_run("A2 A2")
    ann = book(run, "ann", seats=(1,))
    reserved(run, RemoveCoach("1"))
    before = snapshot(run)
    cancel_booking(run, asks_to_cancel(ann), NOW)
    assert snapshot(run) != before
    run.undo()
    assert snapshot(run) == before
