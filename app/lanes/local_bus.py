"""The command bus of this server: a lane for each run that has commands.

Belongs here: which lane gets a command, and which runs stay in memory. Does not belong here: deciding and committing
(`lane.py`).
"""

import asyncio
import uuid
from collections import OrderedDict

from app.domain.commands import Command, ResultT
from app.lanes.archive import ArchiveQueue
from app.lanes.bounds import LaneBounds
from app.lanes.lane import Lane
from app.lanes.resources import LaneResources
from app.lanes.statements import BookingLookups, RunCommits
from app.ports.clock import Clock
from app.ports.lane_observer import LaneObserver, NullLaneObserver
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun
from app.store.runs import TrainRuns


def open_command_bus(
    runs: TrainRuns,
    bookings: Bookings,
    clock: Clock,
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
            server_id=uuid.uuid4().hex,
        )
    )


class LocalCommandBus:
    """Decides commands in the lanes of this server. When memory is full, the runs used longest ago are evicted."""

    def __init__(self, resources: LaneResources) -> None:
        self._resources = resources
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        # What each lane's run takes of the memory for runs, in passengers, as counted when the lane was idle last.
        self._passengers_of: dict[str, int] = {}
        self._cached_passengers = 0

    def submit(self, command: Command[ResultT], deadline: float) -> asyncio.Future[ResultT]:
        """Queue a command in the lane of its run; see `CommandBus.submit`."""
        run_id = command.run_id
        lane = self._lanes.get(run_id)
        if lane is None:
            lane = self._lanes[run_id] = Lane(run_id, self._resources, self._evict_idle)
        self._lanes.move_to_end(run_id)
        return lane.submit(command, deadline)

    def load_counts(self) -> tuple[int, int]:
        """Return how many lanes there are, and how many callers wait in their queues."""
        return len(self._lanes), sum(lane.queue_length for lane in self._lanes.values())

    async def wait_idle(self) -> None:
        """Wait until every lane is idle and everything is archived."""
        for lane in list(self._lanes.values()):
            await lane.wait_idle()
        await self._resources.archive_queue.wait_idle()

    def _evict_idle(self, lane: Lane) -> None:
        """Count the memory of a lane that has become idle, and evict idle lanes, oldest first, until all runs fit."""
        self._count(lane, cached_passengers(lane.cached))
        if lane.cached is None:
            self._remove(lane)
        cached_max = self._resources.bounds.cached_passengers_max
        if self._cached_passengers <= cached_max:
            return
        for oldest in [lane for lane in self._lanes.values() if lane.is_idle]:
            self._remove(oldest)
            if self._cached_passengers <= cached_max:
                return

    def _count(self, lane: Lane, passengers: int) -> None:
        self._cached_passengers += passengers - self._passengers_of.get(lane.run_id, 0)
        self._passengers_of[lane.run_id] = passengers

    def _remove(self, lane: Lane) -> None:
        del self._lanes[lane.run_id]
        self._cached_passengers -= self._passengers_of.pop(lane.run_id, 0)


def cached_passengers(cached: CachedRun | None) -> int:
    """Return how many passengers take as much memory as this run.

    A seat takes a hundredth of a passenger's memory, retired or not, and the rest of a run that of ten.
    """
    if cached is None:
        return 0
    run = cached.run
    sections = (*run.sections, *run.retired_sections)
    return len(run.passenger_index.references) + 10 + sum(section.size for section in sections) // 100
