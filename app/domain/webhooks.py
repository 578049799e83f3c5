"""Webhooks: addresses of other programs that are told of events, and how often each telling is tried.

Belongs here: the values, what a webhook may ask for, and when a delivery is tried again or given up. Does not: HTTP
(`app/notifications/webhook.py`), nor where webhooks and deliveries are kept (`app/store/webhooks.py`).

    Delivery   PENDING ──► DELIVERED    the receiver said so
                  │  ▲
                  │  └── tried again, after ever longer pauses
                  └────► FAILED         the receiver is gone, or three days have passed since the first attempt
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field as data_field
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain.events import Event, EventType
from app.domain.hosts import unreachable_reason
from app.domain.refusals import InvalidField
from app.domain.values import value

WEBHOOKS_MAX = 100  # every event may become as many deliveries
URL_LENGTH_MAX = 2_000  # characters; servers in use take no more in a request line
_PORT_MAX = 65_535
_HOST_LENGTH_MAX = 253  # characters, RFC 1035 section 2.3.4

# Both secrets sign for as long as receivers usually take to roll out a new one.
PREVIOUS_SECRET_LIFETIME = timedelta(hours=24)

# The pause behind each attempt: short while a receiver restarts, long while somebody has to be woken up.
_PAUSES_SECONDS = (5, 30, 120, 600, 1_800, 7_200)
_LAST_PAUSE_SECONDS = 21_600
# A weekend and a day to notice and mend. With these pauses a delivery is tried at most eighteen times.
RETRY_LIFETIME = timedelta(days=3)
# A pause may come out longer by this share, so that what failed together does not come back in the same second.
_JITTER_SHARE = 0.25

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
# RFC 3986 without user names, fragments, and the dot at a host's end, which certificates do not have.
_URL = re.compile(
    rf"(?i:https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]{{2,45}}\])(?::(?P<port>[0-9]{{1,5}}))?"
    r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*)?"
    r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*)?"
)
_PATTERNS = frozenset({*EventType, *(f"{event_type.group}.*" for event_type in EventType)})


@value(frozen=True, slots=True)
class Webhook:
    """An address that is told of events, and the secret by which it knows that they are ours.

    It is told of what happens from `active_since` on, or where that is None, from `create_time` on.

    `event_types` are exact ones or families such as `booking.*`; none stands for all. `fingerprint` is of what the webhook was
    made from, whatever it was changed to. `previous_secret` also signs, until `previous_secret_expire_time`.
    """

    webhook_id: str
    url: str
    event_types: tuple[str, ...]
    secret: str = data_field(repr=False)
    is_active: bool
    create_time: datetime
    update_time: datetime
    fingerprint: str
    version: int = 1
    previous_secret: str = data_field(default="", repr=False)
    previous_secret_expire_time: datetime | None = None
    active_since: datetime | None = None

    @property
    def etag(self) -> str:
        """Changes with every change."""
        return str(self.version)


class OutcomeKind(StrEnum):
    """How an attempt ended: said yes; told never to come again; anything else, which may be tried again."""

    DELIVERED = "DELIVERED"
    GONE = "GONE"
    FAILED = "FAILED"


@value(frozen=True, slots=True)
class SendOutcome:
    """What came of sending once: the HTTP `status`, 0 without an answer, and in `detail` what people should know of it.

    `retry_after_seconds` is how long the receiver asked to be left alone, 0 for not at all.
    """

    kind: OutcomeKind
    status: int = 0
    detail: str = ""
    retry_after_seconds: float = 0.0


@value(frozen=True, slots=True)
class Attempt:
    """One try, as it is kept."""

    time: datetime
    outcome: OutcomeKind
    status: int
    detail: str


class DeliveryState(StrEnum):
    """Where a delivery stands. DELIVERED and FAILED are final."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


