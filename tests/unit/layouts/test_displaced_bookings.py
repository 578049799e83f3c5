"""What a layout change makes of the bookings whose seats it removes: money, states, waitlist and events."""

from dataclasses import replace

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.events import EventType, Json
from app.domain.layout.operations import AddCoach, AddSection, RemoveCoach, RemoveSection, SetFare
from app.domain.layout.plan import DisplacedWait, LayoutRefund, PlacementStep, RefundCause, SeatMove
from app.domain.money import Money
from app.domain.rules.displaced_bookings import (
    cancel_entry,
    cancel_unit,
    entries_of_removed_sections,
    let_unit_wait,
    move_unit,
)
from app.domain.rules.displacement import DisplacedUnit, displaced_units, place_unit
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import DISPLACED_TICKET_FIRST, WaitlistEntry
from tests.support.builders import (
    NOW,
    a_run,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    move,
    seat_labels,
)
from tests.support.layout_changes import change_layout, remove_seats
from tests.support.run_changes import retired
from tests.support.run_snapshots import snapshot

CONFIRMED, WAITLISTED, CANCELLED = BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED
FIRST, SECOND = DISPLACED_TICKET_FIRST + 1, DISPLACED_TICKET_FIRST + 2


def seats_of(run: TrainRun, booking: Booking) -> list[str | None]:
    """Return the label of each passenger's seat, None for a passenger without one."""
    return [passenger.seat.label if passenger.seat else None for passenger in current_booking(run, booking).passengers]


def refunds_of(run: TrainRun, booking: Booking) -> list[int]:
    return [refund.minor for refund in current_booking(run, booking).refunds]


def take_away(run: TrainRun, *numbers: int) -> list[DisplacedUnit]:
    """Retire these seats of section A. Return the units that lose them."""
    run.set_sections([retired(run.sections[0], *numbers), *run.sections[1:]])
    return displaced_units(run, {("A", number) for number in numbers})


def events(run: TrainRun) -> list[tuple[EventType, str, dict[str, Json]]]:
    """Return type, subject, and what is said of moves of the events that are not yet committed."""
    return [
        (
            event.event_type,
            event.subject,
            {name: event.data[name] for name in ("state", "cause", "moves") if name in event.data},
        )
        for event in run.change_set.events
    ]


# -- moving


def test_a_passenger_who_moves_keeps_the_fare_in_a_better_section() -> None:
    run = a_run("A2 B2", fares={"B": 3_000})
    booking = book(run, "ann", "ben")
    remove_seats(run, "A", 1, 2)
    moved = current_booking(run, booking)
    assert (seat_labels(moved), moved.price, moved.refunds) == (["B-1", "B-2"], booking.price, ())
    assert (moved.state, moved.free_cancellation) == (CONFIRMED, False)


def test_only_the_passengers_on_removed_seats_move_and_get_seats_in_the_order_of_their_numbers() -> None:
    run = a_run("A8")
    booking = book(run, "ann", "ben", "cem", seats=[2, 4, 3])
    other = book(run, "dot", seats=[5])
    remove_seats(run, "A", 2, 3)
    assert seats_of(run, booking) == ["A-6", "A-4", "A-7"]
    assert current_booking(run, other) == other


def test_a_lower_section_refunds_what_was_paid_above_its_fare_and_cancelling_is_free() -> None:
    run = a_run("A2 B2", fares={"B": 1_500})
    booking = book(run, "ann", "ben")
    remove_seats(run, "A", 1, 2, allow_lower=True)
    moved = current_booking(run, booking)
    assert (seat_labels(moved), moved.price, refunds_of(run, booking)) == (["B-1", "B-2"], Money(3_000, "USD"), [1_000])
    assert moved.free_cancellation
    assert booking.charged_minor == moved.price.minor + 1_000


