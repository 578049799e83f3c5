"""A receiver of webhooks: a real HTTP or HTTPS server on loopback that answers as told and records requests.

Belongs here: the server, its certificates, and name resolution that a test controls. Does not belong here: sending.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpcore
import trustme

LOOPBACK = "127.0.0.1"
DROP_SECONDS = 0.01  # between the pieces of an answer that never ends

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Received:
    """A request, with its headers by lower-case name."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A running server: its port, its requests, and how many connections were opened and closed."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    closed: int = 0
    server_names: list[str | None] = field(default_factory=list)


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Return an answer with this status, body and headers. In the names of headers, `_` stands for `-`."""
    lines = [f"HTTP/1.1 {status} Reason", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
    return saying("\r\n".join([*lines, "\r\n"]).encode() + body)


def saying(*parts: bytes) -> Answer:
    """Return an answer of exactly these bytes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


def never_ending(head: bytes, drop: bytes = b"") -> Answer:
    """Return an answer of `head`, and then of `drop` again and again until the other side closes."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(DROP_SECONDS)

    return answer


@asynccontextmanager
async def running_receiver(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a server until the block ends; connections still open are closed then."""
    receiver = Receiver()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        receiver.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                while True:
                    receiver.received.append(await _request(reader))
                    await answer(writer)
        finally:
            talks.discard(task)
            receiver.closed += 1
            writer.transport.abort()

    def noted(_: object, server_name: str | None, __: object) -> None:
        receiver.server_names.append(server_name)

    if tls is not None:
        tls.sni_callback = noted
    server = await asyncio.start_server(talk, LOOPBACK, 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.rstrip("\r\n").split("\r\n")
    headers = {name.lower(): text for name, _, text in (field.partition(": ") for field in fields)}
    return Received(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """Return a server's TLS context, with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return a client's TLS context that trusts only this authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return context


class Names:
    """A resolver that returns each list of addresses in turn, the last one for ever, and counts its calls."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class AllToLoopback(httpcore.AsyncNetworkBackend):
    """A network in which every address leads to this machine, except those that do not answer. Records the addresses."""

    def __init__(self, *, silent: Iterable[str] = ()) -> None:
        self._tcp = httpcore.AnyIOBackend()
        self._silent = frozenset(silent)
        self.called: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - as the base class has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.called.append(host)
        if host in self._silent:
            raise httpcore.ConnectTimeout
        return await self._tcp.connect_tcp(LOOPBACK, port, timeout, local_address, socket_options)
