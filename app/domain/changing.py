"""The decisions to change a booking: its passengers' own fields, a seat, a cancellation.

Belongs here: UpdateBooking, ChangeSeat and CancelBooking on a train run, and who may see or change a booking. Does not: sales.
"""

from dataclasses import replace
from datetime import datetime

from app.domain.amounts import AmountRules
from app.domain.booking import (
    Booking,
    BookingState,
    CancelBooking,
    Cancellation,
    CancelUnpaid,
    ChangeSeat,
    Passenger,
    UpdateBooking,
)
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.people import Caller, Person, email_key, identified
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.run import TrainRun
from app.domain.seating import choose_seats, take_seats
from app.domain.selling import require_no_live_booking
from app.domain.terms import refund_minor
from app.domain.timetable import require_not_departed
from app.domain.waiting import keep, promote, with_refund


def visible(booking: Booking | None, caller: Caller, reference: str) -> Booking:
    """The booking, for who booked it, its passengers and operators. Others are not told whether it exists."""
    identified(caller)
    if booking is not None and (caller.is_operator or caller.key == booking.user_key or _travels(booking, caller.key)):
        return booking
    raise _not_yours(caller, reference)


def changeable(booking: Booking | None, caller: Caller, reference: str) -> Booking:
    """The booking, for who booked it and operators. Others are not told whether it exists."""
    identified(caller)
    if booking is not None and (caller.is_operator or caller.key == booking.user_key):
        return booking
    raise _not_yours(caller, reference)


def update_booking(run: TrainRun, command: UpdateBooking, now: datetime) -> Booking:
    """Changes the passengers' own fields. Nothing to change is no change.

    Refuses INVALID_FIELD (not as many passengers as travel), BOOKING_CANCELLED, ETAG_STALE, RUN_DEPARTED, and
    PASSENGER_ALREADY_BOOKED for a new address that travels on the run already.
    """
    booking = _open(run, command.caller, command.reference, command.etag, now)
    if len(command.passengers) != len(booking.passengers):
        message = (
            f"has {len(command.passengers)} passengers; the booking has {len(booking.passengers)}, all are needed in its order"
        )
        raise InvalidField("passengers", message)
    passengers = tuple(
        _updated(passenger, person, command.fields)
        for passenger, person in zip(booking.passengers, command.passengers, strict=True)
    )
    _require_distinct(passengers)
    own = {passenger.key for passenger in booking.passengers}
    for passenger in passengers:
        if passenger.key not in own:
            require_no_live_booking(run, passenger.key)
    if passengers == booking.passengers:
        return booking
    return keep(run, replace(booking, passengers=passengers), EventType.BOOKING_CHANGED, now, command.caller.trace_parent)


def change_seat(run: TrainRun, command: ChangeSeat, now: datetime) -> Booking:
    """Moves one passenger to a chosen seat or to a section's next one; the seat left behind is free in the same step.

    In a section with a lower fare, the difference is given back. Refuses INVALID_FIELD (no such passenger, section or seat),
    SEAT_TAKEN, SECTION_FULL, FARE_HIGHER, BOOKING_WAITLISTED, BOOKING_CANCELLED, ETAG_STALE, RUN_DEPARTED; then nothing has
    changed.
    """
    booking = _open(run, command.caller, command.reference, command.etag, now)
    _require_seated(booking)
    position = _passenger_position(booking, command.passenger_email, "passenger_email")
    passenger = booking.passengers[position]
    place = passenger.place
    section = command.section or place.section
    if (section, command.seat_number) == (place.section, place.number):
        return booking
    legs = booking.journey.legs
    chosen = (command.seat_number,) if command.seat_number else ()
    try:
        index, numbers, by_counter = choose_seats(run, section, chosen, legs, 1)
    except InvalidField as refusal:
        raise InvalidField(refusal.field.replace("seat_numbers[0]", "seat_number"), refusal.description) from None
    fare_minor = passenger.fare_minor if section == place.section else run.sections[index].fare.minor
    if fare_minor > passenger.fare_minor:
        fares = Money(fare_minor, booking.currency), Money(passenger.fare_minor, booking.currency)
        raise Refusal(Reason.FARE_HIGHER, f"a seat in section {section} costs {fares[0]}, and {fares[1]} was paid")
    take_seats(run, index, numbers, legs, by_counter=by_counter)
    run.release(place, legs)
    moved = replace(passenger, seat=run.seat(index, numbers[0]), fare_minor=fare_minor)
    passengers = (*booking.passengers[:position], moved, *booking.passengers[position + 1 :])
    changed = with_refund(replace(booking, passengers=passengers), passenger.fare_minor - fare_minor, now)
    keep(run, changed, EventType.BOOKING_CHANGED, now, command.caller.trace_parent)
    promote(run, now)
    return run.bookings[booking.reference]


