"""The seat inventory of one section, and which seat is sold next.

Belongs here: the counter, the sold legs of every seat, the order in which seats came free, and the choice of the next seats.
Does not belong here: bookings, people, prices.

The rules:

1. Seats are given out in rising order by a counter, `next_number`. Seats that somebody chose ahead of it are skipped.
2. Only when the counter has passed the last seat, seats below it that are free for the journey are given out, in the order in
   which they came free for it.
3. A seat below the counter is free for a journey when none of the journey's legs is sold. What is free on it is stored as
   entries (sequence, legs), one for each time that legs came free; together they are exactly its unsold legs. A seat has come
   free for a journey with the last of the journey's legs.
4. A group gets all its seats or none. Of freed seats it gets neighbours in one coach where there are such.
5. A retired seat was removed from the train. All its legs count as sold and nothing is free on it, so rules 1 to 4 never choose
   it. Its number is never used again: numbers of new seats go on above `size`.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from app.domain.money import Money
from app.domain.run.change_set import OfSeats, OfSections

# When (a rising sequence) and which legs of a seat came free.
FreedEntry = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CoachSeats:
    """The seats `first` to `last` of a section, which are in coach `name`."""

    name: str
    first: int
    last: int


@dataclass(slots=True)
class SectionSeats:
    """The seats of one section of one run. Seat `number` has index `number - 1` in `sold_legs`.

    `coaches` are ranges of numbers that cover all of them, also those of the `retired` seats. A coach that grew has several.
    """

    name: str
    fare: Money
    coaches: tuple[CoachSeats, ...]
    all_legs: int
    sold_legs: Annotated[
        list[int],
        OfSeats(lambda seats, number: seats.sold_legs[number - 1], lambda seats, number, legs: seats.set_sold(number, legs)),
    ]
    next_number: Annotated[int, OfSections()] = 1
    freed: Annotated[
        dict[int, tuple[FreedEntry, ...]],
        OfSeats(
            lambda seats, number: seats.freed.get(number, ()), lambda seats, number, entries: seats.set_freed(number, entries)
        ),
    ] = field(default_factory=dict)
    retired: frozenset[int] = frozenset()
    _freed_order: list[tuple[int, int, int]] = field(init=False, repr=False)
    _coach_ends: list[int] = field(init=False, repr=False)
    _sold_counts: Counter[int] | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        self._coach_ends = [coach.last for coach in self.coaches]
        self._freed_order = sorted(
            (sequence, number, legs) for number, entries in self.freed.items() for sequence, legs in entries
        )

    def copy(self) -> "SectionSeats":
        """Return a copy whose changes do not reach this section."""
        sold_legs, freed = list(self.sold_legs), dict(self.freed)
        return SectionSeats(self.name, self.fare, self.coaches, self.all_legs, sold_legs, self.next_number, freed, self.retired)

    @property
    def size(self) -> int:
        """The highest seat number that the section ever had."""
        return len(self.sold_legs)

    @property
    def seat_count(self) -> int:
        """How many seats the section has. Retired seats do not count."""
        return len(self.sold_legs) - len(self.retired)

    def is_retired(self, number: int) -> bool:
        """Whether the seat was removed from the train."""
        return number in self.retired

    def is_free(self, number: int, legs: int) -> bool:
        """Whether none of these legs of the seat is sold."""
        return not self.sold_legs[number - 1] & legs

    def free_count(self, legs: int) -> int:
        """Return how many seats are free on all these legs."""
        return sum(1 for sold in self.sold_legs if not sold & legs)

    def has_free(self, legs: int, count: int) -> bool:
        """Whether so many seats are free on all these legs. Much quicker than choosing them.

        Thousands of seats are sold in few ways (`sold_counts`).
        """
        counts = self._sold_counts or self.sold_counts()
        return sum([seats for sold, seats in counts.items() if not sold & legs]) >= count

    def sold_counts(self) -> Mapping[int, int]:
        """Return how many seats have which sold legs.

        They are counted at the first call, and the counts are kept up to date from then on.
        """
        if self._sold_counts is None:
            self._sold_counts = Counter(self.sold_legs)
        return self._sold_counts

    def set_sold(self, number: int, legs: int) -> None:
        """Set the sold legs of a seat."""
        counts = self._sold_counts
        if counts is not None:
            before = self.sold_legs[number - 1]
            counts[legs] += 1
            counts[before] -= 1
            if not counts[before]:
                del counts[before]
        self.sold_legs[number - 1] = legs

    def coach_of(self, number: int) -> str:
        """Return the name of the coach that a seat is in."""
        return self.coaches[bisect_left(self._coach_ends, number)].name

    def set_freed(self, number: int, entries: tuple[FreedEntry, ...]) -> None:
        """Set what is free on a seat below the counter, and update the order of the freed seats."""
        for sequence, legs in self.freed.pop(number, ()):
            del self._freed_order[bisect_left(self._freed_order, (sequence, number, legs))]
        if entries:
            self.freed[number] = entries
            for sequence, legs in entries:
                insort(self._freed_order, (sequence, number, legs))

    def next_seats(self, legs: int, count: int) -> list[int] | None:
        """Return the numbers of the next `count` seats for these legs, or None where fewer are free. Changes nothing."""
        chosen = self._fresh_seats(legs, count)
        missing = count - len(chosen)
        if not missing:
            return chosen
        freed = list(self._freed_seats(legs))
        if len(freed) < missing:
            return None
        together = None if chosen or missing == 1 else self._neighbours(freed, missing)
        return chosen + (together or freed[:missing])

    def _fresh_seats(self, legs: int, count: int) -> list[int]:
        chosen: list[int] = []
        for number in range(self.next_number, self.size + 1):
            if self.is_free(number, legs):
                chosen.append(number)
                if len(chosen) == count:
                    break
        return chosen

    def _freed_seats(self, legs: int) -> Iterator[int]:
        """Yield the seats below the counter that are free for these legs, in the order in which they came free for them.

        The fresh seats that the same group takes first are not among them: their free legs count from the sale on.
        """
        came_free: dict[int, int] = {}
        for _, number, freed in self._freed_order:
            before = came_free.get(number, 0)
            came_free[number] = before | freed
            if legs & ~before and not legs & ~came_free[number]:
                yield number

    def _neighbours(self, numbers: Sequence[int], count: int) -> list[int] | None:
        """Return the first `count` consecutive numbers in one coach, by when the earliest-freed of them came free."""
        free = set(numbers)
        coaches = {number: self.coach_of(number) for number in free}
        for number in numbers:
            for first in range(number - count + 1, number + 1):
                wanted = range(first, first + count)
                if all(coaches.get(other) == coaches[number] for other in wanted):
                    return list(wanted)
        return None


def without_legs(entries: tuple[FreedEntry, ...], legs: int) -> tuple[FreedEntry, ...]:
    """Return what stays free of `entries` when `legs` are sold."""
    return tuple((sequence, freed & ~legs) for sequence, freed in entries if freed & ~legs)
