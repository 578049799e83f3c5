"""Displacement: where passengers go whose seats a layout change removes.

Belongs here: who is displaced, in which order they are placed, and which seats they get. Does not belong here: how
their bookings change (`displaced_bookings.py`), the change itself (`update_layout.py`).

The rules:
1. The displaced passengers of one booking in one section are one unit: it gets all its seats or none. Passengers of a booking
   who sat in different sections, as ChangeSeat allows, sat apart already. They are a unit for each section, and each of them
   keeps the worth of its own seat.
2. Larger units are placed first, then those with more legs, then older bookings.
3. A unit is placed by the first step that finds seats for all:
   (a) neighbours in its section: consecutive numbers in one coach;
   (b) neighbours in a section whose fare is not lower, at no charge; the cheapest first, then in the order of sale;
   (c) any seats of its section;
   (d) any seats of one section whose fare is not lower, in the same order; then any seats of all these sections and its own,
       its own first;
   (e) only where a lower section is allowed: neighbours in a section whose fare is lower, the dearest first; then any seats of
       one; then any seats of the train, in the order of all steps.
   So nobody loses a seat while seats exist that a step may give.
4. Fares are compared as they are after the change. A section that the change removed has its last fare.
5. Of the seats that fit, a unit gets those with the fewest other legs free, then the lowest numbers. For neighbours, the free
   legs of all of them count together. The passengers get the seats in the order of their numbers.
6. Afterwards no unit without seats could be placed by a step. But other choices may seat more passengers. A search through all
   choices does so on 9 % of small trains with too few seats. Over all these trains, 3 % of the passengers whom the search
   seats get no seat here (`tests/unit/layouts/test_displacement_optimum.py`).

500 units on 5,000 seats take 20 to 200 milliseconds: most for pairs on a train with thousands of different journeys.
"""

from collections.abc import Callable, Collection, Container, Iterator, Sequence
from itertools import groupby, islice, repeat
from operator import add

from app.domain import limits
from app.domain.booking import Booking, Passenger
from app.domain.layout.plan import PlacementStep
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.values import value

# Less than nothing for any group of which one seat is sold on a leg of the journey, however many legs of the others are sold.
_NOT_FREE = -limits.PASSENGERS_PER_BOOKING_MAX * limits.STOPS_PER_TRAIN_MAX

# Seats of a unit: the index of the section and the number of each.
Seats = tuple[tuple[int, int], ...]


@value(frozen=True, slots=True)
class SeatDemand:
    """The seats that a displaced unit needs: `count` seats for `legs` in `section`, or where the fare is not lower.

    `fare_minor_min` is the fare of `section` when its seats were removed.
    """

    section: str
    legs: int
    count: int
    fare_minor_min: int


@value(frozen=True, slots=True)
class DisplacedUnit:
    """Passengers of one booking who lose their seats in one section, in the order of their numbers.

    `booking` is the booking before the change. `fare_minor_min` is the fare of `section` after the change, or its last one.
    """

    booking: Booking
    passengers: tuple[Passenger, ...]
    section: str
    fare_minor_min: int

    @property
    def demand(self) -> SeatDemand:
        """The seats that the unit needs."""
        return SeatDemand(self.section, self.booking.journey.legs, len(self.passengers), self.fare_minor_min)


@value(frozen=True, slots=True)
class Placement:
    """The seats of a unit in the order of its passengers, (index of the section, seat number), and the step that found them."""

    seats: Seats
    step: PlacementStep


def displaced_units(run: TrainRun, removed: Collection[tuple[str, int]]) -> list[DisplacedUnit]:
    """Return the units that lose a seat (section, number) of `removed`, in the order in which they are placed.

    The run has its new sections already, and their bookings are in memory.
    """
    fares = {section.name: section.fare.minor for section in (*run.retired_sections, *run.sections)}
    lost = frozenset(removed)
    units: list[DisplacedUnit] = []
    for booking in run.bookings.values():
        if booking.is_live:
            losers: dict[str, list[Passenger]] = {}
            for passenger in booking.passengers:
                seat = passenger.seat
                if seat is not None and (seat.section, seat.number) in lost:
                    losers.setdefault(seat.section, []).append(passenger)
            units += [_unit(booking, section, passengers, fares[section]) for section, passengers in losers.items()]
    return sorted(units, key=_placing_order)


def _unit(booking: Booking, section: str, passengers: list[Passenger], fare_minor: int) -> DisplacedUnit:
    in_order = tuple(sorted(passengers, key=lambda passenger: passenger.number))
    return DisplacedUnit(booking, in_order, section, fare_minor)


def _placing_order(unit: DisplacedUnit) -> tuple[object, ...]:
    booking = unit.booking
    legs = booking.journey.legs.bit_count()
    return -len(unit.passengers), -legs, booking.create_time, booking.reference, unit.passengers[0].number


def place_unit(sections: Sequence[SectionSeats], demand: SeatDemand, *, allow_lower: bool) -> Placement | None:
    """Return seats for a unit, or None where no step finds any. Changes nothing."""
    if not _has_enough(sections, demand, allow_lower=allow_lower):
        return None
    search = _SeatSearch(sections, demand.legs, demand.count)
    same = [index for index, section in enumerate(sections) if section.name == demand.section]
    better, lower = _other_sections(sections, demand)
    steps: list[tuple[PlacementStep, Callable[[Sequence[int]], Seats | None], list[int]]] = [
        (PlacementStep.TOGETHER_SAME, search.together, same),
        (PlacementStep.TOGETHER_BETTER, search.together, better),
        (PlacementStep.SPLIT_SAME, search.in_one_section, same),
        (PlacementStep.SPLIT_BETTER, search.in_one_section, better),
        (PlacementStep.SPLIT_BETTER, search.over_sections, same + better),
    ]
    if allow_lower and lower:
        steps += [
            (PlacementStep.LOWER, search.together, lower),
            (PlacementStep.LOWER, search.in_one_section, lower),
            (PlacementStep.LOWER, search.over_sections, same + better + lower),
        ]
    for step, find, indexes in steps:
        seats = find(indexes)
        if seats is not None:
            return Placement(seats, step)
    return None


