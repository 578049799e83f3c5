"""Documents: how domain values look in MongoDB.

Belongs here: the shape of every document, both ways. Does not: statements.

train_runs  {_id: "<train_id>:<date>", schema_version, version, train_id, travel_date, number, stops: [...],
             stop_forms: [...], arrive_time: at the last stop, missing where an earlier version has made the run,
             sections: [{name, fare_minor, currency, coaches, next_number, sold_legs: [an integer per seat],
             freed: {"<seat number>": [[sequence, legs], ...]}}], freed_sequence, terms,
             ended_holds: {"<key>": [owner_key, legs, [[section, number], ...], expire_time, was_used]},
             holds: {"<key>": {owner_key, legs, seats: [[section, coach, number], ...], fare_minor, expire_time, ...}},
             waiting: {"<number>": [reference, section, legs, count]}, waiting_number,
             recent: [bookings], outbox: [documents as in events]}
bookings    {_id: reference, schema_version, run_id, request_id, fingerprint, state, user, emails: [as compared],
             passengers: [...], cancelled_passengers: [...], currency, revision, create_time, update_time, wanted_section,
             waiting_number, payment_id, authorization_id, charged_minor, refunds: [{id, minor, time}], changes_before,
             is_vacated, and the whole journey}; a passenger is {passenger_number, first_name, last_name, email, section,
             coach, number, fare_minor}
events      {_id: "<run>:<version>", run_id, version, time, event_count, events: [{type, subject, data, trace_parent}], is_new},
            all events of one commit
trains      {_id: train_id, ...}
users       {_id: address as compared, first_name, last_name, email, create_time; once changed: version, update_time}

Documents without a `schema_version` are of the first version: passengers have no `passenger_number` and are numbered by order,
those who travel before those who have left. Keys of passengers are not stored; they follow from names and addresses.

The seats are arrays of integers, so that a sale writes one number at a known path, whatever the size of the train.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from app.domain.booking import Booking, BookingState, Passenger, RefundDue, Seat
from app.domain.events import Event, EventType, commit_id, event_id, sequence_of, version_of
from app.domain.money import Money
from app.domain.passenger import identity_of
from app.domain.people import Person, email_key
from app.domain.run.hold import EndedHold, Hold
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun, WaitlistEntry, run_id
from app.domain.timetable import Journey, Stop, legs_between
from app.store.driver import Document
from app.store.sales_shapes import BOOKING, COMMIT, EVENT, PERSON, RUN_WITHOUT_BOOKINGS
from app.store.shapes import UnreadableError
from app.store.train_documents import all_stop_forms, terms_document, terms_from

SCHEMA_VERSION = 2  # of the shape of runs and bookings; version 2 numbers passengers, version 1 did not say its version

# -- bookings


def person_document(person: Person) -> Document:
    """Somebody's names and address."""
    return {"first_name": person.first_name, "last_name": person.last_name, "email": person.email}


def person_from(document: Document) -> Person:
    """Decode somebody's names and address. Raises UnreadableError."""
    PERSON.check(document)
    return _person_from(document)


def _person_from(document: Document) -> Person:
    """Decode somebody whose shape was checked with the document around."""
    return Person(document["first_name"], document["last_name"], document["email"])


def _passenger_document(passenger: Passenger) -> Document:
    person, seat = passenger.person, passenger.seat
    document: Document = {"first_name": person.first_name, "last_name": person.last_name, "email": person.email}
    document["passenger_number"] = passenger.number
    if seat is not None:
        document["section"], document["coach"], document["number"] = seat.section, seat.coach, seat.number
    document["fare_minor"] = passenger.fare_minor
    return document


def passenger_from(document: Document, user_key: str, order: int) -> Passenger:
    """Decode a passenger of this booker's; `order`, from 1, is the number of one that was stored without."""
    seat = Seat(document["section"], document["coach"], document["number"]) if "number" in document else None
    person = _person_from(document)
    address, key = identity_of(person, user_key)
    return Passenger(person, document.get("passenger_number", order), address, key, seat, document["fare_minor"])


def booking_document(booking: Booking) -> Document:
    """A booking, complete in itself; it looks the same in its run's `recent` and in `bookings`."""
    return booking_document_without_journey(booking) | journey_document(booking.journey)


def booking_document_without_journey(booking: Booking) -> Document:
    """A booking without its journey, which is the same for many."""
    emails = {booking.user_key: None}
    for passenger in (*booking.passengers, *booking.cancelled_passengers):
        emails[passenger.email_key] = None
    created = _plain(booking.create_time)
    return {
        "_id": booking.reference,
        "schema_version": SCHEMA_VERSION,
        "request_id": booking.request_id,
        "fingerprint": booking.fingerprint,
        "state": booking.state.value,
        "user": person_document(booking.user),
        "emails": list(emails),
        "passengers": [_passenger_document(passenger) for passenger in booking.passengers],
        "cancelled_passengers": [_passenger_document(passenger) for passenger in booking.cancelled_passengers],
        "currency": booking.currency,
        "revision": booking.revision,
        "create_time": created,
        "update_time": created if booking.update_time is booking.create_time else _plain(booking.update_time),
        "charged_minor": booking.charged_minor,
        **_optional_booking_fields(booking),
    }


