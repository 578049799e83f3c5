"""A sample of each notice, for operators who look at the words before anybody has booked.

Belongs here: a booking that nobody made. Does not belong here: the words (`app/notifications`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.booking import Booking, BookingState, Passenger, RefundDue, RefundReason, Seat
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import NoticeKind
from app.domain.notices.preferences import Language
from app.domain.passenger import identity_of
from app.domain.people import Person
from app.domain.run.delay_record import DelayRecord
from app.domain.run.run_schedule import RunSchedule
from app.domain.ticket.ticket import make_tickets
from app.domain.timetable import Journey, Stop, legs_between
from app.ports.notices import NoticeContent

_REFERENCE = "SAMPLE"
_PEOPLE = (Person("Zoë", "Müller", "zoe@example.com"), Person("Νίκος", "Παπαδόπουλος", ""))
_FARE_MINOR = 4_900
_LATE_MINUTES = 40
_RIDE = timedelta(hours=2, minutes=30)
_WAITING = frozenset({NoticeKind.WAITLISTED, NoticeKind.WAITLIST_EXPIRED})
# Kinds about a booking that is not CONFIRMED.
_STATES: Mapping[NoticeKind, BookingState] = MappingProxyType(
    {
        NoticeKind.WAITLISTED: BookingState.WAITLISTED,
        NoticeKind.WAITLIST_EXPIRED: BookingState.EXPIRED,
        NoticeKind.BOOKING_CANCELLED: BookingState.CANCELLED,
        NoticeKind.RUN_CANCELLED: BookingState.CANCELLED,
        NoticeKind.REFUNDED: BookingState.CANCELLED,
    }
)
# Kinds that say that all money is returned, and why.
_FULL_REFUNDS: Mapping[NoticeKind, RefundReason] = MappingProxyType(
    {NoticeKind.WAITLIST_EXPIRED: RefundReason.WAITLIST, NoticeKind.RUN_CANCELLED: RefundReason.RUN_CANCELLED}
)


def sample_content(kind: NoticeKind, now: datetime) -> NoticeContent:
    """Return the content of a notice about two passengers who travel tomorrow."""
    depart = (now + timedelta(days=1)).replace(minute=24, second=0, microsecond=0)
    stops = (
        Stop("London St Pancras", "STP", "Europe/London", None, depart),
        Stop("Paris Gare du Nord", "PNO", "Europe/Paris", depart + _RIDE, None),
    )
    delay = DelayRecord((_LATE_MINUTES, _LATE_MINUTES), report_time=now) if kind is NoticeKind.DELAYED else DelayRecord()
    schedule = RunSchedule(stops, delay)
    booking = _booking(kind, depart, now)
    tickets = make_tickets(booking, schedule, booking.journey.train_number, 1) if KIND_POLICIES[kind].has_tickets else ()
    withdraws = KIND_POLICIES[kind].withdraws_tickets
    return NoticeContent(
        kind=kind,
        booking=booking,
        passengers=booking.passengers[1:] if withdraws and tickets else booking.passengers,
        is_whole_booking=True,
        recipient_name=f"{_PEOPLE[0].first_name} {_PEOPLE[0].last_name}",
        schedule=schedule,
        train_number=booking.journey.train_number,
        travel_date=booking.journey.travel_date,
        content_revision=1,
        language=Language.ENGLISH,
        tickets=tickets[:1] if withdraws else tickets,
        refunds=booking.refunds,
        waitlist_position=3 if kind is NoticeKind.WAITLISTED else 0,
    )


def _booking(kind: NoticeKind, depart: datetime, now: datetime) -> Booking:
    journey = Journey(
        "sample", depart.date().isoformat(), "ES 9014", "London St Pancras", "Paris Gare du Nord", legs_between(0, 1),
        depart, depart + _RIDE,
    )  # fmt: skip
    passengers = tuple(_passenger(number, person) for number, person in enumerate(_PEOPLE, 1))
    if kind in _WAITING:
        passengers = tuple(replace(passenger, seat=None) for passenger in passengers)
    return Booking(
        reference=_REFERENCE,
        request_id="",
        fingerprint="",
        state=_STATES.get(kind, BookingState.CONFIRMED),
        user=_PEOPLE[0],
        user_key=_PEOPLE[0].key,
        passengers=passengers,
        cancelled_passengers=(),
        journey=journey,
        currency="EUR",
        create_time=now,
        update_time=now,
        revision=1,
        charged_minor=2 * _FARE_MINOR,
        refunds=(_refund(kind, now),),
    )


def _refund(kind: NoticeKind, now: datetime) -> RefundDue:
    fares = 2 if kind in _FULL_REFUNDS else 1
    return RefundDue("sample", fares * _FARE_MINOR, now, _FULL_REFUNDS.get(kind, RefundReason.TERMS))


def _passenger(number: int, person: Person) -> Passenger:
    email, key = identity_of(person, _PEOPLE[0].key)
    return Passenger(person, number, email, key, Seat("A", "1", number), _FARE_MINOR)
