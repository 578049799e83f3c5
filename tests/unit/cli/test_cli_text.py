"""How payments, refunds, waiting and the terms of a train are worded; `test_cli_arguments.py` has the older words."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money

from app.cli.render.text import (
    duration_text,
    instant_text_with_seconds,
    money_sum,
    money_text,
    payment_text,
    refund_terms_text,
    refund_text,
    refunds_text,
    state_and_position_text,
    waitlist_terms_text,
)
from app.pb.seatline.v1 import booking_pb2, payment_pb2, train_pb2

PENDING, DONE = payment_pb2.REFUND_STATE_PENDING, payment_pb2.REFUND_STATE_DONE
FAILED = payment_pb2.REFUND_STATE_FAILED
INSTANT = Timestamp(seconds=1765535077)


def usd(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="USD", units=units, nanos=nanos)


def refund(state: Any, units: int = 10) -> payment_pb2.Refund:
    return payment_pb2.Refund(state=state, amount=usd(units), create_time=INSTANT)


def test_a_waiting_booking_says_its_place_and_another_only_its_state() -> None:
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
def test_a_payment_says_how_far_it_has_come(state: Any, text: str) -> None:
    assert payment_text(payment_pb2.Payment(state=state, amount=usd(20))) == text


def test_a_refund_says_whether_it_is_done_or_since_when_it_is_owed() -> None:
    assert refund_text(refund(PENDING)) == "USD 10.00, pending since Fri 12 Dec 2025 10:24 UTC"
    assert refund_text(refund(DONE)) == "USD 10.00, done"
    assert refund_text(refund(99)) == "USD 10.00, state 99"


def test_several_refunds_are_done_only_when_each_is() -> None:
    assert refunds_text([]) == ""
    assert refunds_text([refund(DONE), refund(DONE, 5)]) == "USD 15.00 refunded, done"
    assert refunds_text([refund(DONE), refund(PENDING, 5)]) == "USD 15.00 refunded, pending"
    assert refunds_text([refund(FAILED), refund(FAILED, 5)]) == "USD 15.00 refunded, failed"
    assert refunds_text([refund(DONE), refund(FAILED, 5)]) == "USD 15.00 refunded, partly failed"


def test_amounts_are_added_over_the_units() -> None:
    assert money_text(money_sum([usd(0, 700_000_000), usd(1, 350_000_000)])) == "USD 2.05"
    assert money_text(money_sum([usd(-2, -700_000_000), usd(1)])) == "USD -1.70"
    assert money_sum([]) == Money()


def test_a_moment_of_a_few_minutes_is_written_with_its_seconds() -> None:
    assert instant_text_with_seconds(INSTANT, ZoneInfo("Europe/Paris")) == "Fri 12 Dec 2025 11:24:37 CET"


def test_spans_of_time_leave_out_what_is_zero() -> None:
    assert [duration_text(minutes) for minutes in (0, 45, 60, 90, 43_200)] == ["0 min", "45 min", "1 h", "1 h 30 min", "720 h"]


def test_the_terms_of_a_train_are_sentences_and_what_it_does_not_state_is_left_out() -> None:
    tiers = [train_pb2.RefundTier(hours_before=24, percent=100), train_pb2.RefundTier(percent=50)]
    assert refund_terms_text(tiers) == "100 % up to 24 h before departure, 50 % up to departure"
    stated = train_pb2.Train(waitlist_max=0, waitlist_closes_before=Duration(seconds=14_400))
    assert waitlist_terms_text(stated) == "up to 0 waitlisted bookings, until 4 h before departure"
    assert waitlist_terms_text(train_pb2.Train(waitlist_closes_before=Duration())) == "until departure"
    assert refund_terms_text([]) == waitlist_terms_text(train_pb2.Train()) == ""
