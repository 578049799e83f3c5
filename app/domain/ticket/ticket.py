"""A ticket: what one passenger of a booking shows on board.

Belongs here: the value, and making it from a booking. Does not belong here: the code in the QR (`code.py`), judging it
(`verdict.py`), drawing it (`app/tickets`).
"""

from datetime import datetime

from app.domain.booking import Booking, Passenger, Seat
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
    calendar entries need it. `valid_until` is when the code stops being a ticket: a day after the scheduled arrival.
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
    raise NotImplementedError
