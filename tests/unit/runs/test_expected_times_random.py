"""Expected times of random trains after random reports, valid or not, in any order."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from itertools import pairwise

import pytest

from app.domain import limits
from app.domain.refusals import Reason, Refusal
from app.domain.rules.record_arrival import record_arrival
from app.domain.rules.set_delay import set_delay
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import RecordArrival, SetDelay
from app.domain.timetable import Call, Stop, TimetableStop, legs_between
from tests.support.builders import a_run, seeded_random
from tests.support.delay_reports import asks_to_delay, asks_to_record_arrival
from tests.support.long_mode import full
from tests.support.run_snapshots import snapshot

TRAINS = full(3_000, short=150)
REPORTS = 25  # of each train
DELAYS = (0, 1, 5, 20, 60, 200, limits.DELAY_MINUTES_MAX)
# What a feed may get wrong, beside what it gets right.
POSSIBLE_REFUSALS = {Reason.INVALID_FIELD, Reason.REPORT_STALE}


def a_random_train(chance: random.Random) -> TrainRun:
    """A run with 2 to 8 stops, some of them without a minute between arrival and departure."""
    clock, stops = 60, []
    count = chance.randint(2, 8)
    for index in range(count):
        arrive, clock = clock, clock + chance.choice((0, 0, 2, 15))
        depart, clock = clock, clock + chance.choice((1, 4, 30, 150))
        calls = [None if index == 0 else a_minute(arrive), None if index == count - 1 else a_minute(depart)]
        stops.append(TimetableStop(f"Stop {index}", "", "Europe/Paris", *calls))
    return a_run("A1", stops=stops)


def a_minute(minute: int) -> Call:
    """The local time so many minutes after midnight of the travel date."""
    return Call(time(minute // 60 % 24, minute % 60), minute // 1_440)


def random_reports(run: TrainRun, chance: random.Random) -> Iterator[tuple[SetDelay | RecordArrival, datetime]]:
    """Yield reports, each with the moment at which it comes; a message may be late, or about any stop."""
    now = run.schedule.scheduled_depart_time - timedelta(hours=chance.randint(0, 3))
    while True:
        now += timedelta(minutes=chance.choice((0, 1, 10, 90)), seconds=chance.randint(0, 59))
        reported = now - timedelta(minutes=chance.choice((0, 0, 0, 5, 60)))
        stop = chance.choice(run.stops).name
        if chance.random() < 0.5:
            from_stop = chance.choice(("", stop))
            yield asks_to_delay(chance.choice(DELAYS), from_stop, reported=reported), now
        else:
            arrived = now - timedelta(minutes=chance.choice((0, 0, 1, 30, 300)))
            yield asks_to_record_arrival(stop, arrived, reported=reported), now


def decide_report(run: TrainRun, command: SetDelay | RecordArrival, now: datetime) -> bool:
    """Decide a report, and commit. Return whether it was taken; one that was refused has to leave everything as it was."""
    before = snapshot(run)
    try:
        if isinstance(command, SetDelay):
            set_delay(run, command, now)
        else:
            record_arrival(run, command, now)
    except Refusal as raised:
        refusal = raised
    else:
        if run.change_set:
            run.committed()
        return True
    assert refusal.reason in POSSIBLE_REFUSALS
    assert snapshot(run) == before
    assert not run.change_set
    return False


def moments_of(stops: tuple[Stop, ...]) -> list[datetime]:
    """All arrivals and departures, in the order of the stops."""
    return [moment for stop in stops for moment in (stop.arrive, stop.depart) if moment is not None]


def require_possible(run: TrainRun) -> None:
    """Assert what holds for the expected times of every train."""
    schedule, record = run.schedule, run.delay
    expected = moments_of(schedule.expected_stops)
    assert all(before <= after for before, after in pairwise(expected)), "the train runs backwards"
    for scheduled, stop in zip(run.stops, schedule.expected_stops, strict=True):
        assert replace(stop, arrive=scheduled.arrive, depart=scheduled.depart) == scheduled
        if scheduled.depart is not None:
            assert stop.depart is not None
            assert stop.depart >= scheduled.depart, "the train leaves early"
    for arrival in record.arrivals:
        assert schedule.expected_stops[arrival.stop].arrive == arrival.time, "a reported arrival does not count"
    if not record.arrivals and record.minutes:
        late = [timedelta(minutes=minutes) for minutes in record.minutes]
        for scheduled, stop, by in zip(run.stops, schedule.expected_stops, late, strict=True):
            assert stop.arrive == (scheduled.arrive + by if scheduled.arrive else None)
            assert stop.depart == (scheduled.depart + by if scheduled.depart else None)
    require_journeys_agree(run)


def require_journeys_agree(run: TrainRun) -> None:
    """Assert that all journeys see the times of their stops, and that nobody departs before the scheduled time."""
    schedule, count = run.schedule, len(run.stops)
    for origin in range(count - 1):
        for destination in range(origin + 1, count):
            journey = run.journey_between(origin, destination)
            assert journey.legs == legs_between(origin, destination)
            expected = schedule.expected_journey(journey)
            assert expected.depart == schedule.expected_stops[origin].depart
            assert expected.arrive == schedule.expected_stops[destination].arrive
            assert expected.depart >= journey.depart
            late = max(expected.arrive - journey.arrive, timedelta()) // timedelta(minutes=1)
            assert schedule.late_minutes(journey) == late


def test_a_train_never_runs_backwards_whatever_is_reported() -> None:
    taken = refused = 0
    for seed in range(TRAINS):
        chance = seeded_random(seed)
        run = a_random_train(chance)
        scheduled = run.stops
        reports = random_reports(run, chance)
        for _ in range(REPORTS):
            if decide_report(run, *next(reports)):
                taken += 1
            else:
                refused += 1
            assert run.stops is scheduled
            require_possible(run)
        assert run.schedule == RunSchedule(run.stops, run.delay)
    assert taken > TRAINS * 5, "hardly any report was taken"
    assert refused > TRAINS * 5, "hardly any report was refused"


def test_a_newer_report_replaces_all_that_was_said_of_the_stops_from_its_own_on() -> None:
    for seed in range(TRAINS):
        chance = seeded_random(seed)
        run = a_random_train(chance)
        reports = random_reports(run, chance)
        for _ in range(REPORTS):
            command, now = next(reports)
            before = run.delay
            if not decide_report(run, command, now) or run.delay == before:
                continue
            if isinstance(command, RecordArrival):
                assert replace(run.delay, arrivals=before.arrivals) == before
                continue
            arrived = max((arrival.stop for arrival in before.arrivals), default=0)
            names = [stop.name for stop in run.stops]
            stop = names.index(command.from_stop) if command.from_stop else arrived
            assert run.delay.minutes[stop:] == (command.minutes,) * (len(names) - stop)
            assert run.delay.minutes[:stop] == (before.minutes or (0,) * len(names))[:stop]
            assert run.delay.arrivals == before.arrivals


@pytest.mark.parametrize("seed", range(20))
def test_the_newest_report_of_the_whole_train_wins_in_whatever_order_the_messages_come(seed: int) -> None:
    chance = seeded_random(seed)
    run = a_random_train(chance)
    now = run.schedule.scheduled_depart_time
    first, count = run.stops[0].name, 8
    messages = [
        asks_to_delay(chance.choice(DELAYS), first, reported=now + timedelta(seconds=second)) for second in range(count)
    ]
    newest = messages[-1]
    chance.shuffle(messages)
    taken = [decide_report(run, message, now) for message in messages]
    assert taken[0]
    assert run.delay.minutes == (newest.minutes,) * len(run.stops)
    assert run.delay.report_time == newest.report_time
    assert all(not was_taken for was_taken in taken[messages.index(newest) + 1 :])
