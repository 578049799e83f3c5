"""OutboxRelay up: what is to happen because something has happened.

Belongs here: the work that new events make, and the sweeps that keep runs tidy. Does not: doing the work (`payments.py`,
`deliveries.py`), nor when it is done (`app/jobs/worker.py`).

An event stays new until all that follows from it is written down under names that follow from it in turn. So whatever ends in
between, the same is written down again, once.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.commands import ExpireDue
from app.domain.events import Event
from app.domain.jobs import Job, PermanentJobError
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.lanes.bus import CommandBus
from app.store.store import Store
from app.telemetry.tracing.context import is_sampled
from app.telemetry.tracing.work import event_processing_spans
from app.usecases.payments import BookingPayments

_log = logging.getLogger(__name__)

SETTLE_PAYMENT = "settle payment"

# Commits whose events are one round: at most some thousand events, a megabyte, and a statement for each kind of work.
_COMMITS_MAX = 10
# Rounds of one call: what is left then waits for the next one, a second later.
_ROUNDS_MAX = 100
# Runs of one sweep; the next one goes on.
_RUNS_MAX = 100
# A batch of a living server is copied within a tenth of this.
_LEFT_AFTER_SECONDS = 10.0
# A closed line is emptied some hundred bookings at a time.
_EXPIRE_ROUNDS_MAX = 100
_EXPIRE_SECONDS_MAX = 30.0
# Looks of one sweep past runs that cannot be read; the next sweep goes on.
_COPIES_MAX = 20

# Tells those outside who asked to hear of events.
FanOut = Callable[[Sequence[Event]], Awaitable[object]]


class OutboxRelay:
    """`wake` is called when work was written down; `clock` gives the present moment, `monotonic` seconds of deadlines."""

    def __init__(
        self,
        store: Store,
        bus: CommandBus,
        paying: BookingPayments,
        fan_out: FanOut,
        wake: Callable[[], None],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._bus, self._paying, self._fan_out, self._wake = store, bus, paying, fan_out, wake
        self._clock, self._monotonic = clock, monotonic

    async def process(self) -> None:
        """Writes down what follows from each new event, in the order of each run.

        An unreadable event is set apart with its commit, once what follows from the others of it is written down.
        """
        for _ in range(_ROUNDS_MAX):
            events, unreadable_commits = await self._store.events.list_unprocessed(_COMMITS_MAX)
            if not events and not unreadable_commits:
                return
            if events:
                with event_processing_spans(events) as traced:
                    await self._store.jobs.insert_if_absent(settle_jobs(traced, self._clock()))
                    await self._fan_out(events)
                    await self._store.events.mark_processed(events, but_for=unreadable_commits)
                self._wake()
            if unreadable_commits:
                await self._store.events.mark_unreadable(unreadable_commits)

    async def retry_unreadable(self) -> None:
        """Follows up what was set apart and can be read by now: it was mended, or a newer version has started."""
        mended = await self._store.events.retry_unreadable()
        if mended:
            _log.info("events of %d commits can be read again", mended)

    async def settle_payments(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """The handler of SETTLE_PAYMENT."""
        references = {job.job_id: str(job.payload["reference"]) for job in jobs if "reference" in job.payload}
        trace_parents = {
            references[job.job_id]: str(job.payload.get("trace_parent", "")) for job in jobs if job.job_id in references
        }
        errors = await self._paying.settle(list(dict.fromkeys(references.values())), trace_parents)
        nameless: dict[str, Exception | None] = {
            job.job_id: PermanentJobError("it names no booking") for job in jobs if job.job_id not in references
        }
        return nameless | {job_id: errors[reference] for job_id, reference in references.items()}

    async def expire_due(self) -> None:
        """Does what is due on runs that nobody asks for anything: ends holds, promotes, closes waiting lists."""
        refused: set[str] = set()
        for _ in range(_EXPIRE_ROUNDS_MAX):
            due = await self._store.runs.list_due(self._clock(), _RUNS_MAX, but_for=refused)
            for run_id in due:
                if not await self._expire_due_of(run_id):
                    refused.add(run_id)
            if not due:
                return

    async def _expire_due_of(self, run_id: str) -> bool:
        """Whether the run is tidied. One that is not is left for the next sweep, and keeps no others from their turn."""
        try:
            await self._bus.submit(ExpireDue(Caller(), run_id), self._monotonic() + _EXPIRE_SECONDS_MAX)
        except Refusal as refusal:
            if refusal.reason is not Reason.RECORD_UNREADABLE:  # which is logged where it was read, once in a while
                _log.warning("run %s is not tidied: %s", run_id, refusal.reason.value)
            return False
        except Exception:
            _log.exception("run %s is not tidied", run_id)
            return False
        return True

    async def archive_leftovers(self) -> None:
        """Copies bookings and events that a server left in runs' documents when it ended."""
        before = self._clock() - timedelta(seconds=_LEFT_AFTER_SECONDS)
        unreadable: set[str] = set()
        for _ in range(_COPIES_MAX):
            left = await self._store.runs.list_unarchived(before, _RUNS_MAX, but_for=unreadable)
            found = len(unreadable)
            for run_id in left:
                try:
                    await self._store.runs.archive_leftovers(run_id)
                except Refusal as refusal:
                    if refusal.reason is not Reason.RECORD_UNREADABLE:
                        raise
                    unreadable.add(run_id)
            if len(unreadable) == found:  # no run that cannot be read has kept another one from its turn
                return


def settle_jobs(events: Sequence[Event], now: datetime) -> list[Job]:
    """A job for each event after which a payment may have something to take or to give back."""
    return [
        Job(f"{SETTLE_PAYMENT} {event.event_id}", SETTLE_PAYMENT, _payload(event), now, now)
        for event in events
        if event.data.get("payment_id")
    ]


def _payload(event: Event) -> dict[str, str]:
    """What the job needs to know: the booking, and the trace to go on with if it is sampled."""
    payload = {"reference": event.subject}
    return payload | {"trace_parent": event.trace_parent} if is_sampled(event.trace_parent) else payload
