"""Which notices follow from an event: who receives them, what they say, and by which channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.domain.booking import Booking
from app.domain.commands import CancelUnpaid, CreateBooking
from app.domain.events import Event, EventType, version_of
from app.domain.notices.from_events import EVENT_NOTICES, changed_numbers, kind_of, notices_for
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.notices.preferences import NotificationPreferences
from app.domain.people import Caller
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.cancel_unpaid import cancel_unpaid
from app.domain.rules.change_seat import change_seat
from app.domain.rules.close_waitlist import close_waitlist
from app.domain.rules.create_booking import create_booking
from app.domain.rules.update_booking import update_booking
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    DEPARTS_LONDON,
    NOW,
    a_person,
    a_run,
    asks_for_another_seat,
    asks_for_new_fields,
    asks_for_seats,
    asks_to_cancel,
    book,
    book_waitlisted,
    relatives,
)

EMAIL, SMS, LOG = NoticeChannelName.EMAIL, NoticeChannelName.SMS, NoticeChannelName.LOG
Received = list[tuple[str, NoticeKind, tuple[int, ...]]]


def events_of(run: TrainRun, rule: Callable[..., Any], command: Any, now: datetime = NOW) -> list[Event]:
    """Decide a command, and return the events of its commit."""
    rule(run, command, now)
    events = list(run.change_set.events)
    run.committed()
    return events


def create(run: TrainRun, command: CreateBooking, now: datetime) -> Booking:
    """Decide a sale to people who have no bookings on other runs."""
    return create_booking(run, command, now, {})


def received(event: Event, booking: Booking) -> Received:
    """Return the recipient, kind and passengers of each notice that the event makes by mail."""
    notices = notices_for(event, booking, {}, [EMAIL], NOW)
    return [(notice.recipient_key.partition("@")[0], notice.kind, notice.passenger_numbers) for notice in notices]


def notices_of_a_sale(
    preferences: Mapping[str, NotificationPreferences], enabled: list[NoticeChannelName], *who: str
) -> list[Notice]:
    run = a_run("A4")
    (event,) = events_of(run, create, asks_for_seats(*who or ("jane",)))
    return notices_for(event, run.bookings[event.subject], preferences, enabled, NOW)


def test_the_booker_gets_all_tickets_and_each_other_address_its_own() -> None:
    run = a_run("A4")
    command = asks_for_seats("jane", "ravi", *relatives("", "Lea"))
    (event,) = events_of(run, create, command)
    assert received(event, run.bookings[event.subject]) == [
        ("jane", NoticeKind.TICKET, (1, 2, 3)),
        ("ravi", NoticeKind.TICKET, (2,)),
    ]


def test_seven_passengers_of_one_address_get_one_mail() -> None:
    run = a_run("A9")
    family = relatives("home@example.com", "Ana", "Ben", "Cleo", "Dan", "Eva", "Fay", "Gus")
    command = asks_for_seats(*family, by="agent")
    (event,) = events_of(run, create, command)
    assert received(event, run.bookings[event.subject]) == [
        ("agent", NoticeKind.TICKET, tuple(range(1, 8))),
        ("home", NoticeKind.TICKET, tuple(range(1, 8))),
    ]


def test_a_booking_without_seats_is_on_the_waitlist() -> None:
    run = a_run("A1")
    book(run, "jane")
    waiting = book_waitlisted(run, "ravi")
    cancelled = events_of(run, cancel_booking, asks_to_cancel(next(iter(run.bookings.values()))))
    promoted = next(event for event in cancelled if event.event_type is EventType.BOOKING_PROMOTED)
    assert received(promoted, run.bookings[waiting.reference]) == [("ravi", NoticeKind.PROMOTED, (1,))]
    assert changed_numbers(promoted) == frozenset({1})


def test_who_leaves_a_booking_hears_of_a_cancellation_and_who_stays_of_nothing() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "ravi", "mia")
    (event,) = events_of(run, cancel_booking, asks_to_cancel(booking, "ravi"))
    assert received(event, run.bookings[booking.reference]) == [
        ("jane", NoticeKind.PASSENGERS_CANCELLED, (2,)),
        ("ravi", NoticeKind.BOOKING_CANCELLED, (2,)),
    ]


def test_who_left_before_hears_of_no_further_cancellation() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "ravi", "mia")
    events_of(run, cancel_booking, asks_to_cancel(booking, "ravi"))
    (event,) = events_of(run, cancel_booking, asks_to_cancel(run.bookings[booking.reference], "mia"))
    assert received(event, run.bookings[booking.reference]) == [
        ("jane", NoticeKind.PASSENGERS_CANCELLED, (3,)),
        ("mia", NoticeKind.BOOKING_CANCELLED, (3,)),
    ]
    (event,) = events_of(run, cancel_booking, asks_to_cancel(run.bookings[booking.reference]))
    assert received(event, run.bookings[booking.reference]) == [("jane", NoticeKind.BOOKING_CANCELLED, (1,))]


def test_a_recipient_keeps_its_name_while_one_of_its_passengers_leaves() -> None:
    run = a_run("A4")
    booking = book(run, a_person("jane"), *relatives("home@example.com", "Ana", "Ben"))
    (event,) = events_of(run, cancel_booking, asks_to_cancel(booking, 2))
    notices = notices_for(event, run.bookings[booking.reference], {}, [EMAIL], NOW)
    assert [(notice.addressee, notice.kind) for notice in notices] == [
        ("-", NoticeKind.PASSENGERS_CANCELLED),
        ("2", NoticeKind.PASSENGERS_CANCELLED),
    ]


def test_a_moved_seat_concerns_the_booker_and_who_sits_on_it() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "ravi", "mia")
    (event,) = events_of(run, change_seat, asks_for_another_seat(booking, who="mia", section="A", number=4))
    assert received(event, run.bookings[booking.reference]) == [
        ("jane", NoticeKind.SEAT_CHANGED, (1, 2, 3)),
        ("mia", NoticeKind.SEAT_CHANGED, (3,)),
    ]


def test_a_corrected_name_concerns_the_booker_and_that_passenger() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "ravi", "mia")
    command = asks_for_new_fields(booking, a_person("ravi", last_name="Rao"), numbers=(2,))
    (event,) = events_of(run, update_booking, command)
    assert received(event, run.bookings[booking.reference]) == [
        ("jane", NoticeKind.BOOKING_UPDATED, (1, 2, 3)),
        ("ravi", NoticeKind.BOOKING_UPDATED, (2,)),
    ]


def test_a_booking_that_gets_no_seat_expires() -> None:
    run = a_run("A1")
    book(run, "jane")
    waiting = book_waitlisted(run, "ravi")
    close_waitlist(run, DEPARTS_LONDON)
    (event,) = run.change_set.events
    assert received(event, run.bookings[waiting.reference]) == [("ravi", NoticeKind.WAITLIST_EXPIRED, (1,))]


def test_what_a_cancelled_booking_owes_is_corrected_without_a_notice() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    events_of(run, cancel_booking, asks_to_cancel(booking))
    command = CancelUnpaid(Caller(), booking.reference, run.run_id)
    (event,) = events_of(run, cancel_unpaid, command)
    assert event.event_type is EventType.BOOKING_CHANGED
    assert kind_of(event) is None


def test_an_event_of_an_earlier_version_concerns_all_recipients() -> None:
    run = a_run("A4")
    booking = book(run, "jane", "ravi", "mia")
    command = asks_for_new_fields(booking, a_person("ravi", last_name="Rao"), numbers=(2,))
    (event,) = events_of(run, update_booking, command)
    earlier = replace(event, data={name: said for name, said in event.data.items() if name != "changed_passenger_numbers"})
    assert [who for who, _, _ in received(earlier, run.bookings[booking.reference])] == ["jane", "ravi", "mia"]


def test_a_notice_follows_from_its_event_alone() -> None:
    (notice,) = notices_of_a_sale({}, [EMAIL])
    (again,) = notices_of_a_sale({}, [EMAIL])
    assert notice.notice_id.replace(notice.reference, "") == again.notice_id.replace(again.reference, "")
    assert "@" not in notice.notice_id
    assert notice.revision == 2
    assert notice.due_time == NOW


@pytest.mark.parametrize("kind", [NoticeKind.SEAT_CHANGED, NoticeKind.MOVED, NoticeKind.BOOKING_UPDATED])
def test_changes_wait_a_minute_for_further_ones(kind: NoticeKind) -> None:
    assert KIND_POLICIES[kind].gather_seconds == 60


def test_a_change_is_due_a_minute_after_it() -> None:
    run = a_run("A4")
    booking = book(run, "jane")
    (event,) = events_of(run, change_seat, asks_for_another_seat(booking, section="A", number=4))
    later = NOW + timedelta(minutes=5)  # the worker was away
    (notice,) = notices_for(event, run.bookings[booking.reference], {}, [EMAIL], later)
    assert notice.due_time == event.time + timedelta(minutes=1)
    assert notice.revision == version_of(event.sequence)


CHOSEN = NotificationPreferences


@pytest.mark.parametrize(
    ("preferences", "enabled", "channels"),
    [
        (CHOSEN(), [EMAIL], [EMAIL]),
        (CHOSEN(), [EMAIL, SMS, LOG], [EMAIL, LOG]),
        (CHOSEN(channels=(EMAIL, SMS), phone="+33612345678"), [EMAIL, SMS], [EMAIL, SMS]),
        (CHOSEN(channels=(SMS,), phone="+33612345678"), [EMAIL, SMS], [SMS]),
        # A preferred channel that nobody set up does not keep people from their tickets.
        (CHOSEN(channels=(SMS,), phone="+33612345678"), [EMAIL], [EMAIL]),
        (CHOSEN(channels=(SMS,), phone=""), [EMAIL, SMS], [EMAIL]),
        (CHOSEN(), [LOG], [LOG]),
        (CHOSEN(), [SMS], []),
        (CHOSEN(), [], []),
    ],
)
def test_each_preferred_channel_gets_a_notice(
    preferences: NotificationPreferences, enabled: list[NoticeChannelName], channels: list[NoticeChannelName]
) -> None:
    notices = notices_of_a_sale({"jane@example.com": preferences}, enabled)
    assert [notice.channel for notice in notices] == channels
    assert len({notice.notice_id for notice in notices}) == len(channels)


def test_every_event_of_a_booking_has_kinds() -> None:
    assert set(EVENT_NOTICES) == {event_type for event_type in EventType if event_type.group == "booking"}
    assert all("" in kinds for kinds in EVENT_NOTICES.values())
