"""Fixtures of the command line's tests: a scripted service, and a command line that calls it.

Belongs here: fixtures. Does not belong here: the scripted service itself (`tests/support/scripted_service.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.support.scripted_service import ScriptedService, scripted_service


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
