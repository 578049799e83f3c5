"""Which seats displaced passengers get: the order of units, the steps, and the best of the seats that fit."""

import pytest

from app.domain import limits
from app.domain.layout.plan import PlacementStep
from app.domain.money import Money
from app.domain.rules.displacement import DisplacedUnit, SeatDemand, displaced_units, place_unit
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun
from tests.support.builders import ASHFORD, LILLE, PARIS, a_run, book, cancel, move
from tests.support.processor_time import processor_time
from tests.support.run_changes import retire_section, retired

ALL, FIRST, LAST_TWO = 0b111, 0b001, 0b110
SAME, BETTER = PlacementStep.TOGETHER_SAME, PlacementStep.TOGETHER_BETTER
# Seven times what a quiet machine takes. Looking at each seat and group of seats for each passenger takes seconds.
FIVE_HUNDRED_SECONDS_MAX = 0.6
SPLIT_SAME, SPLIT_BETTER, LOWER = PlacementStep.SPLIT_SAME, PlacementStep.SPLIT_BETTER, PlacementStep.LOWER


def a_section(name: str, coaches: str, sold_legs: list[int], fare: int = 2_000) -> SectionSeats:
    """A section whose seats are in these coaches, a letter for each seat: "xxy" has two seats in x and one in y."""
    ranges = tuple(CoachSeats(coach, number, number) for number, coach in enumerate(coaches, 1))
    return SectionSeats(name, Money(fare, "USD"), ranges, ALL, sold_legs)


def found(
    *sections: SectionSeats, count: int = 1, legs: int = ALL, section: str = "A", fare: int = 2_000, allow_lower: bool = False
) -> tuple[PlacementStep, list[str]] | None:
    """Return the step and the labels of the seats that a unit gets."""
    placement = place_unit(sections, SeatDemand(section, legs, count, fare), allow_lower=allow_lower)
    if placement is None:
        return None
    return placement.step, [f"{sections[index].name}-{number}" for index, number in placement.seats]


# -- who is displaced, and in which order


def take_away(run: TrainRun, *numbers: int) -> list[DisplacedUnit]:
    """Retire these seats of section A. Return the units that lose them."""
    run.set_sections([retired(run.sections[0], *numbers), *run.sections[1:]])
    return displaced_units(run, {("A", number) for number in numbers})


def test_the_passengers_of_a_booking_who_lose_their_seats_are_one_unit_in_the_order_of_their_numbers() -> None:
    run = a_run("A6")
    booking = book(run, "ann", "ben", "cem")
    (unit,) = take_away(run, 1, 3)
    assert [passenger.number for passenger in unit.passengers] == [1, 3]
    assert (unit.booking, unit.section, unit.fare_minor_min) == (booking, "A", 2_000)


def test_larger_units_come_first_then_those_with_more_legs_then_older_bookings() -> None:
    run = a_run("A9")
    short, long, later, pair = (
        book(run, "ann", origin=LILLE),
        book(run, "ben"),
        book(run, "cem"),
        book(run, "dot", "eve", origin=LILLE),
    )
    units = take_away(run, *range(1, 10))
    oldest, second = sorted((long, later), key=lambda booking: (booking.create_time, booking.reference))
    assert [unit.booking.reference for unit in units] == [b.reference for b in (pair, oldest, second, short)]


def test_nobody_but_the_passengers_on_removed_seats_is_displaced() -> None:
    run = a_run("A6")
    book(run, "ann")
    left = book(run, "ben")
    cancel(run, left)
    book(run, "cem")
    assert [unit.passengers[0].person.first_name for unit in take_away(run, 1, 2)] == ["Ann"]


def test_a_family_that_sits_in_two_sections_is_a_unit_in_each_with_the_worth_of_the_own_seats() -> None:
    run = a_run("A4 B4", fares={"A": 2_000, "B": 2_000})
    move(run, book(run, "ann", "ben"), who="ben", section="B")
    a, b = run.sections
    b.fare = Money(3_000, "USD")
    run.set_sections([retired(a, 1), retired(b, 1)])
    units = displaced_units(run, {("A", 1), ("B", 1)})
    assert [(unit.section, unit.fare_minor_min, len(unit.passengers)) for unit in units] == [("A", 2_000, 1), ("B", 3_000, 1)]


