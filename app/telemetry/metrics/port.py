"""The HTTP port of a process: metrics, liveness and readiness.

Belongs here: as much of HTTP as Prometheus and probes use. Does not belong here: what the metrics are (`families.py`).

    GET /metrics  in Prometheus's text format, or as OpenMetrics with exemplars where that is asked for
    GET /livez    200 while the event loop runs: the loop itself answers
    GET /readyz   200 while the process can serve calls or work, else 503

Metrics are encoded in a thread, one scrape at a time, so that the loop goes on meanwhile. Everything is bounded: the number of
connections, the time of one, and the size of its request.
"""

import asyncio
import contextlib
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

# Two Prometheus servers for high availability, two probes, and some people. Further connections are closed.
CONNECTIONS_MAX = 32
# A probe gives up after one second, Prometheus after ten.
CONNECTION_SECONDS_MAX = 10.0
# A request of Prometheus has about half a kilobyte.
REQUEST_BYTES_MAX = 8_192
_PLAIN = "text/plain; charset=utf-8"


class _Answer(NamedTuple):
    status: HTTPStatus
    body: bytes = b""
    content_type: str = _PLAIN


class MetricsPort:
    """Serves the metrics from `start` until `stop` on `port`. `/readyz` answers what `is_ready` returns."""

    def __init__(self, registry: CollectorRegistry, is_ready: Callable[[], bool]) -> None:
        self._registry, self._is_ready = registry, is_ready
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free port. Raise OSError when it cannot."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=REQUEST_BYTES_MAX, reuse_port=False)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and end open connections."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer), name="metrics connection")
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request. A client that takes too long or has gone is disconnected."""
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
    """Return the method, the path without its query, and the Accept header; all empty for a malformed request."""
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
