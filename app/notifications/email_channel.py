"""The e-mail channel: mails by SMTP.

Belongs here: sending one mail, and what the server's answers mean. Does not belong here: connections (`smtp_pool.py`), headers
and parts of a mail (`mail_message.py`), when and how often a mail is tried (`app/usecases/notices/sending.py`).

SMTP has no way to ask whether a mail was accepted. A connection that ends between the server's 250 and its arrival here is a
failure, and the mail is sent again, under the same Message-ID.
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from email import policy
from email.message import EmailMessage

import aiosmtplib

from app.domain.notices.notice import NoticeChannelName
from app.domain.people import domain_key
from app.notifications.http_transport import failure_text
from app.notifications.smtp_pool import SMTP_FAILURES, Lease, SmtpPool
from app.ports.notices import NoticeMessage, NoticeOutcome, NoticeOutcomeKind

# Returns the mail of a message, made at a time. Called in several threads at a time.
BuildMail = Callable[[NoticeMessage, datetime], EmailMessage]

_CONNECT, _MAIL, _RCPT, _DATA = "while connecting", "at MAIL FROM", "at RCPT TO", "at DATA"
# A mail takes at most this many times the time for one answer.
_TIMEOUTS_MAX = 2
_TOO_BUSY = 421  # and the server closes the connection (RFC 5321 section 3.8)
_TOO_LARGE = 552
_TEMPORARY = range(400, 500)
_PERMANENT = range(500, 600)
# The server wants a login, or another one (RFC 4954 section 6): a fault of our settings, not of the recipient.
_LOGIN_STATUSES = (530, 534, 535, 538)
_ENHANCED_STATUS = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")  # RFC 3463
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# Each server takes seven bits; not all take 8BITMIME.
_SMTP = policy.SMTP.clone(cte_type="7bit")
_SMTPUTF8 = policy.SMTPUTF8.clone(cte_type="8bit")


class _Utf8UnsupportedError(Exception):
    """The recipient's address needs SMTPUTF8 (RFC 6531), which the server does not offer."""


class EmailChannel:
    """Sends mails from `sender`, over `pool`. `build_mail` makes the mail of a message."""

    name = NoticeChannelName.EMAIL

    def __init__(
        self,
        pool: SmtpPool,
        build_mail: BuildMail,
        *,
        sender: str,
        sends_max: int,
        per_second_max: float,
        timeout_seconds: float,
    ) -> None:
        self._pool, self._build_mail, self._sender = pool, build_mail, wire_address(sender)
        self.sends_max, self.per_second_max = sends_max, per_second_max
        self._timeout_seconds = timeout_seconds
        # A thread builds mails, so that the loop goes on: each takes some 4 ms of a processor. It builds one at a time: Python
        # runs one thread at a moment, and the loop would wait for several in turn.
        self._building = asyncio.Lock()

    async def send(self, message: NoticeMessage, now: datetime) -> NoticeOutcome:
        """Send a mail once. Whatever goes wrong outside is an outcome, not an exception."""
        recipient = wire_address(message.to)
        if _CONTROL.search(recipient):
            return NoticeOutcome(NoticeOutcomeKind.REFUSED, detail="the address has control characters")
        async with self._building:
            content = await asyncio.to_thread(self._content_of, message, now, is_utf8=not recipient.isascii())
        seconds_max = self._timeout_seconds * _TIMEOUTS_MAX
        try:
            async with asyncio.timeout(seconds_max):
                outcome = await self._send_over(recipient, content, fresh=False)
                return outcome or await self._send_over(recipient, content, fresh=True) or _CLOSED
        except TimeoutError:
            return _fault(f"the mail was not accepted within {seconds_max:g} s")

    def _content_of(self, message: NoticeMessage, now: datetime, *, is_utf8: bool) -> bytes:
        """Return the mail of a message as it is sent. Called in a thread: it shares nothing that changes."""
        return self._build_mail(message, now).as_bytes(policy=_SMTPUTF8 if is_utf8 else _SMTP)

    async def probe(self) -> bool:
        """Whether the server accepts a connection and our login."""
        try:
            async with self._pool.lease(fresh=True) as lease:
                await lease.client.noop()
        except SMTP_FAILURES:
            return False
        return True

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    async def _send_over(self, recipient: str, content: bytes, *, fresh: bool) -> NoticeOutcome | None:
        """Return the outcome; None where the server had closed an idle connection before it was asked anything."""
        exchange = _Exchange(self._sender, recipient, content)
        try:
            async with self._pool.lease(fresh=fresh) as lease:
                return await exchange.run(lease)
        except _Utf8UnsupportedError:
            return NoticeOutcome(NoticeOutcomeKind.REFUSED, detail="the server takes no addresses outside ASCII (SMTPUTF8)")
        except TimeoutError:
            return self._no_answer(exchange.step)
        except SMTP_FAILURES as error:
            return None if exchange.was_stale else failure_outcome(exchange.step, error)

    def _no_answer(self, step: str) -> NoticeOutcome:
        return _fault(f"no answer within {self._timeout_seconds:g} s {step}")


