"""Fixtures of the command line's tests: a scripted service, and command lines that call it or a real server.

Belongs here: fixtures. Does not belong here: the scripted service itself (`tests/support/scripted_service.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from app.cli import app, progress
from tests.support.scripted_service import ScriptedService, scripted_service
from tests.support.served_commands import ServedSeatline
from tests.support.world import World


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """A gRPC server whose answers the test writes."""
    with scripted_service() as scripted:
        yield scripted


@pytest.fixture
def seatline(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command line against the scripted service, without a user."""
    for name in ("SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES", "COLUMNS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, **environment: str) -> Result:
        return CliRunner().invoke(app, ["--target", service.target, *arguments], env=environment)

    return run


@pytest.fixture
def served_seatline(world: World, monkeypatch: pytest.MonkeyPatch) -> ServedSeatline:
    """Run a command line as an operator against a real server, in a thread of its own. Progress is polled quickly."""
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(progress, "STALLED_SECONDS_MAX", 30.0)

    async def run(*arguments: str) -> Result:
        shared = ("--target", f"127.0.0.1:{world.server.port}", "--user", "op@example.com", "--role", "operator")
        return await asyncio.to_thread(CliRunner().invoke, app, [*arguments, *shared])

    return run
