"""Waitlisted bookings get the seats of a section at its opening, before anybody can buy them."""

from __future__ import annotations

from datetime import timedelta

from app.domain.booking import BookingState
from app.domain.rules.expire_due import expire_due
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.store.run_fields import next_due
from tests.support.builders import (
    NOW,
    a_run,
    asks_for_seats,
    book_waitlisted,
    current_booking,
    fill,
    seat_labels,
    sell,
    time_passes,
)

OPENING = NOW + timedelta(days=2)
A_SECOND = timedelta(seconds=1)


def a_run_whose_second_section_opens_later() -> TrainRun:
    """Section A is sold out; B opens in two days."""
    run = a_run("A1 B2")
    run.set_sales_windows((("B", SalesWindow(open_time=OPENING)),))
    fill(run)
    run.committed()
    return run


def test_a_booking_that_waits_for_any_section_is_promoted_at_the_opening_of_another() -> None:
    run = a_run_whose_second_section_opens_later()
    waits = book_waitlisted(run, "ann", section="")
    assert next_due(run) == OPENING
    time_passes(run, OPENING - A_SECOND)
    assert current_booking(run, waits).state is BookingState.WAITLISTED
    time_passes(run, OPENING)
    assert seat_labels(current_booking(run, waits)) == ["B-1"]
    assert run.opened_until == OPENING


def test_an_opening_leads_to_one_promotion_and_is_due_no_more() -> None:
    run = a_run_whose_second_section_opens_later()
    for who in (("ann", "ben"), ("cem", "dan")):  # B has seats for two
        book_waitlisted(run, *who, section="")
    time_passes(run, OPENING)
    due_after = next_due(run)
    assert due_after is not None
    assert due_after > OPENING
    expire_due(run, OPENING + A_SECOND)
    assert not run.change_set


def test_without_a_waitlist_no_opening_is_due() -> None:
    run = a_run_whose_second_section_opens_later()
    due = next_due(run)
    assert due is not None
    assert due > OPENING
    time_passes(run, OPENING)
    assert run.opened_until is None


def test_who_joins_the_waitlist_after_an_opening_makes_it_due_once() -> None:
    run = a_run_whose_second_section_opens_later()
    time_passes(run, OPENING)
    for who in ("ben", "cem"):
        sell(run, asks_for_seats(who, section="B"), now=OPENING)
    book_waitlisted(run, "ann", section="", now=OPENING + A_SECOND)
    assert next_due(run) == OPENING
    time_passes(run, OPENING + A_SECOND)
    assert next_due(run) != OPENING


def test_a_later_opening_follows_an_earlier_one() -> None:
    run = a_run("A1 B1 C1")
    later = OPENING + timedelta(days=1)
    run.set_sales_windows((("B", SalesWindow(open_time=OPENING)), ("C", SalesWindow(open_time=later))))
    fill(run)
    first, second = (book_waitlisted(run, who, section="") for who in ("ann", "ben"))
    time_passes(run, OPENING)
    assert next_due(run) == later
    time_passes(run, later)
    assert [seat_labels(current_booking(run, booking)) for booking in (first, second)] == [["B-1"], ["C-1"]]
