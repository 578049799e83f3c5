"""Connections to the mail server.

Belongs here: opening connections, logging in, using them again, closing them. Does not belong here: sending a mail, and what an
answer of the server means (`email_channel.py`).
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

import aiosmtplib

# Servers commonly end a connection after 100 mails; closing first saves an attempt on a closed one.
MAILS_MAX = 100
# Postfix keeps a connection without commands for 300 s, under load for 10 s; others less than a minute.
IDLE_SECONDS_MAX = 30.0
# A connection that was used this recently is open; after that NOOP asks. It costs one round trip.
CHECK_AFTER_SECONDS = 5.0
# A farewell that takes longer is of no use to anybody.
_QUIT_SECONDS_MAX = 2.0

# What a connection may raise. Time-outs of `asyncio` are OSErrors too.
SMTP_FAILURES = (aiosmtplib.SMTPException, OSError)


class SmtpSecurity(StrEnum):
    """How a connection is secured."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server, and how to connect to it.

    `hello_name` is the name that EHLO says. No `username` means no login. `tls` holds the trusted certificates.
    `timeout_seconds` is the longest time to wait for an answer.
    """

    host: str
    port: int
    security: SmtpSecurity
    hello_name: str
    tls: ssl.SSLContext = field(repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = 15.0


@dataclass(slots=True, eq=False)
class _Connection:
    client: aiosmtplib.SMTP
    mails: int = 0
    idle_since: float = 0.0
    expiry: asyncio.TimerHandle | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """A connection in use. `is_reused` says that the server may have closed it since its last mail."""

    client: aiosmtplib.SMTP
    is_reused: bool


class SmtpPool:
    """At most `connections_max` connections to one server. Each sends `MAILS_MAX` mails, and is idle for `IDLE_SECONDS_MAX`.

    `monotonic` returns the seconds of a clock that is never set.
    """

    def __init__(self, server: SmtpServer, *, connections_max: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._server, self._monotonic = server, monotonic
        self._slots = asyncio.Semaphore(connections_max)
        self._idle: list[_Connection] = []  # the one used last is at the end, and is used next
        self._farewells: set[asyncio.Task[None]] = set()
        self._is_closed = False
        # aiosmtplib logs nothing of a mail today; its debug lines would hold addresses.
        logging.getLogger("aiosmtplib").setLevel(logging.WARNING)

    @property
    def idle_connections(self) -> int:
        """The number of open connections that are not in use."""
        return len(self._idle)

    @asynccontextmanager
    async def lease(self, *, fresh: bool = False) -> AsyncIterator[Lease]:
        """Yield a connection that is logged in, a new one if `fresh`. Waits for one of `connections_max`.

        A block that raises closes the connection. Raises SMTP_FAILURES, within `timeout_seconds` for all of connecting.
        """
        async with self._slots:
            if fresh and self._idle:  # it makes room for the new one
                self._dismiss(self._idle.pop(0))
            connection = None if fresh else await self._take_idle()
            is_reused = connection is not None
            if connection is None:
                connection = _Connection(await self._connect())
            try:
                yield Lease(connection.client, is_reused)
            except BaseException:
                connection.client.close()
                raise
            self._give_back(connection)

    async def close(self) -> None:
        """Close the idle connections, politely where the server answers at once; those in use are closed after their mail."""
        self._is_closed = True
        while self._idle:
            self._dismiss(self._idle.pop())
        if self._farewells:
            await asyncio.wait(self._farewells)

    async def _take_idle(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.expiry is not None:
                connection.expiry.cancel()
            if await self._is_open(connection):
                return connection
            connection.client.close()
        return None

    async def _is_open(self, connection: _Connection) -> bool:
        if not connection.client.is_connected:
            return False
        if self._monotonic() - connection.idle_since <= CHECK_AFTER_SECONDS:
            return True
        try:
            # A server that does not answer NOOP at once is not better than a new connection.
            await connection.client.noop(timeout=min(CHECK_AFTER_SECONDS, self._server.timeout_seconds))
        except SMTP_FAILURES:
            return False
        return True

    async def _connect(self) -> aiosmtplib.SMTP:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.username or None,
            password=server.password if server.username else None,
            local_hostname=server.hello_name,
            timeout=server.timeout_seconds,
            use_tls=server.security is SmtpSecurity.TLS,
            start_tls=server.security is SmtpSecurity.STARTTLS,  # never None: that would go on without TLS
            tls_context=server.tls,
        )
        try:
            async with asyncio.timeout(server.timeout_seconds):
                await client.connect()
                if client.is_ehlo_or_helo_needed:
                    await client.ehlo()
        except BaseException:
            client.close()
            raise
        return client

    def _give_back(self, connection: _Connection) -> None:
        connection.mails += 1
        if self._is_closed or connection.mails >= MAILS_MAX or not connection.client.is_connected:
            self._dismiss(connection)
            return
        connection.idle_since = self._monotonic()
        connection.expiry = asyncio.get_running_loop().call_later(IDLE_SECONDS_MAX, self._expire, connection)
        self._idle.append(connection)

    def _expire(self, connection: _Connection) -> None:
        self._idle.remove(connection)
        self._dismiss(connection)

    def _dismiss(self, connection: _Connection) -> None:
        if connection.expiry is not None:
            connection.expiry.cancel()
        farewell = asyncio.get_running_loop().create_task(_quit(connection.client))
        self._farewells.add(farewell)
        farewell.add_done_callback(self._farewells.discard)


async def _quit(client: aiosmtplib.SMTP) -> None:
    try:
        with suppress(*SMTP_FAILURES):
            await client.quit(timeout=_QUIT_SECONDS_MAX)
    finally:
        client.close()
