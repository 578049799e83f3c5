"""Which of several windows counts for a section, and what follows from it on a run."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import product

import pytest

from app.domain.run.section_sales import SectionSales, counting_window
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.terms import SalesTerms
from tests.support.builders import a_run
from tests.support.run_changes import retire_section

OF_TRAIN = SalesWindow(closes_minutes_before=1)
OF_TRAIN_SECTION = SalesWindow(closes_minutes_before=2)
OF_RUN = SalesWindow(closes_minutes_before=3)
OF_RUN_SECTION = SalesWindow(closes_minutes_before=4)
OPENING = datetime(2026, 8, 25, 8, tzinfo=UTC)  # a week before the train leaves, at 09:00 in London
HALF_AN_HOUR = timedelta(minutes=30)
A_WEEK_BEFORE = SalesWindow(open_days_before=7, open_at=time(9), closes_minutes_before=30)


def with_windows(run: TrainRun, *windows: tuple[str, SalesWindow]) -> TrainRun:
    """Give the run these windows of its own."""
    run.set_sales_windows(windows)
    run.committed()
    return run


def closings(run: TrainRun) -> list[int]:
    """The minutes before the departure at which each section closes."""
    assert run.section_sales is not None
    return [sales.closes_before // timedelta(minutes=1) for sales in run.section_sales]


@pytest.mark.parametrize(("of_train_section", "of_run", "of_run_section"), list(product([False, True], repeat=3)))
def test_the_most_special_window_counts(of_train_section: bool, of_run: bool, of_run_section: bool) -> None:
    terms = SalesTerms(sales_window=OF_TRAIN, section_windows=(("A", OF_TRAIN_SECTION),) if of_train_section else ())
    run_windows = [("", OF_RUN)] * of_run + [("A", OF_RUN_SECTION)] * of_run_section
    by_rank = [(of_run_section, OF_RUN_SECTION), (of_run, OF_RUN), (of_train_section, OF_TRAIN_SECTION), (True, OF_TRAIN)]
    assert counting_window("A", run_windows, terms) == next(window for is_set, window in by_rank if is_set)
    assert counting_window("B", run_windows, terms) == (OF_RUN if of_run else OF_TRAIN)


def test_a_window_counts_as_a_whole() -> None:
    # The window of the section only says when it closes. So it is open from the beginning, whatever the train's window says.
    run = a_run("A1 B1", terms=SalesTerms(sales_window=A_WEEK_BEFORE, section_windows=(("B", OF_TRAIN_SECTION),)))
    assert run.section_sales == (SectionSales(OPENING, HALF_AN_HOUR), SectionSales(None, timedelta(minutes=2)))


def test_an_empty_window_of_a_section_opens_it_all_the_time() -> None:
    run = a_run("A1 B1", terms=SalesTerms(sales_window=A_WEEK_BEFORE, section_windows=(("B", ALWAYS_OPEN),)))
    assert run.section_sales == (SectionSales(OPENING, HALF_AN_HOUR), SectionSales(None, timedelta(0)))


@pytest.mark.parametrize(
    "run",
    [
        a_run("A1 B1"),
        a_run("A1 B1", terms=SalesTerms(section_windows=(("B", ALWAYS_OPEN),))),
        a_run("A1 B1", terms=SalesTerms(sales_window=A_WEEK_BEFORE, section_windows=(("A", ALWAYS_OPEN), ("B", ALWAYS_OPEN)))),
        with_windows(a_run("A1 B1", terms=SalesTerms(sales_window=A_WEEK_BEFORE)), ("", ALWAYS_OPEN)),
        with_windows(a_run("A1 B1"), ("C", A_WEEK_BEFORE)),  # of a section that was removed
    ],
)
def test_a_run_that_is_always_open_knows_nothing_of_windows(run: TrainRun) -> None:
    assert run.section_sales is None


def test_sections_follow_the_windows_that_the_run_is_given_and_loses() -> None:
    run = a_run("A1 B1", terms=SalesTerms(sales_window=OF_TRAIN))
    assert closings(run) == [1, 1]
    run.set_sales_windows((("", OF_RUN), ("B", OF_RUN_SECTION)))
    assert closings(run) == [3, 4]
    run.undo()
    assert closings(run) == [1, 1]
    assert closings(with_windows(run, ("B", OF_RUN_SECTION))) == [1, 4]
    assert closings(with_windows(run)) == [1, 1]


def test_each_section_keeps_its_window_where_another_one_is_removed() -> None:
    run = with_windows(a_run("A1 B1 C1"), ("A", OF_RUN), ("C", OF_RUN_SECTION))
    assert closings(run) == [3, 0, 4]
    retire_section(run, 0)
    assert closings(run) == [0, 4]
    run.undo()
    assert closings(run) == [3, 0, 4]


def test_a_server_takes_over_the_windows_that_another_one_committed() -> None:
    run = a_run("A1 B1")
    newer = with_windows(replace(a_run("A1 B1"), version=2), ("B", OF_RUN_SECTION))
    run.refresh_from(newer)
    assert closings(run) == [0, 4]
    run.refresh_from(replace(newer, sales_windows=(), version=3))
    assert run.section_sales is None


def test_the_opening_of_a_run_is_that_of_its_own_date() -> None:
    terms = SalesTerms(sales_window=A_WEEK_BEFORE)
    days = [datetime(2026, 3, day, tzinfo=UTC).date() for day in (28, 29, 30)]
    runs = [a_run("A1", travel_date=day + timedelta(days=7), terms=terms) for day in days]
    openings = [run.section_sales[0].open_time for run in runs if run.section_sales is not None]
    # Clocks go forward on the 29th of March.
    assert [f"{opening:%dT%H}" for opening in openings if opening is not None] == ["28T09", "29T08", "30T08"]
