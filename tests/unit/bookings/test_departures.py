"""Departures: until when a journey of a late, a cancelled or a shortened train can be sold and changed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.amounts import ANY_AMOUNT
from app.domain.booking import Booking
from app.domain.commands import Command, QuoteBooking
from app.domain.layout.operations import RemoveCoach
from app.domain.refusals import Reason, Refusal
from app.domain.rules.decisions import decide
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    PARIS,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    book,
)
from tests.support.cancellations import cancel_run
from tests.support.delay_reports import arrive, at, delay_run
from tests.support.layout_changes import asks_for_layout

A_MOMENT = timedelta(microseconds=1)
Build = Callable[[Booking], Command[Any]]

# Every command that needs a train which has not left, about the journey of a booking.
SALES: dict[str, Build] = {
    "book": lambda booking: asks_for_seats("dan", origin=booking.journey.origin, destination=booking.journey.destination),
    "quote": lambda booking: QuoteBooking(
        asks_for_seats("dan", origin=booking.journey.origin, destination=booking.journey.destination), ANY_AMOUNT
    ),
    "hold": lambda booking: asks_to_hold("dan", origin=booking.journey.origin, destination=booking.journey.destination),
    "change seat": lambda booking: asks_for_another_seat(booking, number=4),
}
CHANGES: dict[str, Build] = SALES | {
    "update": lambda booking: asks_for_new_fields(booking, a_person("eve")),
    "cancel": asks_to_cancel,
}


def outcome(run: TrainRun, command: Command[Any], now: datetime) -> Reason | None:
    """Why the command is refused at that moment, None where it is not; it is undone."""
    try:
        decide(run, command, now, {})
    except Refusal as refusal:
        return refusal.reason
    finally:
        run.undo()
    return None


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize(
    ("origin", "minutes", "from_stop", "leaves"),
    [
        (LONDON, 0, "", "09:24"),
        (LONDON, 70, "", "10:34"),
        (LONDON, 70, ASHFORD, "09:24"),
        (LILLE, 70, "", "12:02"),
        (LILLE, 40, LILLE, "11:32"),
        (LILLE, 40, PARIS, "10:52"),
    ],
)
def test_a_journey_is_sold_and_changed_until_the_train_is_expected_to_leave_its_origin(
    name: str, origin: str, minutes: int, from_stop: str, leaves: str
) -> None:
    run = a_run()
    booking = book(run, "ann", origin=origin)
    delay_run(run, minutes, from_stop)
    command = CHANGES[name](booking)
    assert outcome(run, command, at(leaves) - A_MOMENT) is None
    assert outcome(run, command, at(leaves)) is Reason.RUN_DEPARTED


@pytest.mark.parametrize("name", CHANGES)
def test_each_report_moves_the_departure(name: str) -> None:
    run = a_run()
    booking = book(run, "ann")
    now = at("10:10")  # 46 minutes after the scheduled departure
    found = []
    for minutes in (70, 40, 0, 130):
        delay_run(run, minutes, now=now)
        found.append(outcome(run, CHANGES[name](booking), now))
    assert found == [None, Reason.RUN_DEPARTED, Reason.RUN_DEPARTED, None]


@pytest.mark.parametrize("name", CHANGES)
def test_a_train_that_arrived_has_left_the_stops_before(name: str) -> None:
    run = a_run()
    booking, later = book(run, "ann"), book(run, "ben", origin=LILLE)
    delay_run(run, 130)
    arrive(run, ASHFORD, "10:00")
    assert outcome(run, CHANGES[name](booking), at("10:00")) is Reason.RUN_DEPARTED
    assert outcome(run, CHANGES[name](later), at("10:00")) is None


@pytest.mark.parametrize("name", SALES)
def test_a_cancelled_run_sells_nothing(name: str) -> None:
    run = a_run()
    booking = book(run, "ann")
    cancel_run(run)
    for clock in ("09:23", "09:24", "12:00"):
        assert outcome(run, SALES[name](booking), at(clock)) is Reason.RUN_CANCELLED


def test_passengers_of_a_cancelled_run_may_still_be_renamed_and_cancelled() -> None:
    run = a_run()
    booking = book(run, "ann")
    cancel_run(run)
    for clock in ("09:23", "09:24", "12:00"):
        assert outcome(run, CHANGES["update"](booking), at(clock)) is None
        assert outcome(run, CHANGES["cancel"](booking), at(clock)) is None


@pytest.mark.parametrize(
    ("origin", "destination", "is_sold"),
    [
        (LONDON, ASHFORD, True),
        (LONDON, LILLE, True),
        (ASHFORD, LILLE, True),
        (LONDON, PARIS, False),
        (ASHFORD, PARIS, False),
        (LILLE, PARIS, False),
    ],
)
@pytest.mark.parametrize("name", SALES)
def test_a_run_that_ends_early_sells_the_legs_that_it_runs(name: str, origin: str, destination: str, is_sold: bool) -> None:
    run = a_run()
    booking = book(run, "ann", origin=origin, destination=destination)
    cancel_run(run, LILLE)
    assert outcome(run, CHANGES[name](booking), at("09:00")) is (None if is_sold else Reason.RUN_CANCELLED)


def test_the_refusal_says_where_a_shortened_train_ends() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    with pytest.raises(Refusal, match=f"cancelled from {LILLE} on, and does not run to {PARIS}"):
        decide(run, asks_for_seats("ann"), at("09:00"), {})


# -- layouts


def test_the_layout_of_a_late_run_can_be_changed_until_it_leaves_its_first_stop() -> None:
    run = a_run()
    delay_run(run, 70)
    command = asks_for_layout(RemoveCoach("2"))
    assert outcome(run, command, at("10:34") - A_MOMENT) is None
    assert outcome(run, command, at("10:34")) is Reason.RUN_DEPARTED


def test_the_layout_of_a_cancelled_run_stays_and_that_of_a_shortened_one_can_be_changed() -> None:
    run, command = a_run(), asks_for_layout(RemoveCoach("2"))
    cancel_run(run, LILLE)
    assert outcome(run, command, at("09:00")) is None
    cancel_run(run)
    assert outcome(run, command, at("09:00")) is Reason.RUN_CANCELLED
