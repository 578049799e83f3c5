"""Statistics: the sums over runs and work, and which runs are read again."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.refusals import Reason, Refusal
from app.domain.statistics import STATES, Backlog, RunCounts, Statistics, statistics_of
from app.domain.timetable import RunState
from app.usecases.statistics import StatisticsCollector, StatisticsTask
from tests.support.builders import DEPARTS_LONDON, NOW, a_run
from tests.support.job_worlds import Clock
from tests.support.run_changes import a_cancellation, a_delay_record

NOTHING = Backlog(0, None, 0, 0, 0, 0, None, 0)
AFTER_ARRIVAL = DEPARTS_LONDON + timedelta(days=1)


def a_count(
    run_id: str = "es9014:2026-09-01", *, version: int = 1, seats: int = 10, sold: int = 0, waiting: int = 0
) -> RunCounts:
    return RunCounts(run_id, version, a_run().schedule, seats, sold, waiting)


def test_seats_are_those_of_runs_that_have_not_departed() -> None:
    found = statistics_of([a_count(sold=4, waiting=2), a_count(seats=5, sold=1)], NOTHING, NOW)
    assert (found.seats_sold, found.seats_free, found.waiting_bookings) == (5, 10, 2)
    assert {state: count for state, count in found.runs.items() if count} == {RunState.SCHEDULED: 2}


def test_runs_are_counted_by_their_expected_times_and_cancelled_ones_until_their_arrival() -> None:
    late, cancelled = a_run(), a_run()
    late.set_delay(replace(a_delay_record(), arrivals=()))
    cancelled.set_cancellation(a_cancellation(from_stop=0))
    counts = [a_count(sold=4), *(replace(a_count(sold=1), schedule=run.schedule) for run in (late, cancelled))]
    before = statistics_of(counts, NOTHING, NOW)
    assert before.runs == {state: int(state is not RunState.DEPARTED) for state in STATES}
    assert (before.seats_sold, before.seats_free) == (5, 15)
    under_way = statistics_of(counts, NOTHING, DEPARTS_LONDON)
    assert (under_way.runs[RunState.DEPARTED], under_way.runs[RunState.DELAYED], under_way.seats_sold) == (1, 1, 1)
    assert sum(statistics_of(counts, NOTHING, AFTER_ARRIVAL).runs.values()) == 0


def test_a_run_under_way_is_counted_without_its_seats_and_one_that_has_arrived_not_at_all() -> None:
    under_way = statistics_of([a_count(sold=4)], NOTHING, DEPARTS_LONDON)
    assert (under_way.runs[RunState.DEPARTED], under_way.seats_sold, under_way.seats_free) == (1, 0, 0)
    arrived = statistics_of([a_count(sold=4, waiting=1)], NOTHING, AFTER_ARRIVAL)
    assert (sum(arrived.runs.values()), arrived.seats_sold, arrived.waiting_bookings) == (0, 0, 0)


def test_runs_are_counted_by_reports_from_an_hour_to_a_day_after_their_arrival() -> None:
    reported, cancelled = a_run(), a_run()
    reported.set_delay(replace(a_delay_record(), arrivals=()))
    cancelled.set_cancellation(a_cancellation(from_stop=0))
    counts = [a_count(), a_count(), *(replace(a_count(), schedule=run.schedule) for run in (reported, cancelled))]
    arrival, later = a_run().schedule.arrive_time, reported.schedule.arrive_time
    for now, expected in (
        (arrival + timedelta(minutes=59), (0, 0)),
        (later + timedelta(minutes=60), (1, 2)),
        (arrival + timedelta(hours=24), (1, 2)),
        (later + timedelta(hours=25), (0, 0)),
    ):
        found = statistics_of(counts, NOTHING, now)
        assert (found.runs_reported, found.runs_unreported) == expected, now


def test_ages_are_those_of_the_oldest_and_nothing_has_none() -> None:
    backlog = Backlog(1, NOW - timedelta(seconds=5), 0, 0, 0, 1, NOW + timedelta(seconds=1), 0)
    backlog = replace(backlog, open_cancellations=1, oldest_cancellation_time=NOW - timedelta(seconds=9))
    found = statistics_of([], backlog, NOW)
    assert found.cancellation_age_seconds == 9.0
    assert (found.outbox_age_seconds, found.refund_age_seconds) == (5.0, 0.0)
    assert statistics_of([], NOTHING, NOW).outbox_age_seconds == 0.0


class StatisticsInMemory:
    """Stands in for the database: runs, and which of them were read."""

    def __init__(self, *runs: RunCounts) -> None:
        self.runs = {run.run_id: run for run in runs}
        self.read: list[str] = []
        self.is_away = False
        self.was_refused = asyncio.Event()

    async def versions(self, now: datetime) -> dict[str, int]:
        if self.is_away:
            self.was_refused.set()
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")
        return {run_id: run.version for run_id, run in self.runs.items()}

    async def count_runs(self, run_ids: list[str]) -> list[RunCounts]:
        self.read += run_ids
        return [self.runs[run_id] for run_id in run_ids]

    async def backlog(self, now: datetime) -> Backlog:
        return NOTHING


def collector_over(queries: StatisticsInMemory) -> StatisticsCollector:
    return StatisticsCollector(queries, Clock(NOW))  # type: ignore[arg-type]  # as much of it as is asked for


async def test_only_changed_runs_are_read_again() -> None:
    queries = StatisticsInMemory(a_count("a", sold=1), a_count("b", sold=2), a_count("c", sold=3))
    collector = collector_over(queries)
    assert (await collector.collect()).seats_sold == 6
    queries.read.clear()
    queries.runs["b"] = a_count("b", version=2, sold=5)
    assert (await collector.collect()).seats_sold == 9
    assert queries.read == ["b"]


async def test_a_run_that_is_no_longer_counted_is_forgotten() -> None:
    queries = StatisticsInMemory(a_count("a", sold=1), a_count("b", sold=2))
    collector = collector_over(queries)
    await collector.collect()
    del queries.runs["a"]
    found = await collector.collect()
    assert (found.seats_sold, found.runs[RunState.SCHEDULED]) == (2, 1)


async def test_many_runs_are_read_a_few_at_a_time() -> None:
    queries = StatisticsInMemory(*(a_count(str(number), sold=1) for number in range(120)))
    pages: list[int] = []
    count_runs = queries.count_runs

    async def counted(run_ids: list[str]) -> list[RunCounts]:
        pages.append(len(run_ids))
        return await count_runs(run_ids)

    queries.count_runs = counted  # type: ignore[method-assign]
    assert (await collector_over(queries).collect()).seats_sold == 120
    assert pages == [50, 50, 20]


async def test_a_failed_collection_reports_nothing_and_the_next_one_does() -> None:
    queries, reported, has_reported = StatisticsInMemory(a_count(sold=1)), list[Statistics](), asyncio.Event()
    queries.is_away = True

    def report(statistics: Statistics) -> None:
        reported.append(statistics)
        has_reported.set()

    task = StatisticsTask(collector_over(queries), report, 0.001)
    task.start()
    async with asyncio.timeout(10):
        await queries.was_refused.wait()
        assert reported == []
        queries.is_away = False
        await has_reported.wait()
    await task.stop()
    assert reported[0].seats_sold == 1
