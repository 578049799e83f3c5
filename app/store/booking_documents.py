"""Bookings and persons as documents.

Belongs here: encoding and decoding a booking. Does not belong here: runs (`run_documents.py`), events (`event_documents.py`),
nor statements.

bookings    {_id: reference, schema_version, run_id, request_id, fingerprint, state, user, emails: [as compared],
             passengers: [...], cancelled_passengers: [...], currency, revision, create_time, update_time, wanted_section,
             waiting_number: the ticket number, payment_id, authorization_id, charged_minor, refunds: [{id, minor, time}],
             changes_before, is_vacated, free_cancellation, and the whole journey}
passenger   {passenger_number, first_name, last_name, email, section, coach, number, fare_minor}
users       {_id: address as compared, first_name, last_name, email, create_time; once changed: version, update_time}

A document without `schema_version` is of the first version: passengers have no `passenger_number` and are numbered in order,
those who travel before those who were cancelled. Passenger keys are not stored; they follow from names and addresses.
"""

from datetime import datetime

from app.domain.booking import Booking, BookingState, Passenger, RefundDue, RefundReason, Seat
from app.domain.passenger import identity_of
from app.domain.people import Person, email_key
from app.domain.timetable import Journey
from app.store.driver import Document
from app.store.sales_shapes import BOOKING, PERSON, SCHEMA_VERSION


def person_document(person: Person) -> Document:
    """Encode a person's names and address."""
    return {"first_name": person.first_name, "last_name": person.last_name, "email": person.email}


def person_from(document: Document) -> Person:
    """Decode a person's names and address. Raises UnreadableError."""
    PERSON.check(document)
    return _person_from(document)


def _person_from(document: Document) -> Person:
    """Decode a person. The caller has checked the shape."""
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
    """Decode a passenger. `order`, from 1, is the number of a passenger that was stored without one."""
    seat = Seat(document["section"], document["coach"], document["number"]) if "number" in document else None
    person = _person_from(document)
    address, key = identity_of(person, user_key)
    return Passenger(person, document.get("passenger_number", order), address, key, seat, document["fare_minor"])


def booking_document(booking: Booking) -> Document:
    """Encode a booking. The document is the same in the run's `recent` and in `bookings`."""
    return booking_document_without_journey(booking) | journey_document(booking.journey)


def booking_document_without_journey(booking: Booking) -> Document:
    """Encode a booking without its journey, which many bookings share."""
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
    """Encode the fields that are left out where they are empty."""
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
    if booking.free_cancellation:
        few["free_cancellation"] = True
    if booking.refunds:
        few["refunds"] = [
            {"id": refund.refund_id, "minor": refund.minor, "time": _plain(refund.time)}
            | ({"reason": refund.reason.value} if refund.reason else {})
            for refund in booking.refunds
        ]
    return few


def journey_document(journey: Journey) -> Document:
    """Encode a journey as part of a booking's document."""
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
    """Drop the zone of a UTC time. BSON stores none, and with it encoding a booking takes half as long again."""
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
        refunds=tuple(map(_refund_from, document.get("refunds", ()))),
        changes_before=document.get("changes_before", 0),
        is_vacated=document.get("is_vacated", False),
        free_cancellation=document.get("free_cancellation", False),
    )


def _refund_from(document: Document) -> RefundDue:
    reason = document.get("reason")
    return RefundDue(document["id"], document["minor"], document["time"], RefundReason(reason) if reason else None)
