"""Statistics: every few seconds, the whole database in a few numbers, for the metrics.

Belongs here: when statistics are collected, and which runs need not be read again. Does not belong here: statements
(`app/store/statistics.py`), what the numbers are (`app/domain/statistics.py`), or where they are shown.

Each worker process collects for itself, since each shows its own metrics. A job would not do: one process takes a job.
"""

import asyncio
import logging
from collections.abc import Callable

from app.domain.refusals import Refusal
from app.domain.statistics import RunCounts, Statistics, statistics_of
from app.ports.background_task import BackgroundTask
from app.ports.clock import Clock
from app.store.statistics import RUNS_COUNTED_MAX, StatisticsQueries

_log = logging.getLogger(__name__)

# Runs that are read at a time: half a megabyte, of which this process decodes a hundred kilobytes in a millisecond.
_PAGE = 50
# Collecting takes milliseconds. It is given up if the database does not answer; the runs that were read count next time.
STATISTICS_SECONDS_MAX = 10.0


class StatisticsCollector:
    """Collects statistics, and remembers the counts of each run with the version that they are of."""

    def __init__(self, queries: StatisticsQueries, clock: Clock) -> None:
        self._queries, self._clock = queries, clock
        self._counts: dict[str, RunCounts] = {}

    async def collect(self) -> Statistics:
        """Return the statistics as of now. Refuses DATABASE_UNAVAILABLE."""
        now = self._clock()
        versions = await self._queries.versions(now)
        if len(versions) == RUNS_COUNTED_MAX:
            _log.warning("statistics cover only the first %d runs", RUNS_COUNTED_MAX)
        self._counts = {run_id: counts for run_id, counts in self._counts.items() if run_id in versions}
        newer = [run_id for run_id, version in versions.items() if not self._is_counted(run_id, version)]
        for start in range(0, len(newer), _PAGE):
            for counts in await self._queries.count_runs(newer[start : start + _PAGE]):
                self._counts[counts.run_id] = counts
        return statistics_of(self._counts.values(), await self._queries.backlog(now), now)

    def _is_counted(self, run_id: str, version: int | None) -> bool:
        return run_id in self._counts and self._counts[run_id].version == version


class StatisticsTask:
    """Collects every `interval_seconds`, from `start` until `stop`, and calls `report` with the statistics."""

    def __init__(self, collector: StatisticsCollector, report: Callable[[Statistics], None], interval_seconds: float) -> None:
        self._collector, self._report, self._interval_seconds = collector, report, interval_seconds
        self._task = BackgroundTask("statistics", self._work)

    def start(self) -> None:
        """Start with a first collection."""
        self._task.start()

    async def stop(self) -> None:
        """Cancel a collection under way."""
        await self._task.stop()

    async def _work(self) -> None:
        while True:
            try:
                async with asyncio.timeout(STATISTICS_SECONDS_MAX):
                    statistics = await self._collector.collect()
                self._report(statistics)
            except (Refusal, TimeoutError) as error:  # the metrics keep the last statistics, with their time
                _log.info("statistics cannot be collected now: %r", error)
            except Exception:
                _log.exception("collecting statistics failed")
            await asyncio.sleep(self._interval_seconds)
