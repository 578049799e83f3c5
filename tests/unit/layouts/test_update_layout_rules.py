"""UpdateLayout: what happens to a run, one case at a time."""

from datetime import datetime, timedelta

import pytest

from app.domain import limits
from app.domain.booking import BookingState
from app.domain.events import EventType
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import EarlierLayoutMissing, OwnLayoutKept
from app.domain.layout.operations import AddCoach, RemoveCoach, RemoveSeats, RemoveSection, SetFare, SetSeatCount
from app.domain.layout.plan import LayoutCounts, LayoutPlan, PlacementStep, PlanChanged, RefundCause
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.decisions import decide as decide_command
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    DEPARTS_LONDON,
    LILLE,
    NOW,
    a_run,
    asks_for_seats,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    hold,
    seat_labels,
    sell,
)
from tests.support.layout_changes import asks_for_layout, change_layout, decide_alone, plan_layout
from tests.support.run_snapshots import invalid, refused, snapshot


def decide(run: TrainRun, command: UpdateLayout, now: datetime = NOW) -> LayoutPlan:
    """Decide the command without a commit."""
    return decide_command(run, command, now, {})


FARES = {"A": 2_000, "B": 5_000, "C": 1_000}


def seats_of(run: TrainRun, *names: str) -> list[str]:
    """The labels of the seats of these passengers, in the order of the names."""
    found = {
        passenger.person.first_name.lower(): passenger.seat.label if passenger.seat else "waits"
        for booking in run.bookings.values()
        if booking.is_live
        for passenger in booking.passengers
    }
    return [found.get(name, "gone") for name in names]


# -- displaced passengers


def test_passengers_of_a_removed_coach_move_together_within_their_section() -> None:
    run = a_run("A4 A4 B4")
    book(run, "ann", "ben")
    plan = change_layout(run, RemoveCoach("1"))
    assert seats_of(run, "ann", "ben") == ["A-5", "A-6"]
    assert [(move.before.label, move.after.label, move.step) for move in plan.moves] == [
        ("A-1", "A-5", PlacementStep.TOGETHER_SAME),
        ("A-2", "A-6", PlacementStep.TOGETHER_SAME),
    ]
    assert plan.counts == LayoutCounts(moved_passengers=2)
    assert plan.is_applied


def test_passengers_outside_the_removed_seats_keep_their_seats() -> None:
    run = a_run("A4 A4")
    fill(run)
    cancel(run, run.bookings[next(iter(run.bookings))])
    change_layout(run, RemoveSeats("A", (8,)))
    assert seats_of(run, "a2", "a3", "a4", "a5", "a6", "a7", "a8") == ["A-2", "A-3", "A-4", "A-5", "A-6", "A-7", "A-1"]


def test_displaced_passengers_without_a_seat_stand_before_all_others_on_the_waitlist() -> None:
    run = a_run("A2 A2")
    fill(run)
    book_waitlisted(run, "wim")
    plan = change_layout(run, RemoveCoach("2"))
    assert [run.waitlist[number].reference for number in sorted(run.waitlist)] == [
        plan.waitlisted[0].reference,
        plan.waitlisted[1].reference,
        next(booking.reference for booking in run.bookings.values() if booking.user_key == "wim@example.com"),
    ]
    assert {seat.label for wait in plan.waitlisted for seat in wait.before} == {"A-3", "A-4"}
    assert plan.counts == LayoutCounts(waitlisted_passengers=2)


def test_after_the_waitlist_closed_displaced_passengers_without_a_seat_get_everything_back() -> None:
    run = a_run("A1 A1")
    fill(run)
    plan = change_layout(run, RemoveCoach("2"), now=waitlist_closing_time(run))
    (refund,) = plan.refunds
    assert (refund.amount, refund.cause) == (Money(2_000, "USD"), RefundCause.CANCELLED)
    assert run.bookings[refund.reference].state is BookingState.CANCELLED
    assert plan.counts == LayoutCounts(cancelled_passengers=1, refunded_minor=2_000, currency="USD")


def test_displaced_passengers_are_refunded_in_place_of_waiting_where_the_operator_says_so() -> None:
    run = a_run("A1 A1")
    fill(run)
    plan = change_layout(run, RemoveCoach("2"), refund_displaced=True)
    assert seats_of(run, "a1", "a2") == ["A-1", "gone"]
    assert plan.counts == LayoutCounts(cancelled_passengers=1, refunded_minor=2_000, currency="USD")


