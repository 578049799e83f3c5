"""The decision to sell.

Belongs here: CreateBooking on a train run. Does not: changes to a booking (`changing.py`), which seats come next (`seats.py`).
"""

from collections.abc import Mapping
from datetime import datetime

from app.domain import limits
from app.domain.booking import Booking, BookingState, CreateBooking, Passenger, reference_for
from app.domain.people import email_key
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.run import TrainRun
from app.domain.timetable import Journey

# Bookings of other runs under references that this batch may want, by reference.
Elsewhere = Mapping[str, Booking]


def create_booking(run: TrainRun, command: CreateBooking, now: datetime, elsewhere: Elsewhere) -> Booking:
    """Sells seats on `run`, or finds what this request sold before.

    Gives the booking. Refuses INVALID_FIELD (stops, section, seat numbers), REQUEST_ID_REUSED, RUN_DEPARTED,
    PASSENGER_ALREADY_BOOKED, SEAT_TAKEN, SECTION_FULL; then the run is unchanged.
    """
    user_key = email_key(command.user.email)
    fingerprint = command.fingerprint
    reference, existing = _find_request(run, user_key, command.request_id, elsewhere)
    if existing is not None:
        return _same_again(existing, fingerprint)
    journey = run.journey(command.origin, command.destination)
    require_not_departed(journey, now)
    keys = [email_key(person.email) for person in command.passengers]
    for key in keys:
        require_no_live_booking(run, key)
    section, numbers, by_counter = choose_seats(run, command.section, command.seat_numbers, journey.legs, len(keys))
    fare = run.sections[section].fare
    booking = Booking(
        reference=reference,
        request_id=command.request_id,
        fingerprint=fingerprint,
        state=BookingState.CONFIRMED,
        user=command.user,
        user_key=user_key,
        passengers=tuple(
            Passenger(person, key, run.seat(section, number), fare.minor)
            for person, key, number in zip(command.passengers, keys, numbers, strict=True)
        ),
        cancelled_passengers=(),
        journey=journey,
        currency=fare.currency,
        create_time=now,
        update_time=now,
        revision=run.version + 1,
    )
    take_seats(run, section, numbers, journey.legs, by_counter=by_counter)
    run.put(booking)
    return booking


def request_references(command: CreateBooking, attempts: int = limits.REFERENCE_ATTEMPTS_MAX) -> list[str]:
    """The references under which the booking of this request may stand, in the order in which they are tried."""
    user_key = email_key(command.user.email)
    return [reference_for(user_key, command.request_id, attempt) for attempt in range(attempts)]


def _find_request(run: TrainRun, user_key: str, request_id: str, elsewhere: Elsewhere) -> tuple[str, Booking | None]:
    """The booking that this request made before; or None, and the reference that is free for it."""
    for attempt in range(limits.REFERENCE_ATTEMPTS_MAX):
        reference = reference_for(user_key, request_id, attempt)
        found = run.find(reference) or elsewhere.get(reference)
        if found is None or (found.user_key == user_key and found.request_id == request_id):
            return reference, found
    raise Refusal(Reason.INTERNAL, "no free booking reference was found")


def _same_again(existing: Booking, fingerprint: str) -> Booking:
    if existing.fingerprint != fingerprint:
        raise Refusal(
            Reason.REQUEST_ID_REUSED,
            f"this request_id made booking {existing.reference} from another request; choose a new one",
            resource=("booking", existing.reference),
        )
    return existing


def require_not_departed(journey: Journey, now: datetime) -> None:
    """Refuses once the train has left the journey's origin."""
    if now >= journey.depart:
        raise Refusal(Reason.RUN_DEPARTED, f"train {journey.train_number} of {journey.travel_date} has left {journey.origin}")


def require_no_live_booking(run: TrainRun, key: str) -> None:
    """Refuses a passenger who travels on this run already."""
    if run.live_reference(key) is not None:
        raise Refusal(
            Reason.PASSENGER_ALREADY_BOOKED,
            f"{key} already has a booking on train {run.number} of {run.travel_date}",
            resource=("passenger", key),
        )


def choose_seats(
    run: TrainRun, section: str, seat_numbers: tuple[int, ...], legs: int, count: int
) -> tuple[int, list[int], bool]:
    """The section's index, the seat numbers, and whether the counter gave them out. Changes nothing.

    Without a section: the first one in which all find a seat. Refuses SEAT_TAKEN, SECTION_FULL, and fields that name nothing.
    """
    if seat_numbers:
        index = run.section_index(section)
        _require_free(run, index, seat_numbers, legs)
        return index, list(seat_numbers), False
    wanted = [run.section_index(section)] if section else range(len(run.sections))
    for index in wanted:
        numbers = run.sections[index].next_seats(legs, count)
        if numbers is not None:
            return index, numbers, True
    where = f"section {section}" if section else "any one section"
    seats = "no seat is" if count == 1 else f"fewer than {count} seats are"
    raise Refusal(Reason.SECTION_FULL, f"{seats} free for this journey in {where} of train {run.number} of {run.travel_date}")


def _require_free(run: TrainRun, section: int, numbers: tuple[int, ...], legs: int) -> None:
    seats = run.sections[section]
    for position, number in enumerate(numbers):
        if not 1 <= number <= seats.size:
            field = f"seat_numbers[{position}]"
            raise InvalidField(field, f"section {seats.name} has no seat {number}; it has {seats.size}")
    for number in numbers:
        if not seats.is_free(number, legs):
            label = f"{seats.name}-{number}"
            raise Refusal(Reason.SEAT_TAKEN, f"seat {label} is not free for the whole journey", resource=("seat", label))


def take_seats(run: TrainRun, section: int, numbers: list[int], legs: int, *, by_counter: bool) -> None:
    """Sells the chosen seats, and moves the counter past those that it gave out."""
    for number in numbers:
        run.sell(section, number, legs)
    if by_counter:
        run.pass_counter(section, max(numbers))
