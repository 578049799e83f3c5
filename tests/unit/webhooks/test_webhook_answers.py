"""The outcome of a receiver's answer, and the signature of a message."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from standardwebhooks import Webhook as Verifier

from app.domain.deliveries import OutcomeKind
from app.domain.webhooks import make_webhook, with_new_secret
from app.notifications.secrets import make_secret
from app.notifications.webhook_sender import (
    ANSWER_BYTES_MAX,
    DETAIL_LENGTH_MAX,
    RETRY_AFTER_SECONDS_MAX,
    outcome_of,
    signed_headers,
)

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
OLD, NEW = make_secret(bytes(range(32))), make_secret(bytes(range(1, 33)))
WEBHOOK = make_webhook("w1", "https://hooks.example.com/", (), OLD, NOW)


def retry_after(text: str, status: int = 503) -> float:
    return outcome_of(status, {"retry-after": text}, b"", NOW).retry_after_seconds


# -- answers


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_a_delivery(status: int) -> None:
    assert outcome_of(status, {}, b"thanks", NOW).kind is OutcomeKind.DELIVERED


def test_gone_means_no_further_attempt() -> None:
    outcome = outcome_of(410, {}, b"no longer here", NOW)
    assert (outcome.kind, outcome.status, outcome.detail) == (OutcomeKind.GONE, 410, "no longer here")


@pytest.mark.parametrize("status", [101, 300, 301, 304, 307, 400, 401, 404, 409, 413, 429, 500, 502, 503, 504, 599, 999])
def test_any_other_answer_may_be_tried_again(status: int) -> None:
    outcome = outcome_of(status, {}, b"", NOW)
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, status)


def test_a_redirect_names_its_target() -> None:
    outcome = outcome_of(302, {"location": "https://other.example.com/"}, b"", NOW)
    assert outcome.detail == "redirects are not followed; to https://other.example.com/"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 120 ", 120),
        ("Sat, 01 Aug 2026 12:02:00 GMT", 120),
        ("Sat, 01 Aug 2026 14:02:00 +0200", 120),
        ("Saturday, 01-Aug-26 12:02:00 GMT", 120),
        ("Sat Aug  1 12:02:00 2026", 120),
        ("Sat, 01 Aug 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", RETRY_AFTER_SECONDS_MAX),
        ("999999999", RETRY_AFTER_SECONDS_MAX),
    ],
)
def test_retry_after_is_read_in_every_form_and_bounded(text: str, seconds: float) -> None:
    assert retry_after(text) == seconds
    assert retry_after(text, status=429) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5", "1.5", "9" * 5_000, "١٢", "Sat, 99 Aug 2026 12:00:00 GMT", "Sat, 01 Aug 99999999 12:00:00 GMT", ","],
)
def test_a_malformed_retry_after_is_ignored(text: str) -> None:
    assert retry_after(text) == 0


def test_retry_after_is_ignored_for_a_success() -> None:
    assert retry_after("120", status=200) == 0


def test_an_answer_is_stored_as_one_short_line_without_control_characters() -> None:
    said = b"first\r\n\tsecond \x1b[31m\x00 \xff\xfe " + "é\u202e".encode() + b"x" * ANSWER_BYTES_MAX
    detail = outcome_of(500, {}, said, NOW).detail
    assert detail.startswith("first second [31m \ufffd\ufffd é x")
    assert len(detail) == DETAIL_LENGTH_MAX
    assert detail.isprintable()


# -- signatures


def test_a_receiver_with_the_secret_can_verify_the_signature() -> None:
    now = datetime.now(UTC)
    body = '{"name":"Žofie"}'.encode()
    headers = signed_headers(WEBHOOK, "es1:2026-09-01:3:0", body, now)
    assert headers["webhook-id"] == "es1:2026-09-01:3:0"
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert Verifier(OLD).verify(body, headers) == {"name": "Žofie"}


def test_during_a_rotation_either_secret_verifies_and_afterwards_only_the_new_one() -> None:
    now = datetime.now(UTC)
    webhook = with_new_secret(WEBHOOK, NEW, now)
    headers = signed_headers(webhook, "e", b"{}", now)
    assert Verifier(OLD).verify(b"{}", headers) == Verifier(NEW).verify(b"{}", headers) == {}
    later = signed_headers(replace(webhook, previous_secret_expire_time=now), "e", b"{}", now)
    assert later["webhook-signature"] == signed_headers(replace(WEBHOOK, secret=NEW), "e", b"{}", now)["webhook-signature"]


def test_the_same_moment_in_another_zone_has_the_same_signature() -> None:
    tokyo = NOW.astimezone(timezone(timedelta(hours=9)))
    assert signed_headers(WEBHOOK, "e", b"{}", tokyo) == signed_headers(WEBHOOK, "e", b"{}", NOW)


@pytest.mark.parametrize("event_id", ["", "a.1785585600", "a b", "a\r\nx: y", "é", "x" * 201])
def test_an_ambiguous_id_is_not_signed(event_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be signed"):
        signed_headers(WEBHOOK, event_id, b"{}", NOW)


def test_a_secret_has_the_standard_format() -> None:
    assert make_secret(bytes(24)) == f"whsec_{'A' * 32}"


@pytest.mark.parametrize("size", [0, 23, 65])
def test_a_secret_has_the_standard_length(size: int) -> None:
    with pytest.raises(ValueError, match="24 to 64"):
        make_secret(bytes(size))
