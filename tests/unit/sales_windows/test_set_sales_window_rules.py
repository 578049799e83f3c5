"""SetSalesWindow: who may set a window, which windows a run takes, and what happens to the waitlist."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.disruption import DisruptionReason
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetSalesWindow
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.terms import SalesTerms
from tests.support.builders import (
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    NOW,
    TRAIN_ID,
    TRAVEL_DATE,
    a_caller,
    a_run,
    an_operator,
    asks_for_seats,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    hold,
    name_of,
    seat_labels,
    sell,
)
from tests.support.run_changes import retire_section
from tests.support.run_snapshots import invalid, refused, snapshot

MINUTE = timedelta(minutes=1)
TOMORROW = SalesWindow(open_time=NOW + timedelta(days=1))
CLOSES_EARLY = SalesWindow(closes_minutes_before=90)


def asks_for_window(window: SalesWindow | None, section: str = "", *, by: Caller | None = None) -> SetSalesWindow:
    return SetSalesWindow(by or an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), section, window)


def set_window(run: TrainRun, window: SalesWindow | None, section: str = "") -> None:
    """Set a window of the run, and commit."""
    decide(run, asks_for_window(window, section), NOW, {})
    run.committed()


def test_an_operator_sets_the_window_of_a_run_and_of_a_section() -> None:
    run = a_run("A1 B1")
    set_window(run, TOMORROW)
    set_window(run, CLOSES_EARLY, "B")
    assert run.sales_windows == (("", TOMORROW), ("B", CLOSES_EARLY))
    with refused(Reason.SALES_NOT_OPEN, run):
        create_booking(run, asks_for_seats("ann", section="A"), NOW, {})
    assert seat_labels(sell(run, asks_for_seats("ann", section="B"))) == ["B-1"]


def test_without_a_window_that_of_the_train_counts_again() -> None:
    run = a_run("A1 B1", terms=SalesTerms(sales_window=TOMORROW))
    set_window(run, ALWAYS_OPEN)
    assert seat_labels(sell(run, asks_for_seats("ann", section="A"))) == ["A-1"]
    set_window(run, None)
    assert run.sales_windows == ()
    with refused(Reason.SALES_NOT_OPEN, run):
        create_booking(run, asks_for_seats("ben", section="B"), NOW, {})


def test_a_new_window_takes_the_place_of_the_one_before() -> None:
    run = a_run("A1 B1")
    set_window(run, TOMORROW, "B")
    set_window(run, CLOSES_EARLY, "B")
    set_window(run, TOMORROW, "A")
    assert run.sales_windows == (("A", TOMORROW), ("B", CLOSES_EARLY))


@pytest.mark.parametrize(("window", "section"), [(TOMORROW, ""), (CLOSES_EARLY, "B"), (None, "A")])
def test_the_same_window_again_changes_nothing(window: SalesWindow | None, section: str) -> None:
    run = a_run("A1 B1")
    set_window(run, window, section)
    before = snapshot(run)
    decide(run, asks_for_window(window, section), NOW + MINUTE, {})
    assert not run.change_set
    assert snapshot(run) == before


def test_a_window_is_committed_without_an_event() -> None:
    run = a_run("A1")
    decide(run, asks_for_window(TOMORROW), NOW, {})
    assert run.change_set
    assert run.change_set.events == []
    assert run.eventless_version == run.version + 1


def test_windows_of_sections_that_were_removed_go_with_the_next_change() -> None:
    run = a_run("A1 B1 C1")
    set_window(run, TOMORROW, "A")
    set_window(run, TOMORROW, "B")
    retire_section(run, 0)
    run.committed()
    set_window(run, CLOSES_EARLY, "C")
    assert run.sales_windows == (("B", TOMORROW), ("C", CLOSES_EARLY))


def test_bookings_and_holds_stay_as_they_are() -> None:
    run = a_run("A4")
    booking, held = book(run, "ann"), hold(run, "ben")
    set_window(run, TOMORROW)
    assert current_booking(run, booking) == booking
    assert seat_labels(sell(run, asks_for_seats("ben", hold_id=name_of(run, held)), now=NOW + MINUTE)) == ["A-2"]


def test_the_waitlist_is_promoted_in_the_commit_that_opens_a_section() -> None:
    run = a_run("A1")
    ann = fill(run, "A")[0]
    waiting = book_waitlisted(run, "ben")
    set_window(run, TOMORROW)
    cancel(run, ann)
    assert current_booking(run, waiting).state is BookingState.WAITLISTED
    set_window(run, None)
    assert seat_labels(current_booking(run, waiting)) == ["A-1"]


# -- refusals


@pytest.mark.parametrize("caller", [Caller(""), a_caller("jane")])
def test_others_than_operators_are_refused(caller: Caller) -> None:
    run = a_run("A1")
    with refused(Reason.NOT_PERMITTED, run):
        decide(run, asks_for_window(TOMORROW, by=caller), NOW, {})


@pytest.mark.parametrize(
    ("window", "section", "field"),
    [
        (TOMORROW, "X", "section"),
        (None, "X", "section"),
        (SalesWindow(open_days_before=367), "", "sales_window.opens_before.days_before"),
        (SalesWindow(closes_minutes_before=-1), "A", "sales_window.closes_before"),
        (SalesWindow(open_time=DEPARTS_LILLE), "", "sales_window.open_time"),
        (SalesWindow(open_time=DEPARTS_LILLE - 90 * MINUTE, closes_minutes_before=90), "", "sales_window.open_time"),
        (SalesWindow(open_days_before=0, closes_minutes_before=24 * 60), "", "sales_window.opens_before"),
    ],
)
def test_a_window_that_is_impossible_on_the_run_is_refused(window: SalesWindow | None, section: str, field: str) -> None:
    run = a_run("A1")
    with invalid(field, run):
        decide(run, asks_for_window(window, section), NOW, {})


def test_a_window_by_local_time_is_refused_where_an_earlier_version_stored_an_unknown_zone() -> None:
    run = a_run("A1")
    run = replace(run, stops=tuple(replace(stop, time_zone="localtime") for stop in run.stops))
    with invalid("sales_window.opens_before", run):
        decide(run, asks_for_window(SalesWindow(open_days_before=7)), NOW, {})
    set_window(run, TOMORROW)
    assert run.sales_windows == (("", TOMORROW),)


def test_a_run_that_is_cancelled_takes_no_window() -> None:
    run = a_run("A1")
    run.set_cancellation(RunCancellation(NOW, DisruptionReason.STAFF, ""))
    run.committed()
    with refused(Reason.RUN_CANCELLED, run):
        decide(run, asks_for_window(TOMORROW), NOW, {})


def test_a_run_takes_a_window_until_it_has_left_the_last_stop_at_which_anybody_boards() -> None:
    run = a_run("A1")
    decide(run, asks_for_window(CLOSES_EARLY), DEPARTS_LONDON, {})
    run.committed()
    with refused(Reason.RUN_DEPARTED, run):
        decide(run, asks_for_window(None), DEPARTS_LILLE, {})
    assert run.stops[-2].name == LILLE
