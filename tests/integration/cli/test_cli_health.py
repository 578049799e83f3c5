"""The command `health`, against a real server in this process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from typer.testing import CliRunner, Result

from app.cli import app
from app.store.in_memory import connect_in_memory
from tests.support.world import World, running_server, settings_for

Seatline = Callable[..., Awaitable[Result]]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[World]:
    """A real server with an in-memory database."""
    async with running_server(settings_for(), connect_in_memory()) as made:
        yield made


@pytest.fixture
def seatline(server: World, monkeypatch: pytest.MonkeyPatch) -> Seatline:
    """Run a command line against the server, in a thread."""
    for name in ("SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES"):
        monkeypatch.delenv(name, raising=False)

    async def run(*arguments: str) -> Result:
        target = f"127.0.0.1:{server.server.port}"
        return await asyncio.to_thread(CliRunner().invoke, app, ["--target", target, *arguments])

    return run


async def test_health_is_shown_for_the_server_and_for_each_service(seatline: Seatline) -> None:
    for name in ("", "seatline.v1.BookingService", "liveness"):
        result = await seatline("health", "--service", name, "--wait", "10")
        assert result.exit_code == 0, result.stderr
        assert "is SERVING." in result.stdout
    assert json.loads((await seatline("health", "--json")).stdout) == {"status": "SERVING"}


async def test_a_draining_server_is_live_and_not_serving(server: World, seatline: Seatline) -> None:
    await server.server.health.drain()
    result = await seatline("health")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "is NOT_SERVING" in result.stderr
    assert (await seatline("health", "--service", "liveness")).exit_code == 0


async def test_an_unknown_health_service_is_refused(seatline: Seatline) -> None:
    result = await seatline("health", "--service", "seatline.v1.Bookings")
    assert result.exit_code == 1
    assert "reports no health for seatline.v1.Bookings" in result.stderr
