"""Documents: how domain values look in MongoDB.

Belongs here: the shape of every document, both ways. Does not: statements.

train_runs  {_id: "<train_id>:<date>", version, train_id, travel_date, number, stops: [...], stop_forms: [...],
             sections: [{name, fare_minor, currency, coaches, next_number, sold_legs: [an integer per seat],
             freed: {"<seat number>": [[sequence, legs], ...]}}], freed_sequence, recent: [bookings]}
bookings    {_id: reference, run_id, request_id, fingerprint, state, user, emails: [as compared], passengers: [...],
             cancelled_passengers: [...], currency, revision, create_time, update_time, and the whole journey}
trains      {_id: train_id, ...}
users       {_id: address as compared, ...}

The seats are arrays of integers, so that a sale writes one number at a known path, whatever the size of the train.
"""

from collections.abc import Iterable
from datetime import datetime, time

from app.domain.booking import Booking, BookingState, Passenger, Seat
from app.domain.money import Money
from app.domain.people import Person, email_key
from app.domain.run import TrainRun
from app.domain.seats import CoachSeats, SectionSeats
from app.domain.timetable import Call, Journey, Stop, TimetableStop, legs_between, stop_forms
from app.domain.train import Coach, KeptTrain, Section, Train
from app.store.driver import Document


def _all_stop_forms(stops: Iterable[Stop | TimetableStop]) -> list[str]:
    """What all the stops may be called, for finding trains by station."""
    return sorted(set().union(*map(stop_forms, stops)))


# -- bookings


def person_document(person: Person) -> Document:
    """Somebody's names and address."""
    return {"first_name": person.first_name, "last_name": person.last_name, "email": person.email}


def person_from(document: Document) -> Person:
    """The other way."""
    return Person(document["first_name"], document["last_name"], document["email"])


def _passenger_document(passenger: Passenger) -> Document:
    person, seat = passenger.person, passenger.seat
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "section": seat.section,
        "coach": seat.coach,
        "number": seat.number,
        "fare_minor": passenger.fare_minor,
    }


def passenger_from(document: Document) -> Passenger:
    """A passenger of a booking."""
    seat = Seat(document["section"], document["coach"], document["number"])
    person = person_from(document)
    return Passenger(person, email_key(person.email), seat, document["fare_minor"])


def booking_document(booking: Booking) -> Document:
    """A booking, complete in itself; it looks the same in its run's `recent` and in `bookings`."""
    return own_document(booking) | journey_document(booking.journey)


def own_document(booking: Booking) -> Document:
    """A booking without its journey, which is the same for many."""
    emails = {booking.user_key: None}
    for passenger in (*booking.passengers, *booking.cancelled_passengers):
        emails[passenger.key] = None
    return {
        "_id": booking.reference,
        "request_id": booking.request_id,
        "fingerprint": booking.fingerprint,
        "state": booking.state.value,
        "user": person_document(booking.user),
        "emails": list(emails),
        "passengers": [_passenger_document(passenger) for passenger in booking.passengers],
        "cancelled_passengers": [_passenger_document(passenger) for passenger in booking.cancelled_passengers],
        "currency": booking.currency,
        "revision": booking.revision,
        "create_time": _plain(booking.create_time),
        "update_time": _plain(booking.update_time),
    }


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
    """The other way."""
    user = person_from(document["user"])
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
        user_key=email_key(user.email),
        passengers=tuple(passenger_from(passenger) for passenger in document["passengers"]),
        cancelled_passengers=tuple(passenger_from(passenger) for passenger in document["cancelled_passengers"]),
        journey=journey,
        currency=document["currency"],
        create_time=document["create_time"],
        update_time=document["update_time"],
        revision=document["revision"],
    )


# -- runs


def run_document(run: TrainRun, create_time: datetime) -> Document:
    """A new run, without bookings."""
    return {
        "_id": run.run_id,
        "version": run.version,
        "train_id": run.train_id,
        "travel_date": run.travel_date,
        "number": run.number,
        "stops": [_stop_document(stop) for stop in run.stops],
        "stop_forms": _all_stop_forms(run.stops),
        "sections": [section_document(section) for section in run.sections],
        "freed_sequence": run.freed_sequence,
        "recent": [],
        "create_time": create_time,
    }


def run_from(document: Document) -> TrainRun:
    """A run, without bookings."""
    return TrainRun(
        train_id=document["train_id"],
        travel_date=document["travel_date"],
        number=document["number"],
        stops=stops_from(document),
        sections=sections_from(document),
        version=document["version"],
        freed_sequence=document["freed_sequence"],
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


# -- trains


def train_document(kept: KeptTrain) -> Document:
    """A train with its timetable."""
    train = kept.train
    return {
        "_id": train.train_id,
        "version": kept.version,
        "request_id": kept.request_id,
        "create_time": kept.create_time,
        "number": train.number,
        "stops": [_timetable_stop_document(stop) for stop in train.stops],
        "stop_forms": _all_stop_forms(train.stops),
        "sections": [
            {"name": section.name, "fare_minor": section.fare.minor, "currency": section.fare.currency}
            for section in train.sections
        ],
        "coaches": [{"name": coach.name, "section": coach.section, "seat_count": coach.seat_count} for coach in train.coaches],
    }


def train_from(document: Document) -> KeptTrain:
    """The other way."""
    train = Train(
        train_id=document["_id"],
        number=document["number"],
        stops=tuple(_timetable_stop_from(stop) for stop in document["stops"]),
        sections=tuple(
            Section(section["name"], Money(section["fare_minor"], section["currency"])) for section in document["sections"]
        ),
        coaches=tuple(Coach(coach["name"], coach["section"], coach["seat_count"]) for coach in document["coaches"]),
    )
    return KeptTrain(train, document["request_id"], document["create_time"], document["version"])


def _timetable_stop_document(stop: TimetableStop) -> Document:
    return {
        "name": stop.name,
        "code": stop.code,
        "time_zone": stop.time_zone,
        "arrive": _call_document(stop.arrive),
        "depart": _call_document(stop.depart),
    }


def _timetable_stop_from(document: Document) -> TimetableStop:
    arrive, depart = _call_from(document["arrive"]), _call_from(document["depart"])
    return TimetableStop(document["name"], document["code"], document["time_zone"], arrive, depart)


def _call_document(call: Call | None) -> Document | None:
    return None if call is None else {"at": call.at.strftime("%H:%M"), "day_offset": call.day_offset}


def _call_from(document: Document | None) -> Call | None:
    return None if document is None else Call(time.fromisoformat(document["at"]), document["day_offset"])
