"""What has to hold of passengers, as plain functions over documents as the database keeps them.

Belongs here: who travels how often, numbers, and how many passengers a booker has. Does not: seats, waiting lists and money
(`invariants.py`), nor when these are checked (`record.py`).
"""

from collections import Counter
from collections.abc import Iterator

from tests.simulation.invariants import Bookings, Document, is_live

# The town's people write their addresses and names in one way, so that the rule needs no folding here.
Identity = tuple[str, str, str]


def identity(booking: Document, passenger: Document) -> Identity:
    """Who a passenger is: address, the booker's for want of an own one, and names."""
    return passenger["email"] or booking["user"]["email"], passenger["first_name"], passenger["last_name"]


def passengers_have_one_live_booking(bookings: Bookings) -> Iterator[str]:
    """A passenger, known by address and name, has one live booking on the run, waiting or not."""
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
    most = run["terms"]["passengers_per_booker_max"]
    yield from (f"{who} has booked {count} passengers, and may book {most}" for who, count in booked.items() if count > most)


def passenger_numbers_stay(before: Document | None, booking: Document) -> Iterator[str]:
    """Passengers are numbered by the order of the request; who moves, leaves or is renamed keeps the number."""
    numbers = [passenger["passenger_number"] for passenger in (*booking["passengers"], *booking["cancelled_passengers"])]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        yield f"{booking['_id']} has the passenger numbers {numbers}"
    if before is None:
        return
    seats = {passenger["passenger_number"]: passenger for passenger in before["cancelled_passengers"]}
    for passenger in booking["cancelled_passengers"]:
        known = seats.pop(passenger["passenger_number"], passenger)
        if known != passenger:
            yield f"{booking['_id']} had {known} among those who left, and now {passenger}"
    if seats:
        yield f"{booking['_id']} no longer tells of {sorted(seats)}, who left it"
    if [passenger["passenger_number"] for passenger in booking["passengers"]] != sorted(
        passenger["passenger_number"] for passenger in booking["passengers"]
    ):
        yield f"{booking['_id']} has its passengers in another order: {numbers}"
