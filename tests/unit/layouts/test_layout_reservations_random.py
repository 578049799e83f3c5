"""Reserved layout plans over random runs, while buyers buy, hold, cancel, change seats and join the waitlist."""

import random
from datetime import datetime, timedelta

import pytest

from app.domain.booking import Passenger
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.plan import LayoutPlan, PlacementStep, PlannedOutcome
from app.domain.refusals import InvalidField
from app.domain.run.layout_record import LayoutReservation, ReservedPlace
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW, seeded_random, time_passes
from tests.support.layout_changes import asks_for_layout, decide_alone
from tests.support.layout_requirements import (
    live_seats,
    require_exact_money,
    require_nobody_without_a_seat_that_exists,
    require_numbers_never_return,
    require_others_unmoved,
    require_plan_of_what_happened,
    require_sound,
    seats_by_passenger,
)
from tests.support.random_sold_runs import a_random_run, random_operations, something_else_happens

SEEDS = 200
SECONDS = 600
UNSEATED = (PlannedOutcome.WAITLISTED, PlannedOutcome.CANCELLED)


def a_reserved_plan(run: TrainRun, chance: random.Random) -> tuple[UpdateLayout, LayoutPlan, LayoutReservation] | None:
    """Reserve a random plan. Return the command that carries it out, the plan and the reservation; None for a refused one."""
    operations = random_operations(run, chance)
    allow_lower, refund_displaced = chance.random() < 0.3, chance.random() < 0.3
    planning = asks_for_layout(*operations, allow_lower=allow_lower, refund_displaced=refund_displaced, reserve_seconds=SECONDS)
    try:
        plan = decide_alone(run, planning)
    except InvalidField:
        return None
    assert run.layout_reservation is not None
    acting = asks_for_layout(*operations, allow_lower=allow_lower, refund_displaced=refund_displaced, plan_hash=plan.plan_hash)
    return acting, plan, run.layout_reservation


def let_others_act(run: TrainRun, chance: random.Random) -> datetime:
    """Let buyers act for less time than the reservation lasts. Return the time afterwards."""
    now = NOW
    for _ in range(chance.randint(0, 25)):
        now += timedelta(seconds=chance.randint(1, 20))
        time_passes(run, now)
        something_else_happens(run, chance, now)
    time_passes(run, now)
    return now


def displaced_by(run: TrainRun, reservation: LayoutReservation) -> set[tuple[str, int]]:
    """The passengers, by booking and number, who have a seat that the plan removes."""
    return {
        key
        for key, passenger in seats_by_passenger(run.bookings).items()
        if passenger.seat is not None and (passenger.seat.section, passenger.seat.number) in reservation.withdrawn
    }


def require_kept(place: ReservedPlace, plan: LayoutPlan, after: Passenger | None) -> None:
    """A displaced passenger has what the plan promised, or something better."""
    move = next(
        (
            found
            for found in plan.moves
            if (found.reference, found.passenger_number) == (place.reference, place.passenger_number)
        ),
        None,
    )
    if place.outcome in UNSEATED and move is None:
        assert (after is None) is (place.outcome is PlannedOutcome.CANCELLED)
        assert after is None or after.seat is None
        return
    assert move is not None, f"{place} was not kept"
    if place.outcome is PlannedOutcome.LOWER and move.step is not PlacementStep.LOWER:
        return
    if place.outcome not in UNSEATED:
        assert (move.after.section, move.after.number) == (place.section, place.number)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_reserved_plan_stays_true_while_others_act(seed: int) -> None:
    chance = seeded_random(seed)
    run, train = a_random_run(chance)
    found = a_reserved_plan(run, chance)
    if found is None:
        return
    acting, plan, reservation = found
    require_sound(run, train, NOW)
    owners = displaced_by(run, reservation)
    now = let_others_act(run, chance)
    require_sound(run, train, now)
    before, seats, sections = dict(run.bookings), live_seats(run.sections), [section.copy() for section in run.sections]
    displaced = displaced_by(run, reservation)
    assert displaced <= owners, "a seat that the plan removes was sold again"
    done = decide_alone(run, acting, now)
    removed = seats - live_seats(run.sections)
    assert (done.plan_hash, done.sections, frozenset(removed)) == (plan.plan_hash, plan.sections, reservation.withdrawn)
    after = seats_by_passenger(run.bookings)
    for place in reservation.places:
        if (place.reference, place.passenger_number) in displaced:
            require_kept(place, done, after.get((place.reference, place.passenger_number)))
    require_plan_of_what_happened(run, before, done, removed)
    require_nobody_without_a_seat_that_exists(run, done, before)
    require_numbers_never_return(sections, run)
    require_others_unmoved(run, before, removed)
    require_exact_money(run, before, done)
    require_sound(run, train, now)


@pytest.mark.parametrize("seed", range(SEEDS // 4))
def test_a_reservation_that_expires_gives_all_its_seats_back(seed: int) -> None:
    chance = seeded_random(seed)
    run, train = a_random_run(chance)
    if a_reserved_plan(run, chance) is None:
        return
    let_others_act(run, chance)
    now = NOW + timedelta(seconds=SECONDS)
    time_passes(run, now)
    assert run.layout_reservation is None
    require_sound(run, train, now)