# Every change of state of a delivery, with its cause; from None, the delivery is new. `docs/states.md` is drawn from it.
DELIVERY_TRANSITIONS: Mapping[tuple[DeliveryState | None, DeliveryState], str] = {
    (None, DeliveryState.PENDING): "an event that the webhook subscribes to",
    (DeliveryState.PENDING, DeliveryState.DELIVERED): "the receiver answers 2xx",
    (DeliveryState.PENDING, DeliveryState.PENDING): "any other answer or none, due again later",
    (DeliveryState.PENDING, DeliveryState.FAILED): "the receiver answers 410, or three days have passed",
}


@value(frozen=True, slots=True)
class Delivery:
    """One event on its way to one webhook. `next_attempt_time` is None once the state is final."""

    delivery_id: str
    event_id: str
    webhook_id: str
    event_type: str
    event_time: datetime
    state: DeliveryState
    attempts: tuple[Attempt, ...]
    next_attempt_time: datetime | None


# -- webhooks


def check_url(url: str, field: str) -> str:
    """The address of a receiver, as given. Refuses with `field` what is no plain absolute http or https URL in ASCII."""
    if not url:
        raise InvalidField(field, "is required")
    if len(url) > URL_LENGTH_MAX:
        raise InvalidField(field, f"has {len(url)} characters; at most {URL_LENGTH_MAX}")
    if "#" in url:
        raise InvalidField(field, "has a fragment, which is never sent")
    match = _URL.fullmatch(url)
    if match is None:
        raise InvalidField(field, "needs to be http(s)://host[:port][/path][?query] in ASCII, without a user name or blanks")
    if len(match["host"]) > _HOST_LENGTH_MAX:
        raise InvalidField(field, f"has a host of {len(match['host'])} characters; at most {_HOST_LENGTH_MAX}")
    if match["port"] and not 1 <= int(match["port"]) <= _PORT_MAX:
        raise InvalidField(field, f"has port {match['port']}; needs 1 to {_PORT_MAX}")
    return url


