"""The waitlist: who joins it, what that costs, and who gets a freed seat."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking, BookingState
from app.domain.commands import IfFull
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.update_booking import update_booking
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    NOW,
    PARIS,
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
)
from tests.support.run_snapshots import refused, snapshot

LATER = NOW + timedelta(hours=1)
A_MOMENT = timedelta(microseconds=1)
CONFIRMED, WAITLISTED, CANCELLED = BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED
DEAR, CHEAP = 5_000, 2_000


def seats_now(run: TrainRun, *bookings: Booking) -> list[list[str]]:
    """The seats of each booking now; none while it is waitlisted."""
    current = [current_booking(run, booking) for booking in bookings]
    return [seat_labels(booking) if booking.state is CONFIRMED else [] for booking in current]


def in_line(run: TrainRun) -> list[str]:
    """The waitlist from its front: the first passenger of each booking."""
    return [run.bookings[run.waitlist[number].reference].passengers[0].person.first_name for number in sorted(run.waitlist)]


# -- joining


def test_a_booking_without_a_seat_joins_the_end_of_the_waitlist() -> None:
    run = a_run("A2")
    fill(run)
    first, second = book_waitlisted(run, "ann"), book_waitlisted(run, "ben", "cem", section="", origin=LILLE)
    assert [(booking.state, booking.is_live, booking.ticket_number) for booking in (first, second)] == [
        (WAITLISTED, True, 1),
        (WAITLISTED, True, 2),
    ]
    assert [passenger.seat for booking in (first, second) for passenger in booking.passengers] == [None] * 3
    assert run.waitlist == {
        1: WaitlistEntry(1, first.reference, "A", 0b111, 1),
        2: WaitlistEntry(2, second.reference, "", 0b100, 2),
    }
    assert (first.wanted_section, second.wanted_section) == ("A", "")
    assert not second.seats_together


def test_ticket_numbers_are_not_reused() -> None:
    run = a_run("A1")
    fill(run)
    for who in ("ann", "ben"):
        cancel(run, book_waitlisted(run, who))
    assert book_waitlisted(run, "cem").ticket_number == 3


def test_a_booking_that_finds_a_seat_is_not_waitlisted() -> None:
    run = a_run("A1 B1")
    assert book_waitlisted(run, "ann").state is CONFIRMED
    assert seat_labels(book_waitlisted(run, "ben", section="")) == ["B-1"]
    assert not run.waitlist


def test_a_group_is_waitlisted_where_only_some_of_it_find_seats() -> None:
    run = a_run("A2 B2")
    book(run, "ann")
    book(run, "ben", section="B")
    waiting = book_waitlisted(run, "cem", "dot", section="")
    assert waiting.state is WAITLISTED
    assert seat_labels(book_waitlisted(run, "eve", section="")) == ["A-2"]


def test_a_waitlist_place_for_a_section_costs_its_fare() -> None:
    run = a_run("A1 B1", fares={"A": CHEAP, "B": DEAR})
    fill(run, "A")
    waiting = book_waitlisted(run, "ann")
    assert (waiting.price, waiting.charged_minor) == (Money(CHEAP, "USD"), CHEAP)


def test_a_waitlist_place_for_any_section_costs_the_highest_fare_for_each_passenger() -> None:
    run = a_run("A2 B2 C2", fares={"A": CHEAP, "B": DEAR, "C": 3_550})
    for section in "ABC":
        fill(run, section)
    waiting = book_waitlisted(run, "ann", "ben", section="")
    assert (waiting.price, waiting.charged_minor) == (Money(2 * DEAR, "USD"), 2 * DEAR)


def test_a_buyer_who_rejects_the_waitlist_is_refused() -> None:
    run = a_run("A1")
    fill(run)
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ann", section="A", if_full=IfFull.REJECT))


def test_nobody_is_waitlisted_for_chosen_seats() -> None:
    run = a_run("A2")
    book(run, "ann")
    with refused(Reason.SEAT_TAKEN, run):
        sell(run, asks_for_seats("ben", section="A", seats=[1], if_full=IfFull.WAITLIST))


def test_a_waitlisted_passenger_cannot_book_again() -> None:
    run = a_run("A2 B1")
    fill(run)
    assert book_waitlisted(run, "ann", "ben").state is WAITLISTED
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("ben", section="B"))


def test_a_repeated_request_gets_the_waitlisted_booking_and_later_its_seat() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    command = asks_for_seats("ann", section="A", if_full=IfFull.WAITLIST)
    waiting = sell(run, command)
    before = snapshot(run)
    assert create_booking(run, command, LATER, {}) is waiting
    assert snapshot(run) == before
    cancel(run, sold)
    again = create_booking(run, command, LATER, {})
    assert (again.reference, seat_labels(again)) == (waiting.reference, ["A-1"])


def test_a_waitlisted_booking_has_no_seat_to_move_from() -> None:
    run = a_run("A1 B1")
    fill(run)
    waiting = book_waitlisted(run, "ann")
    with refused(Reason.BOOKING_WAITLISTED, run):
        change_seat(run, asks_for_another_seat(waiting, section="B"), NOW)


def test_a_waitlisted_passenger_may_be_renamed_and_keeps_the_ticket_number() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    changed = update_booking(run, asks_for_new_fields(waiting, a_person("eve")), LATER)
    run.committed()
    assert (changed.state, changed.ticket_number) == (WAITLISTED, waiting.ticket_number)
    cancel(run, sold)
    assert run.live_reference(key_of("eve")) == waiting.reference
    assert seats_now(run, waiting) == [["A-1"]]


# -- who gets a seat that came free


def test_a_freed_seat_goes_to_the_front_of_the_waitlist_in_the_same_commit() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    first, second = book_waitlisted(run, "ann"), book_waitlisted(run, "ben")
    cancel_booking(run, asks_to_cancel(sold), LATER)
    promoted = current_booking(run, first)
    assert (promoted.state, seat_labels(promoted), promoted.ticket_number) == (CONFIRMED, ["A-1"], 0)
    assert (promoted.update_time, promoted.revision) == (LATER, run.version + 1)
    assert current_booking(run, second) == second
    assert run.sections[0].sold_legs == [0b111]
    assert list(run.waitlist) == [second.ticket_number]


def test_the_waitlist_is_promoted_in_order() -> None:
    run = a_run("A3")
    sold = fill(run)
    waiting = [book_waitlisted(run, who) for who in ("ann", "ben", "cem")]
    for booking in (sold[1], sold[2], sold[0]):
        cancel(run, booking)
    assert seats_now(run, *waiting) == [["A-2"], ["A-3"], ["A-1"]]


def test_freed_legs_go_to_the_first_booking_that_they_fit() -> None:
    run = a_run("A1")
    sold = book(run, "sold", destination=ASHFORD)
    book(run, "rest", origin=ASHFORD)
    whole, part = book_waitlisted(run, "ann"), book_waitlisted(run, "ben", destination=ASHFORD)
    cancel(run, sold)
    assert seats_now(run, whole, part) == [[], ["A-1"]]
    assert in_line(run) == ["Ann"]


def test_one_freed_seat_may_serve_several_bookings_on_different_legs() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    legs = [(LILLE, PARIS), (ASHFORD, PARIS), (LONDON, ASHFORD), (ASHFORD, LILLE)]
    waiting = [book_waitlisted(run, f"w{index}", origin=one[0], destination=one[1]) for index, one in enumerate(legs)]
    cancel(run, sold)
    assert seats_now(run, *waiting) == [["A-1"], [], ["A-1"], ["A-1"]]


def test_a_group_is_promoted_as_a_whole_and_those_behind_it_may_fit_first() -> None:
    run = a_run("A3")
    sold = fill(run)
    group, alone = book_waitlisted(run, "ann", "ben"), book_waitlisted(run, "cem")
    cancel(run, sold[0])
    assert seats_now(run, group, alone) == [[], ["A-1"]]
    cancel(run, sold[2])
    assert seats_now(run, group) == [[]]
    cancel(run, sold[1])
    assert seats_now(run, group) == [["A-2", "A-3"]]
    assert run.waitlist == {}


def test_a_cancelled_group_makes_room_for_as_many_as_fit() -> None:
    run = a_run("A4")
    group = book(run, "g1", "g2", "g3", "g4")
    waiting = [
        book_waitlisted(run, *who) for who in (("ann",), ("ben", "cem", "dot", "eve"), ("fay", "gus"), ("hal",), ("ida",))
    ]
    cancel(run, group)
    assert seats_now(run, *waiting) == [["A-1"], [], ["A-2", "A-3"], ["A-4"], []]
    assert in_line(run) == ["Ben", "Ida"]


def test_a_booking_that_waits_for_one_section_gets_no_seat_in_another() -> None:
    run = a_run("A1 B1")
    fill(run)
    (sold,) = fill(run, "B")
    in_a, anywhere = book_waitlisted(run, "ann", section="A"), book_waitlisted(run, "ben", section="")
    cancel(run, sold)
    assert seats_now(run, in_a, anywhere) == [[], ["B-1"]]


def test_a_seat_that_a_passenger_leaves_by_a_move_is_promoted_into() -> None:
    run = a_run("A1 B1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    move(run, sold, section="B")
    assert seats_now(run, waiting) == [["A-1"]]


def test_promotion_to_a_cheaper_section_refunds_the_difference() -> None:
    run = a_run("A2 B2", fares={"A": DEAR, "B": CHEAP})
    fill(run)
    sold = fill(run, "B")
    waiting = book_waitlisted(run, "ann", "ben", section="")
    for booking in sold:
        cancel(run, booking)
    promoted = current_booking(run, waiting)
    assert (seat_labels(promoted), promoted.price) == (["B-1", "B-2"], Money(2 * CHEAP, "USD"))
    assert [refund.minor for refund in promoted.refunds] == [2 * (DEAR - CHEAP)]
    assert promoted.charged_minor == 2 * DEAR


def test_promotion_to_the_dearest_section_refunds_nothing() -> None:
    run = a_run("A1 B1", fares={"A": DEAR, "B": CHEAP})
    (sold,) = fill(run)
    fill(run, "B")
    waiting = book_waitlisted(run, "ann", section="")
    cancel(run, sold)
    assert (seats_now(run, waiting), current_booking(run, waiting).refunds) == ([["A-1"]], ())


@pytest.mark.parametrize("section", ["A", ""])
def test_a_promoted_booking_does_not_pay_more_when_the_fare_has_risen(section: str) -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann", section=section)
    run.sections[0] = replace(run.sections[0], fare=Money(9_900, "USD"))
    cancel(run, sold)
    promoted = current_booking(run, waiting)
    assert (promoted.state, promoted.price, promoted.refunds) == (CONFIRMED, Money(2_000, "USD"), ())


def test_a_promoted_booking_that_is_cancelled_and_booked_again_sells_no_seat_twice() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    cancel(run, sold)
    cancel(run, current_booking(run, waiting))
    assert (run.sections[0].sold_legs, dict(run.sections[0].freed)) == ([0], {1: ((2, 0b111),)})
    again = book(run, "ann")
    assert (seat_labels(again), again.reference != waiting.reference) == (["A-1"], True)
    behind = book_waitlisted(run, "ben")
    cancel(run, again)
    assert seats_now(run, behind) == [["A-1"]]
    assert current_booking(run, waiting).state is CANCELLED
