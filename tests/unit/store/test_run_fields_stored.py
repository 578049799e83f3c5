"""The stored fields of a run: each field that commands change is written by the commit, and comes back from the document."""

from datetime import timedelta
from typing import Any

import bson
import pytest

from app.domain.run import train_run
from app.domain.run.delay_record import NO_DELAY
from app.domain.run.layout_record import NEW_LAYOUT
from app.domain.run.train_run import TrainRun
from app.store import run_fields
from app.store.booking_documents import booking_document
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document, run_from
from app.store.run_updates import run_update
from app.store.shapes import UnreadableError
from app.store.stored_fields import StoredWhole
from tests.support.applied_updates import applied
from tests.support.builders import DEPARTS_LONDON, LILLE, NOW, a_run, book, fill, hold
from tests.support.run_changes import CHANGES, a_cancellation, a_delay_record, lengthen
from tests.support.run_snapshots import snapshot

DECODING: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)


def test_every_field_that_commands_change_has_a_row_in_the_store() -> None:
    stored = {field.name for field in run_fields.SECTION_FIELDS} | {field.name for field in run_fields.RUN_FIELDS}
    assert stored | {"bookings"} == set(train_run.RUN_FIELDS)  # bookings go to `recent`


def test_derived_fields_follow_from_fields_that_there_are() -> None:
    for derived in run_fields.DERIVED_FIELDS:
        assert set(derived.sources) <= set(train_run.RUN_FIELDS)


@pytest.fixture
def run() -> TrainRun:
    """A run with a bit of everything."""
    run = a_run("A3 A1 B4")
    book(run, "bob", section="B", origin=LILLE)
    hold(run, "cem", section="B")
    return run


def read_again(run: TrainRun, document: dict[str, Any]) -> TrainRun:
    """Return the run as another server reads it, with the same bookings."""
    again = run_from(bson.decode(bson.encode(document), DECODING))
    again.apply_newer(run.bookings.values())
    return again


def update_of(run: TrainRun) -> dict[str, Any]:
    events = run.change_set.events
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    return run_update(run, recent, [event_batch_document(events)] if events else [])


def test_a_run_comes_back_from_its_document_as_it_was(run: TrainRun) -> None:
    assert snapshot(read_again(run, run_document(run, NOW))) == snapshot(run)


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_each_field_is_written(run: TrainRun, name: str) -> None:
    document = run_document(run, NOW)
    CHANGES[name](run)
    document = applied(document, update_of(run))
    run.committed()
    assert snapshot(read_again(run, document)) == snapshot(run)
    derived = {field.path: field.value(run) for field in run_fields.DERIVED_FIELDS}
    assert {path: document.get(path) for path in derived} == derived


def test_a_delay_writes_its_record_and_what_follows_from_it(run: TrainRun) -> None:
    run.set_delay(a_delay_record())
    update = update_of(run)["$set"]
    assert sorted(update) == ["arrive_time", "delay", "next_due", "outbox", "recent", "version"]
    assert update["arrive_time"] == run.schedule.scheduled_arrive_time + timedelta(minutes=40)


def test_the_arrival_of_a_train_that_ends_earlier_is_that_at_its_last_stop(run: TrainRun) -> None:
    run.set_cancellation(a_cancellation(from_stop=2))
    assert update_of(run)["$set"]["arrive_time"] == run.stops[2].arrive


def test_a_new_layout_is_written_as_a_whole_and_no_seat_of_it_by_its_own_path(run: TrainRun) -> None:
    document = run_document(run, NOW)
    fill(run)
    document = applied(document, {"$set": run_document(run, NOW)})
    book(run, "ann", section="B")
    document = applied(document, {"$set": run_document(run, NOW)})
    run.sell(1, 4, 0b1)
    lengthen(run, seats=2)
    run.sell(0, 5, 0b111)
    update = update_of(run)
    assert [path for path in update["$set"] if path.startswith("sections")] == ["sections"]
    document = applied(document, update)
    run.committed()
    assert snapshot(read_again(run, document)) == snapshot(run)


def test_a_field_with_a_default_may_be_missing_from_a_document(run: TrainRun) -> None:
    field = StoredWhole("last_ticket_number", int, path="waiting_number", default=0)
    document = run_document(run, NOW)
    assert field.decode(document | {"waiting_number": 7}) == 7
    del document["waiting_number"]
    assert field.decode(document) == 0
    with pytest.raises(KeyError):
        StoredWhole("last_ticket_number", int, path="waiting_number").decode(document)


@pytest.mark.parametrize("ranges", [[[0, 1]], [[2, 10**12]], [[1, 2], [4, 5]]])
def test_retired_numbers_of_no_seat_make_a_run_unreadable(run: TrainRun, ranges: list[list[int]]) -> None:
    document = run_document(run, NOW)
    document["sections"][0]["retired"] = [[2, 4]]
    assert run_from(document).sections[0].retired == {2, 3, 4}
    document["sections"][0]["retired"] = ranges
    with pytest.raises(UnreadableError, match="retired"):
        run_from(document)


def test_a_run_of_an_earlier_version_has_the_usual_values(run: TrainRun) -> None:
    document = run_document(run, NOW)
    del document["made_from_version"], document["clock_state"]
    again = run_from(document)
    assert (again.clock_state, again.delay, again.cancellation, again.sales_windows) == (None, NO_DELAY, None, ())
    assert not again.is_compacted
    assert (again.made_from_version, again.layout, again.hidden, again.retired_sections) == (1, NEW_LAYOUT, False, [])
    assert (again.layout_reservation, again.last_displaced_number) == (None, 0)


def test_a_new_run_stores_no_field_that_has_its_usual_value() -> None:
    document = run_document(a_run(), NOW)
    usual = {
        "layout",
        "layout_reservation",
        "retired_sections",
        "last_displaced_number",
        "hidden",
        "eventless_version",
        "delay",
        "cancellation",
        "sales_windows",
        "is_compacted",
    }
    assert not usual.intersection(document)
    assert (document["clock_state"], document["next_due"]) == ("SCHEDULED", DEPARTS_LONDON)
    assert "retired" not in document["sections"][0]
