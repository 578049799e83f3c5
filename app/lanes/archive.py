"""The archive queue: runs whose new bookings and events are to be copied to their collections.

Belongs here: when runs are archived, and together with which others. Does not belong here: archiving a run
(`app/store/runs.py`).

A commit writes new bookings and events into the run's document. This queue has them copied while the lanes go on, for many
runs and commits at a time. The next commit of a run leaves out what is archived by then.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from app.domain.refusals import Refusal
from app.store.cached_run import CachedRun
from app.store.runs import TrainRuns

_log = logging.getLogger(__name__)

# How long runs are collected before they are archived. Each of the two statements takes a millisecond of processor time:
# with a shorter delay a booking's share of them grows. With a longer one each commit writes more bookings that it only carries
# along: at a tenth of a second a hot run sold some hundredths less.
ARCHIVE_DELAY_SECONDS = 0.05
# Shorter on a contended run: in each of its turns the other server reads all that is still in the document.
ARCHIVE_DELAY_SECONDS_CONTENDED = 0.02


class ArchiveQueue:
    """Archives the runs of all lanes of this server."""

    def __init__(self, runs: TrainRuns) -> None:
        self._runs = runs
        self._waiting: dict[int, CachedRun] = {}
        self._task: asyncio.Task[None] | None = None
        self._archived, self._wake_early = asyncio.Event(), asyncio.Event()

    def add(self, cached: CachedRun, *, is_contended: bool = False) -> None:
        """Queue a run whose bookings or events are not archived. A contended run is archived earlier."""
        self._waiting[id(cached)] = cached
        if is_contended:
            self._wake_early.set()
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name="archive runs")

    async def wait_for_room(self, cached: CachedRun, pending_bookings_max: int) -> None:
        """Wait until the run has at most that many pending bookings, or until the queue is empty and can archive no more."""
        while len(cached.pending_bookings) > pending_bookings_max and self._task is not None:
            self._archived.clear()
            self._wake_early.set()
            await self._archived.wait()

    async def wait_idle(self) -> None:
        """Wait until the queue is empty and nothing is being archived."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._collect()
                batch, self._waiting = list(self._waiting.values()), {}
                await self._archive(batch)
                self._archived.set()
        finally:
            self._task = None
            self._archived.set()

    async def _collect(self) -> None:
        """Wait for more runs."""
        with suppress(TimeoutError):
            async with asyncio.timeout(ARCHIVE_DELAY_SECONDS - ARCHIVE_DELAY_SECONDS_CONTENDED):
                await self._wake_early.wait()
        self._wake_early.clear()
        await asyncio.sleep(ARCHIVE_DELAY_SECONDS_CONTENDED)

    async def _archive(self, batch: Sequence[CachedRun]) -> None:
        """Archive these runs. After an error the next commit of each run carries its bookings along and queues it again."""
        try:
            await self._runs.archive(batch)
        except Refusal as refusal:
            _log.info("archiving %d runs failed, to be tried again after their next commit: %s", len(batch), refusal)
        except Exception:
            _log.exception("archiving %d runs failed, to be tried again after their next commit", len(batch))
