"""Statistics: seats, waitlists, work and money in the whole database at one moment, in a few numbers.

Belongs here: the numbers, and the sums over runs. Does not belong here: reading them (`app/store/statistics.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from app.domain.run.run_schedule import RunSchedule
from app.domain.timetable import RunState
from app.domain.values import value

# Runs that have arrived, or would have, are left out: there are more every day, and nothing happens to them.
STATES = (RunState.SCHEDULED, RunState.DELAYED, RunState.CANCELLED, RunState.DEPARTED)
# Whoever reports on trains has done so an hour after the last arrival; reports of the last day show whether anybody does.
_REPORTED_AFTER, _REPORTED_WITHIN = timedelta(hours=1), timedelta(days=1)
# The states of runs whose seats count.
_ON_SALE = (RunState.SCHEDULED, RunState.DELAYED)


@value(frozen=True, slots=True)
class RunCounts:
    """The counts of a run in one version. Sold are seats that are sold or held on at least one leg."""

    run_id: str
    version: int
    schedule: RunSchedule
    seats: int
    seats_sold: int
    waiting_bookings: int


@value(frozen=True, slots=True)
class DueNotices:
    """The notices of one channel that are due and not final. `oldest_untried_time`: when the first without attempt was due."""

    channel: str
    count: int
    oldest_untried_time: datetime | None


@value(frozen=True, slots=True)
class Backlog:
    """The work that is not done yet. Times are those of the oldest item, None where there is none.

    Periodic tasks are left out. A running job is one that a worker has leased. An open cancellation is that of a run whose
    bookings are not all cancelled yet.
    """

    outbox_events: int
    oldest_event_time: datetime | None
    jobs_waiting: int
    jobs_running: int
    jobs_dead: int
    refunds_pending: int
    oldest_refund_time: datetime | None
    captures_pending: int
    layout_jobs: int = 0
    oldest_layout_job_time: datetime | None = None
    open_cancellations: int = 0
    oldest_cancellation_time: datetime | None = None
    due_notices: tuple[DueNotices, ...] = ()


@value(frozen=True, slots=True)
class Statistics:
    """The numbers. Seats are those of runs that have not departed; ages are 0 where there is nothing to do.

    `runs_reported` and `runs_unreported` are those that were expected to arrive an hour to a day ago.
    """

    time: datetime
    runs: Mapping[RunState, int]
    seats_sold: int
    seats_free: int
    waiting_bookings: int
    backlog: Backlog
    runs_reported: int = 0
    runs_unreported: int = 0

    @property
    def outbox_age_seconds(self) -> float:
        """How long the oldest event has waited for its subscribers."""
        return self._age_seconds(self.backlog.oldest_event_time)

    @property
    def refund_age_seconds(self) -> float:
        """How long the oldest pending refund has waited."""
        return self._age_seconds(self.backlog.oldest_refund_time)

    @property
    def layout_job_age_seconds(self) -> float:
        """How long ago the oldest layout job began that is not complete."""
        return self._age_seconds(self.backlog.oldest_layout_job_time)

    @property
    def cancellation_age_seconds(self) -> float:
        """How long ago the oldest run was cancelled whose bookings are not all cancelled yet."""
        return self._age_seconds(self.backlog.oldest_cancellation_time)

    def untried_age_seconds(self, notices: DueNotices) -> float:
        """Return for how long a channel's oldest notice without an attempt has been due."""
        return self._age_seconds(notices.oldest_untried_time)

    def _age_seconds(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self.time - since).total_seconds())


def statistics_of(counts: Iterable[RunCounts], backlog: Backlog, now: datetime) -> Statistics:
    """Sum up runs and work."""
    runs = dict.fromkeys(STATES, 0)
    seats = sold = waiting = 0
    reported = {True: 0, False: 0}
    for run in counts:
        state = run.schedule.state_at(now)
        if state is RunState.COMPLETED and _REPORTED_AFTER <= now - run.schedule.arrive_time <= _REPORTED_WITHIN:
            reported[run.schedule.delay.is_reported] += 1
        if state not in runs or now >= run.schedule.arrive_time:
            continue
        runs[state] += 1
        waiting += run.waiting_bookings
        if state in _ON_SALE:
            seats += run.seats
            sold += run.seats_sold
    return Statistics(now, runs, sold, seats - sold, waiting, backlog, reported[True], reported[False])
