"""Dispatch: events become deliveries to the webhooks that want them, and deliveries that are due are sent.

Belongs here: what is sent when and by whom, and how much at a time. Does not: when a delivery is tried again
(`app/domain/webhooks.py`), HTTP (`app/notifications/webhook.py`), statements (`app/store/webhooks.py`), nor who calls (the
worker).

Any number of dispatchers, in any number of processes, may share one store: each delivery is claimed before it is sent. One that
ends without a word leaves what it had claimed to others after `CLAIM_SECONDS`, and the receiver may get it twice.

Receivers that do not answer must not hold up the others. Each webhook is served by itself, with at most half of the places that
sending has. After an attempt that failed, a webhook gets one delivery at a time until one succeeds, and all such webhooks
together have at most half of the places.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind, SendOutcome, after_attempt, make_delivery
from app.domain.events import Event
from app.domain.webhooks import WEBHOOK_RETRIES, Webhook, is_subscribed, with_changes
from app.notifications.cloud_events import encode
from app.store.store import Store
from app.telemetry.tracing.work import record_delivery_outcome, webhook_delivery_span

_log = logging.getLogger(__name__)

# Longer than an attempt may take with all that is around it; then its server is taken for dead.
CLAIM_SECONDS = 60.0
# Deliveries of one statement; one is some hundred bytes, and a statement may take a few seconds.
INSERT_BATCH = 1_000
# Deliveries that are read at a time for one webhook: a second's work where the receiver is quick.
PAGE = 100
# While some webhooks are served, how often to look whether others have become due.
LOOK_SECONDS = 1.0
# What another process makes is noticed at least so often.
IDLE_SECONDS_MAX = 60.0
# A round ends by itself before whoever called takes it for stuck, also where there is no end of what is due.
ROUND_SECONDS_MAX = 60.0

_NOT_KEPT = SendOutcome(OutcomeKind.GONE, detail="the event is no longer kept")
_FAULT = SendOutcome(OutcomeKind.FAILED, detail="a fault of the service, which is in its log")


class Sends(Protocol):
    """What a dispatcher needs of `app.notifications.webhook.WebhookSender`, which says what it does."""

    async def send(self, webhook: Webhook, event_id: str, body: bytes, now: datetime) -> SendOutcome: ...  # noqa: D102


class DeliveryEngine:
    """Sends events to webhooks, `sends_max` at a time, for which `sender` needs to have as many places.

    `clock` gives the present moment in whole milliseconds, `jitter` a number from 0 to 1. A round begins nothing new after
    `round_seconds_max` of `timer`. `delivery_attempted` is told what each attempt that was kept has left its delivery as.
    """

    def __init__(
        self,
        store: Store,
        sender: Sends,
        clock: Callable[[], datetime],
        *,
        sends_max: int,
        jitter: Callable[[], float] = random.random,
        round_seconds_max: float = ROUND_SECONDS_MAX,
        timer: Callable[[], float] = time.monotonic,
        delivery_attempted: Callable[[DeliveryState], None] = lambda _: None,
    ) -> None:
        self._events, self._webhooks, self._deliveries = store.events, store.webhooks, store.deliveries
        self._sender, self._clock, self._jitter = sender, clock, jitter
        self._round_seconds_max, self._timer, self._attempted = round_seconds_max, timer, delivery_attempted
        self._places = asyncio.Semaphore(sends_max)
        self._half = max(sends_max // 2, 1)
        self._places_of_failing = asyncio.Semaphore(self._half)
        self._failing: set[str] = set()

    async def fan_out(self, events: Sequence[Event]) -> int:
        """Makes the deliveries of these events to the webhooks that want them; gives how many are new.

        Doing it again makes no second ones. The events are kept already: a delivery whose event is not there is given up.
        Refuses DATABASE_UNAVAILABLE; then some may be made.
        """
        webhooks = await self._webhooks.list_active()
        deliveries = [
            delivery
            for event in events
            for delivery in (make_delivery(event, one.webhook_id) for one in webhooks if is_subscribed(one, event))
        ]
        made = 0
        for start in range(0, len(deliveries), INSERT_BATCH):
            made += await self._deliveries.insert_if_absent(deliveries[start : start + INSERT_BATCH])
        return made

    async def send_due(self) -> float:
        """Sends what is due, until nothing is or the round is over; gives after how many seconds to call again.

        Refuses DATABASE_UNAVAILABLE. What goes wrong with one webhook is raised when the others are served. May be cancelled:
        what was being sent then is sent again.
        """
        serving: dict[str, asyncio.Task[None]] = {}
        failures: dict[str, BaseException] = {}
        end = self._timer() + self._round_seconds_max
        try:
            while True:
                due_times = await self._due_times(serving.keys() | failures.keys())
                now = self._clock()
                if self._timer() < end:
                    for webhook_id in [one for one, due_time in due_times.items() if due_time <= now]:
                        serving[webhook_id] = asyncio.create_task(self._serve(webhook_id, end), name=f"webhook {webhook_id}")
                if not serving:
                    break
                done, _ = await asyncio.wait(serving.values(), timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                for webhook_id in [one for one, task in serving.items() if task in done]:
                    error = serving.pop(webhook_id).exception()
                    if error is not None:
                        failures[webhook_id] = error
        finally:
            await _cancel(serving.values())
        if failures:
            raise next(iter(failures.values()))
        seconds = [(due_time - now).total_seconds() for due_time in due_times.values()]
        return min([IDLE_SECONDS_MAX, *(max(one, 0.0) for one in seconds)])

    async def _due_times(self, but_for: Collection[str]) -> dict[str, datetime]:
        """When the first delivery of each active webhook is to be tried, where there is any; not of those in `but_for`."""
        webhook_ids = {webhook.webhook_id for webhook in await self._webhooks.list_active()}
        self._failing &= webhook_ids
        due_times = {one: await self._deliveries.next_due_time(one) for one in webhook_ids.difference(but_for)}
        return {one: due_time for one, due_time in due_times.items() if due_time is not None}

    async def _serve(self, webhook_id: str, end: float) -> None:
        """Sends what is due to one webhook, page by page. Each page goes to the webhook as it is by then."""
        while self._timer() < end:
            webhook = await self._webhooks.get(webhook_id)
            if webhook is None or not webhook.is_active:
                return
            is_trial = webhook_id in self._failing
            limit = 1 if is_trial else PAGE
            due = await self._deliveries.list_due(webhook_id, self._clock(), limit)
            if due:
                await self._send_page(webhook, due, end, is_trial=is_trial)
            if len(due) < limit:
                return

    async def _send_page(self, webhook: Webhook, due: Sequence[Delivery], end: float, *, is_trial: bool) -> None:
        events = await self._events.find([delivery.event_id for delivery in due])
        turns = self._places_of_failing if is_trial else asyncio.Semaphore(self._half)

        async def send_in_turn(delivery: Delivery) -> None:
            async with turns, self._places:
                has_failed = webhook.webhook_id in self._failing and not is_trial
                if not has_failed and self._timer() < end:
                    if delivery.event_id in events.unreadable:  # it may be mended: it is looked at again after the claim
                        await self._claim(delivery)
                    else:
                        await self._try(webhook, delivery, events.get(delivery.event_id))

        sends = await asyncio.gather(*map(send_in_turn, due), return_exceptions=True)
        for error in sends:
            if error is not None:
                raise error

    async def _try(self, webhook: Webhook, delivery: Delivery, event: Event | None) -> None:
        """Makes one attempt, unless somebody else has begun it, and keeps what came of it."""
        claimed = await self._claim(delivery)
        if claimed is None:
            return
        outcome = _NOT_KEPT if event is None else await self._send(webhook, event)
        tried = after_attempt(claimed, outcome, self._clock(), self._jitter(), WEBHOOK_RETRIES)
        if await self._deliveries.record(tried):
            self._attempted(tried.state)
        else:
            _log.warning("an attempt at delivery %s took so long that another was made", delivery.delivery_id)

    async def _claim(self, delivery: Delivery) -> Delivery | None:
        return await self._deliveries.claim(delivery, self._clock() + timedelta(seconds=CLAIM_SECONDS))

    async def _send(self, webhook: Webhook, event: Event) -> SendOutcome:
        """Sends an event, and keeps in mind what the outcome says of the receiver."""
        try:
            with webhook_delivery_span(webhook, event) as span:
                outcome = await self._sender.send(webhook, event.event_id, encode(event), self._clock())
                record_delivery_outcome(span, outcome)
        except Exception:  # whatever it is, it would be the same at once again, and other events may fare better
            _log.exception("event %s cannot be sent to webhook %s", event.event_id, webhook.webhook_id)
            outcome = _FAULT
        if outcome.kind is OutcomeKind.DELIVERED:
            self._failing.discard(webhook.webhook_id)
        else:
            self._failing.add(webhook.webhook_id)
        if outcome.kind is OutcomeKind.GONE:
            await self._disable(webhook)
        return outcome

    async def _disable(self, webhook: Webhook) -> None:
        """Tells a webhook of nothing more, unless it has been changed since: then its receiver is asked once more."""
        if await self._webhooks.update(with_changes(webhook, self._clock(), is_active=False)):
            _log.warning("webhook %s is disabled: its receiver said that it is gone", webhook.webhook_id)


async def _cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancels tasks and waits for their ends."""
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
