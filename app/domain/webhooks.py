"""Webhooks: addresses of other programs that receive events.

Belongs here: the value, its changes, which events a webhook receives, and when failed deliveries to it are tried again. Does
not belong here: the state of a delivery (`deliveries.py`), HTTP (`app/notifications/webhook_sender.py`), nor statements
(`app/store/webhooks.py`).
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import field as data_field
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.events import Event, EventType
from app.domain.hosts import unreachable_reason
from app.domain.refusals import InvalidField
from app.domain.retry import RetrySchedule
from app.domain.values import value

WEBHOOKS_MAX = 100  # every event may become as many deliveries
URL_LENGTH_MAX = 2_000  # characters; servers in use take no more in a request line
_PORT_MAX = 65_535
_HOST_LENGTH_MAX = 253  # characters, RFC 1035 section 2.3.4

# Both secrets sign for as long as receivers usually take to roll out a new one.
PREVIOUS_SECRET_LIFETIME = timedelta(hours=24)

WEBHOOK_RETRIES = RetrySchedule(
    # Short while a receiver restarts, long while somebody has to be woken up.
    pauses_seconds=(5, 30, 120, 600, 1_800, 7_200, 21_600),
    jitter_factors=(1.0, 1.25),
    # A weekend and a day to notice and mend. With these pauses a delivery is tried at most eighteen times.
    lifetime=timedelta(days=3),
)

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
    """An address that receives events, and the secret that signs them.

    It receives the events from `active_since` on, or where that is None, from `create_time` on.

    `event_types` are exact types or families such as `booking.*`; none stands for all. `fingerprint` is the hash of the request
    that created the webhook; later changes do not change it. `previous_secret` also signs, until `previous_secret_expire_time`.
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
        """The version, which every change raises."""
        return str(self.version)


def check_url(url: str, field: str) -> str:
    """Return the URL as given. Refuses INVALID_FIELD what is no plain absolute http or https URL in ASCII."""
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
    """Return a URL that `check_url` accepted, as given. Refuses INVALID_FIELD a host that nothing can ever be sent to.

    `allow_private` says whether this service sends to addresses that are not public. Raises ValueError for any other URL.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{field} was not checked")
    why = unreachable_reason(match["host"], allow_private=allow_private)
    if why is not None:
        raise InvalidField(field, f"{match['host']} {why}")
    return url


def check_event_types(event_types: Sequence[str], field: str) -> tuple[str, ...]:
    """Return event types and families such as `booking.*` as given. Refuses INVALID_FIELD others, and duplicates."""
    seen: set[str] = set()
    for index, event_type in enumerate(event_types):
        if event_type not in _PATTERNS:
            raise InvalidField(f"{field}[{index}]", f"{event_type!r} is no event type, nor a family of them such as booking.*")
        if event_type in seen:
            raise InvalidField(f"{field}[{index}]", f"{event_type!r} is given twice")
        seen.add(event_type)
    return tuple(event_types)


def webhook_id_for(caller_key: str, request_id: str) -> str:
    """Return the id of the webhook that this caller creates with this request; a repeated request gives the same id."""
    return hashlib.blake2b(f"webhook\n{caller_key}\n{request_id}".encode(), digest_size=8).hexdigest()


def make_webhook(webhook_id: str, url: str, event_types: tuple[str, ...], secret: str, now: datetime) -> Webhook:
    """Return a new, active webhook. `url` and `event_types` are checked, `secret` is `whsec_` and base 64."""
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
    """Return the webhook with new, checked values; None keeps a value. Where nothing changes, the version stays."""
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
    """Return the webhook with a new secret. The previous one goes on signing for a day; one before that ends at once."""
    return replace(
        webhook,
        secret=secret,
        previous_secret=webhook.secret,
        previous_secret_expire_time=now + PREVIOUS_SECRET_LIFETIME,
        version=webhook.version + 1,
        update_time=now,
    )


def signing_secrets(webhook: Webhook, now: datetime) -> tuple[str, ...]:
    """Return the secrets that sign at `now`, the newest first."""
    until = webhook.previous_secret_expire_time
    return (webhook.secret, webhook.previous_secret) if until is not None and now < until else (webhook.secret,)


def is_subscribed(webhook: Webhook, event: Event) -> bool:
    """Whether the webhook receives the event: it is active, has been since before the event, and asks for its type."""
    if not webhook.is_active or event.time < (webhook.active_since or webhook.create_time):
        return False
    return not webhook.event_types or any(_matches(pattern, event.event_type) for pattern in webhook.event_types)


def _matches(pattern: str, event_type: str) -> bool:
    return event_type.startswith(pattern[:-1]) if pattern.endswith(".*") else event_type == pattern
