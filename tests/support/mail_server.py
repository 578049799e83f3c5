"""A mail server for tests: a real aiosmtpd on loopback that keeps what it accepts, with faults that a test injects.

Belongs here: the server, its faults, and what it accepted. Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from enum import StrEnum
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LOOPBACK = "127.0.0.1"
USERNAME, PASSWORD = "seatline", "a-password-that-no-log-has"


class Step(StrEnum):
    """The commands at which a fault may be injected."""

    EHLO = "EHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"  # once the whole mail has arrived


@dataclass(frozen=True, slots=True)
class MailFault:
    """A fault at one command.

    `reply` is answered in place of success. Without one, the server says nothing more: it closes the connection, or, where
    `stalls`, keeps it open. `accepts` says that a mail counts as accepted all the same.
    """

    step: Step
    reply: str = ""
    stalls: bool = False
    accepts: bool = False


def refusing(step: Step, reply: str) -> MailFault:
    """Return the fault of another answer, such as "550 5.1.1 no such user"."""
    return MailFault(step, reply)


def stalling(step: Step) -> MailFault:
    """Return the fault of no answer."""
    return MailFault(step, stalls=True)


CLOSES_BEFORE_ACCEPTING = MailFault(Step.DATA)
CLOSES_AFTER_ACCEPTING = MailFault(Step.DATA, accepts=True)


@dataclass(frozen=True, slots=True)
class AcceptedMail:
    """A mail for which the server is responsible now. `connection` counts the connections from 1."""

    sender: str
    recipient: str
    content: bytes
    connection: int
    options: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        message = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        return message

    @property
    def message_id(self) -> str:
        """The Message-ID."""
        return str(self.message["Message-ID"])


@dataclass
class MailServer:
    """What the server accepted, and the faults to come: each takes place once, at the next command of its kind."""

    port: int = 0
    mails: list[AcceptedMail] = field(default_factory=list)
    faults: deque[MailFault] = field(default_factory=deque)
    commands: list[str] = field(default_factory=list)
    connections: int = 0
    logins: int = 0
    is_down: bool = False
    _transports: list[asyncio.Transport] = field(default_factory=list)

    def drop_connections(self) -> None:
        """Close all connections, as a server does that is restarted."""
        for transport in self._transports:
            transport.abort()
        self._transports.clear()

    # -- hooks of aiosmtpd

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Answer EHLO."""
        session.host_name = hostname
        fault = await self._meet_fault(Step.EHLO, server)
        return [fault.reply] if fault else responses

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer MAIL FROM."""
        fault = await self._meet_fault(Step.MAIL, server)
        if fault:
            return fault.reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Answer RCPT TO."""
        fault = await self._meet_fault(Step.RCPT, server)
        if fault:
            return fault.reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Accept a mail."""
        if any(fault.step is Step.DATA and fault.accepts for fault in list(self.faults)[:1]):
            self._accept(server, envelope)
        fault = await self._meet_fault(Step.DATA, server)
        if fault:
            return fault.reply
        self._accept(server, envelope)
        return "250 OK"

    async def handle_NOOP(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, arg: str
    ) -> str:
        """Answer NOOP."""
        self.commands.append("NOOP")
        return "250 OK"

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer QUIT."""
        self.commands.append("QUIT")
        return "221 Bye"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: LoginPassword
    ) -> AuthResult:
        """Accept USERNAME with PASSWORD."""
        self.logins += 1
        is_right = (login.login, login.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    def _accept(self, server: SMTP, envelope: Envelope) -> None:
        for recipient in envelope.rcpt_tos:
            content = bytes(envelope.original_content or b"")
            connection = getattr(server, "connection_number", 0)
            options = tuple(envelope.mail_options)
            self.mails.append(AcceptedMail(envelope.mail_from or "", recipient, content, connection, options))

    async def _meet_fault(self, step: Step, server: SMTP) -> MailFault | None:
        """Return the fault of this command if it has a reply. Otherwise never return: the connection ends, or stalls."""
        if not self.faults or self.faults[0].step is not step:
            return None
        fault = self.faults.popleft()
        if fault.reply:
            return fault
        if not fault.stalls:
            transport = server.transport
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
        await asyncio.Event().wait()  # until aiosmtpd cancels it, since the client has left
        return None


class _Connection(SMTP):
    """A connection to the server. It greets with 421 while the server is down."""

    def __init__(self, server: MailServer, **options: Any) -> None:
        super().__init__(server, **options)
        self._mail_server = server
        self.connection_number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection."""
        assert isinstance(transport, asyncio.Transport)
        if self.connection_number == 0:  # not the second time, after STARTTLS
            self._mail_server.connections += 1
            self.connection_number = self._mail_server.connections
        self._mail_server._transports.append(transport)
        if self._mail_server.is_down:
            transport.write(b"421 4.3.2 not now\r\n")
            transport.close()
            return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection."""
        if not self._mail_server.is_down:
            super().connection_lost(error)


@asynccontextmanager
async def running_mail_server(
    *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, needs_login: bool = False, **options: Any
) -> AsyncIterator[MailServer]:
    """Run a mail server until the block ends.

    It speaks TLS from the start with `tls`, after STARTTLS with `starttls`. `options` are those of SMTP of aiosmtpd.
    """
    mail_server = MailServer()
    options = {"hostname": "mail.test", "enable_SMTPUTF8": True, "tls_context": starttls, **options}
    if needs_login:
        options |= {"authenticator": mail_server.authenticate, "auth_required": True, "auth_require_tls": starttls is not None}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(mail_server, loop=loop, **options), LOOPBACK, 0, ssl=tls)
    mail_server.port = server.sockets[0].getsockname()[1]
    try:
        yield mail_server
    finally:
        server.close()
        mail_server.drop_connections()
        await server.wait_closed()
