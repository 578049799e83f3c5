"""The line of those who wait, by what they wait for.

Belongs here: who is first of those who wait for the same, without going through all ten thousand. Does not: the places
themselves (`train_run.py`), nor who joins, leaves or is promoted (`app/domain/rules/waitlist.py`).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping

# What somebody waits for: a section (empty for any), the legs, and for how many people.
WaitlistDemand = tuple[str, int, int]


class WaitlistIndex:
    """The numbers of those who wait, in order, by wish, and their bookings. Thousands who wait have few wishes
    between them.
    """

    __slots__ = ("_numbers", "references")

    def __init__(self) -> None:
        self._numbers: dict[WaitlistDemand, list[int]] = {}
        self.references: set[str] = set()

    @property
    def numbers(self) -> Mapping[WaitlistDemand, list[int]]:
        """All of it."""
        return self._numbers

    def add(self, demand: WaitlistDemand, number: int, reference: str) -> None:
        """Has a booking wait under a number, mostly behind all others."""
        self.references.add(reference)
        insort(self._numbers.setdefault(demand, []), number)

    def remove(self, demand: WaitlistDemand, number: int, reference: str) -> None:
        """Has a booking that waits under a number wait no more."""
        self.references.discard(reference)
        numbers = self._numbers[demand]
        del numbers[bisect_left(numbers, number)]
        if not numbers:
            del self._numbers[demand]

    def first(self, demand: WaitlistDemand) -> int | None:
        """The first of those who wait for this; None where nobody does."""
        numbers = self._numbers.get(demand)
        return numbers[0] if numbers else None

    def fronts(self) -> list[tuple[int, WaitlistDemand]]:
        """The first number of each wish, in order."""
        return sorted((number, demand) for demand in self._numbers if (number := self.first(demand)) is not None)

    def position(self, number: int) -> int:
        """How many numbers are not above this one."""
        return sum(bisect_right(numbers, number) for numbers in self._numbers.values())
