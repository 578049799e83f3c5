"""StatisticsCollector: every few seconds, what there is in the whole database is told in a few numbers.

Belongs here: when it is surveyed, and what need not be read again. Does not: statements (`app/store/statistics.py`), what the
numbers are (`app/domain/statistics.py`), nor where they are shown.

Each worker process surveys for itself, since each shows its own numbers: no job would do, which one process takes.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime

from app.domain.refusals import Refusal
from app.domain.statistics import RunCounts, Statistics, statistics_of
from app.store.statistics import RUNS_COUNTED_MAX, StatisticsQueries

_log = logging.getLogger(__name__)

# Runs that are read at a time: half a megabyte, of which this process decodes a hundred kilobytes in a millisecond.
_PAGE = 50
# A survey takes milliseconds. One of a database that does not answer is given up; what was read is kept for the next one.
STATISTICS_SECONDS_MAX = 10.0


class StatisticsCollector:
    """StatisticsQueries, and keeps in mind what each run came to in the version that it had."""

    def __init__(self, queries: StatisticsQueries, clock: Callable[[], datetime]) -> None:
        self._queries, self._clock = queries, clock
        self._counts: dict[str, RunCounts] = {}

    async def survey(self) -> Statistics:
        """What there is now. Refuses DATABASE_UNAVAILABLE."""
        now = self._clock()
        versions = await self._queries.versions(now)
        if len(versions) == RUNS_COUNTED_MAX:
            _log.warning("only the first %d runs are surveyed", RUNS_COUNTED_MAX)
        self._counts = {one: count for one, count in self._counts.items() if one in versions}
        newer = [one for one, version in versions.items() if one not in self._counts or self._counts[one].version != version]
        for start in range(0, len(newer), _PAGE):
            for count in await self._queries.count_runs(newer[start : start + _PAGE]):
                self._counts[count.run_id] = count
        return statistics_of(self._counts.values(), await self._queries.backlog(now), now)


class StatisticsTask:
    """StatisticsQueries every so many seconds, from `start` until `stop`, and calls `tell` with each survey that succeeds."""

    def __init__(self, surveying: StatisticsCollector, tell: Callable[[Statistics], None], every_seconds: float) -> None:
        self._surveying, self._tell, self._every_seconds = surveying, tell, every_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins with a first survey."""
        self._task = asyncio.create_task(self._work(), name="survey")

    async def stop(self) -> None:
        """Gives up what is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _work(self) -> None:
        while True:
            try:
                async with asyncio.timeout(STATISTICS_SECONDS_MAX):
                    survey = await self._surveying.survey()
                self._tell(survey)
            except (Refusal, TimeoutError) as error:  # what was told last stands, and says how old it is
                _log.info("the database cannot be surveyed now: %r", error)
            except Exception:
                _log.exception("the survey failed")
            await asyncio.sleep(self._every_seconds)