def test_a_lower_section_is_taken_only_where_allowed_and_its_difference_is_refunded() -> None:
    run = a_run("A1 C1", fares=FARES)
    booking = book(run, "ann")
    plan = change_layout(run, RemoveSection("A"), allow_lower=True)
    after = current_booking(run, booking)
    assert seat_labels(after) == ["C-1"]
    assert (after.price.minor, [refund.minor for refund in after.refunds]) == (1_000, [1_000])
    assert after.free_cancellation
    assert [(refund.amount.minor, refund.cause) for refund in plan.refunds] == [(1_000, RefundCause.LOWER_SECTION)]


def test_bookings_that_wait_for_a_removed_section_are_refunded_with_refund_displaced() -> None:
    run = a_run("A1 C1", fares=FARES)
    book(run, "ann")
    waiting = book_waitlisted(run, "wim")
    plan = change_layout(run, RemoveSection("A"), refund_displaced=True)
    assert current_booking(run, waiting).state is BookingState.CANCELLED
    assert plan.counts.cancelled_passengers == 2
    assert not run.waitlist


# -- holds, promotions, fares


def test_a_hold_on_a_removed_seat_ends_and_its_other_seats_are_for_sale() -> None:
    run = a_run("A2 A2")
    book(run, "ann")
    hold(run, "hal", seats=(2, 3))
    plan = change_layout(run, RemoveCoach("2"))
    assert not run.holds
    assert run.sections[0].is_free(2, 0b111)
    assert plan.counts == LayoutCounts(released_holds=1)


def test_the_end_of_a_hold_by_a_layout_change_says_its_cause() -> None:
    run = a_run("A2 A2")
    hold(run, "hal", seats=(3,))
    decide(run, asks_for_layout(RemoveCoach("2")))
    assert [(event.event_type, event.data.get("cause")) for event in run.change_set.events] == [
        (EventType.HOLD_RELEASED, "layout"),
        (EventType.LAYOUT_CHANGED, None),
    ]


def test_a_displaced_passenger_may_get_a_seat_that_an_ended_hold_had_beside_a_removed_one() -> None:
    run = a_run("A2 A2")
    book(run, "ann", seats=(1,))
    book(run, "ben", seats=(3,))
    hold(run, "hal", seats=(2, 4))
    change_layout(run, RemoveCoach("2"))
    assert seats_of(run, "ann", "ben") == ["A-1", "A-2"]


def test_a_new_coach_promotes_the_waitlist_in_the_same_commit() -> None:
    run = a_run("A1")
    fill(run)
    waiting = [book_waitlisted(run, name) for name in ("wim", "xia", "yan")]
    plan = change_layout(run, AddCoach("2", "A", 2))
    assert seats_of(run, "wim", "xia", "yan") == ["A-2", "A-3", "waits"]
    assert [(promotion.reference, [seat.label for seat in promotion.seats]) for promotion in plan.promoted] == [
        (waiting[0].reference, ["A-2"]),
        (waiting[1].reference, ["A-3"]),
    ]
    assert plan.counts == LayoutCounts(promoted_bookings=2)


def test_displaced_passengers_get_new_seats_before_the_waitlist_does() -> None:
    run = a_run("A1 B1", fares=FARES)
    fill(run)
    book_waitlisted(run, "wim")
    change_layout(run, AddCoach("3", "A", 1), RemoveCoach("1"))
    assert seats_of(run, "a1", "wim") == ["A-2", "waits"]


def test_a_promotion_from_any_section_to_a_cheaper_one_refunds_the_difference_in_the_plan() -> None:
    run = a_run("A1 B1", fares=FARES)
    fill(run)
    fill(run, "B")
    waiting = book_waitlisted(run, "wim", section="")
    plan = change_layout(run, AddCoach("3", "A", 1))
    assert [(refund.reference, refund.amount.minor, refund.cause) for refund in plan.refunds] == [
        (waiting.reference, 3_000, RefundCause.PROMOTED)
    ]
    assert plan.counts == LayoutCounts(promoted_bookings=1, refunded_minor=3_000, currency="USD")


def test_a_new_fare_binds_later_sales_only() -> None:
    run = a_run("A2 B2", fares=FARES)
    before, held = book(run, "ann"), hold(run, "hal")
    change_layout(run, SetFare("A", Money(3_000, "USD")))
    assert current_booking(run, before).price.minor == 2_000
    assert run.holds[held.key].price.minor == 2_000
    assert run.layout.earlier_fares == (("A", 2_000),)


# -- plan and act


def test_a_plan_changes_nothing_and_has_the_hash_and_consequences_of_the_change() -> None:
    run = a_run("A2 A2 B4", fares=FARES)
    fill(run)
    before = snapshot(run)
    plan = plan_layout(run, RemoveCoach("1"))
    assert snapshot(run) == before
    done = change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    assert (done.plan_hash, done.moves, done.counts) == (plan.plan_hash, plan.moves, plan.counts)
    assert (plan.is_applied, plan.layout_etag, done.is_applied, done.layout_etag) == (False, "0", True, "1")


