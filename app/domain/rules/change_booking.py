"""The decisions to change a booking: its passengers' own fields, a seat, a cancellation.

Belongs here: UpdateBooking, ChangeSeat and CancelBooking on a train run. Does not: sales, nor who may change a booking
(`access.py`).
"""

from dataclasses import replace
from datetime import datetime
from typing import NoReturn

from app.domain.amounts import AmountRules
from app.domain.booking import Booking, BookingState, Passenger
from app.domain.commands import CancelBooking, Cancellation, CancelUnpaid, Change, ChangeSeat, UpdateBooking
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.passenger import identity_of, named_numbers, named_position, numbered_position
from app.domain.people import Caller, Person
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.access import removes_itself, require_cancellable, require_changeable
from app.domain.rules.create_booking import require_no_live_booking
from app.domain.rules.seating import choose_seats, take_seats
from app.domain.rules.waitlist import promote, record_change, with_refund_due
from app.domain.run.train_run import TrainRun
from app.domain.terms import refund_minor
from app.domain.timetable import require_not_departed


def update_booking(run: TrainRun, command: UpdateBooking, now: datetime) -> Booking:
    """Changes the passengers' own fields. Nothing to change is no change.

    Refuses INVALID_FIELD (a number that nobody has, or without numbers not as many passengers as travel), BOOKING_CANCELLED,
    ETAG_STALE, RUN_DEPARTED, and PASSENGER_ALREADY_BOOKED for a new address and name that travel on the run already.
    """
    booking = _require_open_booking(run, command.caller, command.reference, command.etag, now)
    updated = list(booking.passengers)
    positions = _updated_positions(booking, command)
    for index, (position, person) in enumerate(zip(positions, command.passengers, strict=True)):
        updated[position] = _updated(booking, position, person, command.fields, f"passengers[{index}]")
    passengers = tuple(updated)
    _require_distinct(passengers, positions)
    own = {passenger.key for passenger in booking.passengers}
    for passenger in passengers:
        if passenger.key not in own:
            require_no_live_booking(run, passenger.key)
    if passengers == booking.passengers:
        return booking
    return record_change(
        run, replace(booking, passengers=passengers), EventType.BOOKING_CHANGED, now, command.caller.trace_parent
    )


def change_seat(run: TrainRun, command: ChangeSeat, now: datetime) -> Booking:
    """Moves one passenger to a chosen seat or to a section's next one; the seat left behind is free in the same step.

    In a section with a lower fare, the difference is given back. Refuses INVALID_FIELD (no such passenger, section or seat),
    SEAT_TAKEN, SECTION_FULL, FARE_HIGHER, BOOKING_WAITLISTED, BOOKING_CANCELLED, ETAG_STALE, RUN_DEPARTED; then nothing has
    changed.
    """
    repeated = _find_repeated_move(run, command)
    if repeated is not None:
        return repeated
    booking = _require_open_booking(run, command.caller, command.reference, command.etag, now)
    _require_seated(booking)
    position = named_position(booking, command.passenger_number, command.passenger_email)
    passenger = booking.passengers[position]
    place = passenger.place
    section = command.section or place.section
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
    changed = with_refund_due(replace(booking, passengers=passengers), passenger.fare_minor - fare_minor, now)
    record_change(run, changed, EventType.BOOKING_CHANGED, now, command.caller.trace_parent)
    promote(run, now)
    return run.bookings[booking.reference]


def _find_repeated_move(run: TrainRun, command: ChangeSeat) -> Booking | None:
    """The booking, where its passenger has the named seat already: a repeated request changes nothing and is not refused.

    That holds also with the etag of before the move, and when the train has left since.
    """
    booking = require_changeable(run.find(command.reference), command.caller, command.reference)
    if booking.state is not BookingState.CONFIRMED or not command.seat_number:
        return None
    position = named_position(booking, command.passenger_number, command.passenger_email)
    place = booking.passengers[position].place
    is_there = (command.section or place.section, command.seat_number) == (place.section, place.number)
    return booking if is_there else None


def cancel_booking(run: TrainRun, command: CancelBooking, now: datetime) -> Booking:
    """Takes some or all passengers off and frees their seats in the same step. Doing it again changes nothing.

    A passenger of somebody else's booking may take itself off; the refund goes to who paid, by the same terms. With
    `validate_only` the answer is what would be, and nothing changes. Refuses INVALID_FIELD (no such passenger, an address that
    several have), NOT_PERMITTED, ETAG_STALE, RUN_DEPARTED.
    """
    booking = require_cancellable(run.find(command.reference), command)
    leaving = _leaving_passengers(booking, command)
    if not leaving:
        return booking
    _require_open(booking, command.etag, now)
    changed = _without_passengers(run, booking, leaving, command.amounts, now)
    if not changed.is_live and removes_itself(booking, command.caller):
        changed = replace(changed, is_vacated=True)
    if command.validate_only:
        return changed
    _release_seats(run, booking, leaving)
    record_change(run, changed, EventType.BOOKING_CANCELLED, now, command.caller.trace_parent)
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
        return record_change(run, unpaid, EventType.BOOKING_CHANGED, now)
    _release_seats(run, booking, booking.passengers)
    kept = record_change(run, replace(unpaid, state=BookingState.CANCELLED, ticket_number=0), EventType.BOOKING_CANCELLED, now)
    promote(run, now)
    return kept


