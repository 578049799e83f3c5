"""Metrics of MongoDB commands and connections.

Belongs here: what is counted when the driver reports a command or a connection. Does not belong here: listening to the driver
(`app/store/driver.py`), nor the families (`families.py`).

The driver reports in its own threads, which wait meanwhile.
"""

from app.telemetry.metrics.families import Metrics

OTHER = "other"
# The commands that a commit, a sale or a worker waits for. All others are counted together.
COMMANDS = ("find", "getMore", "aggregate", "count", "insert", "update", "delete", "findAndModify", "ping", OTHER)


class DatabaseMetrics:
    """Counts and times commands, and counts connections. Thread-safe."""

    def __init__(self, metrics: Metrics) -> None:
        seconds = metrics.histogram("seatline_mongodb_command_seconds")
        failed = metrics.counters("seatline_mongodb_commands_failed_total", COMMANDS)
        self._commands = {command: (seconds.labels(command), failed[command]) for command in COMMANDS}
        connections = metrics.gauge("seatline_mongodb_connections")
        self._in_use, self._idle = connections.labels("in_use"), connections.labels("idle")
        self._primary_known = metrics.gauge("seatline_mongodb_primary_known")

    def command_ended(self, command: str, seconds: float, succeeded: bool) -> None:
        """Count and time a command that MongoDB has answered, or has not within its time."""
        timed, failed = self._commands.get(command) or self._commands[OTHER]
        timed.observe(seconds)
        if not succeeded:
            failed.inc()

    def connections_changed(self, in_use: int, idle: int) -> None:
        """Add to the numbers of connections in use and idle; fewer connections are negative."""
        if in_use:
            self._in_use.inc(in_use)
        self._idle.inc(idle)

    def primary_changed(self, is_known: bool) -> None:
        """Record that the driver has found a primary, or lost it."""
        self._primary_known.set(is_known)