def test_of_two_operators_with_the_same_plan_one_acts_and_the_other_gets_the_new_plan() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    with refused(Reason.PLAN_CHANGED, run) as caught:
        decide(run, asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash))
    (refusal,) = caught
    assert isinstance(refusal, PlanChanged)
    assert "operations[0].remove_coach.name: the run has no coach '1'" in refusal.message
    assert [(change.seats_before, change.seats_after) for change in refusal.plan.sections] == [(2, 2)]


def test_a_plan_of_other_operations_is_refused_with_the_plan_of_these() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    with refused(Reason.PLAN_CHANGED, run) as caught:
        decide(run, asks_for_layout(RemoveCoach("2"), plan_hash=plan.plan_hash))
    (refusal,) = caught
    assert isinstance(refusal, PlanChanged)
    assert refusal.plan.plan_hash == plan_layout(run, RemoveCoach("2")).plan_hash


def test_a_sale_that_changes_the_consequences_changes_the_plan() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    book(run, "ann")
    with refused(Reason.PLAN_CHANGED, run):
        decide(run, asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash))


def test_a_sale_in_another_section_leaves_the_plan_as_it_is() -> None:
    run = a_run("A2 A2 B2")
    plan = plan_layout(run, RemoveCoach("1"))
    book(run, "ann", section="B")
    assert change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash).is_applied


def test_one_more_passenger_who_will_wait_is_another_plan() -> None:
    run = a_run("A1 A1")
    fill(run)
    before = plan_layout(run, RemoveSeats("A", (1,)))
    cancel(run, next(iter(run.bookings.values())))
    book(run, "new", seats=(1,))
    after = plan_layout(run, RemoveSeats("A", (1,)))
    assert (before.counts, before.sections, before.moves) == (after.counts, after.sections, after.moves)
    assert before.plan_hash != after.plan_hash


def test_another_amount_to_refund_is_another_plan() -> None:
    hashes = []
    for fare in (2_000, 3_000):
        run = a_run("A1 A1", fares={"A": fare})
        for name, number in (("ann", 1), ("ben", 2)):
            sell(run, asks_for_seats(name, request_id=name, section="A", seats=(number,)))
        change_layout(run, SetFare("A", Money(9_000, "USD")))
        hashes.append(plan_layout(run, RemoveCoach("1"), refund_displaced=True).plan_hash)
    assert hashes[0] != hashes[1]


def test_another_promoted_booking_is_another_plan() -> None:
    hashes = []
    for name in ("wim", "xia"):
        run = a_run("A1")
        fill(run)
        book_waitlisted(run, name)
        hashes.append(plan_layout(run, AddCoach("2", "A", 1)).plan_hash)
    assert hashes[0] != hashes[1]


# -- the request


def test_a_repeated_request_is_answered_with_its_counts_and_changes_nothing() -> None:
    run = a_run("A4 A4")
    book(run, "ann", "ben")
    command = asks_for_layout(RemoveCoach("1"), request_id="change-1")
    first = decide_alone(run, command)
    before = snapshot(run)
    for now in (NOW, DEPARTS_LONDON + timedelta(days=1)):
        again = decide(run, command, now)
        assert snapshot(run) == before
        assert again == LayoutPlan(first.plan_hash, counts=first.counts, is_applied=True, layout_etag="1")


def test_a_request_id_of_another_change_is_refused() -> None:
    run = a_run("A4 A4")
    decide_alone(run, asks_for_layout(RemoveCoach("1"), request_id="change-1"))
    with refused(Reason.REQUEST_ID_REUSED, run):
        decide(run, asks_for_layout(AddCoach("3", "A", 1), request_id="change-1"))


def test_a_run_remembers_its_last_twenty_requests() -> None:
    run = a_run("A1")
    for number in range(limits.LAYOUT_REQUESTS_MAX + 2):
        decide_alone(run, asks_for_layout(SetFare("A", Money(number, "USD")), request_id=f"change-{number}"))
    assert [request.request_id for request in run.layout.requests] == [f"change-{number}" for number in range(2, 22)]
    assert run.layout.revision == 22


def test_an_old_etag_is_refused() -> None:
    run = a_run("A1")
    change_layout(run, SetFare("A", Money(1, "USD")))
    with refused(Reason.ETAG_STALE, run):
        decide(run, asks_for_layout(SetFare("A", Money(2, "USD")), etag="0"))
    decide_alone(run, asks_for_layout(SetFare("A", Money(2, "USD")), etag="1"))
    assert run.layout.revision == 2


