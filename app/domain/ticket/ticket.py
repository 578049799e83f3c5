"""A ticket: what one passenger of a booking shows on board.

Belongs here: the value, and making it from a booking. Does not belong here: the code in the QR (`code.py`), judging it
(`verdict.py`), drawing it (`app/tickets`).
"""

from datetime import datetime, timedelta

from app.domain import limits
from app.domain.booking import Booking, BookingState, Passenger, Seat
from app.domain.money import Money
from app.domain.people import Person
from app.domain.run.run_schedule import RunSchedule
from app.domain.timetable import Stop
from app.domain.values import value


@value(frozen=True, slots=True)
class Ticket:
    """One passenger's ticket.

    `origin` and `destination` have the scheduled times, `expected_depart` and `expected_arrive` the present ones. `legs` is the
    journey's set of legs. `revision` is that of the booking; `sequence` rises with every change of booking or times, as
    calendar entries need it. `valid_until` is when the code stops being a ticket: after the latest arrival that can be
    reported.
    """

    reference: str
    passenger_number: int
    person: Person
    run_id: str
    train_number: str
    travel_date: str
    origin: Stop
    destination: Stop
    expected_depart: datetime
    expected_arrive: datetime
    legs: int
    seat: Seat
    fare: Money
    revision: int
    sequence: int
    valid_until: datetime


def make_ticket(booking: Booking, passenger: Passenger, schedule: RunSchedule, train_number: str, sequence: int) -> Ticket:
    """Return the ticket of a passenger who has a seat. Raises ValueError for one who has none."""
    journey = booking.journey
    first, last = (journey.legs & -journey.legs).bit_length() - 1, journey.legs.bit_length()
    expected = schedule.expected_journey(journey)
    return Ticket(
        reference=booking.reference,
        passenger_number=passenger.number,
        person=passenger.person,
        run_id=journey.run_id,
        train_number=train_number,
        travel_date=journey.travel_date,
        origin=schedule.stops[first],
        destination=schedule.stops[last],
        expected_depart=expected.depart,
        expected_arrive=expected.arrive,
        legs=journey.legs,
        seat=passenger.assigned_seat,
        fare=Money(passenger.fare_minor, booking.currency),
        revision=booking.revision,
        sequence=sequence,
        valid_until=journey.arrive + timedelta(minutes=limits.ARRIVAL_LATE_MINUTES_MAX),
    )


def make_tickets(booking: Booking, schedule: RunSchedule, train_number: str, sequence: int) -> tuple[Ticket, ...]:
    """Return the tickets of all passengers of a CONFIRMED booking who have seats, in its order; none for other bookings."""
    if booking.state is not BookingState.CONFIRMED:
        return ()
    seated = [passenger for passenger in booking.passengers if passenger.seat is not None]
    return tuple(make_ticket(booking, passenger, schedule, train_number, sequence) for passenger in seated)
