"""References: which one a request's booking gets, and under which ones it is found again."""

from dataclasses import replace

import pytest

from app.domain import limits
from app.domain.booking import Booking
from app.domain.reference import (
    REFERENCE,
    all_references,
    earlier_references,
    first_reference,
    reference_for,
    request_references,
)
from app.domain.refusals import Reason
from app.domain.rules import sale_checks
from app.domain.rules.create_booking import create_booking
from tests.support.builders import NOW, a_run, asks_for_seats, book, sell
from tests.support.run_snapshots import refused

ANN = "ann@example.com"


def a_strangers_booking(reference: str) -> Booking:
    return replace(book(a_run(), "stranger"), reference=reference)


def taken(*references: str) -> dict[str, Booking]:
    return {reference: a_strangers_booking(reference) for reference in references}


def test_a_reference_of_another_run_is_skipped_and_the_next_one_is_found_again() -> None:
    run = a_run()
    command = asks_for_seats("ann", request_id="click")
    bookings_of_other_runs = taken(reference_for(ANN, "click", 0))
    booking = sell(run, command, bookings_of_other_runs=bookings_of_other_runs)
    assert booking.reference == reference_for(ANN, "click", 1)
    assert create_booking(run, command, NOW, bookings_of_other_runs) is booking


def test_the_first_reference_has_six_characters_and_all_later_ones_have_eight() -> None:
    lengths = [len(reference_for(ANN, "click", attempt)) for attempt in range(limits.REFERENCE_ATTEMPTS_MAX)]
    assert lengths == [6, 8, 8, 8, 8, 8, 8, 8]


def test_the_first_references_are_those_of_earlier_versions() -> None:
    assert [reference_for(ANN, f"click-{number}", 0) for number in range(3)] == ["P8YP7C", "42YRFF", "SPQWCN"]


@pytest.mark.parametrize("attempt", [1, 2, 7])
def test_a_booking_that_an_earlier_version_made_at_a_later_attempt_is_found_again(attempt: int) -> None:
    run = a_run()
    command = asks_for_seats("ann", request_id="click")
    made = sell(run, command)
    first, earlier = reference_for(ANN, "click", 0), earlier_references(ANN, "click")
    own = replace(made, reference=earlier[attempt - 1])
    bookings_of_other_runs = taken(first, *earlier[: attempt - 1]) | {own.reference: own}
    with refused(Reason.PASSENGER_ALREADY_BOOKED):
        create_booking(run, asks_for_seats("ann", request_id="another click"), NOW, bookings_of_other_runs)
    assert create_booking(a_run(), command, NOW, bookings_of_other_runs) is own


def test_the_later_references_of_earlier_versions_are_known() -> None:
    assert earlier_references(ANN, "click")[:3] == ["TH9ER8", "QBPBX4", "EN34Q6"]


def test_a_new_booking_never_gets_a_reference_of_the_earlier_form() -> None:
    run = a_run()
    booking = sell(run, asks_for_seats("ann", request_id="click"), bookings_of_other_runs=taken(reference_for(ANN, "click", 0)))
    assert booking.reference not in earlier_references(ANN, "click")
    assert len(booking.reference) == 8


def test_a_reference_that_is_taken_on_the_same_run_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def like_all_others(user_key: str, request_id: str, attempt: int) -> str:
        return f"REF00{attempt}"

    monkeypatch.setattr(sale_checks, "reference_for", like_all_others)
    run = a_run()
    commands = [asks_for_seats(who, by=by) for who, by in (("ann", "bob"), ("ben", "bob"), ("cem", "cem"))]
    bookings = [sell(run, command) for command in commands]
    assert [booking.reference for booking in bookings] == ["REF000", "REF001", "REF002"]
    assert [create_booking(run, command, NOW, {}) for command in commands] == bookings


def test_when_no_reference_is_free_nothing_is_sold() -> None:
    run = a_run()
    command = asks_for_seats("ann")
    bookings_of_other_runs = taken(*request_references(command.user.email, command.request_id))
    with refused(Reason.INTERNAL, run):
        sell(run, command, bookings_of_other_runs=bookings_of_other_runs)


def test_a_request_is_searched_under_its_new_references_and_those_of_earlier_versions() -> None:
    references = all_references(ANN, "click")
    assert references[0] == first_reference("Ann@Example.com", "click")
    assert sorted(map(len, references)) == [6] * 8 + [8] * 7
    assert len(set(references)) == 15


def test_a_reference_follows_from_the_user_and_the_request() -> None:
    assert reference_for(ANN, "click", 0) == reference_for(ANN, "click", 0)
    others = {reference_for(ANN, f"click-{index}", attempt) for index in range(500) for attempt in range(2)}
    assert len(others) == 1_000


@pytest.mark.parametrize(("attempt", "length"), [(0, 6), (1, 8)])
def test_references_use_all_their_letters_in_all_places(attempt: int, length: int) -> None:
    references = [reference_for(ANN, str(index), attempt) for index in range(2_000)]
    assert all(REFERENCE.fullmatch(reference) for reference in references)
    assert all(len({reference[place] for reference in references}) == 32 for place in range(length))
