"""Commands on notices, against the scripted service."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import grpc
import pytest
from typer.testing import Result

from app.cli.notices import Kind
from app.pb.seatline.v1 import notice_pb2
from tests.support.scripted_service import Refusal, ScriptedService, at

USER = ("--user", "ann@example.com")


def a_notice(**values: Any) -> notice_pb2.Notice:
    said: dict[str, Any] = {
        "notice_id": "TICKET 7K2M9Q - es9014:2030-07-01:3:0 email",
        "kind": notice_pb2.NOTICE_KIND_TICKET,
        "reference": "7K2M9Q",
        "passenger_numbers": [1, 2],
        "is_whole_booking": True,
        "channel": notice_pb2.NOTICE_CHANNEL_EMAIL,
        "state": notice_pb2.NOTICE_STATE_SENT,
        "due_time": at("2030-06-01T08:00:00Z"),
        "final_time": at("2030-06-01T08:01:00Z"),
        "attempt_count": 1,
    }
    return notice_pb2.Notice(**{**said, **values})


def a_scheduled_reminder() -> notice_pb2.Notice:
    reminder = a_notice(
        kind=notice_pb2.NOTICE_KIND_DEPARTURE_REMINDER,
        passenger_numbers=[2],
        is_whole_booking=False,
        channel=notice_pb2.NOTICE_CHANNEL_SMS,
        state=notice_pb2.NOTICE_STATE_SCHEDULED,
    )
    reminder.ClearField("final_time")
    return reminder


def wanted(**values: Any) -> notice_pb2.NotificationPreferences:
    said: dict[str, Any] = {
        "email": "ann@example.com",
        "language": "fr",
        "channels": [notice_pb2.NOTICE_CHANNEL_EMAIL, notice_pb2.NOTICE_CHANNEL_SMS],
        "phone": "+33612345678",
        "departure_reminders": True,
        "etag": "3",
    }
    return notice_pb2.NotificationPreferences(**{**said, **values})


@pytest.mark.parametrize("words", [("notices",), ("notice", "list")])
def test_notices_are_listed_with_their_states(
    service: ScriptedService, seatline: Callable[..., Result], words: tuple[str, ...]
) -> None:
    skipped = a_notice(
        kind=notice_pb2.NOTICE_KIND_DELAYED,
        state=notice_pb2.NOTICE_STATE_SKIPPED,
        skip_reason=notice_pb2.NOTICE_SKIP_REASON_SUPERSEDED,
        channel=notice_pb2.NOTICE_CHANNEL_LOG,
    )
    failed = a_notice(state=notice_pb2.NOTICE_STATE_FAILED, attempt_count=3, last_detail="550 no\x1b[31m mailbox")
    service.answers["ListNotices"] = notice_pb2.ListNoticesResponse(
        notices=[a_notice(), a_scheduled_reminder(), skipped, failed]
    )
    result = seatline(*words, "7K2M9Q", *USER)
    assert result.exit_code == 0, result.stderr
    for text in (
        "ticket",
        "the booking",
        "mail",
        "Sat 01 Jun 2030 08:01 UTC",
        "departure reminder",
        "passenger 2",
        "SMS",
        "due Sat 01 Jun 2030 08:00 UTC",
        "skipped: newer content was sent",
        "file",
        "failed, 3 attempts",
        "550 no",
        "4 notices.",
    ):
        assert text in result.stdout
    assert "\x1b" not in result.stdout
    assert service.requests("ListNotices")[0].reference == "7K2M9Q"


def test_an_empty_list_of_notices_says_so(service: ScriptedService, seatline: Callable[..., Result]) -> None:
    service.answers["ListNotices"] = notice_pb2.ListNoticesResponse()
    assert seatline("notices", *USER).stdout == "No notices.\n"


def test_an_operator_lists_the_notices_of_another_person(service: ScriptedService, seatline: Callable[..., Result]) -> None:
    service.answers["ListNotices"] = notice_pb2.ListNoticesResponse(notices=[a_notice()], next_page_token="7QK2")
    result = seatline("notice", "list", "--email", "bo@example.com", "--page-size", "1", "--role", "operator", *USER)
    assert (service.requests("ListNotices")[0].email, service.requests("ListNotices")[0].page_size) == ("bo@example.com", 1)
    assert "--page-token 7QK2" in result.stderr


def test_preferences_without_options_are_shown(service: ScriptedService, seatline: Callable[..., Result]) -> None:
    service.answers["GetNotificationPreferences"] = wanted()
    shown = seatline("notice", "preferences", *USER).stdout
    for text in (
        "ann@example.com",
        "French",
        "mail, SMS",
        "+33612345678",
        "Before departure     yes",
        "Before arrival       no",
    ):
        assert text in shown
    assert service.requests("UpdateNotificationPreferences") == []


@pytest.mark.parametrize(
    ("typed", "paths", "preferences"),
    [
        (("--language", "fr"), ["language"], notice_pb2.NotificationPreferences(language="fr")),
        (("--phone", ""), ["phone"], notice_pb2.NotificationPreferences()),
        (("--no-departure-reminders",), ["departure_reminders"], notice_pb2.NotificationPreferences()),
        (("--arrival-reminders",), ["arrival_reminders"], notice_pb2.NotificationPreferences(arrival_reminders=True)),
        (("--no-small-delays",), ["small_delays"], notice_pb2.NotificationPreferences()),
        (
            ("--channel", "sms", "--channel", "email", "--phone", "+33612345678", "--email", "bo@example.com"),
            ["phone", "channels"],
            notice_pb2.NotificationPreferences(
                email="bo@example.com",
                phone="+33612345678",
                channels=[notice_pb2.NOTICE_CHANNEL_SMS, notice_pb2.NOTICE_CHANNEL_EMAIL],
            ),
        ),
    ],
)
def test_preferences_change_only_what_was_typed(
    service: ScriptedService,
    seatline: Callable[..., Result],
    typed: tuple[str, ...],
    paths: list[str],
    preferences: notice_pb2.NotificationPreferences,
) -> None:
    service.answers["UpdateNotificationPreferences"] = wanted()
    result = seatline("notice", "preferences", *typed, "--etag", "2", *USER)
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("UpdateNotificationPreferences")
    assert (asked.preferences, list(asked.update_mask.paths), asked.etag) == (preferences, paths, "2")


def test_an_unknown_channel_is_refused_before_any_call(service: ScriptedService, seatline: Callable[..., Result]) -> None:
    result = seatline("notice", "preferences", "--channel", "pigeon", *USER)
    assert (result.exit_code, result.stderr) == (2, "Error: --channel: 'pigeon' is none of email, sms\n")
    assert service.asked == []


def test_a_preview_shows_the_words_and_keeps_the_html(
    service: ScriptedService, seatline: Callable[..., Result], tmp_path: Path
) -> None:
    service.answers["PreviewNotice"] = notice_pb2.PreviewNoticeResponse(
        subject="Your ticket", plain_text="Hello\x1b[31m\nSeat A-1", html="<p>Été</p>", short_text="Seat A-1"
    )
    file = tmp_path / "mail.html"
    result = seatline(
        "notice", "preview", "waitlist-expired", "--reference", "7K2M9Q", "--language", "fr", "--html", str(file), *USER
    )
    assert result.exit_code == 0, result.stderr
    (asked,) = service.requests("PreviewNotice")
    assert asked == notice_pb2.PreviewNoticeRequest(
        kind=notice_pb2.NOTICE_KIND_WAITLIST_EXPIRED, reference="7K2M9Q", language="fr"
    )
    for text in ("Subject: Your ticket", "Seat A-1", "SMS:\nSeat A-1", f"Wrote the HTML to {file}."):
        assert text in result.stdout
    assert "\x1b" not in result.stdout
    assert file.read_text(encoding="utf-8") == "<p>Été</p>"


def test_every_kind_of_the_contract_can_be_previewed() -> None:
    kinds = {
        name.removeprefix("NOTICE_KIND_").lower().replace("_", "-") for name in notice_pb2.NoticeKind.DESCRIPTOR.values_by_name
    }
    assert set(get_args(Kind)) == kinds - {"unspecified"}


def test_a_token_ends_what_it_names(service: ScriptedService, seatline: Callable[..., Result]) -> None:
    service.answers["UnsubscribeByToken"] = notice_pb2.UnsubscribeByTokenResponse(kind=notice_pb2.NOTICE_KIND_ARRIVAL_REMINDER)
    assert "no more notices of this kind: arrival reminder." in seatline("notice", "unsubscribe", "TOKEN").stdout
    assert service.requests("UnsubscribeByToken")[0].token == "TOKEN"  # noqa: S105 - a word, no secret


def test_a_service_without_the_libraries_is_a_refusal_that_says_so(
    service: ScriptedService, seatline: Callable[..., Result]
) -> None:
    code = grpc.StatusCode.FAILED_PRECONDITION
    service.answers["PreviewNotice"] = Refusal(code, "TICKETS_UNAVAILABLE", message="no libraries")
    result = seatline("notice", "preview", "ticket", *USER)
    assert (result.exit_code, result.stderr.startswith("Error: no libraries (TICKETS_UNAVAILABLE)")) == (1, True)


@pytest.mark.parametrize(
    ("typed", "method", "answer", "field"),
    [
        (("notices",), "ListNotices", notice_pb2.ListNoticesResponse(notices=[a_notice()]), "notices"),
        (("notice", "preferences"), "GetNotificationPreferences", wanted(), "language"),
        (("notice", "preview", "moved"), "PreviewNotice", notice_pb2.PreviewNoticeResponse(subject="s"), "subject"),
        (
            ("notice", "unsubscribe", "T"),
            "UnsubscribeByToken",
            notice_pb2.UnsubscribeByTokenResponse(kind=notice_pb2.NOTICE_KIND_DELAYED),
            "kind",
        ),
    ],
    ids=["list", "preferences", "preview", "unsubscribe"],
)
def test_with_json_every_command_prints_one_document(
    service: ScriptedService, seatline: Callable[..., Result], typed: tuple[str, ...], method: str, answer: Any, field: str
) -> None:
    service.answers[method] = answer
    assert json.loads(seatline(*typed, "--json", *USER).stdout)[field]
