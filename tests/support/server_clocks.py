"""Clocks of the servers that a test starts.

Belongs here: servers whose time is the test's, and servers whose own clocks are wrong. Does not belong here: assertions.
"""

from __future__ import annotations

import pytest

from app.ports.clock import Clock, ClockMeasurement
from app.process.clock import PrimaryClock


class UncorrectedClock(PrimaryClock):
    """The clock of a server that believes its own clock, whatever the database says."""

    def correct(self, measurement: ClockMeasurement) -> None:
        """Ignore the measurement."""


def set_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Make `clock` the time of servers that are started from now on."""
    set_host_clock(monkeypatch, clock)
    monkeypatch.setattr("app.process.bootstrap.application.PrimaryClock", UncorrectedClock)


def set_host_clock(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Make `clock` that of the host of servers that are started from now on. They follow the clock of the database."""
    monkeypatch.setattr("app.process.bootstrap.application.utc_now", clock)
