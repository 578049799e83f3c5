"""The inventory of a section against a plain model of the same rules, over thousands of random sales and cancellations."""

from dataclasses import dataclass, field

import pytest

from app.domain.booking import Seat
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.timetable import legs_between
from tests.support.builders import a_run, a_stop, seeded_random
from tests.support.seat_model import ModelSection

STEPS = 1_500
LAYOUTS = ("A1", "A2 A1", "A3 A4", "A2 A2 A2 A2", "A9", "A5 A1 A6")


@dataclass
class Ride:
    """Somebody who sits on a seat over the legs from `first` to `last`."""

    number: int
    first: int
    last: int

    @property
    def legs(self) -> int:
        return legs_between(self.first, self.last)

    @property
    def model_legs(self) -> list[int]:
        return list(range(self.first, self.last))


@dataclass
class Both:
    """A run with one section and its model, changed together."""

    seed: int
    leg_count: int = field(init=False)
    run: TrainRun = field(init=False)
    model: ModelSection = field(init=False)
    rides: list[Ride] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = seeded_random(self.seed)
        self.leg_count = self.chance.randint(1, 5)
        clock = [f"{10 + stop}:00" for stop in range(self.leg_count + 1)]
        stops = [
            a_stop(f"S{stop}", arrive=clock[stop] if stop else "", depart=clock[stop] if stop < self.leg_count else "")
            for stop in range(self.leg_count + 1)
        ]
        self.run = a_run(self.chance.choice(LAYOUTS), stops=stops)
        coaches = [index for index, coach in enumerate(self.section.coaches) for _ in range(coach.first, coach.last + 1)]
        self.model = ModelSection(coaches, self.leg_count)

    @property
    def section(self) -> SectionSeats:
        return self.run.sections[0]

    def some_legs(self) -> tuple[int, int]:
        first = self.chance.randrange(self.leg_count)
        return first, self.chance.randint(first + 1, self.leg_count)

    def sell_next(self) -> None:
        first, last = self.some_legs()
        count = self.chance.choice((1, 1, 1, 2, 3, 4))
        numbers = self.section.next_seats(legs_between(first, last), count)
        expected = self.model.wanted(list(range(first, last)), count)
        assert numbers == (None if expected is None else [seat + 1 for seat in expected])
        if numbers is not None:
            self.take([Ride(number, first, last) for number in numbers], by_counter=True)

    def sell_chosen(self) -> None:
        first, last = self.some_legs()
        number = self.chance.randint(1, self.section.size)
        ride = Ride(number, first, last)
        free = self.section.is_free(number, ride.legs)
        assert free == self.model.is_free(number - 1, ride.model_legs)
        if free:
            self.take([ride], by_counter=False)

    def take(self, rides: list[Ride], *, by_counter: bool) -> None:
        for ride in rides:
            self.run.sell(0, ride.number, ride.legs)
        if by_counter:
            self.run.advance_counter(0, max(ride.number for ride in rides))
        self.model.sell([ride.number - 1 for ride in rides], rides[0].model_legs, by_counter=by_counter)
        self.rides.extend(rides)

    def cancel(self) -> None:
        if self.rides:
            self.give_back(self.rides.pop(self.chance.randrange(len(self.rides))))

    def change(self) -> None:
        """The new seat is taken before the old one is given back, so that nobody moves to where they sit."""
        if not self.rides:
            return
        ride = self.rides.pop(self.chance.randrange(len(self.rides)))
        numbers = self.section.next_seats(ride.legs, 1)
        if numbers is None:
            self.rides.append(ride)
        else:
            self.take([Ride(numbers[0], ride.first, ride.last)], by_counter=True)
            self.give_back(ride)

    def give_back(self, ride: Ride) -> None:
        self.run.release(Seat("A", self.section.coach_of(ride.number), ride.number), ride.legs)
        self.model.free(ride.number - 1, ride.model_legs)


def require_sound(both: Both) -> None:
    """What holds after every step."""
    section, sold = both.section, [0] * both.section.size
    for ride in both.rides:
        assert not sold[ride.number - 1] & ride.legs, "a leg of a seat is sold twice"
        sold[ride.number - 1] |= ride.legs
    assert section.sold_legs == sold
    for number in range(1, section.size + 1):
        entries = section.freed.get(number, ())
        together = 0
        for _, legs in entries:
            assert legs, "an entry with nothing free"
            assert not together & legs, "a leg came free twice"
            together |= legs
        unsold = section.all_legs & ~sold[number - 1]
        assert together == (unsold if number < section.next_number else 0)
    in_order = sorted((sequence, number, legs) for number, entries in section.freed.items() for sequence, legs in entries)
    assert section._freed_order == in_order
    assert all(entries for entries in section.freed.values())
    assert section.next_number == both.model.counter + 1


@pytest.mark.parametrize("seed", range(12))
def test_random_sales_cancellations_and_changes_agree_with_the_model(seed: int) -> None:
    both = Both(seed)
    steps = (both.sell_next, both.sell_next, both.sell_next, both.sell_chosen, both.cancel, both.cancel, both.change)
    counter = 1
    for _ in range(STEPS):
        both.chance.choice(steps)()
        require_sound(both)
        assert counter <= both.section.next_number <= both.section.size + 1, "the counter went back"
        counter = both.section.next_number
        for first in range(both.leg_count):
            legs = legs_between(first, first + 1)
            assert both.section.free_count(legs) == both.section.size - sum(1 for ride in both.rides if ride.legs & legs)


@pytest.mark.parametrize("seed", range(100, 103))
def test_a_section_that_is_read_again_goes_on_alike(seed: int) -> None:
    both = Both(seed)
    for _ in range(300):
        both.chance.choice((both.sell_next, both.sell_next, both.cancel, both.change))()
        before = both.section
        both.run.sections[0] = SectionSeats(
            before.name,
            before.fare,
            before.coaches,
            before.all_legs,
            list(before.sold_legs),
            before.next_number,
            dict(before.freed),
        )
        require_sound(both)
