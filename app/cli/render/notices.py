"""Layout of notices, of a person's preferences, and of previews.

Belongs here: tables, pages and texts. Does not belong here: the calls (`app.cli.notices`), and the words of a notice, which the
service writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table

from app.cli.failures import printable
from app.cli.render.screen import empty_grid, empty_table, framed
from app.cli.render.text import (
    instant_text,
    notice_channel_text,
    notice_kind_text,
    notice_skip_reason_text,
    notice_state_text,
)
from app.pb.seatline.v1 import notice_pb2

_LANGUAGES = {"en": "English", "fr": "French"}


def notices_table(notices: Sequence[notice_pb2.Notice], _: Console) -> Table:
    """Return one row per notice, with the answer to its last attempt where the caller may see it."""
    table = empty_table("Notice", "Booking", "About", "Channel", "When", "State")
    for notice in notices:
        table.add_row(
            notice_kind_text(notice.kind),
            printable(notice.reference),
            _about_text(notice),
            notice_channel_text(notice.channel),
            _when_text(notice),
            _state_text(notice),
        )
    return table


def _about_text(notice: notice_pb2.Notice) -> str:
    if notice.is_whole_booking:
        return "the booking"
    noun = "passenger" if len(notice.passenger_numbers) == 1 else "passengers"
    return f"{noun} {', '.join(map(str, notice.passenger_numbers))}"


def _when_text(notice: notice_pb2.Notice) -> str:
    return instant_text(notice.final_time) if notice.HasField("final_time") else f"due {instant_text(notice.due_time)}"


def _state_text(notice: notice_pb2.Notice) -> str:
    state = notice_state_text(notice.state)
    if notice.state == notice_pb2.NOTICE_STATE_SKIPPED:
        state = f"{state}: {notice_skip_reason_text(notice.skip_reason)}"
    if notice.attempt_count > 1:
        state += f", {notice.attempt_count:,} attempts"
    return f"{state}\n{printable(notice.last_detail)}" if notice.last_detail else state


def notices_sent_text(notices: Iterable[notice_pb2.Notice]) -> str:
    """Say how a ticket is sent again: by which channels."""
    channels = [notice_channel_text(notice.channel) for notice in notices]
    return f"A worker sends the tickets within seconds, by {' and '.join(dict.fromkeys(channels)) or 'no channel'}."


def preferences_page(preferences: notice_pb2.NotificationPreferences) -> RenderableType:
    """Return the page of a person's preferences."""
    grid = empty_grid()
    grid.add_row("Language", _LANGUAGES.get(preferences.language, printable(preferences.language)))
    grid.add_row("Channels", ", ".join(map(notice_channel_text, preferences.channels)))
    grid.add_row("Phone", printable(preferences.phone) or "none")
    grid.add_row("Tickets and changes", "always")
    grid.add_row("Delays under 15 min", _yes_or_no(preferences.small_delays))
    grid.add_row("Before departure", _yes_or_no(preferences.departure_reminders))
    grid.add_row("Before arrival", _yes_or_no(preferences.arrival_reminders))
    grid.add_row("Etag", printable(preferences.etag))
    return framed(f"Notices to {printable(preferences.email)}", grid)


def _yes_or_no(is_wanted: bool) -> str:
    return "yes" if is_wanted else "no"


def preview_text(answer: notice_pb2.PreviewNoticeResponse) -> str:
    """Return subject, plain text and SMS of a previewed notice."""
    lines = [f"Subject: {printable(answer.subject)}", "", *map(printable, answer.plain_text.splitlines()), ""]
    return "\n".join([*lines, "SMS:", *map(printable, answer.short_text.splitlines())])


def unsubscribed_text(answer: notice_pb2.UnsubscribeByTokenResponse) -> str:
    """Say what ended."""
    return f"The recipient gets no more notices of this kind: {notice_kind_text(answer.kind)}."
