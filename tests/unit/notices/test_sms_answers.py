"""Each answer of the SMS provider is the outcome that the retries need."""

from __future__ import annotations

import json

import pytest

from app.notifications.sms_channel import RETRY_AFTER_SECONDS_MAX, SmsAccount, answer_outcome
from app.ports.notices import NoticeOutcome, NoticeOutcomeKind

ACCEPTED, REFUSED, FAILED = NoticeOutcomeKind
NUMBER = "+33612345678"


def error(code: int) -> bytes:
    return json.dumps({"code": code, "message": f"The 'To' number {NUMBER} is not valid.", "status": 400}).encode()


def test_a_created_message_is_accepted() -> None:
    assert answer_outcome(201, {}, b'{"sid": "SM0123456789abcdef", "status": "queued"}') == NoticeOutcome(ACCEPTED, 201)


@pytest.mark.parametrize("code", [21211, 21610, 21614, 21408])
def test_a_number_that_cannot_get_sms_is_refused_alone(code: int) -> None:
    outcome = answer_outcome(400, {}, error(code))
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (REFUSED, 400, False)
    assert str(code) in outcome.detail
    assert NUMBER not in outcome.detail


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Welcome to the hotel</html>"),
        (200, b'{"sid": "SM0123456789abcdef"}'),
        (201, b"{}"),
        (201, b'{"sid": null}'),
        (201, b'{"sid": "<script>"}'),
        (201, b"[1]"),
        (201, b"\xff\xfe"),
        (302, b""),
        (400, b"<html>"),
        (400, error(21606)),  # our sender
        (400, b'{"code": "21211"}'),
        (401, error(20003)),
        (403, error(20003)),
        (404, error(20404)),
        (429, error(20429)),
        (500, b""),
        (503, b"[" * 65_536),
    ],
)
def test_every_other_answer_is_a_failure_of_the_provider(status: int, body: bytes) -> None:
    outcome = answer_outcome(status, {}, body)
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, status, True)
    assert NUMBER not in outcome.detail


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7.0), (" 7 ", 7.0), ("", 0.0), ("soon", 0.0), ("-1", 0.0), ("999999999", RETRY_AFTER_SECONDS_MAX)],
)
def test_retry_after_is_kept_within_bounds(text: str, seconds: float) -> None:
    assert answer_outcome(429, {"retry-after": text}, error(20429)).retry_after_seconds == seconds


def test_the_token_is_not_shown() -> None:
    assert "s3cret" not in repr(SmsAccount("https://sms.example", "AC1", "s3cret", NUMBER))
