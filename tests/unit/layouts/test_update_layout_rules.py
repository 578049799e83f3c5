"""UpdateLayout: what happens to a run, one case at a time."""

from app.domain.booking import BookingState
from app.domain.events import EventType
from app.domain.layout.operations import AddCoach, RemoveCoach, RemoveSeats, RemoveSection, SetFare
from app.domain.layout.plan import LayoutCounts, PlacementStep, PlanChanged, RefundCause
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
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
from tests.support.layout_changes import asks_for_layout, change_layout, decide_layout, plan_layout
from tests.support.run_snapshots import refused, snapshot

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
    decide_layout(run, asks_for_layout(RemoveCoach("2")))
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
    assert (plan.is_applied, plan.layout_etag, done.is_applied, done.layout_etag) == (False, "layout-0", True, "layout-1")


def test_of_two_operators_with_the_same_plan_one_acts_and_the_other_gets_the_new_plan() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    change_layout(run, RemoveCoach("1"), plan_hash=plan.plan_hash)
    with refused(Reason.PLAN_CHANGED, run) as caught:
        decide_layout(run, asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash))
    (refusal,) = caught
    assert isinstance(refusal, PlanChanged)
    assert "operations[0].remove_coach.name: the run has no coach '1'" in refusal.message
    assert [(change.seats_before, change.seats_after) for change in refusal.plan.sections] == [(2, 2)]


def test_a_plan_of_other_operations_is_refused_with_the_plan_of_these() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    with refused(Reason.PLAN_CHANGED, run) as caught:
        decide_layout(run, asks_for_layout(RemoveCoach("2"), plan_hash=plan.plan_hash))
    (refusal,) = caught
    assert isinstance(refusal, PlanChanged)
    assert refusal.plan.plan_hash == plan_layout(run, RemoveCoach("2")).plan_hash


def test_a_sale_that_changes_the_consequences_changes_the_plan() -> None:
    run = a_run("A2 A2")
    plan = plan_layout(run, RemoveCoach("1"))
    book(run, "ann")
    with refused(Reason.PLAN_CHANGED, run):
        decide_layout(run, asks_for_layout(RemoveCoach("1"), plan_hash=plan.plan_hash))


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