def _optional_booking_fields(booking: Booking) -> Document:
    """What is left out of a document where it is empty."""
    few: Document = {}
    if booking.wanted_section:
        few["wanted_section"] = booking.wanted_section
    if booking.ticket_number:
        few["waiting_number"] = booking.ticket_number
    if booking.payment_id:
        few["payment_id"] = booking.payment_id
    if booking.authorization_id:
        few["authorization_id"] = booking.authorization_id
    if booking.changes_before:
        few["changes_before"] = booking.changes_before
    if booking.is_vacated:
        few["is_vacated"] = True
    if booking.refunds:
        few["refunds"] = [{"id": one.refund_id, "minor": one.minor, "time": _plain(one.time)} for one in booking.refunds]
    return few


def journey_document(journey: Journey) -> Document:
    """What a booking's document says of its journey."""
    return {
        "run_id": journey.run_id,
        "train_id": journey.train_id,
        "travel_date": journey.travel_date,
        "train_number": journey.train_number,
        "origin": journey.origin,
        "destination": journey.destination,
        "legs": journey.legs,
        "depart_time": _plain(journey.depart),
        "arrive_time": _plain(journey.arrive),
    }


def _plain(moment: datetime) -> datetime:
    """A moment without its zone, which is UTC, as BSON has it; with it, encoding a booking takes half as long again."""
    return moment.replace(tzinfo=None)


def booking_from(document: Document) -> Booking:
    """Decode a booking. Raises UnreadableError."""
    BOOKING.check(document)
    user = _person_from(document["user"])
    user_key = email_key(user.email)
    travelling, left = document["passengers"], document["cancelled_passengers"]
    journey = Journey(
        train_id=document["train_id"],
        travel_date=document["travel_date"],
        train_number=document["train_number"],
        origin=document["origin"],
        destination=document["destination"],
        legs=document["legs"],
        depart=document["depart_time"],
        arrive=document["arrive_time"],
    )
    return Booking(
        reference=document["_id"],
        request_id=document["request_id"],
        fingerprint=document["fingerprint"],
        state=BookingState(document["state"]),
        user=user,
        user_key=user_key,
        passengers=tuple(passenger_from(passenger, user_key, order) for order, passenger in enumerate(travelling, 1)),
        cancelled_passengers=tuple(
            passenger_from(passenger, user_key, order) for order, passenger in enumerate(left, 1 + len(travelling))
        ),
        journey=journey,
        currency=document["currency"],
        create_time=document["create_time"],
        update_time=document["update_time"],
        revision=document["revision"],
        wanted_section=document.get("wanted_section", ""),
        ticket_number=document.get("waiting_number", 0),
        payment_id=document.get("payment_id", ""),
        authorization_id=document.get("authorization_id", ""),
        charged_minor=document["charged_minor"],
        refunds=tuple(RefundDue(one["id"], one["minor"], one["time"]) for one in document.get("refunds", ())),
        changes_before=document.get("changes_before", 0),
        is_vacated=document.get("is_vacated", False),
    )


# -- runs


def run_document(run: TrainRun, create_time: datetime) -> Document:
    """A new run, without bookings."""
    return {
        "_id": run.run_id,
        "schema_version": SCHEMA_VERSION,
        "version": run.version,
        "train_id": run.train_id,
        "travel_date": run.travel_date,
        "number": run.number,
        "stops": [_stop_document(stop) for stop in run.stops],
        "stop_forms": all_stop_forms(run.stops),
        "arrive_time": run.stops[-1].arrive,
        "sections": [section_document(section) for section in run.sections],
        "freed_sequence": run.freed_sequence,
        "terms": terms_document(run.terms),
        "holds": {},
        "ended_holds": {},
        "waiting": {},
        "waiting_number": run.last_ticket_number,
        "recent": [],
        "outbox": [],
        "create_time": create_time,
    }


def run_from(document: Document) -> TrainRun:
    """Decode a run, without bookings. Raises UnreadableError."""
    RUN_WITHOUT_BOOKINGS.check(document)
    if document["_id"] != run_id(document["train_id"], document["travel_date"]):
        raise UnreadableError("_id is not that of train_id and travel_date")
    date.fromisoformat(document["travel_date"])
    return TrainRun(
        train_id=document["train_id"],
        travel_date=document["travel_date"],
        number=document["number"],
        stops=stops_from(document),
        sections=sections_from(document),
        version=document["version"],
        freed_sequence=document["freed_sequence"],
        terms=terms_from(document["terms"]),
        holds={key: hold_from(key, one) for key, one in document["holds"].items()},
        waitlist={int(number): _waitlist_entry_from(int(number), one) for number, one in document["waiting"].items()},
        last_ticket_number=document["waiting_number"],
        # Which older documents do not have.
        ended_holds={key: _ended_hold_from(key, one) for key, one in document.get("ended_holds", {}).items()},
    )


