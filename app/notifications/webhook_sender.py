"""The HTTP client of the webhook channel.

Belongs here: signing by Standard Webhooks, sending once, and what the answer means. Does not belong here: when it is
tried again (`app/domain/webhooks.py`), connections (`http_transport.py`), secrets (`secrets.py`), the format of an event
(`cloud_events.py`).
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self

import httpcore
import httpx
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from standardwebhooks import Webhook as Signer

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.webhooks import Webhook, signing_secrets
from app.notifications.addresses import Resolve, SystemResolver
from app.notifications.cloud_events import CONTENT_TYPE
from app.notifications.http_transport import FAILURES, CheckedConnections, CheckedTransport, failure_text

ANSWER_BYTES_MAX = 4_096  # of an answer's body; enough to read what a receiver complains about
DETAIL_LENGTH_MAX = 300  # characters; as for refusals
# As long as the longest pause of the retry schedule: a receiver cannot make a delivery wait for longer.
RETRY_AFTER_SECONDS_MAX = 21_600.0

_GONE = 410
# The signature covers "<id>.<time>.<body>": with a full stop in the id, one message could pass for another.
_EVENT_ID = re.compile(r"[\x21-\x2d\x2f-\x7e]{1,200}")
_SECONDS = re.compile(r"[0-9]{1,9}")


def signed_headers(webhook: Webhook, event_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks: the event's id, the time of the attempt, and a signature by each valid secret.

    The id is the same for every webhook and every attempt, so that a receiver can recognize an event that it has had.
    Raises ValueError for an id with blanks, full stops, or more than 200 characters.
    """
    if not _EVENT_ID.fullmatch(event_id):
        raise ValueError(f"{event_id!r} cannot be signed")
    moment, text = now.astimezone(UTC), body.decode()
    signatures = [Signer(secret).sign(event_id, moment, text) for secret in signing_secrets(webhook, now)]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


@dataclass(slots=True)
class _Answer:
    """The part of an answer that has arrived so far."""

    status: int = 0
    headers: Mapping[str, str] | None = None
    body: bytes = b""


class WebhookSender:
    """Sends events to webhooks, `sends_max` at a time. Close it, or use it as a context manager.

    Sending takes at most `timeout_seconds` in all, from the name's resolution to the end of the answer. Unless
    `allow_private_addresses`, nothing is sent to a name or address that is not public. `tls` holds the trusted certificates
    (by default Mozilla's), `resolve` resolves names (by default the system), and `connect` opens connections (by default TCP).
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 10.0,
        sends_max: int = 20,
        allow_private_addresses: bool = False,
        tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        connect: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._slots = asyncio.Semaphore(sends_max)
        self._names = SystemResolver(sends_max)
        connections = CheckedConnections(
            resolve or self._names,
            connect or httpcore.AnyIOBackend(),
            allow_private_addresses=allow_private_addresses,
        )
        # httpx would log every URL, and receivers put secrets into theirs.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            transport=CheckedTransport(connections, tls or httpx.create_ssl_context(trust_env=False), sends_max),
            trust_env=False,
            follow_redirects=False,
            timeout=timeout_seconds,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"user-agent": "Seatline", "accept": "*/*", "accept-encoding": "identity", "content-type": CONTENT_TYPE},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Sends in progress fail."""
        await self._client.aclose()
        self._names.close()

    async def send(self, webhook: Webhook, event_id: str, body: bytes, now: datetime) -> SendOutcome:
        """Send an event (CloudEvents in JSON) once. Whatever goes wrong outside is an outcome, not an exception.

        Waits for one of `sends_max` slots. `now` is the time of the attempt, which receivers compare with their clocks.
        """
        headers = signed_headers(webhook, event_id, body, now)
        TraceContextTextMapPropagator().inject(headers)
        answer = _Answer()
        failure = ""
        async with self._slots:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await self._exchange(webhook.url, headers, body, answer)
            except (TimeoutError, httpx.TimeoutException, httpcore.TimeoutException):
                failure = f"no answer within {self._timeout_seconds:g} s"
            except FAILURES as error:
                failure = failure_text(error)
        # With a status, the receiver has given its answer, even if the rest of it is missing.
        return outcome_of(answer.status, answer.headers or {}, answer.body, now) if answer.status else _no_answer(failure)

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes, answer: _Answer) -> None:
        async with self._client.stream("POST", url, content=body, headers=headers) as response:
            answer.status, answer.headers = response.status_code, response.headers
            async for part in response.aiter_raw():
                answer.body = (answer.body + part)[:ANSWER_BYTES_MAX]
                if len(answer.body) == ANSWER_BYTES_MAX:
                    break


def outcome_of(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> SendOutcome:
    """Return the outcome of an answer. `headers` are by lower-case name, `body` is its beginning; `now` is for Retry-After."""
    detail = _shortened(body.decode(errors="replace"))
    if 200 <= status <= 299:
        return SendOutcome(OutcomeKind.DELIVERED, status, detail)
    if status == _GONE:
        return SendOutcome(OutcomeKind.GONE, status, detail)
    if 300 <= status <= 399:
        detail = _shortened(f"redirects are not followed; to {headers.get('location', 'nowhere')}")
    return SendOutcome(OutcomeKind.FAILED, status, detail, _retry_after_seconds(headers.get("retry-after", ""), now))


def _no_answer(failure: str) -> SendOutcome:
    return SendOutcome(OutcomeKind.FAILED, detail=_shortened(failure))


def _retry_after_seconds(text: str, now: datetime) -> float:
    """Return how long to wait by a Retry-After header, which holds seconds or a date; 0 for one that is neither."""
    text = text.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), RETRY_AFTER_SECONDS_MAX)
    try:
        moment = parsedate_to_datetime(text)
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), RETRY_AFTER_SECONDS_MAX)


def _shortened(text: str) -> str:
    """Return the text on one line, without control characters, shortened."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= DETAIL_LENGTH_MAX else f"{line[: DETAIL_LENGTH_MAX - 1]}…"
