"""The metrics port: its answers, also to clients that speak no HTTP, and its start."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry, Counter

from app.process.bootstrap import start_server
from app.process.start_error import StartError
from app.store.in_memory import connect_in_memory
from app.telemetry.metrics.port import CONNECTIONS_MAX, REQUEST_BYTES_MAX, MetricsPort
from tests.support.metrics_scrapes import OPEN_METRICS, get
from tests.support.world import eventually, running_server, settings_for

SECONDS_MAX = 10.0


class Page:
    """A metrics port with one counter."""

    def __init__(self) -> None:
        self.is_ready = False
        registry = CollectorRegistry()
        Counter("tickets_total", "Tickets.", registry=registry).inc(3)
        self.page = MetricsPort(registry, lambda: self.is_ready)

    @property
    def port(self) -> int:
        return self.page.port

    async def says(self, request: bytes) -> bytes:
        """Send these bytes and nothing more; return the whole answer, nothing if the connection was closed."""
        reader, writer = await self.connect()
        try:
            writer.write(request)
            writer.write_eof()
            async with asyncio.timeout(SECONDS_MAX):
                return await reader.read()
        except OSError:
            return b""
        finally:
            writer.close()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


@pytest_asyncio.fixture
async def page() -> AsyncIterator[Page]:
    made = Page()
    await made.page.start("127.0.0.1", 0)
    yield made
    await made.page.stop()


async def test_metrics_are_text_or_open_metrics(page: Page) -> None:
    text = await get(page.port, "/metrics?name=all")
    assert (text.status_code, text.headers["content-type"].split(";")[0]) == (200, "text/plain")
    assert "tickets_total 3.0" in text.text
    open_metrics = await get(page.port, "/metrics", OPEN_METRICS)
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


async def test_probes_get_liveness_and_readiness(page: Page) -> None:
    assert [(await get(page.port, path)).status_code for path in ("/livez", "/readyz")] == [200, 503]
    page.is_ready = True
    assert [(await get(page.port, path)).status_code for path in ("/livez", "/readyz")] == [200, 200]


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /secrets HTTP/1.1\r\n\r\n", b"404"),
        (b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", b"405"),
        (b"PRI * HTTP/2.0\r\n\r\n", b"400"),
        (b"GET /metrics\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400"),
        (b"GET /metrics HTTP/1.1\r\n", b"400"),
        (b"", b"400"),
        (b"GET /metrics HTTP/1.1\r\nx: " + b"a" * REQUEST_BYTES_MAX + b"\r\n\r\n", b"400"),
    ],
    ids=["path", "method", "version", "no version", "tls", "unfinished", "nothing", "too long"],
)
async def test_any_other_request_is_an_error(page: Page, request_: bytes, status: bytes) -> None:
    assert (await page.says(request_)).startswith(b"HTTP/1.1 " + status)
    assert (await get(page.port, "/livez")).status_code == 200


async def test_silent_connections_are_bounded(page: Page) -> None:
    idle = [await page.connect() for _ in range(CONNECTIONS_MAX + 5)]
    over: list[bytes | BaseException] = await asyncio.wait_for(
        asyncio.gather(*(reader.read() for reader, _ in idle[CONNECTIONS_MAX:]), return_exceptions=True), SECONDS_MAX
    )
    assert all(answer == b"" or isinstance(answer, ConnectionError) for answer in over)
    for _, writer in idle:
        writer.close()
    await eventually(lambda: _answers(page))


async def _answers(page: Page) -> bool:
    return (await page.says(b"GET /livez HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200")


async def test_a_silent_connection_is_closed_after_a_while(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.telemetry.metrics.port.CONNECTION_SECONDS_MAX", 0.05)
    reader, writer = await page.connect()
    writer.write(b"GET /metrics HTTP/1.1\r\n")
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), SECONDS_MAX)
    writer.close()


async def test_a_used_port_is_a_start_error_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(StartError) as raised:
            await start_server(settings_for(metrics_listen=address), connect_in_memory())
    assert str(raised.value).startswith(f"SEATLINE_METRICS_LISTEN: cannot listen on {address}: ")
    assert "\n" not in str(raised.value)


async def test_a_server_lives_but_is_not_ready_while_its_database_is_away() -> None:
    settings = settings_for("mongodb://127.0.0.1:9/", metrics_listen="127.0.0.1:0", mongodb_selection_seconds_max=0.1)
    async with running_server(settings) as world:
        port = world.server.metrics_port
        assert [(await get(port, path)).status_code for path in ("/livez", "/readyz")] == [200, 503]
        assert "seatline_database_available 0.0" in (await get(port, "/metrics")).text


async def test_without_an_address_nothing_is_shown() -> None:
    async with running_server(settings_for(), connect_in_memory()) as world:
        assert world.server.metrics_port == 0
