"""Requests: messages of the contract to commands of the domain.

Belongs here: one function for each request that needs more than its fields. Does not: what well-formed is (`fields.py`).
"""

import re
from collections.abc import Sequence
from datetime import time
from functools import lru_cache

from app.domain import limits
from app.domain.commands import (
    CancelBooking,
    ChangeSeat,
    CreateBooking,
    HoldSeats,
    IfFull,
    PromoteWaitlist,
    ReleaseHold,
    UpdateBooking,
)
from app.domain.passenger import identity_of
from app.domain.people import Caller, Person, email_key, require_identified, require_operator
from app.domain.refusals import InvalidField
from app.domain.run.hold import split_hold_id
from app.domain.terms import DEFAULT_TERMS, RefundTier, SalesTerms
from app.domain.timetable import Call, TimetableStop
from app.domain.train import Coach, Section, Train
from app.pb.seatline.v1 import booking_pb2, hold_pb2, passenger_pb2, train_pb2, train_run_pb2
from app.rpc import fields

_PASSENGER_FIELDS = frozenset(("first_name", "last_name", "email"))
_LOCAL_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_IF_FULL = {
    booking_pb2.IF_FULL_UNSPECIFIED: IfFull.WAITLIST,
    booking_pb2.IF_FULL_WAITLIST: IfFull.WAITLIST,
    booking_pb2.IF_FULL_REJECT: IfFull.REJECT,
}
_RIDES_MAX = 4_096  # rides that are asked for again and again, each under a kilobyte


def create_booking(caller: Caller, request: booking_pb2.CreateBookingRequest) -> CreateBooking:
    """Refuses what is missing, malformed or contradicts itself."""
    address = require_identified(caller)
    passengers = _passengers(request.passengers, address)
    request_id = fields.request_id(request.request_id)
    train_id, travel_date, origin, destination = _ride(
        request.train_id, request.travel_date, request.origin, request.destination
    )
    seat_numbers = _seat_numbers(request)
    if seat_numbers and request.hold_id:
        raise InvalidField("seat_numbers", "must be empty with hold_id, which says which seats")
    return CreateBooking(
        caller,
        _booker(address, passengers),
        request_id,
        train_id,
        travel_date,
        origin,
        destination,
        fields.section(request.section),
        passengers,
        seat_numbers,
        _if_full(request.if_full),
        _optional_hold_id(request.hold_id),
    )


def hold_seats(caller: Caller, request: hold_pb2.HoldSeatsRequest) -> HoldSeats:
    """Refuses what is missing, malformed or contradicts itself."""
    require_identified(caller)
    numbers = tuple(request.seat_numbers)
    if bool(numbers) == bool(request.seat_count):
        raise InvalidField("seat_count", "is required, or seat_numbers, but not both")
    if not 0 <= request.seat_count <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("seat_count", f"needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")
    _check_seat_numbers(numbers, fields.section(request.section))
    train_id, travel_date, origin, destination = _ride(
        request.train_id, request.travel_date, request.origin, request.destination
    )
    return HoldSeats(
        caller=caller,
        request_id=fields.request_id(request.request_id),
        train_id=train_id,
        travel_date=travel_date,
        origin=origin,
        destination=destination,
        section=fields.section(request.section),
        seat_numbers=numbers,
        seat_count=request.seat_count,
        seconds=_hold_seconds(request),
    )


def release_hold(caller: Caller, request: hold_pb2.ReleaseHoldRequest) -> ReleaseHold:
    """Refuses what cannot be the name of a hold."""
    require_identified(caller)
    return ReleaseHold(caller, hold_id(request.hold_id))


def hold_id(text: str) -> str:
    """The name of a hold."""
    fields.required(text, "hold_id")
    if split_hold_id(text) is None:
        raise InvalidField("hold_id", "is no name of a hold")
    return text


@lru_cache(maxsize=_RIDES_MAX)
def _ride(train_id: str, travel_date: str, origin: str, destination: str) -> tuple[str, str, str, str]:
    """What says which ride is booked, checked. Remembered: thousands book the same one."""
    return (
        fields.train_id(train_id),
        fields.iso_date(travel_date, "travel_date").isoformat(),
        fields.required(fields.stop(origin, "origin"), "origin"),
        fields.required(fields.stop(destination, "destination"), "destination"),
    )


def update_booking(caller: Caller, request: booking_pb2.UpdateBookingRequest) -> UpdateBooking:
    """Checks only the fields that the mask names; the others are not read."""
    require_identified(caller)
    masked = _masked(request)
    _require_passenger_count(len(request.passengers))
    return UpdateBooking(
        caller=caller,
        reference=fields.reference(request.reference),
        passengers=tuple(
            _masked_person(passenger, masked, f"passengers[{index}]") for index, passenger in enumerate(request.passengers)
        ),
        fields=masked,
        etag=request.etag,
        numbers=_numbers(request.passengers),
    )


