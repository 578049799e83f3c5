"""Invariants of passengers, as functions over stored documents.

Belongs here: bookings per passenger, passenger numbers, and passengers per booker. Does not belong here: seats, waitlists and
money (`invariants.py`), nor when these are checked (`record.py`).
"""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.invariants import Bookings, Document, is_live

# Callers of the simulation spell every address and name in one way, so that identities need no folding here.
Identity = tuple[str, str, str]


def identity(booking: Document, passenger: Document) -> Identity:
    """Return what identifies a passenger: the address, or the booker's where it is empty, and the names."""
    return passenger["email"] or booking["user"]["email"], passenger["first_name"], passenger["last_name"]


def passengers_have_one_live_booking(bookings: Bookings) -> Iterator[str]:
    """A passenger has at most one live booking on the run, waitlisted ones included."""
    live = Counter(
        identity(booking, passenger) for booking in bookings.values() if is_live(booking) for passenger in booking["passengers"]
    )
    yield from (f"{who} has {count} live bookings" for who, count in live.items() if count > 1)


def bookers_stay_within_their_limit(run: Document, bookings: Bookings) -> Iterator[str]:
    """No booker has more passengers on live bookings of the run than its terms allow."""
    booked: Counter[str] = Counter()
    for booking in bookings.values():
        if is_live(booking):
            booked[booking["user"]["email"]] += len(booking["passengers"])
    passengers_max = run["terms"]["passengers_per_booker_max"]
    yield from (
        f"{who} has booked {count} passengers, and may book {passengers_max}"
        for who, count in booked.items()
        if count > passengers_max
    )


def passenger_numbers_stay(before: Document | None, booking: Document) -> Iterator[str]:
    """Passengers are numbered in the order of the request, and keep their numbers when they move, leave or are renamed."""
    numbers = [passenger["passenger_number"] for passenger in (*booking["passengers"], *booking["cancelled_passengers"])]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        yield f"{booking['_id']} has the passenger numbers {numbers}"
    if before is None:
        return
    gone = {passenger["passenger_number"]: passenger for passenger in before["cancelled_passengers"]}
    for passenger in booking["cancelled_passengers"]:
        known = gone.pop(passenger["passenger_number"], passenger)
        if known != passenger:
            yield f"{booking['_id']} had the cancelled passenger {known}, and now {passenger}"
    if gone:
        yield f"{booking['_id']} no longer lists the cancelled passengers {sorted(gone)}"
    if [passenger["passenger_number"] for passenger in booking["passengers"]] != sorted(
        passenger["passenger_number"] for passenger in booking["passengers"]
    ):
        yield f"{booking['_id']} has its passengers in another order: {numbers}"
