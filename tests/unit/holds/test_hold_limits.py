"""Limits on holds: a share of the train's seats, and a wait after an expired hold."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.domain import limits
from app.domain.commands import HoldSeats
from app.domain.refusals import Reason, Refusal
from app.domain.rules.create_booking import create_booking
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.release_hold import release_hold
from app.domain.run.hold import Hold, HoldIndex
from app.domain.run.train_run import TrainRun
from app.domain.terms import SalesTerms
from app.store.run_documents import run_document, run_from
from app.store.run_updates import run_update
from tests.support.builders import (
    ASHFORD,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_run,
    an_operator,
    asks_for_seats,
    asks_to_hold,
    asks_to_release,
    book,
    cancel,
    fill,
    hold,
    name_of,
    release,
    seat_labels,
    seeded_random,
    sell,
    time_passes,
)
from tests.support.random_commands import decide_some
from tests.support.run_snapshots import refused, snapshot

FIVE_MINUTES = timedelta(minutes=5)
WAIT = timedelta(seconds=limits.HOLD_AGAIN_SECONDS)
A_MOMENT = timedelta(milliseconds=1)


def held_by_many(run: TrainRun) -> int:
    """How many seats people with new addresses can hold, one after the other, until they are refused."""
    for number in range(1_000):
        try:
            hold_seats(run, asks_to_hold(f"name{number}", section=""), NOW)
        except Refusal:
            return number
    raise AssertionError("nobody was ever refused")


# -- the share


@pytest.mark.parametrize(
    ("layout", "percent", "seats"),
    [
        ("A100", 25, 25),
        ("A101", 25, 26),
        ("A60 B50", 25, 28),
        ("A100", 10, 10),
        ("A100", 9, 9),
        ("A100", 1, 9),
        ("A100", 0, 9),
        ("A30", 25, 9),
        ("A100", 100, 100),
        ("A4", 25, 4),
    ],
)
def test_at_most_a_share_of_the_seats_rounded_up_is_on_hold_and_nine_always_may(layout: str, percent: int, seats: int) -> None:
    assert held_by_many(a_run(layout, terms=SalesTerms(hold_percent_max=percent))) == seats


def test_by_default_a_quarter_of_the_seats_may_be_on_hold() -> None:
    assert held_by_many(a_run("A400")) == 100


def test_twenty_people_with_new_addresses_do_not_hold_a_whole_train() -> None:
    run = a_run("A40")
    for number in range(20):
        for _ in range(limits.HOLDS_PER_USER_MAX):
            with_room = len(run.holds) < 10
            command = asks_to_hold(f"name{number}")
            if with_room:
                hold_seats(run, command, NOW)
            else:
                with refused(Reason.HOLDS_FULL):
                    hold_seats(run, command, NOW)
    assert len(run.holds) == 10
    assert book(run, "ann").is_live


def test_the_share_is_of_all_seats_and_not_of_those_that_are_left() -> None:
    run = a_run("A40")
    fill(run)
    for booking in list(run.bookings.values())[:15]:
        cancel(run, booking)
    assert held_by_many(run) == 10


def test_a_group_beyond_the_limit_is_refused_as_a_whole_with_the_time_of_the_first_expiry() -> None:
    run = a_run("A40")
    hold(run, "ann", count=4, seconds=120)
    hold(run, "ben", count=4, seconds=60)
    with refused(Reason.HOLDS_FULL, run) as caught:
        hold_seats(run, asks_to_hold("cem", count=3), NOW + timedelta(seconds=10))
    assert caught[0].retry_seconds == 50
    assert len(hold(run, "cem", count=2).seats) == 2


def test_a_seat_that_two_hold_on_different_legs_counts_once() -> None:
    run = a_run("A9 A9")
    for number in range(1, 10):
        hold(run, f"early{number}", seats=[number], destination=ASHFORD)
    with refused(Reason.HOLDS_FULL, run):
        hold(run, "other", seats=[10])
    assert hold(run, "late", seats=[9], origin=LILLE)


def test_a_user_with_all_allowed_holds_is_refused_with_the_time_of_the_first_expiry() -> None:
    run = a_run("A9")
    for seconds in (300, 90):
        hold(run, "jane", seconds=seconds)
    with refused(Reason.HOLDS_FULL, run) as caught:
        hold(run, "jane")
    assert caught[0].retry_seconds == 90


def test_seats_of_ended_holds_do_not_count() -> None:
    run = a_run("A40")
    for number in range(10):
        hold(run, f"name{number}", seconds=60)
    time_passes(run, NOW + timedelta(seconds=60))
    assert len(hold(run, "ann", count=9, now=NOW + timedelta(seconds=60)).seats) == 9


# -- the wait


def a_hold_that_ran_out(run: TrainRun, seats: Iterable[int] = (1, 2), destination: str = PARIS) -> Hold:
    held = hold(run, "jane", seats=seats, destination=destination)
    time_passes(run, held.expire_time)
    return held


def again(seats: Iterable[int] = (1,), who: str = "jane", origin: str = LONDON) -> HoldSeats:
    return asks_to_hold(who, seats=seats, origin=origin)


def test_after_an_expired_hold_its_owner_waits_before_holding_the_seats_again() -> None:
    run = a_run("A4")
    held = a_hold_that_ran_out(run)
    now = held.expire_time + timedelta(minutes=1)
    for seats in ([1], [2], [2, 1], [2, 3]):
        with refused(Reason.HOLD_TOO_SOON, run) as caught:
            hold_seats(run, again(seats), now)
        assert caught[0].retry_seconds == (WAIT - timedelta(minutes=1)).total_seconds()
    with refused(Reason.HOLD_TOO_SOON, run):
        hold_seats(run, again(), held.expire_time + WAIT - A_MOMENT)
    assert hold_seats(run, again(), held.expire_time + WAIT)


def test_other_people_other_seats_and_other_legs_need_no_wait() -> None:
    run = a_run("A9")
    held = a_hold_that_ran_out(run, destination=ASHFORD)
    for command in (again(who="ann"), again([3]), again([2], origin=LILLE)):
        assert hold_seats(run, command, held.expire_time)


def test_the_seats_of_an_expired_hold_may_be_booked_at_once() -> None:
    run = a_run("A4")
    held = a_hold_that_ran_out(run)
    booking = sell(run, asks_for_seats("jane", section="A", seats=[1]), now=held.expire_time)
    assert seat_labels(booking) == ["A-1"]


def test_the_next_seats_are_refused_too_where_they_are_those_of_the_hold() -> None:
    run = a_run("A2")
    held = a_hold_that_ran_out(run)
    with refused(Reason.HOLD_TOO_SOON, run):
        hold_seats(run, asks_to_hold("jane"), held.expire_time)


def test_an_operator_need_not_wait() -> None:
    run = a_run("A4")
    command = replace(again(), caller=an_operator())
    held = hold_seats(run, command, NOW)
    time_passes(run, held.expire_time)
    assert hold_seats(run, replace(command, request_id="other"), held.expire_time)


def test_after_a_release_the_seats_may_be_held_again_until_the_hold_would_have_expired() -> None:
    run = a_run("A4")
    held = hold(run, "jane", seats=[1, 2])
    later = NOW + timedelta(minutes=2)
    release(run, held, now=later)
    second = hold_seats(run, again([2, 3]), later)
    assert second.expire_time == held.expire_time
    run.committed()
    time_passes(run, held.expire_time)
    with refused(Reason.HOLD_TOO_SOON, run):
        hold_seats(run, again([2]), held.expire_time)


@pytest.mark.parametrize("times", [2, 3, 4])
def test_repeating_the_request_of_an_expired_hold_does_not_avoid_the_wait(times: int) -> None:
    run = a_run("A9")
    command, now = asks_to_hold("jane", request_id="the same", seconds=60), NOW
    for number in range(1, times + 1):
        held = hold_seats(run, command, now)
        assert [seat.number for seat in held.seats] == [number]
        run.committed()
        now = held.expire_time
        time_passes(run, now)
    for number in range(1, times + 1):
        with refused(Reason.HOLD_TOO_SOON, run):
            hold_seats(run, again([number]), now)
    assert hold_seats(run, again([times + 1]), now)


def test_releasing_at_the_last_moment_does_not_avoid_the_wait() -> None:
    run = a_run("A4")
    now, held = NOW, hold(run, "jane", seats=[1], seconds=limits.HOLD_SECONDS_MAX)
    for _ in range(3):
        now = held.expire_time - timedelta(seconds=1)
        release(run, held, now=now)
        held = hold_seats(run, again(), now)
        run.committed()
    assert held.expire_time == NOW + timedelta(seconds=limits.HOLD_SECONDS_MAX)


def test_a_shorter_hold_than_the_one_released_stays_as_short() -> None:
    run = a_run("A4")
    release(run, hold(run, "jane", seats=[1]))
    assert hold_seats(run, replace(again(), seconds=30), NOW).expire_time == NOW + timedelta(seconds=30)


# -- the same request again


def test_a_repeated_request_whose_hold_was_used_holds_no_other_seats() -> None:
    run = a_run("A4")
    command = asks_to_hold(request_id="click")
    held = hold_seats(run, command, NOW)
    run.committed()
    booking = sell(run, asks_for_seats("jane", hold_id=name_of(run, held)))
    for _ in range(2):
        with refused(Reason.HOLD_EXPIRED, run) as caught:
            hold_seats(run, command, NOW)
        assert caught[0].resource == ("hold", name_of(run, held))
        if booking.is_live:
            booking = cancel(run, booking)
    assert hold_seats(run, replace(command, request_id="another"), NOW)


# -- what is remembered


def test_ended_holds_are_limited_and_the_oldest_are_forgotten_first() -> None:
    run = a_run("A400 A400")
    for number in range(limits.ENDED_HOLDS_PER_RUN_MAX + 20):
        release(run, hold(run, f"name{number}", seats=[number + 1], seconds=60 + number // 20))
        assert len(run.ended_holds) <= limits.ENDED_HOLDS_PER_RUN_MAX
    owners = {before.owner_key for before in run.ended_holds.values()}
    assert "name0@example.com" not in owners
    assert {f"name{number}@example.com" for number in range(230, 520)} <= owners


def test_holds_that_no_rule_needs_are_forgotten_together() -> None:
    run = a_run("A400 A400")
    for number in range(limits.ENDED_HOLDS_PER_RUN_MAX):
        release(run, hold(run, f"name{number}", seats=[number + 1], seconds=60))
    later = NOW + timedelta(hours=1)
    release(run, hold(run, "jane", seats=[800], now=later), now=later)
    assert [before.owner_key for before in run.ended_holds.values()] == ["jane@example.com"]


def test_bookings_that_use_holds_leave_no_more_ended_holds_than_the_limit() -> None:
    run = a_run("A400 A400", terms=SalesTerms(hold_percent_max=100))
    for number in range(limits.ENDED_HOLDS_PER_RUN_MAX + 20):
        held = hold(run, f"name{number}", seats=[number + 1])
        sell(run, asks_for_seats(f"name{number}", hold_id=name_of(run, held)))
    assert len(run.ended_holds) <= limits.ENDED_HOLDS_PER_RUN_MAX


def test_undo_restores_the_ended_holds() -> None:
    run = a_run("A4")
    a_hold_that_ran_out(run)
    held = hold(run, "ann", seats=[3])
    before = snapshot(run)
    release_hold(run, asks_to_release(run, held), NOW)
    assert len(run.ended_holds) == 2
    run.undo()
    assert snapshot(run) == before
    sell(run, asks_for_seats("ann", hold_id=name_of(run, held)))
    assert len(run.ended_holds) == 2


def test_the_index_of_holds_is_right_after_any_decisions_and_undos() -> None:
    chance, run = seeded_random(12), a_run("A9 B9")
    for number in range(60):
        decide_some(run, chance, 6, NOW + timedelta(seconds=200 * number))
        if chance.random() < 0.5:
            run.undo()
        else:
            run.committed()
        fresh = HoldIndex(run.holds.values(), run.ended_holds.values())
        index = run.hold_index
        assert (index.places, index.own, index.ended) == (fresh.places, fresh.own, fresh.ended)


def as_a_document(run: TrainRun) -> dict[str, object]:
    """The run's document after a commit of its change set."""
    document = run_document(a_run("A4"), datetime(2026, 1, 1, tzinfo=UTC))
    update = run_update(run, [], [])
    for path, value in update["$set"].items():
        *parents, last = path.split(".")
        place = document
        for parent in parents:
            place = place[int(parent)] if isinstance(place, list) else place[parent]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return document


def test_ended_holds_are_stored_and_read_again() -> None:
    run = a_run("A4")
    held = hold_seats(run, again([1, 2]), NOW)
    other = hold_seats(run, again([3], who="ann"), NOW)
    release_hold(run, asks_to_release(run, held), NOW)
    sell_it = asks_for_seats("ann", hold_id=name_of(run, other))
    create_booking(run, sell_it, NOW, {})
    assert run_from(as_a_document(run)).ended_holds == run.ended_holds
    assert [ended.was_used for ended in run.ended_holds.values()] == [False, True]


def test_documents_of_earlier_versions_have_no_ended_holds_and_the_default_share() -> None:
    document = run_document(a_run("A100"), NOW)
    del document["ended_holds"], document["terms"]["hold_percent_max"]
    run = run_from(document)
    assert (run.ended_holds, run.terms.hold_percent_max) == ({}, 25)
    assert held_by_many(run) == 25
