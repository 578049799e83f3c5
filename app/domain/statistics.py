"""A survey: what there is of seats, lines, work and money in the whole database at a moment, in a few numbers.

Belongs here: the numbers, and how runs add up to them. Does not: finding them (`app/store/statistics.py`).
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from app.domain.timetable import RunState, Stop, state_at
from app.domain.values import value

# Runs that have arrived are none of them: there are more every day, and nothing happens to them.
STATES = (RunState.SCHEDULED, RunState.DEPARTED)


@value(frozen=True, slots=True)
class RunCounts:
    """A run as of a version: its seats, those of them that are sold or held for any part of the way, and who waits."""

    run_id: str
    version: int
    stops: tuple[Stop, ...]
    seats: int
    seats_sold: int
    waiting_bookings: int


@value(frozen=True, slots=True)
class Backlog:
    """What is still to be done. Instants are of the oldest, None where there is none.

    Jobs that come round for ever are not in it. A running job is one that a worker holds.
    """

    outbox_events: int
    oldest_event_time: datetime | None
    jobs_waiting: int
    jobs_running: int
    jobs_dead: int
    refunds_pending: int
    oldest_refund_time: datetime | None
    captures_pending: int


@value(frozen=True, slots=True)
class Statistics:
    """The numbers. Seats are those of runs that have not departed; ages are in seconds, 0 where there is nothing to do."""

    time: datetime
    runs: Mapping[RunState, int]
    seats_sold: int
    seats_free: int
    waiting_bookings: int
    backlog: Backlog

    @property
    def outbox_age_seconds(self) -> float:
        """How long the oldest event has waited for what follows from it."""
        return self._age_seconds(self.backlog.oldest_event_time)

    @property
    def refund_age_seconds(self) -> float:
        """How long the oldest pending refund has waited."""
        return self._age_seconds(self.backlog.oldest_refund_time)

    def _age_seconds(self, since: datetime | None) -> float:
        return 0.0 if since is None else max(0.0, (self.time - since).total_seconds())


def statistics_of(counts: Iterable[RunCounts], backlog: Backlog, now: datetime) -> Statistics:
    """What runs and work add up to."""
    runs = dict.fromkeys(STATES, 0)
    seats = sold = waiting = 0
    for one in counts:
        state = state_at(one.stops, now)
        if state not in runs:
            continue
        runs[state] += 1
        waiting += one.waiting_bookings
        if state is RunState.SCHEDULED:
            seats += one.seats
            sold += one.seats_sold
    return Statistics(now, runs, sold, seats - sold, waiting, backlog)
