"""Whether the database can be used, and what time it is there.

Belongs here: asking it periodically, and creating its indexes when it first answers. Does not belong here: the answers to
health checks (`health.py`), the clock that follows its answers (`clock.py`).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from app.config import Settings
from app.ports.background_task import BackgroundTask, repeat
from app.process.clock import PrimaryClock
from app.store.adapter import adapter_of
from app.store.driver import Database
from app.store.indexes import make_indexes

_log = logging.getLogger(__name__)

# The delay of the event loop that is worth a warning: callers notice half a second.
_LOOP_DELAY_SECONDS_MAX = 0.5

OnCheck = Callable[[bool], Awaitable[None]]


async def _ignore(_: bool) -> None:
    """Do nothing: nobody asked for the results."""


class DatabaseMonitor:
    """Checks the database; `is_available` is the result of the latest check, False before the first.

    `clock` is corrected with each check.
    """

    def __init__(self, database: Database, settings: Settings, clock: PrimaryClock) -> None:
        self._database, self._ping_seconds_max = database, settings.mongodb_selection_seconds_max
        self._interval_seconds = settings.health_interval_seconds
        self._clock = clock
        self._on_check: OnCheck = _ignore
        self._has_indexes = False
        self.is_available = False
        self._task = BackgroundTask("check the database", lambda: repeat(self._interval_seconds, self.check))

    def report_to(self, on_check: OnCheck) -> None:
        """Call `on_check` after each check with its result."""
        self._on_check = on_check

    async def check(self) -> None:
        """Ping the database, and create its indexes unless that was done."""
        available = await self._answers() and (self._has_indexes or await self._create_indexes())
        if available != self.is_available:
            _log.log(logging.INFO if available else logging.ERROR, "database %s", "answers" if available else "is away")
        self.is_available = available
        await self._on_check(available)

    async def wait_until_available(self) -> None:
        """Check until the database is available."""
        await self.check()
        if not self.is_available:
            _log.warning("the database does not answer; waiting for it")
        while not self.is_available:
            await asyncio.sleep(self._interval_seconds)
            await self.check()

    def start(self) -> None:
        """Check periodically from now on."""
        self._task.start()

    async def stop(self) -> None:
        """Stop the periodic checks."""
        await self._task.stop()

    async def _answers(self) -> bool:
        try:
            measurement = await adapter_of(self._database).ping(self._database, self._ping_seconds_max)
        except Exception as error:  # whatever it is, the database cannot be used now
            _log.debug("database check failed: %s", type(error).__name__)
            return False
        if measurement is None:
            return True
        self._clock.correct(measurement)
        delay_seconds = (time.monotonic_ns() - measurement.received_ns) / 1e9
        if delay_seconds > _LOOP_DELAY_SECONDS_MAX:
            _log.warning("the event loop was busy for %.1f s; the database had answered", delay_seconds)
        return True

    async def _create_indexes(self) -> bool:
        try:
            await make_indexes(self._database)
        except Exception:  # tried again with the next check; without indexes, two runs could give out the same reference
            _log.exception("the indexes cannot be created")
            return False
        self._has_indexes = True
        return True
