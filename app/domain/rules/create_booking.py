"""CreateBooking: seats are sold, or a place on the waitlist.

Belongs here: the sale after all checks. Does not belong here: the checks (`sale_checks.py`), which seats come next
(`seating.py`), changes of a booking (one module of this folder for each command).
"""

from datetime import datetime
from itertools import count

from app.domain.booking import Booking, BookingState, Passenger, Seat, own_payment_id
from app.domain.commands import BookingResult, CreateBooking
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.people import email_key
from app.domain.rules.booking_changes import event_data
from app.domain.rules.sale_checks import SALE_CHECKS, BookingsOfOtherRuns, Sale
from app.domain.rules.seating import take_seats
from app.domain.rules.use_hold import use_hold
from app.domain.rules.waitlist import position_in_waitlist, waitlist_fare
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun


def create_booking_with_position(
    run: TrainRun, command: CreateBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns
) -> BookingResult:
    """Create a booking as `create_booking` does. Return its waitlist position too."""
    return with_position(run, create_booking(run, command, now, bookings_of_other_runs))


def create_booking(
    run: TrainRun, command: CreateBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns
) -> Booking:
    """Sell seats, or a place on the waitlist. A repeated request gets the booking that it made before, as it is.

    Refuses what `sale_checks.py` says, in that order; then the run is unchanged.
    """
    sale = Sale(run, command, now, bookings_of_other_runs, email_key(command.user.email), command.fingerprint)
    for check in SALE_CHECKS:
        check(sale)
        if sale.existing is not None:
            return sale.existing
    if sale.hold is not None:
        return _sell_held(sale, sale.hold)
    return _join_waitlist(sale) if sale.choice is None else _sell_next(sale, *sale.choice)


def with_position(run: TrainRun, booking: Booking) -> BookingResult:
    """Return a booking with its waitlist position and the schedule of its run."""
    position = position_in_waitlist(run, booking) if booking.ticket_number else 0
    return BookingResult(booking, position, run.schedule)


def _sell_next(sale: Sale, section: int, numbers: list[int], by_counter: bool) -> Booking:
    run = sale.run
    seats = [run.seat(section, number) for number in numbers]
    booking = _booking(sale, BookingState.CONFIRMED, seats, run.sections[section].fare)
    take_seats(run, section, numbers, sale.journey.legs, by_counter=by_counter)
    return _record_sale(sale, booking, EventType.BOOKING_CONFIRMED)


def _sell_held(sale: Sale, hold: Hold) -> Booking:
    fare = Money(hold.fare_minor, hold.currency)
    booking = _booking(sale, BookingState.CONFIRMED, list(hold.seats), fare)
    use_hold(sale.run, hold, sale.now)
    return _record_sale(sale, booking, EventType.BOOKING_CONFIRMED)


def _join_waitlist(sale: Sale) -> Booking:
    run, command, passenger_count = sale.run, sale.command, len(sale.identities)
    entry = run.join_waitlist(sale.reference, command.section, sale.journey.legs, passenger_count)
    fare = waitlist_fare(run, command.section)
    booking = _booking(sale, BookingState.WAITLISTED, [None] * passenger_count, fare, entry.ticket_number)
    return _record_sale(sale, booking, EventType.BOOKING_WAITLISTED)


def _booking(sale: Sale, state: BookingState, seats: list[Seat] | list[None], fare: Money, ticket_number: int = 0) -> Booking:
    command, reference, fingerprint, now = sale.command, sale.reference, sale.fingerprint, sale.now
    payment, fare_minor = command.payment, fare.minor
    return Booking(
        reference,
        command.request_id,
        fingerprint,
        state,
        command.user,
        sale.user_key,
        tuple(
            [
                Passenger(person, number, address, key, seat, fare_minor)
                for number, person, (address, key), seat in zip(
                    count(1), command.passengers, sale.identities, seats, strict=False
                )
            ]
        ),
        (),
        sale.journey,
        fare.currency,
        now,
        now,
        sale.run.version + 1,
        command.section,
        ticket_number,
        (payment.payment_id or own_payment_id(reference, fingerprint)) if payment else "",
        payment.authorization_id if payment else "",
        fare_minor * len(seats),
    )


def _record_sale(sale: Sale, booking: Booking, kind: EventType) -> Booking:
    sale.run.put_booking(booking)
    sale.run.emit(kind, booking.reference, event_data(booking), sale.now, sale.command.caller.trace_parent)
    return booking
