"""The events that a run emits: the right ones, in order, with ids that follow from the commit, and no personal data."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.booking import Booking
from app.domain.commands import CancelBooking, IfFull
from app.domain.events import Event, EventType
from app.domain.refusals import Reason, Refusal
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.change_seat import change_seat
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.release_hold import release_hold
from app.domain.rules.update_booking import update_booking
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.store.event_documents import event_batch_document, events_from
from tests.support.builders import (
    NOW,
    a_caller,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    asks_to_hold,
    asks_to_release,
    authorized,
    book,
    book_waitlisted,
    cancel,
    current_booking,
    fill,
    hold,
    name_of,
    seeded_random,
)
from tests.support.random_commands import decide_some
from tests.support.run_snapshots import refused

LATER = NOW + timedelta(minutes=3)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def emitted(run: TrainRun) -> list[tuple[str, str]]:
    """Return the types and subjects of the events of the next commit."""
    return [(event.event_type.value, event.subject) for event in run.change_set.events]


# -- which changes emit events


def test_a_sale_emits_an_event() -> None:
    run = a_run("A4")
    booking = create_booking(run, asks_for_seats("ann", "ben", payment=authorized(4_000, time=LATER)), LATER, {})
    assert emitted(run) == [("booking.confirmed", booking.reference)]
    (event,) = run.change_set.events
    assert (event.run_id, event.time) == (run.run_id, LATER)
    assert event.data == {
        "state": "CONFIRMED",
        "seats": ["A-1", "A-2"],
        "passenger_count": 2,
        "passenger_numbers": [1, 2],
        "price_minor": 4_000,
        "refunded_minor": 0,
        "currency": "USD",
        "payment_id": "payment-1",
    }


def test_a_waitlist_entry_emits_an_event() -> None:
    run = a_run("A1")
    fill(run)
    waiting = create_booking(run, asks_for_seats("ann", section="A", if_full=IfFull.WAITLIST), LATER, {})
    assert emitted(run) == [("booking.waitlisted", waiting.reference)]
    assert (run.change_set.events[0].data["state"], run.change_set.events[0].data["seats"]) == ("WAITLISTED", [])


def test_new_names_and_another_seat_emit_events() -> None:
    run = a_run("A4")
    booking = book(run, "ann")
    update_booking(run, asks_for_new_fields(booking, a_person("eve")), LATER)
    change_seat(run, asks_for_another_seat(booking, who="eve", number=3), LATER)
    assert emitted(run) == [("booking.changed", booking.reference)] * 2
    assert [event.data["seats"] for event in run.change_set.events] == [["A-1"], ["A-3"]]


def test_a_cancellation_emits_an_event_before_those_of_promotions() -> None:
    run = a_run("A2")
    group = book(run, "ann", "ben")
    waiting = [book_waitlisted(run, who) for who in ("cem", "dot")]
    cancel_booking(run, asks_to_cancel(group), LATER)
    assert emitted(run) == [
        ("booking.cancelled", group.reference),
        ("booking.promoted", waiting[0].reference),
        ("booking.promoted", waiting[1].reference),
    ]
    first, second, _ = run.change_set.events
    assert (first.data["state"], first.data["refunded_minor"]) == ("CANCELLED", 4_000)
    assert (second.data["state"], second.data["seats"]) == ("CONFIRMED", ["A-1"])


def test_passengers_who_leave_a_group_emit_a_cancellation() -> None:
    run = a_run("A2")
    group = book(run, "ann", "ben")
    cancel_booking(run, asks_to_cancel(group, "ben"), LATER)
    assert emitted(run) == [("booking.cancelled", group.reference)]
    data = run.change_set.events[0].data
    assert (data["state"], data["passenger_count"], data["price_minor"], data["refunded_minor"]) == (
        "CONFIRMED",
        1,
        2_000,
        2_000,
    )


def test_a_move_emits_events_of_the_move_and_the_promotion() -> None:
    run = a_run("A1 B1")
    (sold,) = fill(run)
    waiting = book_waitlisted(run, "ann")
    change_seat(run, asks_for_another_seat(sold, section="B"), LATER)
    assert emitted(run) == [("booking.changed", sold.reference), ("booking.promoted", waiting.reference)]


def test_a_hold_and_its_release_emit_events() -> None:
    run = a_run("A4")
    held = hold_seats(run, asks_to_hold(count=2), NOW)
    release_hold(run, asks_to_release(run, held), LATER)
    assert emitted(run) == [("hold.placed", name_of(run, held)), ("hold.released", name_of(run, held))]
    expected = {"hold_id": name_of(run, held), "seats": ["A-1", "A-2"], "expire_time": held.expire_time.isoformat()}
    assert [event.data for event in run.change_set.events] == [expected, expected]


def test_an_expired_hold_emits_an_event_before_those_of_promotions() -> None:
    run = a_run("A2")
    long, short = hold(run, "ann", seconds=120), hold(run, "ben", seconds=60)
    waiting = [book_waitlisted(run, who) for who in ("cem", "dot")]
    expire_due(run, LATER)
    assert emitted(run) == [
        ("hold.expired", name_of(run, short)),
        ("hold.expired", name_of(run, long)),
        ("booking.promoted", waiting[0].reference),
        ("booking.promoted", waiting[1].reference),
    ]
    assert current_booking(run, waiting[0]).passengers[0].assigned_seat == short.seats[0]


def test_a_booking_with_a_hold_emits_only_the_event_of_the_booking() -> None:
    run = a_run("A4")
    held = hold(run)
    booking = create_booking(run, asks_for_seats("jane", hold_id=name_of(run, held)), NOW, {})
    assert emitted(run) == [("booking.confirmed", booking.reference)]


def test_a_closed_waitlist_emits_an_event_for_each_booking() -> None:
    run = a_run("A1")
    fill(run)
    waiting = [book_waitlisted(run, who) for who in ("ann", "ben")]
    expire_due(run, waitlist_closing_time(run))
    assert emitted(run) == [("booking.expired", booking.reference) for booking in waiting]
    assert [event.data["refunded_minor"] for event in run.change_set.events] == [2_000, 2_000]


# -- what emits no event


def test_a_command_that_changes_nothing_emits_nothing() -> None:
    run = a_run("A4")
    command = asks_for_seats("ann", section="A")
    booking = create_booking(run, command, NOW, {})
    asked = asks_to_hold()
    held = hold_seats(run, asked, NOW)
    gone = cancel(run, book(run, "ben"))
    released = hold(run, "cem")
    decide(run, asks_to_release(run, released), NOW, {})
    run.committed()
    for same in (
        command,
        asked,
        asks_to_cancel(gone),
        asks_to_cancel(booking, validate_only=True),
        asks_for_another_seat(booking, number=1),
        asks_for_new_fields(booking, booking.passengers[0].person),
        asks_to_release(run, released),
    ):
        decide(run, same, NOW, {})
    expire_due(run, NOW)
    assert run.holds == {held.key: held}
    assert not run.change_set.events


def test_a_refused_command_emits_nothing() -> None:
    run = a_run("A2")
    booking = book(run, "ann")
    held = hold(run, "ben")
    mallory = a_caller("mallory")
    for command in (
        asks_for_seats("ann"),
        asks_for_seats("cem", section="A"),
        asks_for_seats("cem", section="A", seats=[1]),
        asks_for_seats("cem", "dot", by="ben", hold_id=name_of(run, held)),
        asks_for_seats("cem", section="A", payment=authorized(0)),
        asks_to_hold("cem"),
        asks_to_release(run, held, by=mallory),
        asks_to_cancel(booking, by=mallory),
        asks_to_cancel(booking, "eve"),
        asks_for_another_seat(booking, number=2),
    ):
        with pytest.raises(Refusal):
            decide(run, command, NOW, {})
        assert not run.change_set.events


def test_a_refusal_in_a_batch_leaves_no_gap_in_the_sequence() -> None:
    run = a_run("A2")
    first = create_booking(run, asks_for_seats("ann", section="A"), NOW, {})
    with pytest.raises(Refusal):
        decide(run, asks_for_seats("ann", section="A"), NOW, {})
    second = create_booking(run, asks_for_seats("ben", section="A"), NOW, {})
    assert emitted(run) == [("booking.confirmed", first.reference), ("booking.confirmed", second.reference)]
    assert [event.event_id.rpartition(":")[2] for event in run.change_set.events] == ["0", "1"]


def test_undo_drops_the_events() -> None:
    run = a_run("A2")
    booking = create_booking(run, asks_for_seats("ann"), NOW, {})
    hold_seats(run, asks_to_hold(), NOW)
    run.undo()
    assert run.change_set.events == []
    again = create_booking(run, asks_for_seats("ben"), NOW, {})
    assert emitted(run) == [("booking.confirmed", again.reference)]
    assert again.reference != booking.reference


# -- ids and order


def test_event_ids_follow_from_the_commit_and_their_place_in_it() -> None:
    run = a_run("A4")
    run.version = 41
    for who in ("ann", "ben", "cem"):
        create_booking(run, asks_for_seats(who), NOW, {})
    assert [event.event_id for event in run.change_set.events] == [f"es9014:2026-09-01:42:{index}" for index in range(3)]
    run.committed()
    create_booking(run, asks_for_seats("dot"), NOW, {})
    assert [event.event_id for event in run.change_set.events] == ["es9014:2026-09-01:43:0"]


def test_the_sequence_rises_through_each_commit_and_from_one_to_the_next() -> None:
    run, chance = a_run("A3 B2"), seeded_random(7)
    sequences: list[int] = []
    names: list[str] = []
    kinds: set[EventType] = set()
    now = NOW
    for _ in range(300):
        now += timedelta(seconds=chance.choice((0, 200)))
        decide_some(run, chance, 5, now)
        if chance.random() < 0.3:
            run.undo()
            continue
        sequences += [event.sequence for event in run.change_set.events]
        names += [event.event_id for event in run.change_set.events]
        kinds.update(event.event_type for event in run.change_set.events)
        run.committed()
    assert sequences == sorted(set(sequences))
    assert len(set(names)) == len(names) == len(sequences) > 100
    assert len(kinds) == 8, "all that can happen on a run, except that its line closes"


def test_each_changed_booking_emits_an_event_and_no_other_does() -> None:
    run, chance, now = a_run("A3 B2"), seeded_random(8), NOW
    for _ in range(150):
        now += timedelta(seconds=chance.choice((0, 200)))
        decide_some(run, chance, 4, now)
        subjects = {event.subject for event in run.change_set.events if event.event_type.group == "booking"}
        assert subjects == set(run.change_set.bookings)
        latest = {event.subject: event.data["state"] for event in run.change_set.events if event.event_type.group == "booking"}
        assert latest == {reference: run.bookings[reference].state.value for reference in run.change_set.bookings}
        run.committed()


def test_events_carry_the_trace_of_their_call() -> None:
    run = a_run("A4")
    jane = replace(a_caller("jane"), trace_parent=TRACE)
    booking = create_booking(run, replace(asks_for_seats("jane"), caller=jane), NOW, {})
    held = hold_seats(run, replace(asks_to_hold(), caller=jane), NOW)
    update_booking(run, asks_for_new_fields(booking, a_person("eve"), by=jane), NOW)
    change_seat(run, asks_for_another_seat(booking, who="eve", number=4, by=jane), NOW)
    release_hold(run, asks_to_release(run, held, by=jane), NOW)
    cancel_booking(run, asks_to_cancel(booking, by=jane), NOW)
    assert [event.trace_parent for event in run.change_set.events] == [TRACE] * 6


def test_events_without_a_caller_have_no_trace() -> None:
    run = a_run("A1")
    hold(run, seconds=60)
    book_waitlisted(run, "ann")
    expire_due(run, LATER)
    assert [event.trace_parent for event in run.change_set.events] == ["", ""]


# -- content


def every_kind_of_event() -> TrainRun:
    """A run whose next commit has an event of every type, of people whose names and addresses are easy to find."""
    run = a_run("A2 B1")
    people = [a_person(f"zebulon{number}", first_name="Zebulon", last_name="Quagmire") for number in range(3)]
    sold = create_booking(run, replace(asks_for_seats("zebulon0", section="A"), passengers=tuple(people[:1])), NOW, {})
    held = hold_seats(run, asks_to_hold("zebulon5", seconds=60), NOW)
    waiting: list[Booking] = [
        create_booking(run, asks_for_seats(f"zebulon{number}", section="A", if_full=IfFull.WAITLIST), NOW, {})
        for number in (1, 2, 3, 4)
    ]
    update_booking(run, asks_for_new_fields(sold, people[0], by=a_caller("zebulon0"), fields=["first_name"]), NOW)
    change_seat(run, asks_for_another_seat(sold, section="B"), NOW)
    cancel_booking(run, CancelBooking(a_caller("zebulon0"), sold.reference), NOW)
    expire_due(run, held.expire_time)
    release_hold(run, asks_to_release(run, hold_seats(run, asks_to_hold("zebulon6", section="B"), NOW)), NOW)
    expire_due(run, waitlist_closing_time(run))
    assert waiting[3].reference in [
        event.subject for event in run.change_set.events if event.event_type.value == "booking.expired"
    ]
    return run


def test_events_contain_no_personal_data() -> None:
    run = every_kind_of_event()
    assert len({event.event_type for event in run.change_set.events}) == 9
    for event in run.change_set.events:
        text = json.dumps([event.event_id, event.subject, event.data]).lower()
        assert "zebulon" not in text
        assert "quagmire" not in text
        assert "@" not in text


def events_of_one_moment() -> list[Event]:
    return [replace(event, time=NOW) for event in every_kind_of_event().change_set.events]


def test_the_events_of_a_commit_are_decoded_as_they_were_encoded() -> None:
    events = events_of_one_moment()
    document = event_batch_document(events)
    assert document["event_count"] == len(events) > 9
    assert events_from(document | {"time": document["time"].replace(tzinfo=NOW.tzinfo)}) == events


def test_events_of_two_moments_are_not_those_of_one_commit() -> None:
    first, *others = events_of_one_moment()
    with pytest.raises(ValueError, match="one time"):
        event_batch_document([replace(first, time=NOW - timedelta(seconds=1)), *others])


def test_a_refused_waitlist_entry_emits_nothing() -> None:
    run = a_run("A1")
    fill(run)
    waiting = asks_for_seats("ann", "ben", section="A", if_full=IfFull.WAITLIST)
    with refused(Reason.SECTION_FULL, run):
        create_booking(run, waiting, NOW, {})
