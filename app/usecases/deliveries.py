"""The delivery engine: events become deliveries to the receivers of a channel, and due deliveries are sent.

Belongs here: what is sent when and by which server, and how much at a time, for every channel alike. Does not belong here: when
a delivery is tried again (`app/domain/retry.py`), how one is sent (`app/notifications`), statements
(`app/store/deliveries.py`), nor who calls (the job worker).

Any number of engines, in any number of processes, may share one store: each delivery is claimed before it is sent. The claims
of an engine that dies lapse after `CLAIM_SECONDS`; then the receiver may get the event twice.

A receiver that does not answer must not hold up the others, so each channel has an engine of its own, and within it each
receiver is served by a task of its own, with at most half of the channel's send slots. After a failed attempt, a receiver gets
one delivery at a time until one succeeds, and all such receivers together have at most half of the slots.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Generic

from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind, SendOutcome, after_delivery_attempt, make_delivery
from app.domain.events import Event
from app.ports.channel import Channel, ReceiverT
from app.ports.clock import Clock
from app.ports.deliveries import DeliveryStore
from app.store.events import Events
from app.telemetry.tracing.work import delivery_span, record_delivery_outcome

_log = logging.getLogger(__name__)

# Longer than an attempt may take with all that is around it; after that, its server is taken for dead.
CLAIM_SECONDS = 60.0
# Deliveries of one statement; one is some hundred bytes, and a statement may take a few seconds.
INSERT_BATCH = 1_000
# Deliveries that are read at a time for one receiver: a second's work where the receiver is quick.
PAGE_SIZE = 100
# While some receivers are served, how often to check whether others have become due.
POLL_SECONDS = 1.0
# Deliveries that another process inserts are noticed at least this often.
IDLE_SECONDS_MAX = 60.0
# A round ends by itself before its job is cancelled, even if there is no end of due deliveries.
ROUND_SECONDS_MAX = 60.0

_EVENT_DELETED = SendOutcome(OutcomeKind.GONE, detail="the event is no longer kept")
_FAULT = SendOutcome(OutcomeKind.FAILED, detail="a fault of the service, which is in its log")


class DeliverySubscriber(Generic[ReceiverT]):
    """Turns events into deliveries to the receivers of a channel that are subscribed to them."""

    def __init__(self, channel: Channel[ReceiverT], deliveries: DeliveryStore) -> None:
        self._channel, self._deliveries = channel, deliveries

    async def handle(self, events: Sequence[Event], /) -> int:
        """Insert the deliveries; return how many were new. Refuses DATABASE_UNAVAILABLE; then some may be inserted."""
        receivers = await self._channel.list_receivers()
        deliveries = [
            make_delivery(event, receiver_id)
            for event in events
            for receiver_id, receiver in receivers.items()
            if self._channel.is_subscribed(receiver, event)
        ]
        inserted = 0
        for start in range(0, len(deliveries), INSERT_BATCH):
            inserted += await self._deliveries.insert_if_absent(deliveries[start : start + INSERT_BATCH])
        return inserted


class DeliveryEngine(Generic[ReceiverT]):
    """Sends the due deliveries of one channel, as many at a time as the channel allows.

    `clock` returns the present moment in whole milliseconds, `jitter` a random number in [0, 1). A round starts no sends after
    `round_seconds_max` of `timer`. `observe_attempt` is called with the state of a delivery after each recorded attempt.
    """

    def __init__(
        self,
        channel: Channel[ReceiverT],
        events: Events,
        deliveries: DeliveryStore,
        clock: Clock,
        *,
        jitter: Callable[[], float] = random.random,
        round_seconds_max: float = ROUND_SECONDS_MAX,
        timer: Callable[[], float] = time.monotonic,
        observe_attempt: Callable[[DeliveryState], None] = lambda _: None,
    ) -> None:
        self._channel, self._events, self._deliveries = channel, events, deliveries
        self._clock, self._jitter = clock, jitter
        self._round_seconds_max, self._timer, self._observe_attempt = round_seconds_max, timer, observe_attempt
        self._slots = asyncio.Semaphore(channel.sends_max)
        self._half = max(channel.sends_max // 2, 1)
        self._slots_of_failing = asyncio.Semaphore(self._half)
        self._failing: set[str] = set()

    async def send_due(self) -> float:
        """Send due deliveries until there are none or the round is over; return after how many seconds to call again.

        An error with one receiver is raised when the others are served. The call may be cancelled: what it was sending is sent
        again. Refuses DATABASE_UNAVAILABLE.
        """
        serving: dict[str, asyncio.Task[None]] = {}
        failures: dict[str, BaseException] = {}
        end = self._timer() + self._round_seconds_max
        try:
            while True:
                due_times, now = await self._due_times(serving.keys() | failures.keys()), self._clock()
                if self._timer() < end:
                    for receiver_id in [receiver_id for receiver_id, due_time in due_times.items() if due_time <= now]:
                        name = f"{self._channel.name} {receiver_id}"
                        serving[receiver_id] = asyncio.create_task(self._serve(receiver_id, end), name=name)
                if not serving:
                    break
                failures |= await _wait_for_some(serving)
        finally:
            await _cancel(serving.values())
        if failures:
            raise next(iter(failures.values()))
        pauses_seconds = [(due_time - now).total_seconds() for due_time in due_times.values()]
        return min([IDLE_SECONDS_MAX, *(max(seconds, 0.0) for seconds in pauses_seconds)])

    async def _due_times(self, excluded: Collection[str]) -> dict[str, datetime]:
        """Return when the first pending delivery to each active receiver is due, without those in `excluded`."""
        receiver_ids = frozenset(await self._channel.list_receivers())
        self._failing &= receiver_ids
        due_times: dict[str, datetime] = {}
        for receiver_id in receiver_ids.difference(excluded):
            due_time = await self._deliveries.next_due_time(receiver_id)
            if due_time is not None:
                due_times[receiver_id] = due_time
        return due_times

    async def _serve(self, receiver_id: str, end: float) -> None:
        """Send what is due to one receiver, page by page. Each page goes to the receiver as it is by then."""
        while self._timer() < end:
            receiver = await self._channel.find_receiver(receiver_id)
            if receiver is None:
                return
            is_trial = receiver_id in self._failing
            limit = 1 if is_trial else PAGE_SIZE
            due = await self._deliveries.list_due(receiver_id, self._clock(), limit)
            if due:
                await self._send_page(receiver, due, end, is_trial=is_trial)
            if len(due) < limit:
                return

    async def _send_page(self, receiver: ReceiverT, due: Sequence[Delivery], end: float, *, is_trial: bool) -> None:
        events = await self._events.find([delivery.event_id for delivery in due])
        share = self._slots_of_failing if is_trial else asyncio.Semaphore(self._half)

        async def send_in_turn(delivery: Delivery) -> None:
            async with share, self._slots:
                has_failed = delivery.receiver_id in self._failing and not is_trial
                if not has_failed and self._timer() < end:
                    if delivery.event_id in events.unreadable:  # it may be repaired: it is looked at again after the claim
                        await self._claim(delivery)
                    else:
                        await self._attempt(receiver, delivery, events.get(delivery.event_id))

        sends = await asyncio.gather(*map(send_in_turn, due), return_exceptions=True)
        for error in sends:
            if error is not None:
                raise error

    async def _attempt(self, receiver: ReceiverT, delivery: Delivery, event: Event | None) -> None:
        """Make one attempt, unless another server has claimed the delivery, and record its outcome."""
        claimed = await self._claim(delivery)
        if claimed is None:
            return
        outcome = _EVENT_DELETED if event is None else await self._send(receiver, delivery.receiver_id, event)
        attempted = after_delivery_attempt(claimed, outcome, self._clock(), self._jitter(), self._channel.retries)
        if await self._deliveries.record(attempted):
            self._observe_attempt(attempted.state)
        else:
            _log.warning("an attempt at delivery %s took so long that another was made", delivery.delivery_id)

    async def _claim(self, delivery: Delivery) -> Delivery | None:
        return await self._deliveries.claim(delivery, self._clock() + timedelta(seconds=CLAIM_SECONDS))

    async def _send(self, receiver: ReceiverT, receiver_id: str, event: Event) -> SendOutcome:
        """Send an event, and remember whether the receiver is failing. Disable one that is gone."""
        channel = self._channel
        try:
            with delivery_span(channel.span_name, channel.trace_attributes(receiver), event) as span:
                outcome = await channel.send(receiver, event, self._clock())
                record_delivery_outcome(span, outcome, channel.status_attribute)
        except Exception:  # a fault of ours: the same event would fail again at once, and other events may not
            _log.exception("event %s cannot be sent to %s %s", event.event_id, channel.name, receiver_id)
            outcome = _FAULT
        if outcome.kind is OutcomeKind.DELIVERED:
            self._failing.discard(receiver_id)
        else:
            self._failing.add(receiver_id)
        # A receiver that was changed since is asked once more at its new address.
        if outcome.kind is OutcomeKind.GONE and await channel.disable(receiver, self._clock()):
            _log.warning("%s %s is disabled: its receiver said that it is gone", channel.name, receiver_id)
        return outcome


async def _wait_for_some(tasks: dict[str, asyncio.Task[None]]) -> dict[str, BaseException]:
    """Wait until some tasks have ended, at most one poll interval; remove these, and return the errors of those that failed."""
    done, _ = await asyncio.wait(tasks.values(), timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    ended = {name: tasks.pop(name) for name in [name for name, task in tasks.items() if task in done]}
    errors = {name: task.exception() for name, task in ended.items()}
    return {name: error for name, error in errors.items() if error is not None}


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
