"""Observers of the sender of notices.

Belongs here: what the sender reports. Does not belong here: what is made of it (`app/telemetry`).
"""

from enum import StrEnum
from typing import Protocol

from app.domain.notices.notice import NoticeChannelName, NoticeKind


class NoticeResult(StrEnum):
    """How handling a notice ended: sent, skipped, to be tried again, or failed for good."""

    SENT = "sent"
    SKIPPED = "skipped"
    RETRIED = "retried"
    FAILED = "failed"


class NoticePart(StrEnum):
    """A part of a mail that could not be made, and without which it was sent."""

    TEXT = "text"
    PDF = "pdf"
    CALENDAR = "calendar"


class NoticeObserver(Protocol):
    """Observes the sender. Its methods may not raise or wait."""

    def notice_handled(self, channel: NoticeChannelName, kind: NoticeKind, result: NoticeResult) -> None:
        """Observe how handling a notice ended; SKIPPED also of one that was not due yet, and that a newer one replaced."""

    def notice_sent(self, channel: NoticeChannelName, late_seconds: float) -> None:
        """Observe how long after its due time a notice was accepted."""

    def circuit_changed(self, channel: NoticeChannelName, is_open: bool) -> None:
        """Observe that the circuit of a channel opened or closed."""

    def part_failed(self, part: NoticePart) -> None:
        """Observe a part that could not be made."""


class NullNoticeObserver:
    """Observes nothing: for processes without metrics."""

    def notice_handled(self, channel: NoticeChannelName, kind: NoticeKind, result: NoticeResult) -> None:
        """Do nothing."""

    def notice_sent(self, channel: NoticeChannelName, late_seconds: float) -> None:
        """Do nothing."""

    def circuit_changed(self, channel: NoticeChannelName, is_open: bool) -> None:
        """Do nothing."""

    def part_failed(self, part: NoticePart) -> None:
        """Do nothing."""
