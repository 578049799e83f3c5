"""The decision to sell.

Belongs here: CreateBooking on a train run. Does not: changes to a booking (`changing.py`), which seats come next
(`seating.py`), the line of those who wait (`waiting.py`).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import (
    Authorization,
    Booking,
    BookingState,
    CreateBooking,
    IfFull,
    Passenger,
    Seat,
    own_payment_id,
)
from app.domain.events import EventType
from app.domain.holding import take_hold
from app.domain.money import Money
from app.domain.people import email_key
from app.domain.reference import all_references, earlier_references, reference_for
from app.domain.refusals import Reason, Refusal
from app.domain.run import TrainRun
from app.domain.seating import choose_seats, take_seats
from app.domain.timetable import Journey, require_not_departed
from app.domain.waiting import event_data, require_waiting_room, waiting_fare

# Bookings of other runs under references that this batch may want, by reference.
Elsewhere = Mapping[str, Booking]


def create_booking(run: TrainRun, command: CreateBooking, now: datetime, elsewhere: Elsewhere) -> Booking:
    """Sells seats on `run`, or a place in its line, or finds what this request sold before.

    Gives the booking. Refuses INVALID_FIELD (stops, section, seat numbers), REQUEST_ID_REUSED, RUN_DEPARTED,
    PASSENGER_ALREADY_BOOKED, SEAT_TAKEN, HOLD_EXPIRED, NOT_PERMITTED (another's hold), SECTION_FULL, WAITLIST_FULL,
    WAITLIST_CLOSED, PAYMENT_STALE, PAYMENT_INSUFFICIENT; then the run is unchanged.
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
    if command.hold_id:
        return _sell_held(run, command, journey, now, (reference, fingerprint, user_key, keys))
    return _sell_next(run, command, journey, now, (reference, fingerprint, user_key, keys))


def first_reference(email: str, request_id: str) -> str:
    """Give the reference under which nearly every request has its booking."""
    return reference_for(email_key(email), request_id, 0)


def request_references(email: str, request_id: str) -> list[str]:
    """List all references under which the booking of this person's request may stand, the first one first."""
    return all_references(email_key(email), request_id)


def price_at_most(run: TrainRun, command: CreateBooking) -> Money:
    """The most that this request can cost on the run as it is. Refuses an unknown section and a hold that is none."""
    if command.hold_id:
        return take_hold(run, command, run.journey(command.origin, command.destination)).price
    fare = waiting_fare(run, command.section)
    return Money(fare.minor * len(command.passengers), fare.currency)


# The reference, the fingerprint, who books, and the passengers, as addresses are compared.
_Names = tuple[str, str, str, list[str]]


def _sell_next(run: TrainRun, command: CreateBooking, journey: Journey, now: datetime, names: _Names) -> Booking:
    try:
        section, numbers, by_counter = choose_seats(
            run, command.section, command.seat_numbers, journey.legs, len(command.passengers)
        )
    except Refusal as refusal:
        if refusal.reason is not Reason.SECTION_FULL or command.if_full is IfFull.REJECT:
            raise
        return _join_line(run, command, journey, now, names)
    fare = run.sections[section].fare
    _require_paid(command.payment, fare.minor * len(numbers), fare.currency, now)
    seats = [run.seat(section, number) for number in numbers]
    booking = _booking(run, command, journey, now, names, BookingState.CONFIRMED, seats, fare)
    take_seats(run, section, numbers, journey.legs, by_counter=by_counter)
    return _keep(run, booking, EventType.BOOKING_CONFIRMED, command, now)


def _sell_held(run: TrainRun, command: CreateBooking, journey: Journey, now: datetime, names: _Names) -> Booking:
    hold = take_hold(run, command, journey)
    price = hold.price
    _require_paid(command.payment, price.minor, price.currency, now)
    fare = Money(hold.fare_minor, hold.currency)
    booking = _booking(run, command, journey, now, names, BookingState.CONFIRMED, list(hold.seats), fare)
    run.use_hold(hold)
    return _keep(run, booking, EventType.BOOKING_CONFIRMED, command, now)


def _join_line(run: TrainRun, command: CreateBooking, journey: Journey, now: datetime, names: _Names) -> Booking:
    reference, _, user_key, keys = names
    require_waiting_room(run, command, user_key, now)
    fare = waiting_fare(run, command.section)
    _require_paid(command.payment, fare.minor * len(keys), fare.currency, now)
    place = run.join_line(reference, command.section, journey.legs, len(keys))
    booking = _booking(run, command, journey, now, names, BookingState.WAITLISTED, [None] * len(keys), fare, place.number)
    return _keep(run, booking, EventType.BOOKING_WAITLISTED, command, now)


def _booking(  # noqa: PLR0913, PLR0917 - all that a booking is made from; it is made here alone
    run: TrainRun,
    command: CreateBooking,
    journey: Journey,
    now: datetime,
    names: _Names,
    state: BookingState,
    seats: list[Seat] | list[None],
    fare: Money,
    waiting_number: int = 0,
) -> Booking:
    reference, fingerprint, user_key, keys = names
    payment, fare_minor = command.payment, fare.minor
    return Booking(
        reference,
        command.request_id,
        fingerprint,
        state,
        command.user,
        user_key,
        tuple(
            [
                Passenger(person, key, seat, fare_minor)
                for person, key, seat in zip(command.passengers, keys, seats, strict=True)
            ]
        ),
        (),
        journey,
        fare.currency,
        now,
        now,
        run.version + 1,
        command.section,
        waiting_number,
        (payment.payment_id or own_payment_id(reference, fingerprint)) if payment else "",
        payment.authorization_id if payment else "",
        fare_minor * len(keys),
    )


def _keep(run: TrainRun, booking: Booking, kind: EventType, command: CreateBooking, now: datetime) -> Booking:
    run.put(booking)
    run.tell(kind, booking.reference, event_data(booking), now, command.caller.trace_parent)
    return booking


def _require_paid(payment: Authorization | None, minor: int, currency: str, now: datetime) -> None:
    """Refuses a sale for which too little money is set aside, or was too long ago: then it may have been let go by now."""
    if payment is None or payment.limit is None:
        return
    if now - payment.time > timedelta(seconds=limits.AUTHORIZATION_SECONDS_MAX):
        raise Refusal(Reason.PAYMENT_STALE, "the payment was set aside too long ago; send the same request again")
    if payment.limit.currency != currency or payment.limit.minor < minor:
        price = Money(minor, currency)
        raise Refusal(Reason.PAYMENT_INSUFFICIENT, f"it costs {price}, and {payment.limit} was set aside; send a new request")


def _find_request(run: TrainRun, user_key: str, request_id: str, elsewhere: Elsewhere) -> tuple[str, Booking | None]:
    """Find the booking that this request made before; or give None, and the reference that is free for it."""

    def booking_at(reference: str) -> Booking | None:
        return run.find(reference) or elsewhere.get(reference)

    reference = reference_for(user_key, request_id, 0)
    found = booking_at(reference)
    if found is None or _is_of_request(found, user_key, request_id):
        return reference, found
    for reference in earlier_references(user_key, request_id):
        found = booking_at(reference)
        if found is not None and _is_of_request(found, user_key, request_id):
            return reference, found
    for attempt in range(1, limits.REFERENCE_ATTEMPTS_MAX):
        reference = reference_for(user_key, request_id, attempt)
        found = booking_at(reference)
        if found is None or _is_of_request(found, user_key, request_id):
            return reference, found
    raise Refusal(Reason.INTERNAL, "no free booking reference was found")


def _is_of_request(booking: Booking, user_key: str, request_id: str) -> bool:
    return booking.request_id == request_id and booking.user_key == user_key


def _same_again(existing: Booking, fingerprint: str) -> Booking:
    if existing.fingerprint != fingerprint:
        raise Refusal(
            Reason.REQUEST_ID_REUSED,
            f"this request_id made booking {existing.reference} from another request; choose a new one",
            resource=("booking", existing.reference),
        )
    return existing


def require_no_live_booking(run: TrainRun, key: str) -> None:
    """Refuses a passenger who travels on this run already, or waits to."""
    if run.live_reference(key) is not None:
        raise Refusal(
            Reason.PASSENGER_ALREADY_BOOKED,
            f"{key} already has a booking on train {run.number} of {run.travel_date}",
            resource=("passenger", key),
        )
