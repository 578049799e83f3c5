"""Following up: what is to happen because something has happened.

Belongs here: the work that new events make, and the sweeps that keep runs tidy. Does not: doing the work (`paying.py`,
`webhook_dispatch.py`), nor when it is done (`working.py`).

An event stays new until all that follows from it is written down under names that follow from it in turn. So whatever ends in
between, the same is written down again, once.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.booking import Tidy
from app.domain.events import Event
from app.domain.jobs import Job
from app.domain.people import Caller
from app.domain.refusals import Refusal
from app.store.store import Store
from app.telemetry.trace_context import is_sampled
from app.telemetry.traced_work import followed
from app.usecases.paying import Paying

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
_TIDIES_MAX = 100
_TIDY_SECONDS_MAX = 30.0

# Tells those outside who asked to hear of events.
FanOut = Callable[[Sequence[Event]], Awaitable[object]]


class Following:
    """`wake` is called when work was written down; `clock` gives the present moment, `monotonic` seconds of deadlines."""

    def __init__(
        self,
        store: Store,
        paying: Paying,
        fan_out: FanOut,
        wake: Callable[[], None],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store, self._paying, self._fan_out, self._wake = store, paying, fan_out, wake
        self._clock, self._monotonic = clock, monotonic

    async def follow_up(self) -> None:
        """Writes down what follows from each new event, in the order of each run."""
        for _ in range(_ROUNDS_MAX):
            events = await self._store.events.list_new(_COMMITS_MAX)
            if not events:
                return
            with followed(events) as traced:
                await self._store.jobs.put_missing(settle_jobs(traced, self._clock()))
                await self._fan_out(events)
                await self._store.events.followed_up(events)
            self._wake()

    async def settle_payments(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """The handler of SETTLE_PAYMENT."""
        references = {job.job_id: str(job.payload["reference"]) for job in jobs}
        trace_parents = {references[job.job_id]: str(job.payload.get("trace_parent", "")) for job in jobs}
        errors = await self._paying.settle(list(dict.fromkeys(references.values())), trace_parents)
        return {job_id: errors[reference] for job_id, reference in references.items()}

    async def tidy(self) -> None:
        """Does what is due on runs that nobody asks for anything: ends holds, promotes, closes waiting lists."""
        for _ in range(_TIDIES_MAX):
            due = await self._store.runs.list_due(self._clock(), _RUNS_MAX)
            for run_id in due:
                await self._tidy(run_id)
            if not due:
                return

    async def _tidy(self, run_id: str) -> None:
        try:
            await self._store.lanes.submit(run_id, Tidy(Caller()), self._monotonic() + _TIDY_SECONDS_MAX)
        except Refusal as refusal:
            _log.warning("run %s is not tidied: %s", run_id, refusal.reason.value)

    async def copy_what_was_left(self) -> None:
        """Copies bookings and events that a server left in runs' documents when it ended."""
        before = self._clock() - timedelta(seconds=_LEFT_AFTER_SECONDS)
        for run_id in await self._store.runs.list_left(before, _RUNS_MAX):
            await self._store.runs.settle_left(run_id)


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
