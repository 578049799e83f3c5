"""Hidden runs: buyers cannot tell them from runs that do not exist; operators sell them; bookings stay as they are."""

from dataclasses import replace

import pytest

from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.rules.hidden_runs import require_visible_run, run_not_found
from app.domain.rules.hold_seats import hold_seats
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    NOW,
    TRAIN_ID,
    TRAVEL_DATE,
    a_caller,
    a_run,
    an_operator,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    book,
    hold,
    name_of,
    quote,
    seat_labels,
    sell,
)
from tests.support.run_snapshots import refused


def asks_to_hide(*, hidden: bool = True, by: Caller | None = None) -> UpdateTrainRun:
    return UpdateTrainRun(by or an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), hidden)


@pytest.fixture
def run() -> TrainRun:
    """A hidden run."""
    run = a_run("A4")
    decide(run, asks_to_hide(), NOW, {})
    run.committed()
    return run


def test_a_buyer_can_neither_book_nor_hold_nor_ask_for_a_price(run: TrainRun) -> None:
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run) as caught:
        create_booking(run, asks_for_seats("ann"), NOW, {})
    assert caught[0].message == run_not_found(run.run_id).message
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run):
        quote(run, asks_for_seats("ann"))
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run):
        hold_seats(run, asks_to_hold("ann"), NOW)


def test_a_buyer_learns_nothing_of_its_stops_sections_or_seats(run: TrainRun) -> None:
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run):
        create_booking(run, asks_for_seats("ann", origin="Nowhere", section="Z", seats=[99]), NOW, {})
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run):
        hold_seats(run, asks_to_hold("ann", section="Z", seats=[99]), NOW)


def test_an_operator_books_and_holds(run: TrainRun) -> None:
    command = asks_for_seats("ann")
    by_operator = replace(command, caller=an_operator())
    assert seat_labels(create_booking(run, by_operator, NOW, {})) == ["A-1"]


def test_a_booking_made_before_stays_as_it_is_and_can_be_cancelled() -> None:
    run = a_run("A4")
    command = asks_for_seats("ann")
    booking = sell(run, command)
    decide(run, asks_to_hide(), NOW, {})
    assert create_booking(run, command, NOW, {}) == booking, "a repeated request gets its booking"
    assert not cancel_booking(run, asks_to_cancel(booking), NOW).is_live


def test_a_hold_made_before_cannot_be_booked_while_the_run_is_hidden() -> None:
    run = a_run("A4")
    held = hold(run, "ann")
    decide(run, asks_to_hide(), NOW, {})
    run.committed()
    with refused(Reason.TRAIN_RUN_NOT_FOUND, run):
        create_booking(run, asks_for_seats("ann", hold_id=name_of(run, held)), NOW, {})
    decide(run, asks_to_hide(hidden=False), NOW, {})
    assert seat_labels(create_booking(run, asks_for_seats("ann", hold_id=name_of(run, held)), NOW, {})) == ["A-1"]


def test_only_operators_hide_a_run() -> None:
    run = a_run()
    with refused(Reason.NOT_PERMITTED, run):
        decide(run, asks_to_hide(by=a_caller("ann")), NOW, {})
    with refused(Reason.CREDENTIALS_MISSING, run):
        decide(run, asks_to_hide(by=Caller()), NOW, {})


def test_hiding_again_changes_nothing(run: TrainRun) -> None:
    decide(run, asks_to_hide(), NOW, {})
    assert not run.change_set


def test_a_run_that_is_shown_again_sells(run: TrainRun) -> None:
    decide(run, asks_to_hide(hidden=False), NOW, {})
    run.committed()
    assert seat_labels(book(run, "ann")) == ["A-1"]


def test_only_operators_see_a_hidden_run(run: TrainRun) -> None:
    require_visible_run(run, an_operator())
    for caller in (a_caller("ann"), Caller()):
        with refused(Reason.TRAIN_RUN_NOT_FOUND):
            require_visible_run(run, caller)
    require_visible_run(a_run(), Caller())
