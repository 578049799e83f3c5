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
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from operator import add

from app.domain.booking import Booking, Passenger
from app.domain.layout.plan import PlacementStep
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.values import value

# More than the free legs of any group of seats: the cost of a seat that is sold on a leg of the journey.
_SOLD_COST = 1 << 20


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

    seats: tuple[tuple[int, int], ...]
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
    legs, count = demand.legs, demand.count
    free = {index: min(count, _free_count(section, legs)) for index, section in enumerate(sections)}
    same = [index for index, section in enumerate(sections) if section.name == demand.section]
    better, lower = _other_sections(sections, demand)
    if not allow_lower:
        lower = []
    if sum(free[index] for index in (*same, *better, *lower)) < count:
        return None
    found = _first_placement(sections, demand, free, same, better)
    if found is not None or not lower:
        return found
    roomy = [index for index in lower if free[index] == count]
    seats = _first(_together(sections, roomy, legs, count)) or _first(_split(sections, roomy, legs, count))
    return Placement(seats or _over(sections, [*same, *better, *lower], legs, count), PlacementStep.LOWER)


def _first_placement(
    sections: Sequence[SectionSeats], demand: SeatDemand, free: dict[int, int], same: list[int], better: list[int]
) -> Placement | None:
    """Try the steps (a) to (d). `free` are the free seats by section, as far as they are needed."""
    legs, count = demand.legs, demand.count
    own = [index for index in same if free[index] == count]
    others = [index for index in better if free[index] == count]
    steps: tuple[tuple[PlacementStep, Iterator[tuple[tuple[int, int], ...]]], ...] = (
        (PlacementStep.TOGETHER_SAME, _together(sections, own, legs, count)),
        (PlacementStep.TOGETHER_BETTER, _together(sections, others, legs, count)),
        (PlacementStep.SPLIT_SAME, _split(sections, own, legs, count)),
        (PlacementStep.SPLIT_BETTER, _split(sections, others, legs, count)),
    )
    for step, found in steps:
        seats = _first(found)
        if seats is not None:
            return Placement(seats, step)
    if sum(free[index] for index in (*same, *better)) < count:
        return None
    return Placement(_over(sections, [*same, *better], legs, count), PlacementStep.SPLIT_BETTER)


def _other_sections(sections: Sequence[SectionSeats], demand: SeatDemand) -> tuple[list[int], list[int]]:
    """Return the sections whose fare is not lower, the cheapest first, and those whose fare is lower, the dearest first."""
    others = [index for index, section in enumerate(sections) if section.name != demand.section]
    better = [index for index in others if sections[index].fare.minor >= demand.fare_minor_min]
    lower = [index for index in others if sections[index].fare.minor < demand.fare_minor_min]
    better.sort(key=lambda index: sections[index].fare.minor)
    lower.sort(key=lambda index: -sections[index].fare.minor)
    return better, lower


def _first(found: Iterable[tuple[tuple[int, int], ...]]) -> tuple[tuple[int, int], ...] | None:
    return next(iter(found), None)


def _together(
    sections: Sequence[SectionSeats], indexes: Iterable[int], legs: int, count: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield neighbours in each of these sections that has such."""
    for index in indexes:
        numbers = _neighbours(sections[index], legs, count)
        if numbers is not None:
            yield tuple((index, number) for number in numbers)


def _split(
    sections: Sequence[SectionSeats], indexes: Iterable[int], legs: int, count: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the best seats of each of these sections, which all have enough."""
    for index in indexes:
        yield tuple((index, number) for number in _best_seats(sections[index], legs, count))


def _over(sections: Sequence[SectionSeats], indexes: Iterable[int], legs: int, count: int) -> tuple[tuple[int, int], ...]:
    """Return the best seats of several sections, each of which gives all it has before the next one."""
    chosen: list[tuple[int, int]] = []
    for index in indexes:
        chosen += [(index, number) for number in _best_seats(sections[index], legs, count - len(chosen))]
        if len(chosen) == count:
            break
    return tuple(chosen)


# A train sells thousands of seats in few ways. So both searches look at the ways in which seats are sold, and leave the seats
# to functions that go through a list in C.


def _free_count(section: SectionSeats, legs: int) -> int:
    return sum(seats for sold, seats in section.sold_counts().items() if not sold & legs)


def _costs(section: SectionSeats, legs: int) -> dict[int, int]:
    """Return how many other legs are free on a seat, by its sold legs, for the seats that are free on these legs."""
    return {sold: (section.all_legs & ~(sold | legs)).bit_count() for sold in section.sold_counts() if not sold & legs}


def _best_seats(section: SectionSeats, legs: int, count: int) -> list[int]:
    """Return at most `count` seats that are free on these legs, those with the fewest other legs free; in rising order."""
    chosen: list[int] = []
    in_order = sorted(_costs(section, legs).items(), key=lambda way: way[1])
    for _, ways in groupby(in_order, key=lambda way: way[1]):
        missing = count - len(chosen)
        if not missing:
            break
        found = [number for sold, _ in ways for number in _first_sold(section.sold_legs, sold, missing)]
        chosen += sorted(found)[:missing]
    return sorted(chosen)


def _first_sold(sold_legs: list[int], sold: int, count: int) -> Iterator[int]:
    """Yield the lowest numbers, at most `count`, of the seats with exactly these sold legs."""
    index = -1
    for _ in range(count):
        try:
            index = sold_legs.index(sold, index + 1)
        except ValueError:
            return
        yield index + 1


def _neighbours(section: SectionSeats, legs: int, count: int) -> list[int] | None:
    """Return the best `count` consecutive seats in one coach that are free on these legs, or None where there are none."""
    if count == 1:
        return _best_seats(section, legs, 1) or None
    costs = dict.fromkeys(section.sold_counts(), _SOLD_COST) | _costs(section, legs)
    by_seat = list(map(costs.__getitem__, section.sold_legs))
    best, begin = _SOLD_COST, 0
    for first, last in _coach_stretches(section):
        in_coach = by_seat[first - 1 : last]
        sums: list[int] = in_coach
        for shift in range(1, count):
            sums = list(map(add, sums, in_coach[shift:]))
        least = min(sums, default=_SOLD_COST)
        if least < best:
            best, begin = least, first + sums.index(least)
    return list(range(begin, begin + count)) if begin else None


def _coach_stretches(section: SectionSeats) -> Iterator[tuple[int, int]]:
    """Yield the first and last numbers of the seats that stand in one coach one after the other. A coach may have several."""
    for _, ranges in groupby(section.coaches, key=lambda coach: coach.name):
        stretch = list(ranges)
        yield stretch[0].first, stretch[-1].last