def hold_document(hold: Hold) -> Document:
    """A hold, without its key."""
    return {
        "owner_key": hold.owner_key,
        "fingerprint": hold.fingerprint,
        "legs": hold.legs,
        "seats": [[seat.section, seat.coach, seat.number] for seat in hold.seats],
        "fare_minor": hold.fare_minor,
        "currency": hold.currency,
        "expire_time": hold.expire_time,
    }


def hold_from(key: str, document: Document) -> Hold:
    """The other way."""
    return Hold(
        key=key,
        owner_key=email_key(document["owner_key"]),
        fingerprint=document["fingerprint"],
        legs=document["legs"],
        seats=tuple(Seat(section, coach, number) for section, coach, number in document["seats"]),
        fare_minor=document["fare_minor"],
        currency=document["currency"],
        expire_time=document["expire_time"],
    )


def ended_hold_document(hold: EndedHold) -> list[Any]:
    """A hold that is over, without its key. Short: there may be hundreds of them."""
    places = [[section, number] for section, number in hold.places]
    return [hold.owner_key, hold.legs, places, hold.expire_time, hold.was_used]


def _ended_hold_from(key: str, document: list[Any]) -> EndedHold:
    owner_key, legs, places, expire_time, was_used = document
    return EndedHold(key, owner_key, legs, tuple((section, number) for section, number in places), expire_time, was_used)


def waitlist_entry_document(place: WaitlistEntry) -> list[str | int]:
    """A place in the line, without its number. Short: there may be ten thousand of them."""
    return [place.reference, place.section, place.legs, place.count]


def _waitlist_entry_from(number: int, document: list[Any]) -> WaitlistEntry:
    reference, section, legs, count = document
    return WaitlistEntry(number, reference, section, legs, count)


# -- events


def event_batch_document(events: Sequence[Event]) -> Document:
    """The events of one commit; they look the same in their run's `outbox` and in `events`.

    One document for all of them: a batch of sales makes hundreds, and each document of its own would cost as much as a booking.
    Their ids and sequences follow from the commit and their places. All that one commit decides happens at one moment.
    """
    first = events[0]
    if any(one.time != first.time for one in events):
        raise ValueError("the events of one commit have one time")
    version = version_of(first.sequence)
    return {
        "_id": commit_id(first.run_id, version),
        "run_id": first.run_id,
        "version": version,
        "time": _plain(first.time),
        "event_count": len(events),
        "events": [
            {"type": one.event_type.value, "subject": one.subject, "data": one.data, "trace_parent": one.trace_parent}
            for one in events
        ],
        "is_new": True,  # until what follows from them is written down
    }


def events_from(document: Document) -> list[Event]:
    """Decode the events of one commit. Raises UnreadableError."""
    COMMIT.check(document)
    return [event_from(document, index) for index in range(len(document["events"]))]


def event_from(commit: Document, index: int) -> Event:
    """Decode the event at `index` of a commit whose shape was checked. Raises UnreadableError."""
    document = commit["events"][index]
    EVENT.check(document, f"events.{index}")
    run_key, version = commit["run_id"], commit["version"]
    return Event(
        event_id(run_key, version, index),
        EventType(document["type"]),
        run_key,
        sequence_of(version, index),
        commit["time"],
        document["subject"],
        document["data"],
        document["trace_parent"],
    )


def stops_from(document: Document) -> tuple[Stop, ...]:
    """The stops of a run's document."""
    return tuple(
        Stop(stop["name"], stop["code"], stop["time_zone"], stop["arrive"], stop["depart"]) for stop in document["stops"]
    )


def _stop_document(stop: Stop) -> Document:
    return {
        "name": stop.name,
        "code": stop.code,
        "time_zone": stop.time_zone,
        "arrive": stop.arrive,
        "depart": stop.depart,
    }


def section_document(section: SectionSeats) -> Document:
    """A section's seats."""
    return {
        "name": section.name,
        "fare_minor": section.fare.minor,
        "currency": section.fare.currency,
        "coaches": [{"name": coach.name, "first": coach.first, "last": coach.last} for coach in section.coaches],
        "next_number": section.next_number,
        "sold_legs": section.sold_legs,
        "freed": {str(number): freed_document(entries) for number, entries in section.freed.items()},
    }


def freed_document(entries: Iterable[tuple[int, int]]) -> list[list[int]]:
    """What is free on a seat below the counter: [sequence, legs] each."""
    return [[sequence, legs] for sequence, legs in entries]


def sections_from(document: Document) -> list[SectionSeats]:
    """The sections of a run's document."""
    all_legs = legs_between(0, len(document["stops"]) - 1)
    return [
        SectionSeats(
            name=section["name"],
            fare=Money(section["fare_minor"], section["currency"]),
            coaches=tuple(CoachSeats(coach["name"], coach["first"], coach["last"]) for coach in section["coaches"]),
            all_legs=all_legs,
            sold_legs=section["sold_legs"],
            next_number=section["next_number"],
            freed={
                int(number): tuple((sequence, legs) for sequence, legs in entries)
                for number, entries in section["freed"].items()
            },
        )
        for section in document["sections"]
    ]