def check_reachable(url: str, field: str, *, allow_private: bool) -> str:
    """The checked URL of a receiver, as given. Refuses with `field` a host that nothing can ever be sent to.

    `allow_private` says whether this service sends to addresses that are not public.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{field} was not checked")
    why = unreachable_reason(match["host"], allow_private=allow_private)
    if why is not None:
        raise InvalidField(field, f"{match['host']} {why}")
    return url


def check_event_types(event_types: Sequence[str], field: str) -> tuple[str, ...]:
    """What a webhook asks for: event types, and families such as `booking.*`. Refuses others, and one that stands twice."""
    seen: set[str] = set()
    for index, one in enumerate(event_types):
        if one not in _PATTERNS:
            raise InvalidField(f"{field}[{index}]", f"{one!r} is no event type, nor a family of them such as booking.*")
        if one in seen:
            raise InvalidField(f"{field}[{index}]", f"{one!r} stands twice")
        seen.add(one)
    return tuple(event_types)


def webhook_id_for(caller_key: str, request_id: str) -> str:
    """The id of the webhook that this caller makes with this request; a request that is sent again finds the same one."""
    return hashlib.blake2b(f"webhook\n{caller_key}\n{request_id}".encode(), digest_size=8).hexdigest()


def make_webhook(webhook_id: str, url: str, event_types: tuple[str, ...], secret: str, now: datetime) -> Webhook:
    """A new, active webhook; `url` and `event_types` are checked, `secret` is `whsec_` and base 64, `now` in milliseconds."""
    fingerprint = hashlib.blake2b(repr((url, event_types)).encode(), digest_size=8).hexdigest()
    return Webhook(
        webhook_id, url, event_types, secret, is_active=True, create_time=now, update_time=now, fingerprint=fingerprint
    )


def with_changes(
    webhook: Webhook,
    now: datetime,
    *,
    url: str | None = None,
    event_types: tuple[str, ...] | None = None,
    is_active: bool | None = None,
) -> Webhook:
    """The webhook with new values, checked by the caller; None leaves one as it is. Nothing to change is no change."""
    new = replace(
        webhook,
        url=webhook.url if url is None else url,
        event_types=webhook.event_types if event_types is None else event_types,
        is_active=webhook.is_active if is_active is None else is_active,
    )
    if new == webhook:
        return webhook
    if new.is_active and not webhook.is_active:
        new = replace(new, active_since=now)
    return replace(new, version=webhook.version + 1, update_time=now)


def with_new_secret(webhook: Webhook, secret: str, now: datetime) -> Webhook:
    """The webhook with a new secret. The one before goes on signing for a day; one before that ends at once."""
    return replace(
        webhook,
        secret=secret,
        previous_secret=webhook.secret,
        previous_secret_expire_time=now + PREVIOUS_SECRET_LIFETIME,
        version=webhook.version + 1,
        update_time=now,
    )


def signing_secrets(webhook: Webhook, now: datetime) -> tuple[str, ...]:
    """The secrets that sign at this moment, the newest first."""
    until = webhook.previous_secret_expire_time
    return (webhook.secret, webhook.previous_secret) if until is not None and now < until else (webhook.secret,)


def is_subscribed(webhook: Webhook, event: Event) -> bool:
    """Whether the webhook is told of the event: it is active, has been since before this event, and asks for such events."""
    if not webhook.is_active or event.time < (webhook.active_since or webhook.create_time):
        return False
    return not webhook.event_types or any(_matches(pattern, event.event_type) for pattern in webhook.event_types)


def _matches(pattern: str, event_type: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern


# -- deliveries


def make_deliveries(event: Event, webhooks: Iterable[Webhook]) -> tuple[Delivery, ...]:
    """A delivery to each webhook that wants the event, due at once. Those of the same event are the same every time."""
    return tuple(
        Delivery(
            delivery_id=f"{event.event_id}:{webhook.webhook_id}",
            event_id=event.event_id,
            webhook_id=webhook.webhook_id,
            event_type=event.event_type.value,
            event_time=event.time,
            state=DeliveryState.PENDING,
            attempts=(),
            next_attempt_time=event.time,
        )
        for webhook in webhooks
        if is_subscribed(webhook, event)
    )


def next_attempt_time(first_time: datetime, attempts: int, jitter: float, now: datetime) -> datetime | None:
    """When a delivery is tried again after `attempts` (1 or more) failed, in whole milliseconds; None when it is given up.

    `first_time` is that of the first attempt, `jitter` a chance in [0, 1). The pause runs from `now`: a server that was down
    for an hour does not make up for the attempts it missed.
    """
    pause = _PAUSES_SECONDS[attempts - 1] if attempts <= len(_PAUSES_SECONDS) else _LAST_PAUSE_SECONDS
    due = now + timedelta(milliseconds=round(pause * 1_000 * (1 + _JITTER_SHARE * jitter)))
    return due if due <= first_time + RETRY_LIFETIME else None


def after_attempt(delivery: Delivery, outcome: SendOutcome, now: datetime, jitter: float) -> Delivery:
    """The delivery after one more attempt, which ended at `now`. `jitter` is a chance in [0, 1).

    A receiver that asked to be left alone is left alone for at least as long, but not beyond the end of all attempts: then it
    is asked a last time there. Raises ValueError for a delivery whose state is final.
    """
    if delivery.state is not DeliveryState.PENDING:
        raise ValueError(f"the delivery {delivery.delivery_id} is {delivery.state}")
    attempts = (*delivery.attempts, Attempt(now, outcome.kind, outcome.status, outcome.detail))
    if outcome.kind is OutcomeKind.DELIVERED:
        return replace(delivery, state=DeliveryState.DELIVERED, attempts=attempts, next_attempt_time=None)
    due = None
    if outcome.kind is OutcomeKind.FAILED:
        due = next_attempt_time(attempts[0].time, len(attempts), jitter, now)
    if due is None:
        return replace(delivery, state=DeliveryState.FAILED, attempts=attempts, next_attempt_time=None)
    asked = now + timedelta(milliseconds=round(outcome.retry_after_seconds * 1_000))
    due = max(due, min(asked, attempts[0].time + RETRY_LIFETIME))
    return replace(delivery, attempts=attempts, next_attempt_time=due)
