"""The bookings of a run that a server has in memory.

Belongs here: loading, replacing and evicting them, and what is counted of them. Does not belong here: recorded changes
(`train_run.py`), nor when a server reads or evicts bookings (`app/lanes/`).
"""

from collections import Counter
from collections.abc import Iterable

from app.domain.booking import Booking, BookingState
from app.domain.run.passenger_index import PassengerIndex
from app.domain.run.waitlist_index import WaitlistIndex


class RunInMemory:
    """The part of `TrainRun` that is about its bookings in memory. `TrainRun` declares these attributes."""

    __slots__ = ()

    bookings: dict[str, Booking]
    waitlist_index: WaitlistIndex
    passenger_index: PassengerIndex
    _waitlisted_per_user: Counter[str]
    _evictable: set[str]

    def apply_newer(self, bookings: Iterable[Booking]) -> None:
        """Put bookings that another server committed in place of older ones. Records no change."""
        newer = {booking.reference: booking for booking in bookings}
        if not newer:
            return
        self.passenger_index.forget(newer)
        for reference, booking in newer.items():
            self._uncount_booking(self.bookings.get(reference))
            self._count_booking(booking)
            self.bookings[reference] = booking
            self.passenger_index.add(booking)

    def load(self, bookings: Iterable[Booking]) -> None:
        """Put bookings in memory, as of the run's version. Their passengers are in the index already."""
        for booking in bookings:
            self._count_booking(booking)
            self.bookings[booking.reference] = booking

    def evict_except(self, references: Iterable[str]) -> None:
        """Remove all bookings from memory but these and those on the waitlist. All passengers stay in the index.

        A booking on the waitlist may be CONFIRMED: where some of its passengers have seats, or where it was read later than the
        run, which is then read again.
        """
        for reference in self._evictable.difference(references):
            if reference not in self.waitlist_index.references:
                self._uncount_booking(self.bookings.pop(reference))

    def reindex_booking(self, before: Booking | None, after: Booking | None) -> None:
        """Index a booking in place of another one; None stands for no booking."""
        self._uncount_booking(before)
        self._count_booking(after)
        if before is not None:
            self.passenger_index.remove(before)
        if after is not None:
            self.passenger_index.add(after)

    def _count_booking(self, booking: Booking | None) -> None:
        """Count a booking that is in memory from now on."""
        if booking is None:
            return
        if booking.state is not BookingState.WAITLISTED:
            self._evictable.add(booking.reference)
        elif booking.ticket_number > 0:  # the limit on them does not count displaced passengers
            self._waitlisted_per_user[booking.user_key] += 1

    def _uncount_booking(self, booking: Booking | None) -> None:
        """Stop counting a booking."""
        if booking is None:
            return
        self._evictable.discard(booking.reference)
        if booking.state is BookingState.WAITLISTED and booking.ticket_number > 0:
            self._waitlisted_per_user[booking.user_key] -= 1
            if not self._waitlisted_per_user[booking.user_key]:
                del self._waitlisted_per_user[booking.user_key]
