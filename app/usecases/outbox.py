"""The outbox relay: each event is handed to every subscriber, and then marked processed.

Belongs here: the relay, and the subscriber that makes jobs. Does not belong here: which subscribers there are
(`app/process/bootstrap/work.py`), nor how often the relay runs.

An event stays unprocessed until every subscriber has written down its work, under ids that follow from the event's. So a relay
that dies in between leaves the event to the next one, which writes down the same work once.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from app.domain.events import Event
from app.domain.jobs import Job
from app.ports.clock import Clock
from app.ports.jobs import JobSink
from app.ports.outbox import EventSubscriber
from app.store.events import Events
from app.telemetry.tracing.work import event_processing_spans

_log = logging.getLogger(__name__)

# Commits whose events are one batch: at most some thousand events, a megabyte, and a statement for each kind of work.
_COMMITS_MAX = 10
# Batches of one call; the next call, a second later, goes on.
_BATCHES_MAX = 100


class OutboxRelay:
    """Hands unprocessed events to `subscribers`, in this order. Calls `wake` when they have written down work."""

    def __init__(self, events: Events, subscribers: Sequence[EventSubscriber], wake: Callable[[], None]) -> None:
        self._events, self._subscribers, self._wake = events, subscribers, wake

    async def process(self) -> None:
        """Process unprocessed events, those of each run in their order. Refuses DATABASE_UNAVAILABLE.

        A commit with an unreadable event is marked unreadable once its other events are processed.
        """
        for _ in range(_BATCHES_MAX):
            events, unreadable_commits = await self._events.list_unprocessed(_COMMITS_MAX)
            if not events and not unreadable_commits:
                return
            if events:
                with event_processing_spans(events) as traced:
                    for subscriber in self._subscribers:
                        await subscriber.handle(traced)
                    await self._events.mark_processed(events, unreadable_commits)
                self._wake()
            if unreadable_commits:
                await self._events.mark_unreadable(unreadable_commits)

    async def retry_unreadable(self) -> None:
        """Have commits processed that were unreadable and can be read by now: repaired, or of a newer version.

        Refuses DATABASE_UNAVAILABLE.
        """
        readable = await self._events.retry_unreadable()
        if readable:
            _log.info("events of %d commits can be read again", readable)


class JobSubscriber:
    """Turns events into jobs. `make_jobs` returns the jobs that follow from events, with ids that follow from theirs."""

    def __init__(self, jobs: JobSink, make_jobs: Callable[[Sequence[Event], datetime], list[Job]], clock: Clock) -> None:
        self._jobs, self._make_jobs, self._clock = jobs, make_jobs, clock

    async def handle(self, events: Sequence[Event], /) -> int:
        """Insert the jobs; return how many were new. Refuses DATABASE_UNAVAILABLE."""
        return await self._jobs.insert_if_absent(self._make_jobs(events, self._clock()))
