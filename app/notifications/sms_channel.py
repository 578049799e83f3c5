"""The SMS channel: short messages over HTTP, with the API of Twilio.

Belongs here: sending one SMS, and what the provider's answers mean. Does not belong here: the words, and when and how often an
SMS is tried (`app/usecases/notices/sending.py`).

The API takes no idempotency key. An answer that is lost, or is none, is a failure, and the SMS is sent again.
"""

import asyncio
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

from app.domain.notices.notice import NoticeChannelName
from app.notifications.http_transport import FAILURES, failure_text
from app.ports.notices import NoticeMessage, NoticeOutcome, NoticeOutcomeKind

# Twilio answers in a second or two; its own libraries wait longer, but a slot should not.
TIMEOUT_SECONDS = 15.0
# As many as providers commonly take at once from one account; at 0.3 s each it is 13 SMS a second.
SENDS_MAX = 4
RETRY_AFTER_SECONDS_MAX = 3_600.0  # whatever a provider asks for, work goes on within an hour
_ANSWER_BYTES_MAX = 65_536  # a message resource has about 1 kB
_CREATED, _BAD_REQUEST, _TOO_MANY = 201, 400, 429
_SECONDS = re.compile(r"[0-9]{1,9}")
_MESSAGING_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")  # a pool of senders at the provider, in place of one number
_SID = re.compile(r"(SM|MM)[0-9A-Za-z]{1,64}")
# Codes of the provider (twilio.com/docs/api/errors) that name this recipient, or this text for them. All other codes of a 400,
# such as an unknown sender, are a fault of our settings, and are tried again.
_RECIPIENT_CODES = {
    21211: "the number is not valid",
    21214: "the number cannot be reached",
    21217: "the number is not valid",
    21265: "the number is a short code",
    21408: "the provider does not send to this country",
    21610: "the recipient has replied STOP",
    21612: "the provider has no route to the number",
    21614: "the number is not a mobile phone",
    21617: "the text is too long",
    21635: "the number is a landline",
}


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """The account at the provider. `url` is that of the API, `sid` and `token` the credentials, `sender` a number or a name."""

    url: str
    sid: str
    token: str
    sender: str

    def __repr__(self) -> str:
        return f"SmsAccount({self.url!r}, {self.sid!r})"


class SmsChannel:
    """Sends SMS from an account."""

    name = NoticeChannelName.SMS
    sends_max = SENDS_MAX

    def __init__(self, account: SmsAccount, *, per_second_max: float, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._account, self.per_second_max, self._timeout_seconds = account, per_second_max, timeout_seconds
        # httpx would log each URL, which names the account.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._client = httpx.AsyncClient(
            base_url=f"{account.url.rstrip('/')}/2010-04-01/Accounts/{account.sid}",
            auth=httpx.BasicAuth(account.sid, account.token),
            timeout=timeout_seconds,
            limits=httpx.Limits(max_connections=SENDS_MAX + 1, max_keepalive_connections=SENDS_MAX),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"user-agent": "Seatline", "accept": "application/json", "accept-encoding": "identity"},
        )

    async def send(self, message: NoticeMessage, now: datetime) -> NoticeOutcome:
        """Send an SMS once. Whatever goes wrong outside is an outcome, not an exception."""
        origin = "MessagingServiceSid" if _MESSAGING_SERVICE.fullmatch(self._account.sender) else "From"
        form = {"To": message.to, origin: self._account.sender, "Body": message.text.short}
        try:
            status, headers, body = await self._ask("POST", "/Messages.json", form)
        except (TimeoutError, httpx.TimeoutException):
            return _fault(detail=f"no answer within {self._timeout_seconds:g} s")
        except FAILURES as error:
            return _fault(detail=failure_text(error))
        return answer_outcome(status, headers, body)

    async def probe(self) -> bool:
        """Whether the provider answers for our account."""
        try:
            status, _, body = await self._ask("GET", ".json")
        except (TimeoutError, *FAILURES):
            return False
        return status == httpx.codes.OK and bool(_fields(body))

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _ask(self, method: str, path: str, form: Mapping[str, str] | None = None) -> tuple[int, Mapping[str, str], bytes]:
        """Return status, headers and the beginning of the body of an answer. Raises TimeoutError and FAILURES."""
        body = b""
        async with (
            asyncio.timeout(self._timeout_seconds),
            self._client.stream(method, f"{self._client.base_url}".rstrip("/") + path, data=form) as answer,
        ):
            async for part in answer.aiter_raw():
                body += part
                if len(body) > _ANSWER_BYTES_MAX:
                    break
            return answer.status_code, answer.headers, body[:_ANSWER_BYTES_MAX]


def answer_outcome(status: int, headers: Mapping[str, str], body: bytes) -> NoticeOutcome:
    """Return the outcome of an answer. Of its text nothing is kept: it may quote the number.

    Only 201 with the id of a message is a success: a proxy or a portal in between may answer 200 to anything.
    """
    fields = _fields(body)
    code = fields.get("code")
    if status == _CREATED:
        if _SID.fullmatch(str(fields.get("sid", ""))):
            return NoticeOutcome(NoticeOutcomeKind.ACCEPTED, status)
        return _fault(status, "201 without the id of a message")
    if status == _BAD_REQUEST and isinstance(code, int) and code in _RECIPIENT_CODES:
        return NoticeOutcome(NoticeOutcomeKind.REFUSED, status, f"{_RECIPIENT_CODES[code]} (code {code})")
    detail = f"{status} (code {code})" if isinstance(code, int) else f"{status} without a code of the provider"
    return _fault(status, detail, _retry_after_seconds(headers))


def _fields(body: bytes) -> dict[str, Any]:
    """Return the fields of a JSON object; none for anything else."""
    try:
        fields = json.loads(body)
    except (ValueError, RecursionError):  # the second for brackets without end
        return {}
    return fields if isinstance(fields, dict) else {}


def _retry_after_seconds(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "").strip()
    return min(float(text), RETRY_AFTER_SECONDS_MAX) if _SECONDS.fullmatch(text) else 0.0


def _fault(status: int = 0, detail: str = "", retry_after_seconds: float = 0.0) -> NoticeOutcome:
    return NoticeOutcome(
        NoticeOutcomeKind.FAILED, status, detail, is_provider_fault=True, retry_after_seconds=retry_after_seconds
    )
