"""The waiting list: who joins it and what that costs, and who gets a seat that came free."""

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
    """Where the passengers of each booking sit by now; nowhere while it waits."""
    current = [current_booking(run, booking) for booking in bookings]
    return [seat_labels(one) if one.state is CONFIRMED else [] for one in current]


def in_line(run: TrainRun) -> list[str]:
    """Who waits, from the front: the first passenger of each booking."""
    return [run.bookings[run.waitlist[number].reference].passengers[0].person.first_name for number in sorted(run.waitlist)]


# -- joining


def test_who_finds_no_seat_waits_behind_those_who_came_before() -> None:
    run = a_run("A2")
    fill(run)
    first, second = book_waitlisted(run, "ann"), book_waitlisted(run, "ben", "cem", section="", origin=LILLE)
    assert [(one.state, one.is_live, one.ticket_number) for one in (first, second)] == [
        (WAITLISTED, True, 1),
        (WAITLISTED, True, 2),
    ]
    assert [passenger.seat for one in (first, second) for passenger in one.passengers] == [None] * 3
    assert run.waitlist == {
        1: WaitlistEntry(1, first.reference, "A", 0b111, 1),
        2: WaitlistEntry(2, second.reference, "", 0b100, 2),
    }
    assert (first.wanted_section, second.wanted_section) == ("A", "")
    assert not second.seats_together


def test_numbers_are_not_given_out_again_when_those_in_front_have_gone() -> None:
    run = a_run("A1")
    fill(run)
    for who in ("ann", "ben"):
        cancel(run, book_waitlisted(run, who))
    assert book_waitlisted(run, "cem").ticket_number == 3


def test_who_may_wait_and_finds_a_seat_does_not_wait() -> None:
    run = a_run("A1 B1")
    assert book_waitlisted(run, "ann").state is CONFIRMED
    assert seat_labels(book_waitlisted(run, "ben", section="")) == ["B-1"]
    assert not run.waitlist


def test_a_group_waits_where_only_some_of_it_find_seats() -> None:
    run = a_run("A2 B2")
    book(run, "ann")
    book(run, "ben", section="B")
    waiting = book_waitlisted(run, "cem", "dot", section="")
    assert waiting.state is WAITLISTED
    assert seat_labels(book_waitlisted(run, "eve", section="")) == ["A-2"]


def test_a_place_for_a_section_costs_its_fare() -> None:
    run = a_run("A1 B1", fares={"A": CHEAP, "B": DEAR})
    fill(run, "A")
    waiting = book_waitlisted(run, "ann")
    assert (waiting.price, waiting.charged_minor) == (Money(CHEAP, "USD"), CHEAP)


def test_a_place_for_any_section_costs_the_highest_fare_for_each_passenger() -> None:
    run = a_run("A2 B2 C2", fares={"A": CHEAP, "B": DEAR, "C": 3_550})
    for section in "ABC":
        fill(run, section)
    waiting = book_waitlisted(run, "ann", "ben", section="")
    assert (waiting.price, waiting.charged_minor) == (Money(2 * DEAR, "USD"), 2 * DEAR)


def test_who_does_not_want_to_wait_is_refused() -> None:
    run = a_run("A1")
    fill(run)
    with refused(Reason.SECTION_FULL, run):
        sell(run, asks_for_seats("ann", section="A", if_full=IfFull.REJECT))


def test_nobody_waits_for_chosen_seats() -> None:
    run = a_run("A2")
    book(run, "ann")
    with refused(Reason.SEAT_TAKEN, run):
        sell(run, asks_for_seats("ben", section="A", seats=[1], if_full=IfFull.WAITLIST))


def test_who_waits_is_on_the_train_as_far_as_another_booking_goes() -> None:
    run = a_run("A2 B1")
    fill(run)
    assert book_waitlisted(run, "ann", "ben").state is WAITLISTED
    with refused(Reason.PASSENGER_ALREADY_BOOKED, run):
        sell(run, asks_for_seats("ben", section="B"))


def test_the_same_request_finds_the_booking_that_waits_and_later_the_seat_it_got() -> None:
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


