"""Texts of money, times, states, seats, people and terms of sale."""

from __future__ import annotations

import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from app.cli.failures import printable
from app.cli.render.text import (
    booking_state_text,
    date_text,
    duration_text,
    instant_text,
    instant_text_with_seconds,
    local_time_text,
    money_sum,
    money_text,
    payment_text,
    person_text,
    refund_terms_text,
    refund_text,
    refunds_text,
    seat_text,
    state_and_position_text,
    waitlist_terms_text,
    zone_by_name,
)
from app.pb.seatline.v1 import booking_pb2, payment_pb2, seat_pb2, train_pb2, user_pb2

PENDING, DONE = payment_pb2.REFUND_STATE_PENDING, payment_pb2.REFUND_STATE_DONE
FAILED = payment_pb2.REFUND_STATE_FAILED
INSTANT = Timestamp(seconds=1765535077)


def usd(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="USD", units=units, nanos=nanos)


def refund(state: Any, units: int = 10) -> payment_pb2.Refund:
    return payment_pb2.Refund(state=state, amount=usd(units), create_time=INSTANT)


def test_only_a_waitlisted_booking_shows_its_position() -> None:
    assert state_and_position_text(booking_pb2.BOOKING_STATE_WAITLISTED, 1200) == "waitlisted, position 1,200"
    assert state_and_position_text(booking_pb2.BOOKING_STATE_WAITLISTED, 0) == "waitlisted"
    assert state_and_position_text(booking_pb2.BOOKING_STATE_EXPIRED, 3) == "expired"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (payment_pb2.PAYMENT_STATE_AUTHORIZED, "USD 20.00, authorized, not captured yet"),
        (payment_pb2.PAYMENT_STATE_CAPTURED, "USD 20.00, captured"),
        (payment_pb2.PAYMENT_STATE_VOIDED, "USD 20.00, voided, nothing was charged"),
        (payment_pb2.PAYMENT_STATE_DECLINED, "USD 20.00, declined, the booking is being cancelled"),
        (payment_pb2.PAYMENT_STATE_UNSPECIFIED, "no payment was needed"),
        (99, "USD 20.00, state 99"),
    ],
)
def test_a_payment_shows_its_state(state: Any, text: str) -> None:
    assert payment_text(payment_pb2.Payment(state=state, amount=usd(20))) == text


def test_a_refund_shows_its_state_and_since_when_it_is_pending() -> None:
    assert refund_text(refund(PENDING)) == "USD 10.00, pending since Fri 12 Dec 2025 10:24 UTC"
    assert refund_text(refund(DONE)) == "USD 10.00, done"
    assert refund_text(refund(99)) == "USD 10.00, state 99"


def test_several_refunds_are_done_only_if_all_are_done() -> None:
    assert refunds_text([]) == ""
    assert refunds_text([refund(DONE), refund(DONE, 5)]) == "USD 15.00 refunded, done"
    assert refunds_text([refund(DONE), refund(PENDING, 5)]) == "USD 15.00 refunded, pending"
    assert refunds_text([refund(FAILED), refund(FAILED, 5)]) == "USD 15.00 refunded, failed"
    assert refunds_text([refund(DONE), refund(FAILED, 5)]) == "USD 15.00 refunded, partly failed"


def test_amounts_are_added_with_carry() -> None:
    assert money_text(money_sum([usd(0, 700_000_000), usd(1, 350_000_000)])) == "USD 2.05"
    assert money_text(money_sum([usd(-2, -700_000_000), usd(1)])) == "USD -1.70"
    assert money_sum([]) == Money()


def test_an_instant_can_be_shown_with_seconds() -> None:
    assert instant_text_with_seconds(INSTANT, ZoneInfo("Europe/Paris")) == "Fri 12 Dec 2025 11:24:37 CET"


def test_a_duration_omits_zero_parts() -> None:
    assert [duration_text(minutes) for minutes in (0, 45, 60, 90, 43_200)] == ["0 min", "45 min", "1 h", "1 h 30 min", "720 h"]


def test_unset_terms_of_a_train_are_omitted() -> None:
    tiers = [train_pb2.RefundTier(hours_before=24, percent=100), train_pb2.RefundTier(percent=50)]
    assert refund_terms_text(tiers) == "100 % up to 24 h before departure, 50 % up to departure"
    stated = train_pb2.Train(waitlist_max=0, waitlist_closes_before=Duration(seconds=14_400))
    assert waitlist_terms_text(stated) == "up to 0 waitlisted bookings, until 4 h before departure"
    assert waitlist_terms_text(train_pb2.Train(waitlist_closes_before=Duration())) == "until departure"
    assert refund_terms_text([]) == waitlist_terms_text(train_pb2.Train()) == ""


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(currency_code="USD", units=20), "USD 20.00"),
        (Money(currency_code="USD", units=19, nanos=990_000_000), "USD 19.99"),
        (Money(currency_code="USD", nanos=5_000_000), "USD 0.005"),
        (Money(currency_code="USD", nanos=-500_000_000), "USD -0.50"),
        (Money(currency_code="USD", units=-2, nanos=-250_000_000), "USD -2.25"),
        (Money(currency_code="JPY", units=2000), "JPY 2000"),
        (Money(currency_code="KWD", units=7, nanos=125_000_000), "KWD 7.125"),
        (Money(), "0.00"),
    ],
)
def test_money_has_its_currencys_decimals_and_more_if_needed(money: Money, text: str) -> None:
    assert money_text(money) == text


def test_an_instant_is_shown_in_local_time_of_the_stop() -> None:
    instant = Timestamp(seconds=int(datetime.datetime(2025, 12, 12, 10, 24, tzinfo=datetime.UTC).timestamp()))
    assert instant_text(instant) == "Fri 12 Dec 2025 10:24 UTC"
    assert instant_text(instant, ZoneInfo("Europe/Paris")) == "Fri 12 Dec 2025 11:24 CET"
    assert local_time_text(instant, ZoneInfo("Europe/London"), "2025-12-12") == "10:24 GMT"
    assert local_time_text(instant, ZoneInfo("Pacific/Auckland"), "2025-12-12") == "23:24 NZDT"
    assert local_time_text(instant, ZoneInfo("Europe/Paris"), "2025-12-11") == "11:24 CET +1"


def test_an_unknown_zone_becomes_utc() -> None:
    for name in ("", "Mars/Olympus", "../etc/passwd"):
        assert zone_by_name(name) is datetime.UTC


def test_unknown_states_of_a_newer_service_are_shown_by_number() -> None:
    assert booking_state_text(booking_pb2.BOOKING_STATE_CONFIRMED) == "confirmed"
    assert booking_state_text(99) == "state 99"
    assert date_text("soon") == "soon"


def test_people_and_seats_are_shown_with_their_known_parts() -> None:
    assert person_text(user_pb2.User(first_name="Ann", last_name="Lee", email="a@b.c")) == "Ann Lee <a@b.c>"
    assert person_text(user_pb2.User(email="a@b.c")) == "a@b.c"
    assert seat_text(seat_pb2.Seat(section="A", number=17)) == "A-17"
    assert seat_text(seat_pb2.Seat()) == "no seat"


def test_stored_texts_cannot_control_the_terminal() -> None:
    assert printable("a\x1b[31mb\nc\x9bd\u202ee") == "a\ufffd[31mb c\ufffdd\ufffde"
    assert printable("نام‌خانوادگی") == "نام‌خانوادگی"