def change_seat(caller: Caller, request: booking_pb2.ChangeSeatRequest) -> ChangeSeat:
    """A seat number of 0 stands for the next one. Who moves is named by number, by address, or by both."""
    require_identified(caller)
    if not request.passenger_number and not request.passenger_email:
        raise InvalidField("passenger_email", "is required, or passenger_number")
    if request.passenger_number:
        _check_passenger_number(request.passenger_number, "passenger_number")
    if request.seat_number < 0:
        raise InvalidField("seat_number", "must not be negative")
    return ChangeSeat(
        caller=caller,
        reference=fields.reference(request.reference),
        passenger_email=fields.email(request.passenger_email, "passenger_email") if request.passenger_email else "",
        section=fields.section(request.section),
        seat_number=request.seat_number,
        etag=request.etag,
        passenger_number=request.passenger_number,
    )


def cancel_booking(caller: Caller, request: booking_pb2.CancelBookingRequest) -> CancelBooking:
    """No numbers and no addresses stand for all passengers."""
    require_identified(caller)
    if len(request.passenger_numbers) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passenger_numbers", f"has more than {limits.PASSENGERS_PER_BOOKING_MAX} numbers")
    for index, number in enumerate(request.passenger_numbers):
        _check_passenger_number(number, f"passenger_numbers[{index}]")
    if len(request.passenger_emails) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passenger_emails", f"has more than {limits.PASSENGERS_PER_BOOKING_MAX} addresses")
    return CancelBooking(
        caller=caller,
        reference=fields.reference(request.reference),
        passenger_emails=tuple(
            fields.email(address, f"passenger_emails[{index}]") for index, address in enumerate(request.passenger_emails)
        ),
        validate_only=request.validate_only,
        etag=request.etag,
        passenger_numbers=tuple(request.passenger_numbers),
    )


def promote_waitlist(caller: Caller, request: train_run_pb2.PromoteWaitlistRequest) -> PromoteWaitlist:
    """Names a run."""
    require_operator(caller)
    date = fields.iso_date(request.travel_date, "travel_date")
    return PromoteWaitlist(caller, fields.train_id(request.train_id), date.isoformat())


def train(message: train_pb2.Train) -> Train:
    """A train as the operator describes it; `app.domain.train.check_train` judges it."""
    return Train(
        train_id=message.train_id,
        number=message.number,
        stops=tuple(_timetable_stop(one, f"train.stops[{index}]") for index, one in enumerate(message.stops)),
        sections=tuple(
            Section(one.name, fields.money(one.fare, f"train.sections[{index}].fare"))
            for index, one in enumerate(message.sections)
        ),
        coaches=tuple(Coach(one.name, one.section, one.seat_count) for one in message.coaches),
        terms=_terms(message),
    )


def _terms(message: train_pb2.Train) -> SalesTerms:
    """The terms that a train states; for what it leaves out, those that all trains have."""
    tiers = tuple(RefundTier(one.hours_before, one.percent) for one in message.refund_tiers)
    minutes = DEFAULT_TERMS.waitlist_closes_minutes_before
    if message.HasField("waitlist_closes_before"):
        minutes, seconds = divmod(message.waitlist_closes_before.seconds, 60)
        if seconds or message.waitlist_closes_before.nanos:
            raise InvalidField("train.waitlist_closes_before", "must be whole minutes")
    waitlist_max = message.waitlist_max if message.HasField("waitlist_max") else DEFAULT_TERMS.waitlist_max
    hold_percent_max = message.hold_percent_max if message.HasField("hold_percent_max") else DEFAULT_TERMS.hold_percent_max
    booker_max = DEFAULT_TERMS.passengers_per_booker_max
    if message.HasField("passengers_per_booker_max"):
        booker_max = message.passengers_per_booker_max
    return SalesTerms(tiers or DEFAULT_TERMS.refund_tiers, minutes, waitlist_max, hold_percent_max, booker_max)


def _timetable_stop(message: train_pb2.TrainStop, field: str) -> TimetableStop:
    return TimetableStop(
        name=message.name,
        code=message.code,
        time_zone=message.time_zone,
        arrive=_call(message.arrive_time, message.arrive_day_offset, f"{field}.arrive"),
        depart=_call(message.depart_time, message.depart_day_offset, f"{field}.depart"),
    )


def _call(text: str, day_offset: int, field: str) -> Call | None:
    if not text:
        if day_offset:
            raise InvalidField(f"{field}_day_offset", "must be 0 where there is no time")
        return None
    try:
        if not _LOCAL_TIME.fullmatch(text):
            raise ValueError
        return Call(time.fromisoformat(text), day_offset)
    except ValueError:
        raise InvalidField(f"{field}_time", f"{text!r} is no local time in the form HH:MM") from None


def _passengers(messages: Sequence[passenger_pb2.Passenger], booker: str) -> tuple[Person, ...]:
    _require_passenger_count(len(messages))
    people = tuple(
        [
            Person(one.first_name, one.last_name, one.email)
            if fields.is_plain_person(one.first_name, one.last_name, one.email)
            else _full_person(one, index)
            for index, one in enumerate(messages)
        ]
    )
    _require_distinct(people, booker)
    return people