def _has_enough(sections: Sequence[SectionSeats], demand: SeatDemand, *, allow_lower: bool) -> bool:
    """Whether enough seats are free in all sections together. Much quicker than the steps: a waiting unit is tried often."""
    name, legs, missing, fare_minor_min = demand.section, demand.legs, demand.count, demand.fare_minor_min
    for section in sections:
        if allow_lower or section.name == name or section.fare.minor >= fare_minor_min:
            for sold, seats in section.sold_counts().items():
                if not sold & legs:
                    missing -= seats
                    if missing <= 0:
                        return True
    return False


def _other_sections(sections: Sequence[SectionSeats], demand: SeatDemand) -> tuple[list[int], list[int]]:
    """Return the sections whose fare is not lower, the cheapest first, and those whose fare is lower, the dearest first."""
    others = [index for index, section in enumerate(sections) if section.name != demand.section]
    better = [index for index in others if sections[index].fare.minor >= demand.fare_minor_min]
    lower = [index for index in others if sections[index].fare.minor < demand.fare_minor_min]
    better.sort(key=lambda index: sections[index].fare.minor)
    lower.sort(key=lambda index: -sections[index].fare.minor)
    return better, lower


class _SeatSearch:
    """A search for `count` seats that are free on `legs`, in sections by their index.

    A train sells thousands of seats in few ways. So the search looks at the ways in which seats are sold (`_free_ways`), and
    leaves the seats to functions that go through a list in C. The fewest other legs are free where the most legs are sold.
    """

    def __init__(self, sections: Sequence[SectionSeats], legs: int, count: int) -> None:
        self._sections, self._legs, self._count = sections, legs, count
        self._free_ways: dict[int, list[int]] = {}

    def together(self, indexes: Sequence[int]) -> Seats | None:
        """Return the best neighbours in the first of these sections that has any."""
        for index in indexes:
            numbers = self._neighbours(index) if self._has_enough(index) else None
            if numbers:
                return tuple((index, number) for number in numbers)
        return None

    def in_one_section(self, indexes: Sequence[int]) -> Seats | None:
        """Return the best seats of the first of these sections that has enough."""
        for index in indexes:
            if self._has_enough(index):
                return tuple((index, number) for number in self._best(index, self._count))
        return None

    def over_sections(self, indexes: Sequence[int]) -> Seats | None:
        """Return the best seats of these sections. Each of them gives all it has before the next one."""
        chosen: list[tuple[int, int]] = []
        for index in indexes:
            chosen += [(index, number) for number in self._best(index, self._count - len(chosen))]
            if len(chosen) == self._count:
                return tuple(chosen)
        return None

    def _ways(self, index: int) -> list[int]:
        """Return the sold legs of the seats that are free on these legs, each once."""
        found = self._free_ways.get(index)
        if found is None:
            legs = self._legs
            found = self._free_ways[index] = [sold for sold in self._sections[index].sold_counts() if not sold & legs]
        return found

    def _has_enough(self, index: int) -> bool:
        ways, counts = self._ways(index), self._sections[index].sold_counts()
        return len(ways) >= self._count or sum(map(counts.__getitem__, ways)) >= self._count

    def _best(self, index: int, count: int) -> list[int]:
        """Return at most `count` seats, those with the fewest other legs free, in rising order."""
        ways, chosen = self._ways(index), list[int]()
        sold_leg_counts = list(map(int.bit_count, ways))
        while sold_leg_counts and len(chosen) < count:
            most = max(sold_leg_counts)
            best = {sold for sold, number in zip(ways, sold_leg_counts, strict=True) if number == most}
            chosen += islice(_sold_as(self._sections[index].sold_legs, best), count - len(chosen))
            if len(chosen) < count:
                ways = [sold for sold in ways if sold not in best]
                sold_leg_counts = list(map(int.bit_count, ways))
        return sorted(chosen)

    def _neighbours(self, index: int) -> list[int] | None:
        """Return the best consecutive seats in one coach, or None where there are none."""
        if self._count == 1:
            return self._best(index, 1)
        section, ways = self._sections[index], self._ways(index)
        worth = dict(zip(ways, map(int.bit_count, ways), strict=True))
        by_seat = list(map(worth.get, section.sold_legs, repeat(_NOT_FREE)))
        best, begin = -1, 0
        for first, last in _coach_stretches(section):
            in_coach = by_seat[first - 1 : last]
            sums = in_coach
            for shift in range(1, self._count):
                sums = list(map(add, sums, in_coach[shift:]))
            most = max(sums, default=-1)
            if most > best:
                best, begin = most, first + sums.index(most)
        return list(range(begin, begin + self._count)) if begin else None


def _sold_as(sold_legs: list[int], ways: Container[int]) -> Iterator[int]:
    """Yield the numbers of the seats that are sold in one of these ways, in rising order."""
    return (number for number, sold in enumerate(sold_legs, 1) if sold in ways)


def _coach_stretches(section: SectionSeats) -> Iterator[tuple[int, int]]:
    """Yield the first and last numbers of the seats that stand in one coach one after the other. A coach may have several."""
    for _, ranges in groupby(section.coaches, key=lambda coach: coach.name):
        stretch = list(ranges)
        yield stretch[0].first, stretch[-1].last