def _without_passengers(
    run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...], amounts: AmountRules, now: datetime
) -> Booking:
    """The booking without some or all of its passengers, and what it gives back for them: all to who only waited."""
    staying = tuple(passenger for passenger in booking.passengers if passenger not in leaving)
    if staying:
        gone = (*booking.cancelled_passengers, *leaving)
        changed = replace(booking, passengers=staying, cancelled_passengers=gone)
    else:
        changed = replace(booking, state=BookingState.CANCELLED, ticket_number=0)
    depart, is_waiting = booking.journey.depart, booking.state is BookingState.WAITLISTED
    fares = [passenger.fare_minor for passenger in leaving]
    if not is_waiting:
        shares = [(refund_minor(fare, run.terms, depart, now), Money(fare, booking.currency)) for fare in fares]
        fares = [amounts.refundable_minor(share, paid) for share, paid in shares]
    return with_refund_due(changed, sum(fares), now)


def _release_seats(run: TrainRun, booking: Booking, leaving: tuple[Passenger, ...]) -> None:
    """Frees the seats of those who leave, or their part of a place in the line."""
    if booking.state is BookingState.CONFIRMED:
        for passenger in leaving:
            run.release(passenger.place, booking.journey.legs)
        return
    entry = run.waitlist.get(booking.ticket_number)
    if entry is None:
        return  # the booking is newer than this run, which cannot be committed any more: it will be read and decided again
    if len(leaving) == entry.count:
        run.leave_waitlist(entry.ticket_number)
    else:
        run.replace_waitlist_entry(replace(entry, count=entry.count - len(leaving)))


def cancel_again(booking: Booking, command: CancelBooking, now: datetime) -> Cancellation:
    """Decide a cancellation of a booking that its run has forgotten: one that was cancelled before stays as it is.

    Refuses what a cancellation refuses on the run.
    """
    booking = require_cancellable(booking, command)
    if _leaving_passengers(booking, command):
        refuse_change_of_cancelled(booking, command, now)
    return Cancellation(booking, Money(0, booking.currency), booking)


def refuse_change_of_cancelled(booking: Booking, command: Change, now: datetime) -> NoReturn:
    """Refuse to change a booking that its run has forgotten, for the reason that its run would give."""
    booking = require_changeable(booking, command.caller, command.reference)
    _require_open(booking, command.etag, now)
    raise ValueError(f"booking {booking.reference} is live: its run decides")


def _require_open_booking(run: TrainRun, caller: Caller, reference: str, etag: str, now: datetime) -> Booking:
    booking = require_changeable(run.find(reference), caller, reference)
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


def _updated_positions(booking: Booking, command: UpdateBooking) -> list[int]:
    """Give the position in the booking of each passenger that the command has new values for."""
    if command.numbers:
        numbered = enumerate(command.numbers)
        return [numbered_position(booking, number, f"passengers[{index}].number") for index, number in numbered]
    if len(command.passengers) != len(booking.passengers):
        message = (
            f"has {len(command.passengers)} passengers; the booking has {len(booking.passengers)}: "
            "all are needed in its order, or each with its number"
        )
        raise InvalidField("passengers", message)
    return list(range(len(booking.passengers)))


def _updated(booking: Booking, position: int, person: Person, fields: frozenset[str], field: str) -> Passenger:
    passenger = booking.passengers[position]
    old = passenger.person
    new = Person(
        person.first_name if "first_name" in fields else old.first_name,
        person.last_name if "last_name" in fields else old.last_name,
        person.email if "email" in fields else old.email,
    )
    if not new.email and passenger.number == 1:
        raise InvalidField(f"{field}.email", "is required for passenger 1")
    address, key = identity_of(new, booking.user_key)
    return replace(passenger, person=new, email_key=address, key=key)


def _require_distinct(passengers: tuple[Passenger, ...], updated: list[int]) -> None:
    """Refuse an update after which somebody would stand twice in the booking. `updated` are positions in request order."""
    seen = {passenger.key for position, passenger in enumerate(passengers) if position not in updated}
    for index, position in enumerate(updated):
        passenger = passengers[position]
        if passenger.key in seen:
            raise InvalidField(f"passengers[{index}].email", f"{passenger.key} stands twice in this booking")
        seen.add(passenger.key)


def _leaving_passengers(booking: Booking, command: CancelBooking) -> tuple[Passenger, ...]:
    """Give who is still to be taken off: nobody, when the same cancellation was done before."""
    named = named_numbers(booking, command)
    travelling = {passenger.number: passenger for passenger in booking.passengers} if booking.is_live else {}
    return tuple(travelling[number] for number in named if number in travelling)
