"""Observers of the database driver.

Belongs here: what the driver reports about commands, connections and the replica set. Does not belong here: what is made of it
(`app/telemetry`).
"""

from typing import Protocol


class DriverObserver(Protocol):
    """Observes the driver. Its methods run in the driver's threads, which wait for them: they may not raise."""

    def command_ended(self, command: str, seconds: float, succeeded: bool) -> None:
        """Observe that the database has answered a command, or has not within its time."""

    def connections_changed(self, in_use: int, idle: int) -> None:
        """Observe how many more connections are in use and idle now; fewer are negative."""

    def primary_changed(self, is_known: bool) -> None:
        """Observe that the driver has found a primary, or lost it."""