def test_a_run_that_has_left_its_first_stop_is_refused() -> None:
    run = a_run("A1 A1")
    with refused(Reason.RUN_DEPARTED, run):
        decide(run, asks_for_layout(RemoveCoach("1")), DEPARTS_LONDON)


def test_an_unknown_coach_is_refused_with_the_path_of_its_field() -> None:
    run = a_run("A1 A1")
    with invalid("operations[1].remove_coach.name", run):
        decide(run, asks_for_layout(RemoveCoach("1"), RemoveCoach("7")))


@pytest.mark.parametrize("held", [True, False])
def test_a_refusal_leaves_an_earlier_reservation_as_it_is(held: bool) -> None:
    run = a_run("A1 A1")
    if held:
        hold(run, "hal", seats=(1,))
    plan_layout(run, RemoveCoach("1"), reserve_seconds=60)
    with invalid("operations[0].remove_coach.name", run):
        decide(run, asks_for_layout(RemoveCoach("7")))


def test_more_displaced_passengers_than_one_commit_takes_are_refused_with_their_number() -> None:
    run = a_run("A400 A101 A1")
    for number in range(167):
        book(run, *(f"p{number}-{seat}" for seat in range(3)))
    with refused(Reason.DISPLACED_TOO_MANY, run) as caught:
        decide(run, asks_for_layout(RemoveCoach("1"), RemoveCoach("2")))
    assert "displaces 501 passengers; at most 500" in caught[0].message


def test_a_removed_seat_of_a_booking_that_is_not_in_memory_is_refused() -> None:
    run = a_run("A2 A2")
    booking = book(run, "ann")
    run.evict_except(())
    assert run.find(booking.reference) is None
    with refused(Reason.INTERNAL, run):
        decide(run, asks_for_layout(RemoveCoach("1")))


# -- the record and the event


def test_the_event_of_a_change_says_it_in_numbers() -> None:
    run = a_run("A1 A1")
    fill(run)
    plan = decide(run, asks_for_layout(RemoveCoach("2")))
    event = run.change_set.events[-1]
    assert (event.event_type, event.subject) == (EventType.LAYOUT_CHANGED, run.run_id)
    assert event.data == {
        "layout_revision": 1,
        "plan_hash": plan.plan_hash,
        "moved_passengers": 0,
        "waitlisted_passengers": 1,
        "cancelled_passengers": 0,
        "refunded_minor": 0,
        "currency": "USD",
        "promoted_bookings": 0,
        "released_holds": 0,
    }


def test_fewer_seats_take_empty_seats_first_then_held_ones_then_those_with_the_fewest_passengers() -> None:
    run = a_run("A4 A2")
    book(run, "ann", seats=(4,))
    book(run, "ben", seats=(3,), destination=LILLE)
    book(run, "cem", seats=(3,), origin=LILLE)
    hold(run, "hal", seats=(2,))
    for count, gone in ((3, {1}), (2, {1, 2}), (1, {1, 2, 4})):
        change_layout(run, SetSeatCount("1", count))
        assert run.sections[0].retired == gone


# -- layout jobs


def test_a_layout_job_brings_the_layout_of_its_version_once() -> None:
    run = a_run("A1 A1")
    command = asks_for_layout(AddCoach("3", "A", 1), train_version=2, layout_version_before=1, request_id="es9014:2:date")
    first = decide_alone(run, command)
    assert (run.layout.train_version, run.layout.is_own) == (2, False)
    assert decide_alone(run, command) == LayoutPlan(first.plan_hash, counts=first.counts, is_applied=True, layout_etag="1")


def test_a_layout_job_for_a_run_that_was_made_from_the_newer_train_is_answered_as_done() -> None:
    run = a_run("A1 A1")
    decide_alone(run, asks_for_layout(AddCoach("3", "A", 1), train_version=3, layout_version_before=1))
    command = asks_for_layout(AddCoach("4", "A", 1), train_version=2, layout_version_before=1)
    assert decide_alone(run, command) == LayoutPlan(is_applied=True, layout_etag="1")


def test_a_layout_job_keeps_a_layout_of_the_runs_own() -> None:
    run = a_run("A1 A1")
    change_layout(run, RemoveCoach("1"))
    assert run.layout.is_own
    with pytest.raises(OwnLayoutKept):
        decide(run, asks_for_layout(AddCoach("3", "A", 1), train_version=2, layout_version_before=1))


def test_a_layout_job_waits_for_the_one_before_it() -> None:
    run = a_run("A1 A1")
    with pytest.raises(EarlierLayoutMissing):
        decide(run, asks_for_layout(AddCoach("3", "A", 1), train_version=3, layout_version_before=2))
