"""All parts of the store in one value.

Belongs here: opening them together. Does not belong here: statements.
"""

from dataclasses import dataclass

from app.store.adapter import adapter_of
from app.store.bookings import Bookings
from app.store.deliveries import Deliveries
from app.store.driver import Database
from app.store.events import Events
from app.store.jobs import Jobs
from app.store.layout_jobs import LayoutJobs
from app.store.notices import Notices
from app.store.notification_preferences import NotificationPreferencesStore
from app.store.payments import Payments
from app.store.run_deletions import RunDeletions
from app.store.run_lists import RunLists
from app.store.run_schedules import RunSchedules
from app.store.runs import TrainRuns
from app.store.snapshots import Snapshots
from app.store.statistics import StatisticsQueries
from app.store.ticket_resends import TicketResends
from app.store.train_versions import TrainVersions
from app.store.trains import Trains
from app.store.users import Users
from app.store.webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class Store:
    """The parts of the store over one database. Consistent reads of several collections go through `snapshots`."""

    snapshots: Snapshots
    runs: TrainRuns
    run_lists: RunLists
    run_schedules: RunSchedules
    run_deletions: RunDeletions
    bookings: Bookings
    trains: Trains
    train_versions: TrainVersions
    users: Users
    payments: Payments
    jobs: Jobs
    layout_jobs: LayoutJobs
    events: Events
    webhooks: Webhooks
    deliveries: Deliveries
    notices: Notices
    ticket_resends: TicketResends
    preferences: NotificationPreferencesStore
    statistics: StatisticsQueries


def open_store(database: Database, *, jobs_kept_seconds: float) -> Store:
    """Make the store over a database. Finished jobs are kept for `jobs_kept_seconds`."""
    runs = TrainRuns(database)
    return Store(
        snapshots=adapter_of(database).snapshots(database),
        runs=runs,
        run_lists=RunLists(database),
        run_schedules=RunSchedules(database),
        run_deletions=RunDeletions(database, runs),
        bookings=Bookings(database),
        trains=Trains(database),
        train_versions=TrainVersions(database),
        users=Users(database),
        payments=Payments(database),
        jobs=Jobs(database, jobs_kept_seconds),
        layout_jobs=LayoutJobs(database),
        events=Events(database),
        webhooks=Webhooks(database),
        deliveries=Deliveries(database),
        notices=Notices(database),
        ticket_resends=TicketResends(database),
        preferences=NotificationPreferencesStore(database),
        statistics=StatisticsQueries(database),
    )
