"""Who travels on a run: the live booking of each passenger, and how many passengers each booker has there.

Belongs here: the index over all live bookings of a run, those that are not in memory included. Does not belong here: the rules
that ask it (`app/domain/rules/`).

A run keeps only some of its bookings in memory; this index has the passengers of all live ones. Each booking adds and removes
exactly its own passengers. So the counts are right in whatever order bookings change or are restored.
"""

from collections.abc import Iterable, Mapping

from app.domain.booking import Booking


class PassengerIndex:
    """The passengers of a run's live bookings. `references` maps passenger keys to the references of their bookings."""

    __slots__ = ("_passenger_counts", "references")

    def __init__(self) -> None:
        self.references: dict[str, str] = {}
        self._passenger_counts: dict[str, int] = {}

    @property
    def passenger_counts(self) -> Mapping[str, int]:
        """How many passengers each booker has on live bookings, by the booker's address as compared."""
        return self._passenger_counts

    def add(self, booking: Booking) -> None:
        """Add the passengers of a live booking. Does nothing for any other."""
        if not booking.is_live:
            return
        for passenger in booking.passengers:
            self.references[passenger.key] = booking.reference
        self._count(booking.user_key, len(booking.passengers))

    def remove(self, booking: Booking) -> None:
        """Remove the passengers of a booking as it was when it was added."""
        if not booking.is_live:
            return
        for passenger in booking.passengers:
            # Another booking may have taken the passenger over within the same batch.
            if self.references.get(passenger.key) == booking.reference:
                del self.references[passenger.key]
        self._count(booking.user_key, -len(booking.passengers))

    def forget(self, bookings: Mapping[str, Booking]) -> None:
        """Remove the passengers of these bookings, by reference, whatever older form of them was added."""
        known = [reference for reference in self.references.values() if reference in bookings]
        if not known:
            return
        for reference in known:
            self._count(bookings[reference].user_key, -1)
        self.references = {key: reference for key, reference in self.references.items() if reference not in bookings}

    def load(self, passengers: Iterable[tuple[str, str, str]]) -> None:
        """Replace the index by (passenger key, reference, booker's address as compared) of each passenger of a live booking."""
        self.references, self._passenger_counts = {}, {}
        for key, reference, user_key in passengers:
            self.references[key] = reference
            self._passenger_counts[user_key] = self._passenger_counts.get(user_key, 0) + 1

    def _count(self, user_key: str, change: int) -> None:
        count = self._passenger_counts.get(user_key, 0) + change
        if count > 0:
            self._passenger_counts[user_key] = count
        else:
            self._passenger_counts.pop(user_key, None)
