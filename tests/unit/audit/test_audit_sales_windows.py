"""Audit rules about sales windows: impossible windows, bookings before the opening, waitlists for what has not opened."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit.check import Check, Finding, run_rules
from app.domain.audit.rules import RUN_DISRUPTION_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.audit.waitlist import missing_promotions
from app.domain.commands import IfFull
from app.domain.disruption import DisruptionReason
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.terms import DEFAULT_TERMS
from tests.support.builders import NOW, a_run, asks_for_seats, book, sell

OPENS_LATER = SalesWindow(open_time=NOW + timedelta(hours=1))
OPENED = SalesWindow(open_time=NOW - timedelta(hours=1))


def found_in(run: TrainRun) -> list[Finding]:
    record = AuditedRun(run, run.bookings, NOW, timedelta(minutes=2))
    return run_rules(RUN_DISRUPTION_RULES, "run", record)


def a_sold_run(*windows: tuple[str, SalesWindow], section: str = "A") -> TrainRun:
    """Make a run on which Ann bought a seat, and which got these windows of its own afterwards."""
    run = a_run("A2 B2")
    book(run, "ann", section=section)
    run.sales_windows = windows
    run.renew_sales_windows()
    return run


def test_bookings_made_after_the_opening_give_no_finding() -> None:
    assert found_in(a_sold_run()) == []
    assert found_in(a_sold_run(("", OPENED))) == []
    assert found_in(a_sold_run(("B", OPENS_LATER))) == []
    assert found_in(a_sold_run(("B", OPENS_LATER), section="")) == []


@pytest.mark.parametrize("section", ["A", ""])
def test_a_booking_made_before_the_opening_is_found(section: str) -> None:
    (finding,) = found_in(a_sold_run(("", OPENS_LATER), section=section))
    assert (finding.check, finding.is_warning) == (Check.SALES_WINDOWS, False)


def test_a_booking_made_before_the_opening_by_the_terms_of_the_train_is_found() -> None:
    run = a_sold_run()
    run.terms = replace(DEFAULT_TERMS, section_windows=(("A", OPENS_LATER),))
    assert {finding.check for finding in found_in(run)} == {Check.SALES_WINDOWS}


def test_where_a_window_may_have_changed_since_it_is_a_warning() -> None:
    run = a_sold_run(("", OPENS_LATER))
    run.eventless_version = 1
    assert [finding.is_warning for finding in found_in(run)] == [True]


@pytest.mark.parametrize(
    "windows",
    [
        (("C", OPENED),),
        (("A", OPENED), ("A", OPENED)),
        (("", SalesWindow(closes_minutes_before=-1)),),
        (("", replace(OPENED, open_days_before=3)),),
    ],
)
def test_an_impossible_window_is_found(windows: tuple[tuple[str, SalesWindow], ...]) -> None:
    assert {finding.check for finding in found_in(a_sold_run(*windows))} == {Check.SALES_WINDOWS}


# -- waitlists


def a_run_with_a_waitlist() -> TrainRun:
    """Make a run on which Dan waits for section A, of which all seats are free."""
    run = a_run("A1 B1")
    book(run, "ann", section="A")
    sell(run, asks_for_seats("dan", section="A", if_full=IfFull.WAITLIST))
    run.sections[0].set_sold(1, 0)
    run.sections[0].set_freed(1, ((1, 0b111),))
    return run


def promotions_missing_in(run: TrainRun) -> bool:
    record = AuditedRun(run, run.bookings, NOW, timedelta(minutes=2))
    return bool(list(missing_promotions(record)))


def test_nobody_waits_while_a_seat_fits_but_for_sections_that_have_not_opened_and_legs_that_are_cancelled() -> None:
    run = a_run_with_a_waitlist()
    assert promotions_missing_in(run)
    run.sales_windows = (("A", OPENS_LATER),)
    run.renew_sales_windows()
    assert not promotions_missing_in(run)
    run.sales_windows = (("A", OPENED),)
    run.renew_sales_windows()
    assert promotions_missing_in(run)
    run.set_cancellation(RunCancellation(NOW, DisruptionReason.STAFF, from_stop=2))
    assert not promotions_missing_in(run)
