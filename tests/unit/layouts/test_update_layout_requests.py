"""UpdateLayout: repeated requests, refusals, the record and event of a change, and layout jobs."""

from datetime import timedelta

import pytest

from app.domain import limits
from app.domain.events import EventType
from app.domain.layout.layout_jobs import EarlierLayoutMissing, OwnLayoutKept
from app.domain.layout.operations import AddCoach, RemoveCoach, SetFare, SetSeatCount
from app.domain.layout.plan import LayoutPlan
from app.domain.money import Money
from app.domain.refusals import Reason
from tests.support.builders import (
    DEPARTS_LONDON,
    LILLE,
    NOW,
    a_run,
    book,
    fill,
    hold,
)
from tests.support.layout_changes import asks_for_layout, change_layout, decide_alone, decide_layout, plan_layout
from tests.support.run_snapshots import invalid, refused, snapshot

# -- the request


def test_a_repeated_request_is_answered_with_its_counts_and_changes_nothing() -> None:
    run = a_run("A4 A4")
    book(run, "ann", "ben")
    command = asks_for_layout(RemoveCoach("1"), request_id="change-1")
    first = decide_alone(run, command)
    before = snapshot(run)
    for now in (NOW, DEPARTS_LONDON + timedelta(days=1)):
        again = decide_layout(run, command, now)
        assert snapshot(run) == before
        assert again == LayoutPlan(first.plan_hash, counts=first.counts, is_applied=True, layout_etag="layout-1")


def test_a_request_id_of_another_change_is_refused() -> None:
    run = a_run("A4 A4")
    decide_alone(run, asks_for_layout(RemoveCoach("1"), request_id="change-1"))
    with refused(Reason.REQUEST_ID_REUSED, run):
        decide_layout(run, asks_for_layout(AddCoach("3", "A", 1), request_id="change-1"))


def test_a_run_remembers_its_last_twenty_requests() -> None:
    run = a_run("A1")
    for number in range(limits.LAYOUT_REQUESTS_MAX + 2):
        decide_alone(run, asks_for_layout(SetFare("A", Money(number, "USD")), request_id=f"change-{number}"))
    assert [request.request_id for request in run.layout.requests] == [f"change-{number}" for number in range(2, 22)]
    assert run.layout.revision == 22


def test_an_old_etag_is_refused() -> None:
    run = a_run("A1")
    change_layout(run, SetFare("A", Money(1, "USD")))
    with refused(Reason.ETAG_STALE, run):
        decide_layout(run, asks_for_layout(SetFare("A", Money(2, "USD")), etag="layout-0"))
    decide_alone(run, asks_for_layout(SetFare("A", Money(2, "USD")), etag="layout-1"))
    assert run.layout.revision == 2


def test_a_run_that_has_left_its_first_stop_is_refused() -> None:
    run = a_run("A1 A1")
    with refused(Reason.RUN_DEPARTED, run):
        decide_layout(run, asks_for_layout(RemoveCoach("1")), DEPARTS_LONDON)


def test_an_unknown_coach_is_refused_with_the_path_of_its_field() -> None:
    run = a_run("A1 A1")
    with invalid("operations[1].remove_coach.name", run):
        decide_layout(run, asks_for_layout(RemoveCoach("1"), RemoveCoach("7")))


@pytest.mark.parametrize("held", [True, False])
def test_a_refusal_leaves_an_earlier_reservation_as_it_is(held: bool) -> None:
    run = a_run("A1 A1")
    if held:
        hold(run, "hal", seats=(1,))
    plan_layout(run, RemoveCoach("1"), reserve_seconds=60)
    with invalid("operations[0].remove_coach.name", run):
        decide_layout(run, asks_for_layout(RemoveCoach("7")))


def test_more_displaced_passengers_than_one_commit_takes_are_refused_with_their_number() -> None:
    run = a_run("A400 A101 A1")
    for number in range(167):
        book(run, *(f"p{number}-{seat}" for seat in range(3)))
    with refused(Reason.DISPLACED_TOO_MANY, run) as caught:
        decide_layout(run, asks_for_layout(RemoveCoach("1"), RemoveCoach("2")))
    assert "displaces 501 passengers; at most 500" in caught[0].message


def test_a_removed_seat_of_a_booking_that_is_not_in_memory_is_refused() -> None:
    run = a_run("A2 A2")
    booking = book(run, "ann")
    run.evict_except(())
    assert run.find(booking.reference) is None
    with refused(Reason.INTERNAL, run):
        decide_layout(run, asks_for_layout(RemoveCoach("1")))


# -- the record and the event


def test_the_event_of_a_change_says_it_in_numbers() -> None:
    run = a_run("A1 A1")
    fill(run)
    plan = decide_layout(run, asks_for_layout(RemoveCoach("2")))
    event = run.change_set.events[-1]
    assert (event.event_type, event.subject) == (EventType.LAYOUT_CHANGED, run.run_id)
    assert event.data == {
        "layout_revision": 1,
        "plan_hash": plan.plan_hash,
        "moved_passengers": 0,
        "waitlisted_passengers": 1,
        "cancelled_passengers": 0,
        "refunded_minor": 0,
        "currency": "USD",
        "promoted_bookings": 0,
        "released_holds": 0,
    }


def test_fewer_seats_take_empty_seats_first_then_held_ones_then_those_with_the_fewest_passengers() -> None:
    run = a_run("A4 A2")
    book(run, "ann", seats=(4,))
    book(run, "ben", seats=(3,), destination=LILLE)
    book(run, "cem", seats=(3,), origin=LILLE)
    hold(run, "hal", seats=(2,))
    for count, gone in ((3, {1}), (2, {1, 2}), (1, {1, 2, 4})):
        change_layout(run, SetSeatCount("1", count))
        assert run.sections[0].retired == gone


# -- layout jobs


def test_a_layout_job_brings_the_layout_of_its_version_once() -> None:
    run = a_run("A1 A1")
    command = asks_for_layout(AddCoach("3", "A", 1), train_version=2, layout_version_before=1, request_id="es9014:2:date")
    first = decide_alone(run, command)
    assert (run.layout.train_version, run.layout.is_own) == (2, False)
    assert decide_alone(run, command) == LayoutPlan(
        first.plan_hash, counts=first.counts, is_applied=True, layout_etag="layout-1"
    )


def test_a_layout_job_for_a_run_that_was_made_from_the_newer_train_is_answered_as_done() -> None:
    run = a_run("A1 A1")
    decide_alone(run, asks_for_layout(AddCoach("3", "A", 1), train_version=3, layout_version_before=1))
    command = asks_for_layout(AddCoach("4", "A", 1), train_version=2, layout_version_before=1)
    assert decide_alone(run, command) == LayoutPlan(is_applied=True, layout_etag="layout-1")


def test_a_layout_job_keeps_a_layout_of_the_runs_own() -> None:
    run = a_run("A1 A1")
    change_layout(run, RemoveCoach("1"))
    assert run.layout.is_own
    with pytest.raises(OwnLayoutKept):
        decide_layout(run, asks_for_layout(AddCoach("3", "A", 1), train_version=2, layout_version_before=1))


def test_a_layout_job_waits_for_the_one_before_it() -> None:
    run = a_run("A1 A1")
    with pytest.raises(EarlierLayoutMissing):
        decide_layout(run, asks_for_layout(AddCoach("3", "A", 1), train_version=3, layout_version_before=2))
