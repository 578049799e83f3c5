"""A section of a run while its layout changes.

Belongs here: adding and retiring seats of one section. Does not belong here: the operations (`layout_sections.py`).

A retired seat keeps its number and its coach, and all its legs are sold, so that nothing sells it. New seats get numbers above
all that the section ever had.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.money import Money
from app.domain.run.seats import CoachSeats, FreedEntry, SectionSeats


@dataclass(slots=True)
class SectionDraft:
    """A copy of a section's seats. `live` has the seats that are not retired, in rising order, of each coach it ever had."""

    name: str
    fare: Money
    coaches: list[CoachSeats]
    all_legs: int
    sold_legs: list[int]
    next_number: int
    freed: dict[int, tuple[FreedEntry, ...]]
    live: dict[str, list[int]]

    @classmethod
    def copy_of(cls, seats: SectionSeats) -> "SectionDraft":
        """Copy the seats of a section."""
        live: dict[str, list[int]] = {coach.name: [] for coach in seats.coaches}
        for coach in seats.coaches:
            live[coach.name] += [number for number in range(coach.first, coach.last + 1) if not seats.is_retired(number)]
        sold_legs, freed = list(seats.sold_legs), dict(seats.freed)
        return cls(seats.name, seats.fare, list(seats.coaches), seats.all_legs, sold_legs, seats.next_number, freed, live)

    def seats(self) -> SectionSeats:
        """Return the section's seats. The counter passes retired seats, or each search for seats would go through them."""
        retired = frozenset(range(1, self.size + 1)).difference(*self.live.values())
        next_number = self.next_number
        while next_number in retired:
            next_number += 1
        return SectionSeats(
            name=self.name,
            fare=self.fare,
            coaches=tuple(self.coaches),
            all_legs=self.all_legs,
            sold_legs=self.sold_legs,
            next_number=next_number,
            freed=self.freed,
            retired=retired,
        )

    @property
    def size(self) -> int:
        """The highest seat number that the section ever had."""
        return len(self.sold_legs)

    @property
    def coach_names(self) -> list[str]:
        """The names of the coaches that have seats."""
        return [name for name, numbers in self.live.items() if numbers]

    @property
    def live_numbers(self) -> set[int]:
        """The numbers of all seats that are not retired."""
        return set().union(*self.live.values())

    def add_seats(self, coach: str, count: int) -> None:
        """Add seats to a coach, new or not."""
        first, last = self.size + 1, self.size + count
        if self.coaches and self.coaches[-1].name == coach:
            self.coaches[-1] = CoachSeats(coach, self.coaches[-1].first, last)
        else:
            self.coaches.append(CoachSeats(coach, first, last))
        self.sold_legs += [0] * count
        self.live.setdefault(coach, []).extend(range(first, last + 1))

    def retire(self, numbers: Iterable[int]) -> None:
        """Retire seats. Who has them is the caller's concern."""
        gone = set(numbers)
        for number in gone:
            self.sold_legs[number - 1] = self.all_legs
            self.freed.pop(number, None)
        for coach, live in self.live.items():
            self.live[coach] = [number for number in live if number not in gone]
