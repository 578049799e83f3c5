"""The command bus of this server: a lane for each run that has commands.

Belongs here: which lane gets a command, and which runs stay cached. Does not belong here: deciding and committing (`lane.py`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from app.domain.commands import Command, ResultT
from app.lanes.archive import ArchiveQueue, BookingLookups, RunCommits
from app.lanes.bounds import LaneBounds
from app.lanes.lane import Lane, LaneResources
from app.ports.observers import LaneObserver, NullLaneObserver
from app.store.bookings import Bookings
from app.store.runs import TrainRuns


def open_command_bus(
    runs: TrainRuns,
    bookings: Bookings,
    clock: Callable[[], datetime],
    bounds: LaneBounds,
    observer: LaneObserver | None = None,
) -> "LocalCommandBus":
    """Make the bus over a store's runs and bookings. `clock` gives the present moment in UTC and whole milliseconds."""
    return LocalCommandBus(
        LaneResources(
            runs=runs,
            bookings=bookings,
            lookups=BookingLookups(bookings),
            archive_queue=ArchiveQueue(runs),
            commits=RunCommits(runs, bounds.statements_max),
            turns=asyncio.Semaphore(bounds.commits_max),
            clock=clock,
            bounds=bounds,
            observer=observer or NullLaneObserver(),
        )
    )


class LocalCommandBus:
    """All lanes of this server; those used longest ago give up their cached run when the cache is full."""

    def __init__(self, parts: LaneResources) -> None:
        self._parts = parts
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._cached_passengers = 0

    def submit(self, run_id: str, command: Command[ResultT], deadline: float) -> asyncio.Future[ResultT]:
        """Has the command decided in the lane of its run; see `Lane.submit`."""
        lane = self._lanes.get(run_id)
        if lane is None:
            lane = self._lanes[run_id] = Lane(run_id, self._parts, self._evict_idle)
        self._lanes.move_to_end(run_id)
        return lane.submit(command, deadline)

    def load(self) -> tuple[int, int]:
        """How many lanes there are, and how many callers wait in their queues."""
        return len(self._lanes), sum(len(lane._queue) for lane in self._lanes.values())

    async def join(self) -> None:
        """Waits until every lane is idle."""
        for lane in list(self._lanes.values()):
            await lane.join()
        await self._parts.archive_queue.join()

    def _evict_idle(self, lane: Lane) -> None:
        """Counts what a lane that has become idle keeps, and forgets idle lanes, oldest first, until all that is kept fits."""
        self._set_cached_passengers(lane, _cached_passengers(lane))
        if lane.cached is None:
            del self._lanes[lane.run_id]
        if self._cached_passengers <= self._parts.bounds.cached_passengers_max:
            return
        for oldest in [one for one in self._lanes.values() if one.is_idle]:
            self._set_cached_passengers(oldest, 0)
            del self._lanes[oldest.run_id]
            if self._cached_passengers <= self._parts.bounds.cached_passengers_max:
                return

    def _set_cached_passengers(self, lane: Lane, passengers: int) -> None:
        self._cached_passengers += passengers - lane.cached_passengers
        lane.cached_passengers = passengers


def _cached_passengers(lane: Lane) -> int:
    """How many passengers a cached run takes the memory of: seats take about a hundredth of one each, and the rest ten."""
    if lane.cached is None:
        return 0
    return (
        len(lane.cached.run.passenger_index.references) + 10 + sum(section.size for section in lane.cached.run.sections) // 100
    )
