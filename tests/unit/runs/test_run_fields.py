"""The fields of a run: whatever commands change is recorded, and undo takes it back."""

from copy import deepcopy

import pytest

from app.domain.events import EventType
from app.domain.rules.create_booking import create_booking
from app.domain.run.train_run import RUN_FIELDS, TrainRun
from tests.support.builders import LILLE, NOW, a_run, asks_for_seats, book, cancel, fill, hold
from tests.support.run_changes import CHANGES, a_delay_record, lengthen
from tests.support.run_snapshots import snapshot


def test_there_is_a_change_for_every_field_of_a_run() -> None:
    assert set(CHANGES) == set(RUN_FIELDS)


@pytest.fixture
def run() -> TrainRun:
    """A run with a bit of everything."""
    run = a_run("A3 A1 B4")
    book(run, "bob", section="B", origin=LILLE)
    hold(run, "cem", section="B")
    run.committed()
    return run


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_each_field_is_recorded_and_undone(run: TrainRun, name: str) -> None:
    before = snapshot(run)
    CHANGES[name](run)
    assert run.change_set.replaced[name]
    assert run.change_set
    assert snapshot(run) != before
    run.undo()
    assert snapshot(run) == before
    assert not run.change_set


@pytest.mark.parametrize("name", CHANGES)
def test_a_run_takes_each_field_over_from_a_newer_reading(run: TrainRun, name: str) -> None:
    newer = deepcopy(run)
    CHANGES[name](newer)
    newer.committed()
    run.refresh_from(newer)
    run.apply_newer(newer.bookings.values())
    assert snapshot(run) == snapshot(newer)


def test_an_event_alone_makes_a_change_set() -> None:
    run = a_run()
    run.emit(EventType.RUN_DELAYED, run.run_id, {}, NOW)
    assert run.change_set
    run.undo()
    assert not run.change_set


@pytest.mark.parametrize("name", ["sold_legs", "next_number", "bookings"])
def test_what_a_sale_sets_directly_is_what_the_general_way_sets(run: TrainRun, name: str) -> None:
    direct, general = deepcopy(run), deepcopy(run)
    create_booking(direct, asks_for_seats("ann", "dan", request_id="click", section="A"), NOW, {})
    for key in direct.change_set.replaced[name]:
        general._set(name, key, RUN_FIELDS[name].get(direct, key))
    assert general.change_set.replaced[name] == direct.change_set.replaced[name]
    for key in direct.change_set.replaced[name]:
        assert RUN_FIELDS[name].get(general, key) == RUN_FIELDS[name].get(direct, key)


def test_a_booking_of_a_late_run_keeps_the_scheduled_times() -> None:
    run = a_run()
    on_time = book(run, "ann").journey
    run.set_delay(a_delay_record())
    assert book(run, "ben").journey == on_time
    assert run.schedule.late_minutes(on_time) == 40


# -- sections


def test_undo_takes_back_seats_that_were_sold_before_and_after_the_layout_changed() -> None:
    run = a_run("A2 B2")
    fill(run)
    before = snapshot(run)
    create_booking(run, asks_for_seats("ann", section="B", origin=LILLE), NOW, {})
    lengthen(run)
    create_booking(run, asks_for_seats("ben", section="A"), NOW, {})
    lengthen(run, seats=3)
    create_booking(run, asks_for_seats("cem", "dan", "eve", section="A"), NOW, {})
    run.undo()
    assert snapshot(run) == before


def test_a_longer_section_sells_its_new_seats() -> None:
    run = a_run("A2")
    bookings = fill(run)
    lengthen(run, seats=2)
    run.committed()
    cancel(run, bookings[0])
    assert [book(run, who).passengers[0].assigned_seat.number for who in ("ann", "ben", "cem")] == [3, 4, 1]