def cancel_booking(run: TrainRun, command: CancelBooking, now: datetime) -> Booking:
    """Takes some or all passengers off and frees their seats in the same step. Doing it again changes nothing.

    With `validate_only` the answer is what would be, and nothing changes. Refuses INVALID_FIELD (no such passenger),
    ETAG_STALE, RUN_DEPARTED.
    """
    booking = changeable(run.find(command.reference), command.caller, command.reference)
    leaving = _leaving(booking, command)
    if not leaving:
        return booking
    _require_open(booking, command.etag, now)
    changed = _without(run, booking, leaving, command.amounts, now)
    if command.validate_only:
        return changed
    _give_back(run, booking, leaving)
    keep(run, changed, EventType.BOOKING_CANCELLED, now, command.caller.trace_parent)
    promote(run, now)
    return run.bookings[booking.reference]  # those who are left of a group that waited may have got seats


def cancel_and_refund(run: TrainRun, command: CancelBooking, now: datetime) -> Cancellation:
    """As `cancel_booking`, and what this very cancellation gives back: nothing where it was done before."""
    before = run.find(command.reference)
    known = len(before.refunds) if before else 0
    after = cancel_booking(run, command, now)
    refund = Money(sum(refund.minor for refund in after.refunds[known:]), after.currency)
    return Cancellation(after, refund, before or after)


def cancel_unpaid(run: TrainRun, command: CancelUnpaid, now: datetime) -> Booking | None:
    """Ends a booking that was never paid and now never will be: its seats are free, and nothing is given back.

    One that has ended by itself meanwhile stays as it is, but for its money. One that costs nothing needs no payment.
    """
    booking = run.find(command.reference)
    if booking is None or not booking.charged_minor:
        return booking
    unpaid = replace(booking, charged_minor=0, refunds=())
    if not booking.is_live:
        return keep(run, unpaid, EventType.BOOKING_CHANGED, now)
    _give_back(run, booking, booking.passengers)
    kept = keep(run, replace(unpaid, state=BookingState.CANCELLED, waiting_number=0), EventType.BOOKING_CANCELLED, now)
    promote(run, now)
    return kept


def _without(run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...], amounts: AmountRules, now: datetime) -> Booking:
    """The booking without some or all of its passengers, and what it gives back for them: all to who only waited."""
    staying = tuple(passenger for passenger in booking.passengers if passenger not in leaving)
    if staying:
        gone = (*booking.cancelled_passengers, *leaving)
        changed = replace(booking, passengers=staying, cancelled_passengers=gone)
    else:
        changed = replace(booking, state=BookingState.CANCELLED, waiting_number=0)
    depart, is_waiting = booking.journey.depart, booking.state is BookingState.WAITLISTED
    fares = [passenger.fare_minor for passenger in leaving]
    if not is_waiting:
        shares = [(refund_minor(fare, run.terms, depart, now), Money(fare, booking.currency)) for fare in fares]
        fares = [amounts.refundable_minor(share, paid) for share, paid in shares]
    return with_refund(changed, sum(fares), now)


