"""The archive queue copies the bookings of many runs together, and earlier where a lane or another server waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from app.domain.refusals import Reason, Refusal
from app.lanes.archive import ArchiveQueue
from app.store.cached_run import CachedRun
from app.store.runs import TrainRuns
from tests.support.cached_runs import a_cached_run


class Archive:
    """Stands for the runs of the store: archives the bookings of runs, unless the database is away."""

    def __init__(self, *, is_away: bool = False) -> None:
        self.batch_sizes: list[int] = []
        self.is_away = is_away

    async def archive(self, batch: Sequence[CachedRun]) -> None:
        self.batch_sizes.append(len(batch))
        if self.is_away:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")
        for cached in batch:
            cached.pending_bookings.clear()


def queue_over(archive: Archive) -> ArchiveQueue:
    return ArchiveQueue(cast(TrainRuns, archive))


async def test_runs_that_commit_at_the_same_time_are_archived_together() -> None:
    archive = Archive()
    archive_queue = queue_over(archive)
    first, second = a_cached_run(3), a_cached_run(2)
    for cached in (first, second, first):
        archive_queue.add(cached)
    await archive_queue.wait_idle()
    assert archive.batch_sizes == [2]
    assert not first.pending_bookings
    assert not second.pending_bookings


async def test_a_lane_waits_for_room_until_its_bookings_are_archived() -> None:
    archive_queue = queue_over(Archive())
    cached = a_cached_run(5)
    archive_queue.add(cached)
    await archive_queue.wait_for_room(cached, 4)
    assert not cached.pending_bookings


async def test_a_contended_run_and_a_full_run_are_archived_without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.lanes.archive.ARCHIVE_DELAY_SECONDS", 3_600)
    archive_queue = queue_over(Archive())
    contended, full = a_cached_run(3), a_cached_run(5)
    archive_queue.add(contended, is_contended=True)
    await asyncio.wait_for(archive_queue.wait_idle(), timeout=5)
    archive_queue.add(full)
    await asyncio.wait_for(archive_queue.wait_for_room(full, 4), timeout=5)
    assert not contended.pending_bookings
    assert not full.pending_bookings


@pytest.mark.parametrize("is_away", [True, False])
async def test_a_lane_does_not_wait_for_room_that_nobody_can_make(is_away: bool) -> None:
    archive_queue = queue_over(Archive(is_away=is_away))
    cached = a_cached_run(5)
    if is_away:
        archive_queue.add(cached)
    await asyncio.wait_for(archive_queue.wait_for_room(cached, 0), timeout=5)
    assert len(cached.pending_bookings) == 5