def test_a_removed_section_counts_with_its_last_fare() -> None:
    run = a_run("A4 B4", fares={"A": 2_500, "B": 2_000})
    book(run, "ann")
    retire_section(run)
    (unit,) = displaced_units(run, {("A", 1)})
    assert unit.demand == SeatDemand("A", ALL, 1, 2_500)


# -- the steps


def test_step_a_finds_neighbours_in_the_same_section() -> None:
    cheap, dear = a_section("A", "xxx", [ALL, 0, 0]), a_section("B", "y", [0], 3_000)
    assert found(cheap, dear, count=2) == (SAME, ["A-2", "A-3"])


def test_step_b_finds_neighbours_in_a_better_section_before_the_same_one_is_split() -> None:
    own = a_section("A", "xxx", [0, ALL, 0])
    dear, dearer = a_section("C", "yy", [0, 0], 4_000), a_section("B", "zz", [0, 0], 3_000)
    assert found(own, dear, dearer, count=2) == (BETTER, ["B-1", "B-2"])


def test_of_better_sections_with_one_fare_the_first_in_the_order_of_sale_is_taken() -> None:
    own, first, second = a_section("A", "x", [ALL]), a_section("C", "y", [0]), a_section("B", "z", [0])
    assert found(own, first, second) == (BETTER, ["C-1"])


def test_step_c_splits_a_unit_in_the_same_section() -> None:
    own, lower = a_section("A", "xxx", [0, ALL, 0]), a_section("B", "zz", [0, 0], 1_000)
    assert found(own, lower, count=2) == (SPLIT_SAME, ["A-1", "A-3"])


def test_step_d_splits_a_unit_in_one_better_section_before_it_spreads_over_several() -> None:
    own, better = a_section("A", "x", [0]), a_section("B", "yyy", [0, ALL, 0], 3_000)
    assert found(own, better, count=2) == (SPLIT_BETTER, ["B-1", "B-3"])


def test_step_d_spreads_a_unit_over_all_sections_that_are_not_lower_its_own_first() -> None:
    own, dear = a_section("A", "xx", [ALL, 0]), a_section("C", "y", [0], 4_000)
    better, lower = a_section("B", "z", [0], 3_000), a_section("D", "www", [0, 0, 0], 1_000)
    assert found(dear, own, better, lower, count=3) == (SPLIT_BETTER, ["A-2", "B-1", "C-1"])
    assert found(dear, own, better, lower, count=4) is None


def test_step_e_takes_the_dearest_lower_section_only_where_it_is_allowed() -> None:
    own, low, lowest = a_section("A", "x", [ALL]), a_section("B", "y", [0], 1_500), a_section("C", "z", [0], 1_000)
    assert found(own, lowest, low) is None
    assert found(own, lowest, low, allow_lower=True) == (LOWER, ["B-1"])


def test_step_e_finds_neighbours_before_it_splits_and_splits_one_section_before_several() -> None:
    apart, neighbours = a_section("B", "yyy", [0, ALL, 0], 1_500), a_section("C", "zz", [0, 0], 1_000)
    own = a_section("A", "x", [0])
    assert found(own, apart, neighbours, count=2, allow_lower=True) == (LOWER, ["C-1", "C-2"])
    assert found(own, apart, count=2, allow_lower=True) == (LOWER, ["B-1", "B-3"])


def test_step_e_spreads_a_unit_over_the_train_where_nobody_would_have_a_seat_otherwise() -> None:
    own, better = a_section("A", "x", [0]), a_section("B", "y", [0], 3_000)
    low, lowest = a_section("C", "z", [0], 1_500), a_section("D", "w", [0], 1_000)
    assert found(own, lowest, low, better, count=4, allow_lower=True) == (LOWER, ["A-1", "B-1", "C-1", "D-1"])


def test_a_unit_whose_section_is_gone_takes_sections_whose_fare_is_not_lower() -> None:
    better, lower = a_section("B", "y", [0], 2_000), a_section("C", "z", [0], 1_999)
    assert found(lower, better, section="A") == (BETTER, ["B-1"])
    assert found(lower, section="A") is None


def test_the_own_section_is_taken_even_if_its_fare_has_fallen() -> None:
    assert found(a_section("A", "x", [0], 1_000), fare=2_000) == (SAME, ["A-1"])


# -- the best of the seats that fit


