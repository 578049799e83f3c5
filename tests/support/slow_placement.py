"""Placing displaced units, written a second time: slow, plain and independent of `app/domain/rules/displacement.py`.

Belongs here: the steps as the rules say them, over a list of seats. Does not belong here: comparing them (the tests).
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from app.domain.layout.plan import PlacementStep
from app.domain.rules.displacement import Placement, SeatDemand
from app.domain.run.seats import SectionSeats

Place = tuple[int, int]


class SlowPlacement:
    """The search for one unit. Every choice of seats is looked at."""

    def __init__(self, sections: Sequence[SectionSeats], demand: SeatDemand) -> None:
        self.sections, self.demand = sections, demand
        self.count = demand.count
        others = [index for index in range(len(sections)) if sections[index].name != demand.section]
        self.own = [index for index in range(len(sections)) if sections[index].name == demand.section]
        fares = {index: sections[index].fare.minor for index in others}
        self.better = sorted((index for index in others if fares[index] >= demand.fare_minor_min), key=lambda i: (fares[i], i))
        self.lower = sorted((index for index in others if fares[index] < demand.fare_minor_min), key=lambda i: (-fares[i], i))

    def place(self, *, allow_lower: bool) -> Placement | None:
        """Return what the first step that finds seats gives."""
        lower = self.lower if allow_lower else []
        tries: list[tuple[PlacementStep, list[list[int]], bool]] = [
            (PlacementStep.TOGETHER_SAME, [[index] for index in self.own], True),
            (PlacementStep.TOGETHER_BETTER, [[index] for index in self.better], True),
            (PlacementStep.SPLIT_SAME, [[index] for index in self.own], False),
            (PlacementStep.SPLIT_BETTER, [[index] for index in self.better], False),
            (PlacementStep.SPLIT_BETTER, [self.own + self.better], False),
            (PlacementStep.LOWER, [[index] for index in lower], True),
            (PlacementStep.LOWER, [[index] for index in lower], False),
            (PlacementStep.LOWER, [self.own + self.better + lower] if allow_lower else [], False),
        ]
        for step, choices, is_together in tries:
            for indexes in choices:
                seats = self._neighbours(indexes[0]) if is_together else self._apart(indexes)
                if seats is not None:
                    return Placement(seats, step)
        return None

    def _free(self, index: int) -> list[int]:
        section, legs = self.sections[index], self.demand.legs
        numbers = range(1, section.size + 1)
        return [number for number in numbers if number not in section.retired and not section.sold_legs[number - 1] & legs]

    def _free_legs(self, place: Place) -> int:
        section = self.sections[place[0]]
        return sum(1 for leg in range(8) if section.all_legs >> leg & 1 and not section.sold_legs[place[1] - 1] >> leg & 1)

    def _neighbours(self, index: int) -> tuple[Place, ...] | None:
        section = self.sections[index]
        found = [
            [(index, number) for number in numbers]
            for numbers in combinations(self._free(index), self.count)
            if numbers[-1] - numbers[0] == self.count - 1 and len({section.coach_of(number) for number in numbers}) == 1
        ]
        best = min(found, key=lambda places: (sum(map(self._free_legs, places)), places), default=None)
        return tuple(best) if best else None

    def _apart(self, indexes: Iterable[int]) -> tuple[Place, ...] | None:
        chosen: list[Place] = []
        for index in indexes:
            best_first = sorted(((index, number) for number in self._free(index)), key=lambda p: (self._free_legs(p), p))
            chosen += sorted(best_first[: self.count - len(chosen)])
        return tuple(chosen) if len(chosen) == self.count else None