def _give_back(run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...]) -> None:
    """Frees the seats of those who leave, or their part of a place in the line."""
    if booking.state is BookingState.CONFIRMED:
        for passenger in leaving:
            run.release(passenger.place, booking.journey.legs)
        return
    place = run.waiting.get(booking.waiting_number)
    if place is None:
        return  # the booking is newer than this run, which cannot be committed any more: it will be read and decided again
    if len(leaving) == place.count:
        run.leave_line(place.number)
    else:
        run.change_line(replace(place, count=place.count - len(leaving)))


def change_cancelled(booking: Booking, command: UpdateBooking | ChangeSeat | CancelBooking, now: datetime) -> Booking:
    """The same decisions for a cancelled booking that its run has forgotten: nothing can change any more.

    It may be cancelled again and stays as it is; everything else is refused, as it would be on the run.
    """
    booking = changeable(booking, command.caller, command.reference)
    if isinstance(command, CancelBooking) and not _leaving(booking, command):
        return booking
    _require_open(booking, command.etag, now)
    raise ValueError(f"booking {booking.reference} is live: its run decides")


def _not_yours(caller: Caller, reference: str) -> Refusal:
    if caller.is_operator:
        return Refusal(Reason.BOOKING_NOT_FOUND, f"there is no booking {reference}", resource=("booking", reference))
    return Refusal(Reason.NOT_PERMITTED, f"booking {reference} is not yours, or there is none")


def _travels(booking: Booking, key: str | None) -> bool:
    return any(key == passenger.key for passenger in (*booking.passengers, *booking.cancelled_passengers))


def _open(run: TrainRun, caller: Caller, reference: str, etag: str, now: datetime) -> Booking:
    booking = changeable(run.find(reference), caller, reference)
    _require_open(booking, etag, now)
    return booking


def _require_open(booking: Booking, etag: str, now: datetime) -> None:
    if etag and etag != booking.etag:
        raise Refusal(Reason.ETAG_STALE, "the booking has changed since that etag; read it again")
    if not booking.is_live:
        raise Refusal(Reason.BOOKING_CANCELLED, f"booking {booking.reference} is {booking.state.value.lower()}")
    require_not_departed(booking.journey, now)


def _require_seated(booking: Booking) -> None:
    if booking.state is BookingState.WAITLISTED:
        raise Refusal(Reason.BOOKING_WAITLISTED, f"booking {booking.reference} waits and has no seat to move from")


def _updated(passenger: Passenger, person: Person, fields: frozenset[str]) -> Passenger:
    old = passenger.person
    new = Person(
        person.first_name if "first_name" in fields else old.first_name,
        person.last_name if "last_name" in fields else old.last_name,
        person.email if "email" in fields else old.email,
    )
    return replace(passenger, person=new, key=email_key(new.email))


def _require_distinct(passengers: tuple[Passenger, ...]) -> None:
    seen: set[str] = set()
    for position, passenger in enumerate(passengers):
        if passenger.key in seen:
            raise InvalidField(f"passengers[{position}].email", f"{passenger.key} stands twice in this booking")
        seen.add(passenger.key)


def _passenger_position(booking: Booking, email: str, field: str) -> int:
    key = email_key(email)
    for position, passenger in enumerate(booking.passengers):
        if passenger.key == key:
            return position
    raise InvalidField(field, f"{email} does not travel on booking {booking.reference}")


def _leaving(booking: Booking, command: CancelBooking) -> tuple[Passenger, ...]:
    """Who is still to be taken off: nobody, when the same cancellation was done before."""
    gone = {passenger.key for passenger in booking.cancelled_passengers}
    if not booking.is_live:
        gone.update(passenger.key for passenger in booking.passengers)
    if not command.passenger_emails:
        return booking.passengers if booking.is_live else ()
    leaving: dict[str, Passenger] = {}
    for index, email in enumerate(command.passenger_emails):
        key = email_key(email)
        if booking.is_live and any(passenger.key == key for passenger in booking.passengers):
            leaving[key] = booking.passengers[_passenger_position(booking, email, "passenger_emails")]
        elif key not in gone:
            raise InvalidField(f"passenger_emails[{index}]", f"{email} does not travel on booking {booking.reference}")
    return tuple(leaving.values())
