"""Sales windows in the rules: who may book, hold and move when, whom the waitlist promotes, and what a delay changes."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.commands import IfFull
from app.domain.disruption import DisruptionReason
from app.domain.layout.operations import RemoveSection
from app.domain.refusals import Reason
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.promote_waitlist import promote
from app.domain.rules.sales_windows import (
    first_open_time,
    is_on_sale,
    last_close_time,
    opened_sections,
    opening_times,
    sales_close_time,
    sales_open_time,
    sections_on_sale,
)
from app.domain.rules.set_delay import set_delay
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetDelay
from app.domain.sales_window import SalesWindow
from app.domain.terms import SalesTerms
from tests.support.builders import (
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    TRAIN_ID,
    TRAVEL_DATE,
    a_run,
    an_operator,
    asks_for_another_seat,
    asks_for_seats,
    asks_to_hold,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    hold,
    move,
    name_of,
    quote,
    seat_labels,
    sell,
    time_passes,
)
from tests.support.layout_changes import asks_for_layout
from tests.support.run_changes import retire_section
from tests.support.run_snapshots import refused

MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
OPENING = NOW + timedelta(days=10)
LATER_OPENING = NOW + timedelta(days=20)
CLOSING = DEPARTS_LONDON - HOUR  # for journeys from London
OPENS_AND_CLOSES = SalesWindow(open_time=OPENING, closes_minutes_before=60)


def a_run_on_sale(layout: str = "A4 B4", *, waitlist_closes: int = 0, **windows: SalesWindow) -> TrainRun:
    """A run whose sections have these windows; by default all of them one from ten days on until an hour before departure."""
    terms = SalesTerms(
        waitlist_closes_minutes_before=waitlist_closes,
        sales_window=SalesWindow() if windows else OPENS_AND_CLOSES,
        section_windows=tuple(windows.items()),
    )
    return a_run(layout, terms=terms)


def at(window_opening: datetime) -> SalesWindow:
    return SalesWindow(open_time=window_opening)


def closes(minutes_before: int) -> SalesWindow:
    return SalesWindow(closes_minutes_before=minutes_before)


def delay(run: TrainRun, minutes: int, now: datetime) -> None:
    """Set the delay of the run from its first stop on, and commit."""
    asked = SetDelay(
        an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), minutes, "", DisruptionReason.STAFF if minutes else None, "", now
    )
    set_delay(run, asked, now)
    run.committed()


# -- bookings


@pytest.mark.parametrize("section", ["A", ""])
def test_sales_open_and_close_at_their_very_instants(section: str) -> None:
    run = a_run_on_sale()
    with refused(Reason.SALES_NOT_OPEN, run) as caught:
        create_booking(run, asks_for_seats("ann", section=section), OPENING - MILLISECOND, {})
    assert caught[0].details == {"sales_open_time": "2026-08-11T12:00:00Z"}
    assert "2026-08-11T12:00:00Z" in caught[0].message
    assert seat_labels(sell(run, asks_for_seats("ann", section=section), now=OPENING)) == ["A-1"]
    assert seat_labels(sell(run, asks_for_seats("ben", section=section), now=CLOSING - MILLISECOND)) == ["A-2"]
    with refused(Reason.SALES_CLOSED, run) as caught:
        create_booking(run, asks_for_seats("cem", section=section), CLOSING, {})
    assert "2026-09-01T08:24:00Z" in caught[0].message


def test_chosen_seats_are_not_sold_before_the_opening() -> None:
    run = a_run_on_sale()
    with refused(Reason.SALES_NOT_OPEN, run):
        create_booking(run, asks_for_seats("ann", section="A", seats=[2]), NOW, {})


def test_a_price_is_not_quoted_outside_the_window_so_that_no_payment_is_authorized() -> None:
    run = a_run_on_sale()
    with refused(Reason.SALES_NOT_OPEN, run):
        quote(run, asks_for_seats("ann"), now=OPENING - MILLISECOND)
    with refused(Reason.SALES_CLOSED, run):
        quote(run, asks_for_seats("ann"), now=CLOSING)


def test_a_repeated_request_gets_its_booking_after_the_closing() -> None:
    run = a_run_on_sale()
    asked = asks_for_seats("ann")
    booking = sell(run, asked, now=OPENING)
    assert create_booking(run, asked, CLOSING, {}) == booking
    assert quote(run, asked, now=CLOSING) == booking


def test_operators_wait_for_the_opening_like_everybody() -> None:
    run = a_run_on_sale()
    with refused(Reason.SALES_NOT_OPEN, run):
        create_booking(run, replace(asks_for_seats("ann"), caller=an_operator()), NOW, {})


def test_sales_close_before_the_departure_from_the_origin_of_each_journey() -> None:
    run = a_run_on_sale()
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asks_for_seats("ann", origin=LONDON), CLOSING, {})
    assert seat_labels(sell(run, asks_for_seats("ann", origin=LILLE), now=CLOSING)) == ["A-1"]
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asks_for_seats("ben", origin=LILLE), DEPARTS_LILLE - HOUR, {})


def test_a_train_that_has_left_is_departed_rather_than_closed() -> None:
    run = a_run_on_sale()
    with refused(Reason.RUN_DEPARTED, run):
        create_booking(run, asks_for_seats("ann"), DEPARTS_LONDON, {})


def test_the_refusal_of_another_section_than_the_run_has_comes_first() -> None:
    run = a_run_on_sale()
    with refused(Reason.INVALID_FIELD, run, field="section"):
        create_booking(run, asks_for_seats("ann", section="X"), NOW, {})


# -- any section


def test_any_section_is_one_that_is_on_sale() -> None:
    run = a_run_on_sale("A1 B1 C1", A=at(LATER_OPENING), B=at(OPENING), C=closes(60))
    assert seat_labels(sell(run, asks_for_seats("ann"), now=NOW)) == ["C-1"]
    with refused(Reason.SECTION_FULL, run) as caught:
        create_booking(run, asks_for_seats("ben"), NOW, {})
    assert "on sale" in caught[0].message
    assert seat_labels(sell(run, asks_for_seats("ben"), now=OPENING)) == ["B-1"]
    assert seat_labels(sell(run, asks_for_seats("cem"), now=LATER_OPENING)) == ["A-1"]


def test_where_no_section_is_on_sale_the_earliest_opening_is_named() -> None:
    run = a_run_on_sale("A1 B1", A=at(LATER_OPENING), B=at(OPENING))
    with refused(Reason.SALES_NOT_OPEN, run) as caught:
        create_booking(run, asks_for_seats("ann"), NOW, {})
    assert caught[0].details == {"sales_open_time": "2026-08-11T12:00:00Z"}


def test_an_opening_to_come_counts_more_than_a_section_that_has_closed() -> None:
    run = a_run_on_sale("A1 B1", A=closes(30 * 24 * 60), B=at(LATER_OPENING))
    with refused(Reason.SALES_NOT_OPEN, run) as caught:
        create_booking(run, asks_for_seats("ann"), OPENING, {})
    assert caught[0].details == {"sales_open_time": "2026-08-21T12:00:00Z"}


def test_an_opening_that_comes_after_the_closing_of_the_journey_is_not_named() -> None:
    between = DEPARTS_LONDON + timedelta(minutes=10)  # in time for Lille only
    run = a_run_on_sale("A1 B1", A=closes(60), B=at(between))
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asks_for_seats("ann"), CLOSING, {})
    assert seat_labels(sell(run, asks_for_seats("ann", origin=LILLE, section="B"), now=between)) == ["B-1"]


# -- holds


def test_seats_are_held_only_while_they_are_on_sale() -> None:
    run = a_run_on_sale("A2 B1", A=OPENS_AND_CLOSES, B=at(LATER_OPENING))
    with refused(Reason.SALES_NOT_OPEN, run):
        hold_seats(run, asks_to_hold("ann", section="A"), OPENING - MILLISECOND)
    with refused(Reason.SALES_NOT_OPEN, run) as caught:
        hold_seats(run, asks_to_hold("ann", section=""), OPENING - MILLISECOND)
    assert caught[0].details == {"sales_open_time": "2026-08-11T12:00:00Z"}
    hold(run, "ann", section="A", now=OPENING)
    hold(run, "ben", section="", now=CLOSING - MILLISECOND)
    with refused(Reason.SALES_CLOSED, run):
        hold_seats(run, asks_to_hold("cem", section="A"), CLOSING)


def test_held_seats_may_be_booked_until_the_hold_expires_even_after_the_closing() -> None:
    run = a_run_on_sale()
    held = hold(run, "ann", section="A", now=CLOSING - MILLISECOND)
    booked = sell(run, asks_for_seats("ann", section="A", hold_id=name_of(run, held)), now=CLOSING + timedelta(minutes=4))
    assert seat_labels(booked) == ["A-1"]


def test_a_hold_that_has_expired_after_the_closing_cannot_be_booked() -> None:
    run = a_run_on_sale()
    held = hold(run, "ann", section="A", now=CLOSING - MILLISECOND)
    time_passes(run, CLOSING + timedelta(minutes=5))
    with refused(Reason.HOLD_EXPIRED, run):
        create_booking(run, asks_for_seats("ann", hold_id=name_of(run, held)), CLOSING + timedelta(minutes=5), {})


# -- ChangeSeat


def test_a_passenger_moves_to_another_section_only_once_it_has_opened() -> None:
    run = a_run_on_sale("A2 B2", A=closes(60), B=at(OPENING))
    booking = book(run, "ann", section="A")
    with refused(Reason.SALES_NOT_OPEN, run):
        change_seat(run, asks_for_another_seat(booking, section="B"), OPENING - MILLISECOND)
    assert seat_labels(move(run, booking, section="B", now=OPENING)) == ["B-1"]


def test_a_passenger_moves_to_a_section_that_has_closed_and_within_one_that_has_not_opened() -> None:
    run = a_run_on_sale("A2 B2", A=closes(60), B=closes(0))
    booking = book(run, "ann", section="B")
    booking = move(run, booking, section="A", now=CLOSING)
    assert seat_labels(booking) == ["A-1"]
    run.set_sales_windows((("A", at(DEPARTS_LONDON - MILLISECOND)),))
    run.committed()
    assert seat_labels(move(run, booking, number=2, now=CLOSING + MILLISECOND)) == ["A-2"]


# -- the waitlist


def test_a_place_on_the_waitlist_is_sold_only_while_the_section_is_on_sale() -> None:
    run = a_run_on_sale("A1", A=OPENS_AND_CLOSES)
    sell(run, asks_for_seats("ann"), now=OPENING)
    asked = asks_for_seats("ben", section="A", if_full=IfFull.WAITLIST)
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asked, CLOSING, {})
    assert sell(run, asked, now=CLOSING - MILLISECOND).state is BookingState.WAITLISTED


def test_nobody_gets_a_seat_of_a_section_that_has_closed_by_way_of_the_waitlist() -> None:
    run = a_run_on_sale("A1 B1", A=closes(60), B=closes(0))
    fill(run, "B")
    with refused(Reason.SECTION_FULL, run) as caught:
        create_booking(run, asks_for_seats("ann", if_full=IfFull.WAITLIST), CLOSING, {})
    assert "name a section" in caught[0].message
    asked = asks_for_seats("ann", section="B", if_full=IfFull.WAITLIST)
    assert sell(run, asked, now=CLOSING).state is BookingState.WAITLISTED


def test_a_booking_for_any_section_waits_for_the_sections_that_have_not_opened_too() -> None:
    run = a_run_on_sale("A1 B1", A=closes(0), B=at(OPENING))
    fill(run, "A")
    waiting = book_waitlisted(run, "ben", section="")
    time_passes(run, OPENING - MILLISECOND)
    assert current_booking(run, waiting).state is BookingState.WAITLISTED


def test_a_seat_that_comes_free_before_its_section_opens_goes_to_the_waitlist_after_that() -> None:
    run = a_run("A1 B1")
    ann, eve = fill(run, "A")[0], book(run, "eve", section="B")
    waiting = book_waitlisted(run, "ben", section="A")
    run.set_sales_windows((("A", at(OPENING)),))
    run.committed()
    cancel(run, ann)
    assert current_booking(run, waiting).state is BookingState.WAITLISTED
    cancel(run, eve, now=OPENING)
    assert seat_labels(current_booking(run, waiting)) == ["A-1"]


def test_the_waitlist_gets_seats_of_a_section_that_has_closed() -> None:
    run = a_run_on_sale("A1", A=closes(60))
    ann = fill(run, "A")[0]
    waiting = book_waitlisted(run, "ben")
    cancel(run, ann, now=CLOSING)
    assert seat_labels(current_booking(run, waiting)) == ["A-1"]


def test_a_booking_for_a_removed_section_gets_seats_only_of_sections_that_have_opened() -> None:
    run = a_run("A1 B1 C1")
    fill(run, "B")
    waiting = book_waitlisted(run, "ben", section="B")
    run.set_sales_windows((("A", at(OPENING)), ("C", at(LATER_OPENING))))
    retire_section(run, 1)
    promote(run, OPENING - MILLISECOND)
    assert current_booking(run, waiting).state is BookingState.WAITLISTED
    run.set_sales_windows((("A", at(LATER_OPENING)), ("C", at(OPENING))))
    promote(run, OPENING)
    assert seat_labels(current_booking(run, waiting)) == ["C-1"]


def test_displaced_passengers_get_seats_of_a_section_that_has_not_opened() -> None:
    run = a_run("A1 B1")
    eve, ann = book(run, "eve", section="A"), book(run, "ann", section="B")
    run.set_sales_windows((("A", at(OPENING)),))
    decide(run, asks_for_layout(RemoveSection("B")), NOW, {})
    run.committed()
    assert current_booking(run, ann).state is BookingState.WAITLISTED
    cancel(run, eve)
    assert seat_labels(current_booking(run, ann)) == ["A-1"]


# -- delays


def test_a_delay_opens_sales_again_and_its_end_closes_them() -> None:
    run = a_run_on_sale()
    delay(run, 30, CLOSING - HOUR)
    assert seat_labels(sell(run, asks_for_seats("ann"), now=CLOSING + timedelta(minutes=30) - MILLISECOND)) == ["A-1"]
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asks_for_seats("ben"), CLOSING + timedelta(minutes=30), {})
    delay(run, 40, CLOSING + timedelta(minutes=31))
    assert seat_labels(sell(run, asks_for_seats("ben"), now=CLOSING + timedelta(minutes=32))) == ["A-2"]
    delay(run, 0, CLOSING + timedelta(minutes=33))
    with refused(Reason.SALES_CLOSED, run):
        create_booking(run, asks_for_seats("cem"), CLOSING + timedelta(minutes=33), {})


def test_a_delay_does_not_move_the_opening() -> None:
    run = a_run_on_sale()
    delay(run, 120, NOW)
    assert sales_open_time(run, 0) == OPENING


# -- what answers say


def test_the_times_of_a_run_without_windows_are_its_departures() -> None:
    run = a_run("A1 B1")
    journey = run.journey(LILLE, PARIS)
    assert (first_open_time(run), sales_open_time(run, 1), opening_times(run), opened_sections(run, NOW)) == (
        None,
        None,
        (),
        None,
    )
    assert sales_close_time(run, 0, journey) == last_close_time(run, journey) == DEPARTS_LILLE
    assert list(sections_on_sale(run, journey, NOW)) == [0, 1]
    assert is_on_sale(run, 0, journey, DEPARTS_LILLE - MILLISECOND)
    assert not is_on_sale(run, 0, journey, DEPARTS_LILLE)


def test_no_section_is_on_sale_for_legs_that_are_cancelled() -> None:
    run = a_run("A1 B1")
    run.set_cancellation(RunCancellation(NOW, DisruptionReason.STAFF, from_stop=2))
    assert list(sections_on_sale(run, run.journey(LONDON, LILLE), NOW)) == [0, 1]
    assert list(sections_on_sale(run, run.journey(LONDON, PARIS), NOW)) == []
    assert not is_on_sale(run, 0, run.journey(LILLE, PARIS), NOW)


def test_a_run_opens_with_its_first_section_and_closes_with_its_last() -> None:
    run = a_run_on_sale("A1 B1 C1", A=at(LATER_OPENING), B=OPENS_AND_CLOSES, C=at(LATER_OPENING))
    journey = run.journey(LONDON, PARIS)
    assert first_open_time(run) == OPENING
    assert opening_times(run) == (OPENING, LATER_OPENING)
    assert last_close_time(run, journey) == DEPARTS_LONDON
    assert [sales_close_time(run, index, journey) for index in range(3)] == [DEPARTS_LONDON, CLOSING, DEPARTS_LONDON]
    assert opened_sections(run, OPENING) == [1]
    assert list(sections_on_sale(run, journey, OPENING)) == [1]
    assert list(sections_on_sale(run, journey, CLOSING)) == [0, 2]
    assert opened_sections(run, LATER_OPENING) is None


def test_a_run_has_no_opening_where_one_section_was_always_open() -> None:
    assert first_open_time(a_run_on_sale("A1 B1", A=at(OPENING))) is None
