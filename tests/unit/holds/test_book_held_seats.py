"""A booking that uses a hold: exactly the held seats, at the held fare, once. And the undo of all that holds do."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.commands import IfFull
from app.domain.money import Money
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.release_hold import release_hold
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    ASHFORD,
    LILLE,
    NOW,
    TRAVEL_DATE,
    a_run,
    an_operator,
    asks_for_seats,
    asks_to_hold,
    asks_to_release,
    authorized,
    book,
    book_waitlisted,
    cancel,
    hold,
    name_of,
    quote,
    release,
    seat_labels,
    sell,
    time_passes,
)
from tests.support.run_snapshots import invalid, refused, snapshot

A_MOMENT = timedelta(microseconds=1)


def buy(run: TrainRun, held: Hold, *who: str) -> list[str]:
    """The seats of a committed booking for these passengers, with the hold."""
    return seat_labels(sell(run, asks_for_seats(*who, by=held.owner_key, hold_id=name_of(run, held))))


def test_a_booking_takes_exactly_the_held_seats() -> None:
    run = a_run("A4 B4")
    held = hold(run, "jane", seats=[4, 2])
    before = [list(section.sold_legs) for section in run.sections]
    assert buy(run, held, "ann", "ben") == ["A-4", "A-2"]
    assert [section.sold_legs for section in run.sections] == before
    assert run.holds == {}
    assert seat_labels(book(run, "cem")) == ["A-1"]


def test_the_held_fare_stays_when_fares_change() -> None:
    run = a_run("A4")
    held = hold(run, "jane", count=2)
    run.sections[0] = replace(run.sections[0], fare=Money(9_900, "USD"))
    command = asks_for_seats("jane", "ann", hold_id=name_of(run, held), payment=authorized(4_000))
    assert quote(run, command) == held.price == Money(4_000, "USD")
    booking = sell(run, command)
    assert (booking.price, booking.charged_minor) == (Money(4_000, "USD"), 4_000)
    assert [passenger.fare_minor for passenger in booking.passengers] == [2_000, 2_000]


def test_a_booking_may_name_the_section_of_the_hold_and_no_other() -> None:
    run = a_run("A4 B4")
    held = hold(run, section="B")
    command = asks_for_seats("jane", hold_id=name_of(run, held))
    with invalid("section", run):
        sell(run, replace(command, section="A"))
    assert seat_labels(sell(run, replace(command, section="B"))) == ["B-1"]


def test_a_booking_that_does_not_fit_the_hold_is_refused_under_its_field() -> None:
    run = a_run("A4")
    held = hold(run, count=2, destination=LILLE)
    name = name_of(run, held)
    for who, destination, seats, field in (
        (("jane", "ann"), ASHFORD, (), "hold_id"),
        (("jane",), LILLE, (), "passengers"),
        (("jane", "ann", "ben"), LILLE, (), "passengers"),
        (("jane", "ann"), LILLE, (1, 2), "seat_numbers"),
    ):
        with invalid(field, run):
            sell(run, asks_for_seats(*who, destination=destination, section="A", seats=seats, hold_id=name))


def test_somebody_elses_hold_is_not_used_except_by_an_operator() -> None:
    run = a_run("A4")
    held = hold(run, "jane")
    with refused(Reason.NOT_PERMITTED, run):
        sell(run, asks_for_seats("mallory", hold_id=name_of(run, held)))
    by_operator = replace(asks_for_seats("ann", hold_id=name_of(run, held)), caller=an_operator())
    assert seat_labels(sell(run, by_operator)) == ["A-1"]


def test_a_hold_is_used_once() -> None:
    run = a_run("A4")
    held = hold(run, "jane")
    command = asks_for_seats("ann", by="jane", hold_id=name_of(run, held))
    booking = sell(run, command)
    assert create_booking(run, command, NOW, {}) is booking
    with refused(Reason.HOLD_EXPIRED, run) as caught:
        sell(run, asks_for_seats("ben", by="jane", hold_id=name_of(run, held)))
    assert caught[0].resource == ("hold", name_of(run, held))


@pytest.mark.parametrize("if_full", list(IfFull))
def test_a_released_or_expired_hold_sells_nothing_and_joins_no_waitlist(if_full: IfFull) -> None:
    run = a_run("A1")
    for seconds in (60, 300):
        held = hold(run, "jane", seconds=seconds)
        if seconds == 60:
            time_passes(run, held.expire_time)
        else:
            release(run, held)
        with refused(Reason.HOLD_EXPIRED, run):
            sell(run, asks_for_seats("jane", hold_id=name_of(run, held), if_full=if_full))


def test_a_hold_is_usable_until_the_moment_before_it_expires() -> None:
    run = a_run("A1")
    held = hold(run, "jane", seconds=60)
    a_moment_before = held.expire_time - A_MOMENT
    time_passes(run, a_moment_before)
    assert sell(run, asks_for_seats("jane", hold_id=name_of(run, held)), now=a_moment_before).is_live


def test_a_hold_on_another_run_is_not_found() -> None:
    other = a_run("A1", travel_date=TRAVEL_DATE + timedelta(days=1))
    name = name_of(other, hold(other, "jane"))
    run = a_run("A1")
    hold(run, "jane")
    with refused(Reason.HOLD_EXPIRED, run):
        sell(run, asks_for_seats("jane", hold_id=name))


def test_seats_bought_with_a_hold_come_free_again_like_any_others() -> None:
    run = a_run("A1")
    held = hold(run, "jane", seconds=60)
    booking = sell(run, asks_for_seats("jane", hold_id=name_of(run, held)))
    time_passes(run, held.expire_time)
    assert run.sections[0].sold_legs == [0b111], "the end of the hold is not the end of the booking"
    cancel(run, booking)
    assert (run.sections[0].sold_legs, len(run.sections[0].freed[1])) == ([0], 1)


def test_undo_takes_back_holds_their_use_release_and_expiry() -> None:
    run = a_run("A3")
    held = hold(run, "jane", count=2, seconds=60)
    book_waitlisted(run, "ann", "ben")
    before = snapshot(run)
    steps: list[Callable[[], object]] = [
        lambda: hold_seats(run, asks_to_hold("cem"), NOW),
        lambda: create_booking(run, asks_for_seats("dot", "eve", by="jane", hold_id=name_of(run, held)), NOW, {}),
        lambda: release_hold(run, asks_to_release(run, held), NOW),
        lambda: expire_due(run, held.expire_time),
    ]
    for step in steps:
        step()
        assert run.change_set
        run.undo()
        assert snapshot(run) == before