def _full_person(message: passenger_pb2.Passenger, index: int) -> Person:
    """A passenger with unusual names, an unusual address, or none: the booker's stands for it, but not for the first one's."""
    field = f"passengers[{index}]"
    if index and not message.email.strip():
        return Person(
            fields.name(message.first_name, f"{field}.first_name"), fields.name(message.last_name, f"{field}.last_name"), ""
        )
    return fields.person(message.first_name, message.last_name, message.email, field)


def _booker(address: str, passengers: tuple[Person, ...]) -> Person:
    """Who books, with the names given for that address; without names for somebody who does not travel along."""
    key = email_key(address)
    for person in passengers:
        if person.key == key:
            return person if person.email == address else Person(person.first_name, person.last_name, address)
    return Person("", "", address)


def _require_passenger_count(count: int) -> None:
    if not 1 <= count <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("passengers", f"has {count} passengers; needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")


def _require_distinct(passengers: tuple[Person, ...], booker: str) -> None:
    if len(passengers) == 1:
        return
    seen: set[str] = set()
    for index, person in enumerate(passengers):
        _, key = identity_of(person, email_key(booker))
        if key in seen:
            name = f"{person.first_name} {person.last_name}"
            raise InvalidField(f"passengers[{index}].email", f"{name} with this address stands twice in this booking")
        seen.add(key)


def _seat_numbers(request: booking_pb2.CreateBookingRequest) -> tuple[int, ...]:
    numbers = tuple(request.seat_numbers)
    if not numbers:
        return numbers
    _check_seat_numbers(numbers, fields.section(request.section))
    if len(numbers) != len(request.passengers):
        raise InvalidField("seat_numbers", f"has {len(numbers)} seats for {len(request.passengers)} passengers")
    return numbers


def _check_seat_numbers(numbers: tuple[int, ...], section: str) -> None:
    if not numbers:
        return
    if not section:
        raise InvalidField("section", "is required with seat_numbers, which count through one section")
    if len(numbers) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("seat_numbers", f"has {len(numbers)} seats; at most {limits.PASSENGERS_PER_BOOKING_MAX}")
    if len(set(numbers)) != len(numbers):
        raise InvalidField("seat_numbers", "names a seat twice")


def _if_full(value: booking_pb2.IfFull.ValueType) -> IfFull:
    try:
        return _IF_FULL[value]
    except KeyError:
        raise InvalidField("if_full", f"{value} is no value that is known") from None


def _optional_hold_id(text: str) -> str:
    return hold_id(text) if text else text


def _hold_seconds(request: hold_pb2.HoldSeatsRequest) -> int:
    if not request.HasField("ttl"):
        return limits.HOLD_SECONDS_DEFAULT
    if request.ttl.nanos or not 1 <= request.ttl.seconds <= limits.HOLD_SECONDS_MAX:
        raise InvalidField("ttl", f"needs 1 to {limits.HOLD_SECONDS_MAX} whole seconds")
    return int(request.ttl.seconds)


def _masked(request: booking_pb2.UpdateBookingRequest) -> frozenset[str]:
    """The passengers' fields that the mask names; an empty mask names all (google.aip.dev/134)."""
    masked: set[str] = set()
    for index, path in enumerate(request.update_mask.paths or ["passengers"]):
        parent, dot, field = path.partition(".")
        if parent != "passengers" or (dot and field not in _PASSENGER_FIELDS):
            known = ", ".join(f"passengers.{name}" for name in sorted(_PASSENGER_FIELDS))
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; passengers and {known} can")
        masked.update((field,) if field else _PASSENGER_FIELDS)
    return frozenset(masked)


def _numbers(passengers: Sequence[passenger_pb2.Passenger]) -> tuple[int, ...]:
    """The passengers' numbers: one for each, or none at all. Refuses a mixture, and a number twice."""
    numbers = tuple(passenger.number for passenger in passengers)
    if not any(numbers):
        return ()
    for index, number in enumerate(numbers):
        field = f"passengers[{index}].number"
        if not number:
            raise InvalidField(field, "is required, since other passengers are named by number")
        _check_passenger_number(number, field)
        if number in numbers[:index]:
            raise InvalidField(field, f"passenger {number} stands twice in this request")
    return numbers


def _check_passenger_number(number: int, field: str) -> None:
    if not 1 <= number <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField(field, f"needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")


def _masked_person(message: passenger_pb2.Passenger, masked: frozenset[str], field: str) -> Person:
    return Person(
        fields.name(message.first_name, f"{field}.first_name") if "first_name" in masked else "",
        fields.name(message.last_name, f"{field}.last_name") if "last_name" in masked else "",
        fields.email(message.email, f"{field}.email") if "email" in masked and message.email.strip() else "",
    )