def test_nobody_pays_more_or_gets_more_than_was_paid_where_fares_have_risen_since() -> None:
    run = a_run("A1 B1")
    booking = book(run, "ann")
    change_layout(run, SetFare("A", Money(9_000, "USD")), SetFare("B", Money(5_000, "USD")))
    remove_seats(run, "A", 1, allow_lower=True)
    moved = current_booking(run, booking)
    assert (seats_of(run, booking), moved.price, moved.refunds) == (["B-1"], booking.price, ())
    assert moved.free_cancellation


def test_of_a_unit_that_is_spread_over_the_train_only_those_in_a_lower_section_are_refunded() -> None:
    run = a_run("A4 B1 C1", fares={"B": 3_000, "C": 500})
    booking = book(run, "ann", "ben", "cem")
    remove_seats(run, "A", 1, 2, 3, allow_lower=True)
    moved = current_booking(run, booking)
    assert seat_labels(moved) == ["A-4", "B-1", "C-1"]
    assert [passenger.fare_minor for passenger in moved.passengers] == [2_000, 2_000, 500]
    assert refunds_of(run, booking) == [1_500]


def test_a_move_is_reported_with_its_step_and_refund_and_stands_in_one_event() -> None:
    run = a_run("A1 B1", fares={"B": 1_500})
    booking = book(run, "ann")
    (unit,) = take_away(run, 1)
    placement = place_unit(run.sections, unit.demand, allow_lower=True)
    assert placement is not None
    moves, refund = move_unit(run, unit, placement, NOW, "trace")
    before, after = booking.passengers[0].assigned_seat, current_booking(run, booking).passengers[0].assigned_seat
    assert moves == (SeatMove(booking.reference, 1, before, after, PlacementStep.LOWER),)
    assert refund == LayoutRefund(booking.reference, (1,), Money(500, "USD"), RefundCause.LOWER_SECTION)
    data = {"state": "CONFIRMED", "cause": "layout", "moves": [{"passenger_number": 1, "from": "A-1", "to": "B-1"}]}
    assert events(run) == [(EventType.BOOKING_CHANGED, booking.reference, data)]
    assert run.change_set.events[0].trace_parent == "trace"


# -- waiting


def test_a_unit_without_seats_waits_before_all_others_and_keeps_what_was_paid() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    booking, _ = book(run, "ann"), book(run, "ben")
    ordinary = book_waitlisted(run, "cem")
    remove_seats(run, "A", 1)
    waiting = current_booking(run, booking)
    assert (waiting.state, waiting.ticket_number, seats_of(run, booking)) == (WAITLISTED, FIRST, [None])
    assert (waiting.price, waiting.refunds) == (booking.price, ())
    assert run.waitlist[FIRST] == WaitlistEntry(FIRST, booking.reference, "A", 0b111, 1, 2_000)
    assert sorted(run.waitlist) == [FIRST, ordinary.ticket_number]


def test_a_booking_of_which_some_keep_their_seats_stays_confirmed() -> None:
    run = a_run("A3")
    booking = book(run, "ann", "ben", "cem")
    (unit,) = take_away(run, 1, 3)
    wait = let_unit_wait(run, unit, NOW)
    seats = tuple(booking.passengers[position].assigned_seat for position in (0, 2))
    assert wait == DisplacedWait(booking.reference, (1, 3), seats)
    changed = current_booking(run, booking)
    assert (changed.state, changed.ticket_number, seats_of(run, booking)) == (CONFIRMED, FIRST, [None, "A-2", None])
    assert not changed.seats_together
    gone = [{"passenger_number": number, "from": f"A-{number}", "to": None} for number in (1, 3)]
    data = {"state": "CONFIRMED", "cause": "layout", "moves": gone}
    assert events(run) == [(EventType.BOOKING_CHANGED, booking.reference, data)]


