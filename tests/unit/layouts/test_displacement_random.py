"""Displacement over random trains, journeys and groups: against a plain model, and through whole histories of a run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random

from app.domain.booking import Booking, BookingState
from app.domain.layout.plan import LayoutPlan
from app.domain.money import Money
from app.domain.refusals import Refusal
from app.domain.rules.displacement import SeatDemand, place_unit
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry
from tests.support.builders import a_run, seeded_random
from tests.support.layout_changes import change_layout
from tests.support.random_commands import decide_some
from tests.support.random_operations import random_operations
from tests.support.slow_placement import SlowPlacement

HISTORIES, STEPS = 200, 12
LEGS = 4


# -- one placement


def random_legs(chance: Random) -> int:
    first = chance.randrange(LEGS)
    return sum(1 << leg for leg in range(first, chance.randrange(first, LEGS) + 1))


def a_random_section(name: str, chance: Random) -> SectionSeats:
    """A section of up to nine seats, in coaches that may have grown, some of them sold on some legs, some retired."""
    all_legs, size = (1 << LEGS) - 1, chance.randint(0, 9)
    coaches, last = [], 0
    while last < size:
        first, last = last + 1, min(size, last + chance.randint(1, 5))
        coaches.append(CoachSeats(chance.choice("xxyz"), first, last))
    sold_legs = [chance.choice((0, 0, 0, random_legs(chance), random_legs(chance), all_legs)) for _ in range(size)]
    retired = frozenset(number for number in range(1, size + 1) if chance.random() < 0.15)
    sold_legs = [all_legs if number in retired else sold for number, sold in enumerate(sold_legs, 1)]
    fare = Money(chance.choice((1_000, 2_000, 2_000, 3_000)), "USD")
    return SectionSeats(name, fare, tuple(coaches), all_legs, sold_legs, retired=retired)


def test_every_placement_is_the_one_of_the_plain_model() -> None:
    steps = set()
    for seed in range(4_000):
        chance = seeded_random(seed)
        sections = [a_random_section(name, chance) for name in "ABCD"[: chance.randint(1, 4)]]
        demand = SeatDemand(chance.choice("ABE"), random_legs(chance), chance.choice((1, 1, 2, 2, 3, 4)), 2_000)
        allow_lower = chance.random() < 0.5
        expected = SlowPlacement(sections, demand).place(allow_lower=allow_lower)
        found = place_unit(sections, demand, allow_lower=allow_lower)
        assert found == expected, f"seed {seed}"
        steps.add(found.step if found else None)
    assert len(steps) == 6, "some step was never taken"


# -- whole histories


def taken_legs(run: TrainRun) -> dict[tuple[str, int], int]:
    """Return the legs of each seat that bookings and holds have. Fail where two have the same."""
    legs: dict[tuple[str, int], int] = defaultdict(int)
    claims = [
        (booking.journey.legs, passenger.seat)
        for booking in run.bookings.values()
        if booking.is_live
        for passenger in booking.passengers
    ]
    claims += [(hold.legs, seat) for hold in run.holds.values() for seat in hold.seats]
    for claimed, seat in claims:
        if seat is not None:
            place = seat.section, seat.number
            assert not legs[place] & claimed, f"{seat.label} is sold twice"
            legs[place] |= claimed
    return legs


def require_seats_as_sold(run: TrainRun) -> None:
    """Every seat is sold as bookings and holds say; nobody sits on a seat that is not there; retired seats are not sold."""
    taken = taken_legs(run)
    for section in run.sections:
        for number in range(1, section.size + 1):
            expected = section.all_legs if number in section.retired else taken[section.name, number]
            assert section.sold_legs[number - 1] == expected
            assert number not in section.retired or not taken[section.name, number]
    there = {(section.name, number) for section in run.sections for number in range(1, section.size + 1)}
    assert {place for place, legs in taken.items() if legs} <= there


def require_entries_of_waiting_passengers(run: TrainRun) -> None:
    """States, ticket numbers and entries are those of the passengers without seats."""
    expected = {}
    for booking in run.bookings.values():
        waiting = sum(passenger.seat is None for passenger in booking.passengers)
        if not booking.is_live or not waiting:
            assert booking.ticket_number == 0
            assert booking.state is not BookingState.WAITLISTED
            continue
        assert (booking.state is BookingState.WAITLISTED) == (waiting == len(booking.passengers))
        expected[booking.ticket_number] = (booking.reference, booking.journey.legs, waiting)
    assert {number: (entry.reference, entry.legs, entry.count) for number, entry in run.waitlist.items()} == expected


def would_take(run: TrainRun, entry: WaitlistEntry) -> list[list[SectionSeats]]:
    """Return the sections in which an entry finds its seats: each alone, or all of a list together."""
    floor = entry.fare_minor_min
    if floor is None and entry.section and all(section.name != entry.section for section in run.sections):
        (floor,) = [section.fare.minor for section in run.retired_sections if section.name == entry.section]
    if floor is None:
        return [[section] for section in run.sections if entry.section in ("", section.name)]
    return [[section for section in run.sections if section.name == entry.section or section.fare.minor >= floor]]


def require_nobody_waits_for_free_seats(run: TrainRun) -> None:
    """No entry of the waitlist, displaced or not, finds its seats."""
    taken = taken_legs(run)
    for entry in run.waitlist.values():
        for sections in would_take(run, entry):
            free = [
                number
                for section in sections
                for number in range(1, section.size + 1)
                if number not in section.retired and not taken[section.name, number] & entry.legs
            ]
            assert len(free) < entry.count, f"{entry.reference} waits for {entry.count} seats, and {len(free)} are free"


def require_exact_money(run: TrainRun) -> None:
    """What was paid is what is travelled for and what was refunded: a month before departure, cancelling is free."""
    for booking in run.bookings.values():
        refunded = sum(refund.minor for refund in booking.refunds)
        assert booking.charged_minor == refunded + (booking.price.minor if booking.is_live else 0)
        assert all(refund.minor > 0 for refund in booking.refunds)


def require_sound(run: TrainRun) -> None:
    require_seats_as_sold(run)
    require_entries_of_waiting_passengers(run)
    require_nobody_waits_for_free_seats(run)
    require_exact_money(run)
    again = replace(run)
    assert run.waitlist_index.ticket_numbers == again.waitlist_index.ticket_numbers
    assert run.waitlist_index.displaced_count == again.waitlist_index.displaced_count


def require_others_unmoved(before: dict[str, Booking], run: TrainRun, plan: LayoutPlan) -> None:
    """Nobody moves but the displaced, and those on the waitlist, and nobody pays more than before."""
    moved = {(move.reference, move.passenger_number) for move in plan.moves}
    moved |= {(wait.reference, number) for wait in plan.waitlisted for number in wait.passenger_numbers}
    gone = {(refund.reference, number) for refund in plan.refunds for number in refund.passenger_numbers}
    there = {(section.name, number) for section in run.sections for number in range(1, section.size + 1)}
    there -= {(section.name, number) for section in run.sections for number in section.retired}
    for booking in before.values():
        after = {passenger.number: passenger for passenger in run.bookings[booking.reference].passengers}
        for passenger in booking.passengers if booking.is_live else ():
            key, seat = (booking.reference, passenger.number), passenger.seat
            if seat is not None and (seat.section, seat.number) in there:
                assert after[passenger.number] == passenger
                assert key not in moved
            elif seat is not None:
                assert key in moved | gone, "who loses a seat moves, waits, or is refunded"
            if passenger.number in after:
                assert after[passenger.number].fare_minor <= passenger.fare_minor


def change_some(run: TrainRun, chance: Random) -> LayoutPlan | None:
    """Make one random layout change, where the run allows it."""
    before = dict(run.bookings)
    try:
        plan = change_layout(
            run,
            *random_operations(run, chance, 2),
            allow_lower=chance.random() < 0.3,
            refund_displaced=chance.random() < 0.25,
        )
    except Refusal:
        return None
    require_others_unmoved(before, run, plan)
    return plan


def test_nobody_is_lost_over_random_histories_of_sales_and_layout_changes() -> None:
    moved = waited = refunded = promoted = 0
    for seed in range(HISTORIES):
        chance = seeded_random(seed)
        run = a_run("A4 A3 B3 C2", fares={"B": 3_000, "C": 1_000})
        for _ in range(STEPS):
            decide_some(run, chance, chance.randint(1, 5))
            run.committed()
            require_sound(run)
            plan = change_some(run, chance)
            if plan is not None:
                counts = plan.counts
                moved, waited = moved + counts.moved_passengers, waited + counts.waitlisted_passengers
                refunded, promoted = refunded + counts.cancelled_passengers, promoted + counts.promoted_bookings
                require_sound(run)
        decide_some(run, chance, 1, waitlist_closing_time(run))
        assert run.waitlist == {}
        require_entries_of_waiting_passengers(run)
    assert min(moved, waited, refunded, promoted) > HISTORIES // 10