class _Exchange:
    """The commands of one mail. `step` is the one that runs.

    `was_stale` is set while the first answer on a reused connection is missing: whatever fails now may be due to its age.
    """

    def __init__(self, sender: str, recipient: str, content: bytes) -> None:
        self._sender, self._recipient, self._content = sender, recipient, content
        self.step, self.was_stale = _CONNECT, False

    async def run(self, lease: Lease) -> NoticeOutcome:
        """Send the mail. A refusal that leaves the connection usable is returned; whatever else goes wrong is raised."""
        client = lease.client
        try:
            self.step, self.was_stale = _MAIL, lease.is_reused
            await client.mail(self._sender, options=self._options(client), encoding=self._encoding)
            self.step, self.was_stale = _RCPT, False
            await client.rcpt(self._recipient, encoding=self._encoding)
            self.step = _DATA
            answer = await client.data(self._content)
        except (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as error:
            if error.code == _TOO_BUSY or error.code not in (*_TEMPORARY, *_PERMANENT):
                raise
            await _reset(client)
            return reply_outcome(self.step, error.code, error.message)
        return NoticeOutcome(NoticeOutcomeKind.ACCEPTED, answer.code)

    @property
    def _encoding(self) -> str:
        return "ascii" if self._recipient.isascii() and self._sender.isascii() else "utf-8"

    def _options(self, client: aiosmtplib.SMTP) -> list[str]:
        options = [f"SIZE={len(self._content)}"] if client.supports_extension("size") else []
        if self._encoding == "utf-8":
            if not client.supports_extension("smtputf8"):
                raise _Utf8UnsupportedError
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        return options


async def _reset(client: aiosmtplib.SMTP) -> None:
    """Make the connection ready for the next mail; close it where that fails: the answer that we have counts."""
    try:
        await client.rset()
    except SMTP_FAILURES:
        client.close()


def wire_address(address: str) -> str:
    """Return an address as SMTP takes it: the domain in ASCII (RFC 5891)."""
    local, _, domain = address.rpartition("@")
    return address if domain.isascii() else f"{local}@{domain_key(domain)}"


def failure_outcome(step: str, error: Exception) -> NoticeOutcome:
    """Return the outcome of an error other than a time-out. Most say that the server, or the way to it, is at fault."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        return reply_outcome(step, error.code, error.message)
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return _fault(f"the server closed the connection {step}")
    return _fault(f"{failure_text(error)} {step}")  # no STARTTLS, no AUTH, an unknown name, a bad certificate


def reply_outcome(step: str, status: int, text: str) -> NoticeOutcome:
    """Return the outcome of an answer other than success. Of its text only the enhanced status is kept: it may quote people.

    A permanent refusal at RCPT TO is of this recipient, one at DATA of this mail. One before that, and a wish for a login, is a
    fault of our settings: it is tried again, so that nothing is lost when they are mended.
    """
    enhanced = _ENHANCED_STATUS.match(text.strip())
    detail = f"{status}{f' {enhanced[1]}' if enhanced else ''} {step}"
    if status not in _TEMPORARY and status not in _PERMANENT:  # -1 stands for an answer that is none
        return NoticeOutcome(NoticeOutcomeKind.FAILED, max(status, 0), f"an unusable answer {step}", is_provider_fault=True)
    is_refusal = status in _PERMANENT and status not in _LOGIN_STATUSES
    if is_refusal and (step in (_RCPT, _DATA) or status == _TOO_LARGE):
        return NoticeOutcome(NoticeOutcomeKind.REFUSED, status, detail)
    is_of_mailbox = step == _RCPT and status in _TEMPORARY and status != _TOO_BUSY
    return NoticeOutcome(NoticeOutcomeKind.FAILED, status, detail, is_provider_fault=not is_of_mailbox)


def _fault(detail: str) -> NoticeOutcome:
    return NoticeOutcome(NoticeOutcomeKind.FAILED, detail=detail, is_provider_fault=True)


_CLOSED = _fault("the server closed the connection")
