"""The size of inspection lists: one answer holds that of the largest train, and a longer one loses no ticket with a seat."""

from __future__ import annotations

import pytest

from app.domain import limits
from app.domain.booking import Seat
from app.domain.refusals import Reason, Refusal
from app.domain.ticket.inspection import InspectionList, ListedState, ListedTicket
from app.usecases.tickets import INSPECTION_LIST_BYTES_MAX, encode_bounded
from tests.support.largest_values import LETTER, NOW

CONFIRMED, CANCELLED = ListedState.CONFIRMED, ListedState.CANCELLED
NAME = LETTER * limits.SHORT_NAME_LENGTH_MAX


def a_list(**counts: int) -> InspectionList:
    """Return a list with so many tickets of each state, each as large as it can be."""
    tickets = [
        ListedTicket(f"{number:06}", 9, 10**12, ListedState(state), Seat(NAME, NAME, 5_000), 2**60 - 1)
        for state, count in counts.items()
        for number in range(count)
    ]
    return InspectionList("z" * limits.TRAIN_ID_LENGTH_MAX, "2199-12-31", 10**12, NOW, "0" * 8, tuple(tickets))


def test_one_answer_holds_the_largest_train_sold_out_and_cancelled_once() -> None:
    most = limits.SEATS_PER_TRAIN_MAX
    inspection, content = encode_bounded(a_list(CONFIRMED=most, CANCELLED=most))
    assert len(inspection.tickets) == 2 * most
    assert len(content) < INSPECTION_LIST_BYTES_MAX


def test_a_longer_list_is_without_the_tickets_that_have_no_seat() -> None:
    inspection, content = encode_bounded(a_list(CONFIRMED=10_000, CANCELLED=10_000, WAITLISTED=5_000))
    assert {ticket.state for ticket in inspection.tickets} == {CONFIRMED}
    assert len(inspection.tickets) == 10_000
    assert len(content) < INSPECTION_LIST_BYTES_MAX


def test_a_list_that_is_too_long_even_so_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        encode_bounded(a_list(CONFIRMED=20_000))
    assert refusal.value.reason is Reason.TICKETS_UNAVAILABLE
