"""The page on which a process shows its metrics, and whether it lives and is ready.

Belongs here: HTTP on a port of its own, as much of it as Prometheus and probes speak. Does not: what is shown (`families.py`).

    GET /metrics  in Prometheus's text format, or as OpenMetrics, with exemplars, where that is asked for
    GET /livez    200 as long as the event loop comes round: it is the loop itself that answers
    GET /readyz   200 while whoever asks for anything else here would be answered, else 503

Metrics are written out in a thread, one scrape at a time, so that the loop goes on meanwhile. Everything has a bound: how many
connections there are, how long one may take in all, and how much it may say.
"""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

# Prometheus, twice for high availability, two probes and a person or two; more are sent away.
CONNECTIONS_MAX = 32
# Probes give up after a second, Prometheus after ten.
CONNECTION_SECONDS_MAX = 10.0
# A request of Prometheus has half a kilobyte.
REQUEST_BYTES_MAX = 8_192
_PLAIN = "text/plain; charset=utf-8"


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes = b""
    content_type: str = _PLAIN


class MetricsPort:
    """The page, from `start` until `stop`; `port` is the one it listens on. `is_ready` is what `/readyz` says."""

    def __init__(self, registry: CollectorRegistry, is_ready: Callable[[], bool]) -> None:
        self._registry, self._is_ready = registry, is_ready
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one. Raises OSError where it cannot."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=REQUEST_BYTES_MAX, reuse_port=False)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listens no more, and ends what is under way."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer), name="metrics page")
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request and its answer. Whoever takes too long or has gone is not waited for."""
        try:
            async with asyncio.timeout(CONNECTION_SECONDS_MAX):
                answer = await self._answer_to(await _request_of(reader))
                writer.write(_bytes_of(answer))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (TimeoutError, OSError):
            pass
        finally:
            writer.transport.abort()

    async def _answer_to(self, request: tuple[str, str, str]) -> _Answer:
        method, path, accept = request
        if not method:
            return _Answer(HTTPStatus.BAD_REQUEST)
        if path not in ("/metrics", "/livez", "/readyz"):
            return _Answer(HTTPStatus.NOT_FOUND)
        if method != "GET":
            return _Answer(HTTPStatus.METHOD_NOT_ALLOWED)
        if path == "/metrics":
            return await self._metrics(accept)
        is_well = path == "/livez" or self._is_ready()
        return _Answer(HTTPStatus.OK, b"ok\n") if is_well else _Answer(HTTPStatus.SERVICE_UNAVAILABLE, b"not ready\n")

    async def _metrics(self, accept: str) -> _Answer:
        encode, content_type = choose_encoder(accept)
        async with self._turn:
            return _Answer(HTTPStatus.OK, await asyncio.to_thread(encode, self._registry), content_type)


async def _request_of(reader: asyncio.StreamReader) -> tuple[str, str, str]:
    """Method, path without its query, and what is accepted; all empty for what is no request of HTTP."""
    head = b""
    with contextlib.suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        head = await reader.readuntil(b"\r\n\r\n")
    request_line, *lines = head.decode("latin-1").split("\r\n")
    words = request_line.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return "", "", ""
    headers = {name.strip().lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
    return words[0], words[1].partition("?")[0], headers.get("accept", "")


def _bytes_of(answer: _Answer) -> bytes:
    status = answer.status
    head = [
        f"HTTP/1.1 {status.value} {status.phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        "Connection: close",
    ]
    return "\r\n".join([*head, "", ""]).encode() + answer.body
