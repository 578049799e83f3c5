"""What all lanes of a server share.

Belongs here: the value that every lane is given. Does not belong here: making it (`local_bus.py`).
"""

import asyncio
from dataclasses import dataclass

from app.lanes.archive import ArchiveQueue
from app.lanes.bounds import LaneBounds
from app.lanes.statements import BookingLookups, RunCommits
from app.ports.clock import Clock
from app.ports.lane_observer import LaneObserver
from app.store.bookings import Bookings
from app.store.runs import TrainRuns


@dataclass(frozen=True, slots=True)
class LaneResources:
    """What all lanes share. `turns` bounds the lanes that commit at a time; `clock` gives the present moment.

    `server_id` names this server among those that commit on a run.
    """

    runs: TrainRuns
    bookings: Bookings
    lookups: BookingLookups
    archive_queue: ArchiveQueue
    commits: RunCommits
    turns: asyncio.Semaphore
    clock: Clock
    bounds: LaneBounds
    observer: LaneObserver
    server_id: str
