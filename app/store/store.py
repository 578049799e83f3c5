"""All of the store in one value.

Belongs here: what is opened together. Does not: statements.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from app.lanes.archive import ArchiveQueue, BookingLookups, RunCommits
from app.lanes.bounds import LaneBounds
from app.lanes.lane import LaneResources, Lanes
from app.ports.observers import LaneObserver, NullLaneObserver
from app.store.bookings import Bookings
from app.store.driver import Database
from app.store.events import Events
from app.store.jobs import Jobs
from app.store.payments import Payments
from app.store.run_lists import RunLists
from app.store.runs import TrainRuns
from app.store.snapshots import Snapshots
from app.store.statistics import StatisticsQueries
from app.store.trains import Trains
from app.store.users import Users
from app.store.webhooks import WebhookDeliveries, Webhooks


@dataclass(frozen=True, slots=True)
class Store:
    """Everything kept in one database. What several collections say together is read through `snapshots`."""

    snapshots: Snapshots
    runs: TrainRuns
    run_lists: RunLists
    bookings: Bookings
    lanes: Lanes
    trains: Trains
    users: Users
    payments: Payments
    jobs: Jobs
    events: Events
    webhooks: Webhooks
    deliveries: WebhookDeliveries
    surveys: StatisticsQueries


def open_store(
    database: Database,
    clock: Callable[[], datetime],
    bounds: LaneBounds,
    *,
    jobs_kept_seconds: float,
    observer: LaneObserver | None = None,
) -> Store:
    """The store over a database. `clock` gives the present moment, in UTC and whole milliseconds; `observer` looks on."""
    runs = TrainRuns(database)
    bookings = Bookings(database)
    commits, turns = RunCommits(runs, bounds.statements_max), asyncio.Semaphore(bounds.commits_max)
    lanes = Lanes(
        LaneResources(
            runs,
            bookings,
            BookingLookups(bookings),
            ArchiveQueue(runs),
            commits,
            turns,
            clock,
            bounds,
            observer or NullLaneObserver(),
        )
    )
    return Store(
        snapshots=Snapshots(database),
        runs=runs,
        run_lists=RunLists(database),
        bookings=bookings,
        lanes=lanes,
        trains=Trains(database),
        users=Users(database),
        payments=Payments(database),
        jobs=Jobs(database, jobs_kept_seconds),
        events=Events(database),
        webhooks=Webhooks(database),
        deliveries=WebhookDeliveries(database),
        surveys=StatisticsQueries(database),
    )
