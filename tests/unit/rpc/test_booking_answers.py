"""The beginning of a booking's answer is the same message, spliced or made field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking, BookingState
from app.rpc.bookings.answers import plain_beginning, spliced_beginning
from tests.support.builders import FARE_MINOR, a_run, book


@pytest.fixture
def booking() -> Booking:
    return book(a_run("A4"), "joe@example.com")


@pytest.mark.parametrize("state", [BookingState.CONFIRMED, BookingState.WAITLISTED, BookingState.CANCELLED])
@pytest.mark.parametrize("charged_minor", [0, FARE_MINOR])
def test_both_ways_give_the_same_message(booking: Booking, state: BookingState, charged_minor: int) -> None:
    changed = replace(booking, state=state, update_time=booking.create_time + timedelta(milliseconds=1))
    assert spliced_beginning(changed, FARE_MINOR, charged_minor) == plain_beginning(changed, FARE_MINOR, charged_minor)


def test_answers_that_share_parts_are_different_messages(booking: Booking) -> None:
    first, second = spliced_beginning(booking, FARE_MINOR, 0), spliced_beginning(booking, FARE_MINOR, 0)
    first.train_id = "another"
    assert second == plain_beginning(booking, FARE_MINOR, 0)