def test_a_second_layout_change_lets_the_entry_of_a_booking_grow_at_its_position() -> None:
    run = a_run("A4")
    booking, other = book(run, "ann", "ben"), book(run, "cem", "dot")
    remove_seats(run, "A", 1)
    remove_seats(run, "A", 3)
    remove_seats(run, "A", 2)
    waiting = current_booking(run, booking)
    assert (waiting.state, waiting.ticket_number) == (WAITLISTED, FIRST)
    assert [(entry.reference, entry.count) for _, entry in sorted(run.waitlist.items())] == [
        (booking.reference, 2),
        (other.reference, 1),
    ]


@pytest.mark.parametrize(("first", "second"), [("A", "B"), ("B", "A")])
def test_an_entry_that_grows_from_another_section_waits_for_the_dearer_one(first: str, second: str) -> None:
    run = a_run("A2 B2", fares={"A": 2_000, "B": 2_000})
    booking = book(run, "ann", "ben")
    move(run, booking, who="ben", section="B")
    book(run, "cem", section="A", seats=[2])
    book(run, "dot", section="B", seats=[2])
    change_layout(run, SetFare("B", Money(3_000, "USD")))
    remove_seats(run, first, 1)
    remove_seats(run, second, 1)
    assert run.waitlist == {FIRST: WaitlistEntry(FIRST, booking.reference, "B", 0b111, 2, 3_000)}


def test_a_unit_moves_also_where_others_of_its_booking_wait() -> None:
    run = a_run("A4")
    booking, other = book(run, "ann", "ben"), book(run, "cem", "dot")
    remove_seats(run, "A", 1)
    cancel(run, other, "cem")
    assert seats_of(run, booking) == ["A-3", "A-2"]
    remove_seats(run, "A", 3)
    cancel(run, other, "dot")
    assert seats_of(run, booking) == ["A-4", "A-2"]


# -- cancelling


def test_a_unit_that_is_cancelled_gets_everything_back_and_the_others_of_the_booking_travel() -> None:
    run = a_run("A2")
    booking = book(run, "ann", "ben")
    (unit,) = take_away(run, 2)
    refund = cancel_unit(run, unit, NOW)
    assert refund == LayoutRefund(booking.reference, (2,), Money(2_000, "USD"), RefundCause.CANCELLED)
    changed = current_booking(run, booking)
    assert (changed.state, seats_of(run, booking), refunds_of(run, booking)) == (CONFIRMED, ["A-1"], [2_000])
    assert [passenger.number for passenger in changed.cancelled_passengers] == [2]
    data = {"state": "CONFIRMED", "cause": "layout", "moves": [{"passenger_number": 2, "from": "A-2", "to": None}]}
    assert events(run) == [(EventType.BOOKING_CANCELLED, booking.reference, data)]


def test_a_booking_of_which_all_are_cancelled_is_cancelled() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    booking = book(run, "ann", "ben")
    remove_seats(run, "A", 1, 2, refund_displaced=True)
    gone = current_booking(run, booking)
    assert (gone.state, refunds_of(run, booking), len(gone.passengers)) == (CANCELLED, [4_000], 2)
    assert run.waitlist == {}


def test_a_booking_whose_last_seats_are_cancelled_waits_with_the_others() -> None:
    run = a_run("A2 B1", fares={"B": 1_000})
    booking = book(run, "ann", "ben")
    remove_seats(run, "A", 1)
    remove_seats(run, "A", 2, refund_displaced=True)
    waiting = current_booking(run, booking)
    assert (waiting.state, waiting.ticket_number, seats_of(run, booking)) == (WAITLISTED, FIRST, [None])
    assert refunds_of(run, booking) == [2_000]


# -- bookings that wait for a removed section


def a_run_whose_waited_for_section_goes() -> tuple[TrainRun, Booking]:
    """Section A, at 20.00, is full, and somebody waits for it; C is cheaper, D is not. Then A is removed, and all move."""
    run = a_run("A1 B1 C1", fares={"B": 5_000, "C": 1_000})
    fill(run)
    waiting = book_waitlisted(run, "ann")
    change_layout(run, RemoveSection("A"))
    return run, waiting


