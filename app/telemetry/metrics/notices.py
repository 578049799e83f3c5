"""Metrics of notices.

Belongs here: what is counted for the sender. Does not belong here: what it reports (`app/ports/notice_observer.py`), nor the
families (`families.py`).
"""

from collections.abc import Iterable

from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.ports.notice_observer import NoticePart, NoticeResult
from app.telemetry.metrics.families import Metrics


class NoticeMetrics:
    """Counts and times notices. Implements `NoticeObserver`. Its series begin at 0, for the channels that this process has."""

    def __init__(self, metrics: Metrics, channels: Iterable[NoticeChannelName]) -> None:
        notices, late = metrics.counter("seatline_notices_total"), metrics.histogram("seatline_notice_late_seconds")
        circuit, names = metrics.gauge("seatline_notice_circuit_open"), tuple(channels)
        self._results = {
            (channel, kind, result): notices.labels(channel.value, kind.value.lower(), result.value)
            for channel in names
            for kind in NoticeKind
            for result in NoticeResult
        }
        self._late = {channel: late.labels(channel.value) for channel in names}
        self._circuits = {channel: circuit.labels(channel.value) for channel in names}
        self._parts = metrics.counters("seatline_notice_parts_failed_total", [part.value for part in NoticePart])

    def notice_handled(self, channel: NoticeChannelName, kind: NoticeKind, result: NoticeResult) -> None:
        """Count how handling a notice ended."""
        self._results[channel, kind, result].inc()

    def notice_sent(self, channel: NoticeChannelName, late_seconds: float) -> None:
        """Observe how long after its due time a notice was accepted."""
        self._late[channel].observe(late_seconds)

    def circuit_changed(self, channel: NoticeChannelName, is_open: bool) -> None:
        """Show whether the circuit of a channel is open."""
        self._circuits[channel].set(is_open)

    def part_failed(self, part: NoticePart) -> None:
        """Count a part that could not be made."""
        self._parts[part.value].inc()