def test_the_seat_with_the_fewest_other_free_legs_is_taken() -> None:
    assert found(a_section("A", "xxx", [0, 0b100, 0b110]), legs=FIRST) == (SAME, ["A-3"])


def test_of_seats_that_fit_as_well_the_lowest_number_is_taken() -> None:
    assert found(a_section("A", "xxxx", [0, 0b010, 0b100, 0b010]), legs=FIRST) == (SAME, ["A-2"])


def test_neighbours_are_judged_by_the_free_legs_of_all_of_them() -> None:
    own = a_section("A", "xxxxx", [0, 0b110, 0, 0b100, 0b100])
    assert found(own, count=2, legs=FIRST) == (SAME, ["A-1", "A-2"])
    own = a_section("A", "xxxxx", [0, 0b110, ALL, 0b110, 0b100])
    assert found(own, count=2, legs=FIRST) == (SAME, ["A-4", "A-5"])


def test_seats_that_are_apart_are_taken_best_first_and_given_in_rising_order() -> None:
    own = a_section("A", "uvwxyz", [0, 0b100, ALL, 0b110, 0b110, 0])
    assert found(own, count=3, legs=FIRST) == (SPLIT_SAME, ["A-2", "A-4", "A-5"])


def test_neighbours_stand_in_one_coach() -> None:
    assert found(a_section("A", "xyy", [0, 0, ALL]), count=2) == (SPLIT_SAME, ["A-1", "A-2"])


def test_neighbours_may_stand_where_a_coach_has_grown() -> None:
    coaches = (CoachSeats("x", 1, 2), CoachSeats("x", 3, 4), CoachSeats("y", 5, 5), CoachSeats("x", 6, 6))
    own = SectionSeats("A", Money(2_000, "USD"), coaches, ALL, [ALL, 0, 0, ALL, 0, 0])
    assert found(own, count=2) == (SAME, ["A-2", "A-3"])
    assert found(own, count=3) == (SPLIT_SAME, ["A-2", "A-3", "A-5"])


def test_a_retired_seat_is_given_to_nobody() -> None:
    assert found(retired(a_section("A", "xx", [0, 0]), 1, 2)) is None
    assert found(retired(a_section("A", "xxx", [0, 0, 0]), 2), count=2) == (SPLIT_SAME, ["A-1", "A-3"])


def test_nine_passengers_on_the_longest_train_need_no_seat_that_is_sold() -> None:
    """The worth of the most sold seats stays below that of a seat that is not free."""
    all_legs = (1 << limits.STOPS_PER_TRAIN_MAX - 1) - 1
    sold = [all_legs & ~1] * 8 + [all_legs] + [0] * 9
    own = SectionSeats("A", Money(2_000, "USD"), (CoachSeats("x", 1, len(sold)),), all_legs, sold)
    placement = place_unit([own], SeatDemand("A", 1, 9, 2_000), allow_lower=False)
    assert placement is not None
    assert [number for _, number in placement.seats] == list(range(10, 19))


@pytest.mark.parametrize("count", [1, 2, 9])
def test_five_hundred_passengers_find_seats_on_five_thousand_in_time(count: int) -> None:
    """A placement holds up the event loop: all of them together for some 200 ms at most, 0.4 ms a passenger."""
    assert min(_seconds_of_500_placements(count) for _ in range(3)) < FIVE_HUNDRED_SECONDS_MAX


def _seconds_of_500_placements(count: int) -> float:
    seats = limits.SEATS_PER_TRAIN_MAX
    coaches = tuple(CoachSeats(str(first), first, first + 99) for first in range(1, seats, 100))
    own = SectionSeats("A", Money(2_000, "USD"), coaches, ALL, [0] * seats)
    with processor_time() as taken:
        for _ in range(0, 500, count):
            placement = place_unit([own], SeatDemand("A", LAST_TWO, count, 2_000), allow_lower=False)
            assert placement is not None
            for _, number in placement.seats:
                own.set_sold(number, LAST_TWO)
    return taken.seconds


def test_places_on_a_part_of_the_journey_are_free_for_the_rest() -> None:
    run = a_run("A1 B2")
    book(run, "ann", origin=ASHFORD, destination=LILLE)
    assert found(*run.sections, legs=0b100) == (SAME, ["A-1"])
    book(run, "ben", origin=LILLE, destination=PARIS)
    assert found(*run.sections, legs=0b100) == (BETTER, ["B-1"])