def test_a_booking_that_waits_for_a_removed_section_keeps_position_and_fare_and_takes_no_lower_one() -> None:
    run, waiting = a_run_whose_waited_for_section_goes()
    assert current_booking(run, waiting) == waiting
    assert run.waitlist == {1: WaitlistEntry(1, waiting.reference, "A", 0b111, 1)}
    assert [entry.reference for entry in entries_of_removed_sections(run)] == [waiting.reference]


def test_a_booking_that_waits_for_a_removed_section_is_promoted_to_one_that_is_not_lower_at_no_charge() -> None:
    run, waiting = a_run_whose_waited_for_section_goes()
    change_layout(run, AddCoach("4", "B", 1))
    promoted = current_booking(run, waiting)
    assert (promoted.state, seat_labels(promoted), promoted.price) == (CONFIRMED, ["B-2"], waiting.price)
    assert promoted.refunds == ()


def test_a_booking_waits_for_its_section_again_where_that_comes_back() -> None:
    run, waiting = a_run_whose_waited_for_section_goes()
    change_layout(run, AddSection("A", Money(9_000, "USD")), AddCoach("4", "A", 1))
    promoted = current_booking(run, waiting)
    assert (seat_labels(promoted), promoted.price) == (["A-2"], waiting.price)
    assert entries_of_removed_sections(run) == []


def test_a_booking_that_waits_for_a_removed_section_can_be_cancelled_with_a_full_refund() -> None:
    run, waiting = a_run_whose_waited_for_section_goes()
    (entry,) = entries_of_removed_sections(run)
    refund = cancel_entry(run, entry, NOW)
    assert refund == LayoutRefund(waiting.reference, (1,), waiting.price, RefundCause.CANCELLED)
    gone = current_booking(run, waiting)
    assert (gone.state, gone.ticket_number, refunds_of(run, waiting), run.waitlist) == (CANCELLED, 0, [2_000], {})
    data: dict[str, Json] = {"state": "CANCELLED", "cause": "layout", "moves": []}
    assert events(run) == [(EventType.BOOKING_CANCELLED, waiting.reference, data)]


def test_who_waits_for_any_section_or_was_displaced_is_no_entry_of_a_removed_section() -> None:
    run = a_run("A1 B1", fares={"B": 1_000})
    fill(run)
    fill(run, "B")
    book_waitlisted(run, "ann", section="")
    change_layout(run, RemoveSection("A"))
    assert len(run.waitlist) == 2
    assert entries_of_removed_sections(run) == []


# -- undo


def test_an_undone_displacement_leaves_the_run_as_it_was() -> None:
    run = a_run("A3 B1 C1", fares={"B": 3_000, "C": 1_000})
    book(run, "ann", "ben"), book(run, "cem")
    before = snapshot(run)
    units = take_away(run, 1, 2, 3)
    move_or_wait(run, units[1])
    move_or_wait(run, units[0])
    run.undo()
    assert snapshot(run) == before
    assert replace(run).waitlist_index.ticket_numbers == run.waitlist_index.ticket_numbers


def move_or_wait(run: TrainRun, unit: DisplacedUnit) -> None:
    placement = place_unit(run.sections, unit.demand, allow_lower=False)
    if placement is None:
        let_unit_wait(run, unit, NOW)
    else:
        move_unit(run, unit, placement, NOW)


def test_a_whole_coach_goes_and_its_passengers_fill_the_other_one() -> None:
    run = a_run("A4 A4")
    bookings = [book(run, "ann", "ben"), book(run, "cem"), book(run, "dot", origin="Lille")]
    change_layout(run, RemoveCoach("1"))
    assert [seats_of(run, booking) for booking in bookings] == [["A-5", "A-6"], ["A-7"], ["A-8"]]
