"""The waitlist of a run, indexed by what its bookings wait for.

Belongs here: an entry of the waitlist, and the index that finds the first entry of each demand without a scan of up to ten
thousand. Does not belong here: who joins, leaves or is promoted (`app/domain/rules/`).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Mapping

from app.domain.values import value

# Ticket numbers of displaced passengers count up from here. So they stand before all others, whose numbers begin at 1.
DISPLACED_TICKET_FIRST = -1_000_000_000

# What a booking waits for: a section (empty for any), the legs, for how many people, and its `fare_minor_min`.
WaitlistDemand = tuple[str, int, int, int | None]


@value(frozen=True, slots=True)
class WaitlistEntry:
    """A booking on the waitlist: `count` people wait for seats on `legs`, in `section` or, where it is empty, in any section.

    Ticket numbers rise in the order of joining and are never reused; those of displaced passengers are negative. Displaced
    passengers also take any section whose fare is not lower than `fare_minor_min`, at no charge, and never a lower one. It is
    None for all others.
    """

    ticket_number: int
    reference: str
    section: str
    legs: int
    count: int
    fare_minor_min: int | None = None

    @property
    def demand(self) -> WaitlistDemand:
        """What the booking waits for. Many entries share few demands."""
        return self.section, self.legs, self.count, self.fare_minor_min


class WaitlistIndex:
    """The ticket numbers of the waitlist by demand, each list in rising order; and the references of all its bookings.

    `displaced_count` is how many entries are those of displaced passengers.
    """

    __slots__ = ("_ticket_numbers", "displaced_count", "references")

    def __init__(self, entries: Iterable[WaitlistEntry] = ()) -> None:
        self._ticket_numbers: dict[WaitlistDemand, list[int]] = {}
        self.displaced_count = 0
        self.references: set[str] = set()
        for entry in entries:
            self.replace(None, entry)

    @property
    def ticket_numbers(self) -> Mapping[WaitlistDemand, list[int]]:
        """All ticket numbers by demand."""
        return self._ticket_numbers

    def replace(self, before: WaitlistEntry | None, after: WaitlistEntry | None) -> None:
        """Index `after` in place of `before`; None stands for no entry. A new entry mostly has the highest number."""
        if before is not None:
            self.references.discard(before.reference)
            self.displaced_count -= before.ticket_number < 0
            numbers = self._ticket_numbers[before.demand]
            del numbers[bisect_left(numbers, before.ticket_number)]
            if not numbers:
                del self._ticket_numbers[before.demand]
        if after is not None:
            self.references.add(after.reference)
            self.displaced_count += after.ticket_number < 0
            insort(self._ticket_numbers.setdefault(after.demand, []), after.ticket_number)

    def first(self, demand: WaitlistDemand) -> int | None:
        """Return the lowest ticket number with this demand, None where nobody has it."""
        numbers = self._ticket_numbers.get(demand)
        return numbers[0] if numbers else None

    def fronts(self) -> list[tuple[int, WaitlistDemand]]:
        """Return the lowest ticket number of each demand, in rising order."""
        return sorted((number, demand) for demand in self._ticket_numbers if (number := self.first(demand)) is not None)

    def position(self, ticket_number: int) -> int:
        """Return the position of a ticket number in the waitlist, from 1: how many numbers are not above it."""
        return sum(bisect_right(numbers, ticket_number) for numbers in self._ticket_numbers.values())
