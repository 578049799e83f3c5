"""A slow, plain model of one section, to compare the real inventory with.

Belongs here: the rules of giving out seats, written a second time and independently of `app/domain/run/seats.py`.
It
remembers for each leg of each seat whether it is sold and when it last came free, and tries everything.
"""

from dataclasses import dataclass, field


@dataclass
class ModelSection:
    """`coaches` has the coach's index of each seat. Seats count from 0 here, legs are lists of indexes."""

    coaches: list[int]
    leg_count: int
    counter: int = 0
    clock: int = 0
    sold: list[set[int]] = field(default_factory=list)
    came_free: list[dict[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sold = [set() for _ in self.coaches]
        self.came_free = [{} for _ in self.coaches]

    def is_free(self, seat: int, legs: list[int]) -> bool:
        """Return whether the seat is free on all these legs."""
        return not any(leg in self.sold[seat] for leg in legs)

    def wanted(self, legs: list[int], count: int) -> list[int] | None:
        """Return the seats that the next `count` passengers get, or None."""
        fresh = [seat for seat in range(self.counter, len(self.coaches)) if self.is_free(seat, legs)][:count]
        missing = count - len(fresh)
        freed = [seat for seat in range(self.counter) if self.is_free(seat, legs)]
        if len(freed) < missing:
            return None
        freed.sort(key=lambda seat: self._free_since(seat, legs))
        if not fresh and missing > 1:
            rows = [row for row in self._rows(count) if all(seat in freed for seat in row)]
            if rows:
                return min(rows, key=lambda row: (min(self._free_since(seat, legs) for seat in row), row))
        return fresh + freed[:missing]

    def sell(self, seats: list[int], legs: list[int], *, by_counter: bool) -> None:
        """Sell the seats. The legs that stay free on seats that the counter passes are freed now."""
        for seat in seats:
            self.sold[seat].update(legs)
        while by_counter and self.counter <= max(seats):
            left = [leg for leg in range(self.leg_count) if leg not in self.sold[self.counter]]
            self._note(self.counter, left)
            self.counter += 1

    def free(self, seat: int, legs: list[int]) -> None:
        """Free the seats. Above the counter, nothing is remembered."""
        self.sold[seat].difference_update(legs)
        if seat < self.counter:
            self._note(seat, legs)

    def _note(self, seat: int, legs: list[int]) -> None:
        if legs:
            self.clock += 1
            self.came_free[seat].update(dict.fromkeys(legs, self.clock))

    def _free_since(self, seat: int, legs: list[int]) -> int:
        return max(self.came_free[seat][leg] for leg in legs)

    def _rows(self, count: int) -> list[list[int]]:
        """Return all rows of `count` neighbouring seats in one coach."""
        rows = [list(range(first, first + count)) for first in range(len(self.coaches) - count + 1)]
        return [row for row in rows if len({self.coaches[seat] for seat in row}) == 1]
