"""Layout jobs as documents: what is written is read again, and other shapes are unreadable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

from app.domain.layout.layout_jobs import LayoutOutcomeState
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.layout.plan import LayoutCounts
from app.domain.money import Money
from app.store.layout_job_documents import (
    layout_job_document,
    layout_job_from,
    layout_outcome_document,
    layout_outcome_from,
)
from app.store.shapes import UnreadableError
from tests.support.builders import NOW
from tests.support.layout_jobs import a_layout_job, an_outcome

OPERATIONS: tuple[LayoutOperation, ...] = (
    AddSection("C", Money(3_000, "USD")),
    RemoveSection("B"),
    SetFare("A", Money(0, "USD")),
    AddCoach("9", "C", 40),
    RemoveCoach("2"),
    SetSeatCount("1", 3),
    RemoveSeats("A", (4, 2)),
)


def test_every_operation_is_read_as_it_was_written() -> None:
    assert {type(operation) for operation in OPERATIONS} == set(get_args(LayoutOperation))
    layout_job = a_layout_job(5, NOW, *OPERATIONS, version_before=3)
    assert layout_job_from(layout_job_document(layout_job)) == layout_job


@pytest.mark.parametrize(("dates", "run_count"), [({}, None), ({"travel_dates": []}, 0), ({"travel_dates": ["d", "e"]}, 2)])
def test_the_number_of_runs_is_unknown_until_they_are_listed(dates: dict[str, Any], run_count: int | None) -> None:
    assert layout_job_from({**layout_job_document(a_layout_job()), **dates}).run_count == run_count


@pytest.mark.parametrize(
    "operation",
    [{"kind": "paint", "coach": "1"}, {"coach": "1"}, {"kind": "set_seat_count", "coach": "1"}, "set_seat_count", {"kind": 1}],
)
def test_an_operation_of_another_version_is_unreadable(operation: object) -> None:
    with pytest.raises(UnreadableError, match=r"^operations\.0"):
        layout_job_from({**layout_job_document(a_layout_job()), "operations": [operation]})


@pytest.mark.parametrize("state", LayoutOutcomeState)
def test_an_outcome_is_read_as_it_was_written(state: LayoutOutcomeState) -> None:
    outcome = replace(an_outcome("2026-09-01", state, LayoutCounts(1, 2, 3, 4, 5, 6, "USD")), reason="why")
    assert layout_outcome_from(layout_outcome_document(outcome)) == outcome