def test_who_waits_has_no_seat_to_move_from() -> None:
    run = a_run("A1 B1")
    fill(run)
    waiting = book_waitlisted(run, "ann")
    with refused(Reason.BOOKING_WAITLISTED, run):
        change_seat(run, asks_for_another_seat(waiting, section="B"), NOW)


def test_a_passenger_who_waits_may_get_another_name_and_keeps_the_place() -> None:
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


def test_a_seat_that_comes_free_goes_to_the_first_who_waits_in_the_same_commit() -> None:
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


def test_those_who_wait_get_seats_in_the_order_in_which_they_came() -> None:
    run = a_run("A3")
    sold = fill(run)
    waiting = [book_waitlisted(run, who) for who in ("ann", "ben", "cem")]
    for booking in (sold[1], sold[2], sold[0]):
        cancel(run, booking)
    assert seats_now(run, *waiting) == [["A-2"], ["A-3"], ["A-1"]]


def test_part_of_the_way_goes_to_whom_it_serves_and_not_to_who_came_before() -> None:
    run = a_run("A1")
    sold = book(run, "sold", destination=ASHFORD)
    book(run, "rest", origin=ASHFORD)
    whole, part = book_waitlisted(run, "ann"), book_waitlisted(run, "ben", destination=ASHFORD)
    cancel(run, sold)
    assert seats_now(run, whole, part) == [[], ["A-1"]]
    assert in_line(run) == ["Ann"]


def test_one_seat_that_comes_free_may_serve_several_who_ride_one_after_the_other() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    legs = [(LILLE, PARIS), (ASHFORD, PARIS), (LONDON, ASHFORD), (ASHFORD, LILLE)]
    waiting = [book_waitlisted(run, f"w{index}", origin=one[0], destination=one[1]) for index, one in enumerate(legs)]
    cancel(run, sold)
    assert seats_now(run, *waiting) == [["A-1"], [], ["A-1"], ["A-1"]]


def test_a_group_waits_as_a_whole_and_those_behind_it_may_fit_first() -> None:
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


def test_a_group_that_cancels_makes_room_for_as_many_as_fit() -> None:
    run = a_run("A4")
    group = book(run, "g1", "g2", "g3", "g4")
    waiting = [
        book_waitlisted(run, *who) for who in (("ann",), ("ben", "cem", "dot", "eve"), ("fay", "gus"), ("hal",), ("ida",))
    ]
    cancel(run, group)
    assert seats_now(run, *waiting) == [["A-1"], [], ["A-2", "A-3"], ["A-4"], []]
    assert in_line(run) == ["Ben", "Ida"]


def test_who_waits_for_one_section_gets_no_seat_in_another() -> None:
    run = a_run("A1 B1")
    fill(run)
    (sold,) = fill(run, "B")
    in_a, anywhere = book_waitlisted(run, "ann", section="A"), book_waitlisted(run, "ben", section="")
    cancel(run, sold)
    assert seats_now(run, in_a, anywhere) == [[], ["B-1"]]


def test_a_passenger_who_moves_away_makes_room() -> None:
    run = a_run("A1 B1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    move(run, sold, section="B")
    assert seats_now(run, waiting) == [["A-1"]]


def test_who_waited_for_any_section_gets_the_difference_back_with_a_cheaper_seat() -> None:
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


def test_who_waited_for_any_section_gets_nothing_back_with_the_dearest_seat() -> None:
    run = a_run("A1 B1", fares={"A": DEAR, "B": CHEAP})
    (sold,) = fill(run)
    fill(run, "B")
    waiting = book_waitlisted(run, "ann", section="")
    cancel(run, sold)
    assert (seats_now(run, waiting), current_booking(run, waiting).refunds) == ([["A-1"]], ())


@pytest.mark.parametrize("section", ["A", ""])
def test_nobody_who_waited_pays_more_when_the_fare_has_risen_since(section: str) -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann", section=section)
    run.sections[0] = replace(run.sections[0], fare=Money(9_900, "USD"))
    cancel(run, sold)
    promoted = current_booking(run, waiting)
    assert (promoted.state, promoted.price, promoted.refunds) == (CONFIRMED, Money(2_000, "USD"), ())


def test_who_was_promoted_and_cancels_and_books_again_leaves_no_seat_twice() -> None:
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
