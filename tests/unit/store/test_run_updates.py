"""The update of a commit: only the paths that changed, so that its size depends on the batch and not on the train."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import bson
import pytest

from app.domain.booking import Booking
from app.domain.commands import IfFull
from app.domain.events import Event, EventType
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.update_booking import update_booking
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.store.booking_documents import booking_document, booking_from
from app.store.event_documents import event_batch_document
from app.store.run_documents import run_document, run_from
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    book,
    book_waitlisted,
    cancel,
    fill,
    hold,
    name_of,
    seeded_random,
)
from tests.support.random_commands import decide_some
from tests.support.run_snapshots import snapshot

# What every commit writes, before and behind the seats.
LINE = ("waiting.1", "waiting.2", "waiting_number")
TOLD, COMMITTED = ("outbox", "recent"), ("unsettled_since", "version")
DECODING: bson.CodecOptions[dict[str, Any]] = bson.CodecOptions(tz_aware=True)


def update_of(run: TrainRun) -> dict[str, Any]:
    """Return the update of the change set, with the changed bookings as recent ones."""
    recent = [booking_document(run.bookings[reference]) for reference in run.change_set.bookings]
    return run_update(run, recent, [event_batch_document(run.change_set.events)] if run.change_set.events else [])


def paths(update: dict[str, Any]) -> dict[str, list[str]]:
    return {operator: sorted(values) for operator, values in update.items()}


# -- which paths


def test_a_booking_writes_its_seat_the_counter_and_itself() -> None:
    run = a_run("A4 B4")
    booking = create_booking(run, asks_for_seats("ann", section="B"), NOW, {})
    update = update_of(run)
    assert paths(update) == {
        "$set": ["outbox", "recent", "sections.1.next_number", "sections.1.sold_legs.0", "unsettled_since", "version"]
    }
    assert update["$set"]["version"] == run.version + 1
    assert update["$set"]["sections.1.sold_legs.0"] == 0b111
    assert [booking["_id"] for booking in update["$set"]["recent"]] == [booking.reference]


def test_a_booking_of_some_legs_writes_the_legs_that_stay_free() -> None:
    run = a_run("A4")
    create_booking(run, asks_for_seats("ann", origin=LONDON, destination=ASHFORD), NOW, {})
    update = update_of(run)
    assert update["$set"]["sections.0.freed.1"] == [[1, 0b110]]
    assert update["$set"]["freed_sequence"] == 1


def test_a_booking_of_a_freed_seat_removes_its_freed_legs() -> None:
    run = a_run("A2")
    cancel(run, fill(run)[0])
    create_booking(run, asks_for_seats("ann"), NOW, {})
    assert paths(update_of(run)) == {
        "$set": [*TOLD, "sections.0.sold_legs.0", *COMMITTED],
        "$unset": ["sections.0.freed.1"],
    }


def test_a_chosen_seat_does_not_write_the_counter() -> None:
    run = a_run("A4")
    create_booking(run, asks_for_seats("ann", section="A", seats=[3]), NOW, {})
    assert paths(update_of(run)) == {"$set": [*TOLD, "sections.0.sold_legs.2", *COMMITTED]}


def test_a_change_of_names_writes_no_seat() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    update_booking(run, asks_for_new_fields(booking, a_person("eve")), NOW)
    assert paths(update_of(run)) == {"$set": [*TOLD, *COMMITTED]}


def test_a_commit_without_events_says_since_when_it_carries_others_along() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    event = Event("e", EventType.BOOKING_CONFIRMED, run.run_id, 200_000, NOW, booking.reference, {}, "")
    older, later = (event_batch_document([replace(event, time=NOW + timedelta(seconds=late))]) for late in (0, 5))
    recent = booking_document(booking)
    read_by_another_server = bson.decode(bson.encode(later), DECODING)
    run.set_hidden(hidden=True)
    for outbox in ([older, later], [later, older], [read_by_another_server, older], [{"_id": "unreadable"}, later]):
        written = run_update(run, [recent], outbox)["$set"]["unsettled_since"]
        assert written == (NOW + timedelta(seconds=5)).replace(tzinfo=None)
    assert run_update(run, [recent], [])["$set"]["unsettled_since"] == recent["update_time"]
    assert "unsettled_since" in run_update(run, [], [])["$unset"]


def test_a_batch_is_the_sum_of_its_changes() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    change_seat(run, asks_for_another_seat(booking, number=3), NOW)
    create_booking(run, asks_for_seats("ben", section="A"), NOW, {})
    update = update_of(run)
    assert paths(update)["$set"] == [
        "freed_sequence",
        "outbox",
        "recent",
        "sections.0.freed.1",
        "sections.0.next_number",
        "sections.0.sold_legs.0",
        "sections.0.sold_legs.1",
        "sections.0.sold_legs.2",
        "unsettled_since",
        "version",
    ]
    assert len(update["$set"]["recent"]) == 2


def test_a_hold_writes_its_seats_and_no_booking() -> None:
    run = a_run("A4")
    held = hold_seats(run, asks_to_hold(count=2), NOW)
    update = update_of(run)
    assert paths(update)["$set"] == [
        f"holds.{held.key}",
        "next_due",
        "outbox",
        "recent",
        "sections.0.next_number",
        "sections.0.sold_legs.0",
        "sections.0.sold_legs.1",
        *COMMITTED,
    ]
    assert update["$set"]["recent"] == []
    assert update["$set"]["next_due"] == held.expire_time


def test_a_booking_with_a_hold_writes_no_seat() -> None:
    run = a_run("A4")
    held = hold(run)
    create_booking(run, asks_for_seats("jane", hold_id=name_of(run, held)), NOW, {})
    assert paths(update_of(run)) == {
        "$set": [f"ended_holds.{held.key}", "next_due", *TOLD, *COMMITTED],
        "$unset": [f"holds.{held.key}"],
    }
    assert update_of(run)["$set"]["next_due"] == DEPARTS_LONDON


def test_a_waitlist_entry_is_written_under_its_ticket_number() -> None:
    run = a_run("A1")
    (sold,) = fill(run)
    for who in ("ann", "ben"):
        create_booking(run, asks_for_seats(who, section="A", if_full=IfFull.WAITLIST), NOW, {})
    update = update_of(run)
    assert paths(update) == {"$set": ["next_due", *TOLD, *COMMITTED, *LINE]}
    run.committed()
    cancel_booking(run, asks_to_cancel(sold), NOW)
    assert paths(update_of(run))["$unset"] == ["sections.0.freed.1", "waiting.1"]
    assert update_of(run)["$set"]["next_due"] == waitlist_closing_time(run)
    assert "waiting_number" not in update_of(run)["$set"]


# -- documents and back


def test_the_document_after_each_commit_equals_the_run() -> None:
    run = a_run("A3 B2")
    bookings = fill(run)
    document = run_document(run, NOW)
    steps: list[Callable[[], Booking]] = [
        lambda: cancel_booking(run, asks_to_cancel(bookings[1]), NOW),
        lambda: create_booking(run, asks_for_seats("ann", "ben", section="B", origin=LILLE), NOW, {}),
        lambda: change_seat(run, asks_for_another_seat(bookings[0], number=2), NOW),
        lambda: create_booking(run, asks_for_seats("cem", section="A"), NOW, {}),
        lambda: cancel_booking(run, asks_to_cancel(bookings[2]), NOW),
    ]
    for step in steps:
        step()
        document = applied(document, update_of(run))
        run.committed()
        assert snapshot(run_from(bson.decode(bson.encode(document), DECODING)))["sections"] == snapshot(run)["sections"]
        assert (document["version"], document["freed_sequence"]) == (run.version, run.freed_sequence)


@pytest.mark.parametrize("seed", range(8))
def test_the_document_after_each_batch_equals_the_run_with_holds_and_waitlist(seed: int) -> None:
    chance = seeded_random(seed)
    run, now = a_run("A3 A1 B4"), NOW
    document = bson.decode(bson.encode(run_document(run, NOW)), DECODING)
    held = waited = 0
    for _ in range(150):
        now += timedelta(seconds=chance.choice((0, 0, 1, 100)))
        decide_some(run, chance, 5, now)
        if not run.change_set:
            continue
        held, waited = held + bool(run.change_set.replaced["holds"]), waited + bool(run.change_set.replaced["waitlist"])
        document = bson.decode(bson.encode(applied(document, update_of(run))), DECODING)
        run.committed()
        again = run_from(document)
        again.apply_newer(run.bookings.values())
        assert snapshot(again) == snapshot(run)
    assert min(held, waited) >= 5, "hardly anybody held a seat or waited; this proves little"


def test_a_closed_waitlist_leaves_nothing_in_the_document() -> None:
    run = a_run("A1")
    fill(run)
    document = run_document(run, NOW)
    for who in ("ann", "ben"):
        create_booking(run, asks_for_seats(who, section="A", if_full=IfFull.WAITLIST), NOW, {})
    document = applied(document, update_of(run))
    run.committed()
    assert run_from(document).waitlist == run.waitlist != {}
    expire_due(run, waitlist_closing_time(run))
    document = applied(document, update_of(run))
    assert (document["waiting"], document["waiting_number"]) == ({}, 2)


def test_a_waitlisted_booking_is_decoded_without_a_seat() -> None:
    run = a_run("A2")
    fill(run)
    waiting = cancel(run, book_waitlisted(run, "ann", "ben"), "ann")
    assert booking_from(bson.decode(bson.encode(booking_document(waiting)), DECODING)) == waiting


def test_a_decoded_booking_equals_the_encoded_one() -> None:
    run = a_run("A4")
    booking = cancel(run, book(run, "ann", "Ben+Rail@Example.com", origin=ASHFORD), "ann")
    assert booking_from(bson.decode(bson.encode(booking_document(booking)), DECODING)) == booking


# -- how much is written


def bytes_of_one_sale(seats: int, sold_before: int) -> int:
    run = a_run(" ".join(["A100"] * (seats // 100)))
    for number in range(1, sold_before + 1):
        book(run, f"p{number:04}")
    run.version = 1_000
    create_booking(run, asks_for_seats("ann", request_id="click", section="A"), NOW, {})
    return len(bson.encode(update_of(run)))


@pytest.mark.parametrize("sold_before", [0, 99, 1_999])
def test_a_booking_writes_as_much_on_a_large_train_as_on_a_small_one(sold_before: int) -> None:
    small, large = bytes_of_one_sale(100, 0), bytes_of_one_sale(2_000, sold_before)
    digits = len("1999") - len("0") + len("20") - len("1") + len("A-2000") - len("A-1")  # of index, coach and seat
    assert small <= large <= small + digits
    assert large < 1_600


def test_a_group_writes_in_proportion_to_its_size() -> None:
    run = a_run("A100")
    create_booking(run, asks_for_seats(*(f"p{number}" for number in range(9))), NOW, {})
    assert len(bson.encode(update_of(run))) < 9 * bytes_of_one_sale(100, 0)
