"""Metrics of what is asked of MongoDB.

Belongs here: what is counted of commands and connections, as the driver tells of them. Does not: hearing from the driver
(`app/store/driver.py`), nor which families there are (`families.py`).

The driver tells in its own threads, and waits meanwhile.
"""

from app.telemetry.metrics.families import Metrics

OTHER = "other"
# What this service sends, as far as a commit, a sale or a worker waits for it; all else is one.
COMMANDS = ("find", "getMore", "aggregate", "count", "insert", "update", "delete", "findAndModify", "ping", OTHER)


class DatabaseMetrics:
    """Counts and times commands, and counts connections. Safe in any thread."""

    def __init__(self, metrics: Metrics) -> None:
        seconds = metrics.histogram("seatline_mongodb_command_seconds")
        failed = metrics.counters("seatline_mongodb_commands_failed_total", COMMANDS)
        self._commands = {one: (seconds.labels(one), failed[one]) for one in COMMANDS}
        connections = metrics.gauge("seatline_mongodb_connections")
        self._in_use, self._idle = connections.labels("in_use"), connections.labels("idle")
        self._primary_known = metrics.gauge("seatline_mongodb_primary_known")

    def command_ended(self, command: str, seconds: float, succeeded: bool) -> None:
        """MongoDB has answered, or has not within its time."""
        timed, failed = self._commands.get(command) or self._commands[OTHER]
        timed.observe(seconds)
        if not succeeded:
            failed.inc()

    def connections_changed(self, in_use: int, idle: int) -> None:
        """So many more connections are in use now, and idle; of fewer, less than none."""
        if in_use:
            self._in_use.inc(in_use)
        self._idle.inc(idle)

    def primary_changed(self, is_known: bool) -> None:
        """The driver has found a primary, or lost it."""
        self._primary_known.set(is_known)
