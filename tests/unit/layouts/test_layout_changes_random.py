"""Layout changes over random runs: what has to hold after each, by a plain second reading of the rules."""

import random
from datetime import datetime, timedelta

import pytest

from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, Passenger
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.plan import LayoutPlan, PlacementStep, RefundCause
from app.domain.refusals import InvalidField
from app.domain.rules.decisions import decide
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.store.run_documents import run_document, run_from
from app.store.run_updates import run_update
from tests.support.applied_updates import applied
from tests.support.builders import NOW, seeded_random, time_passes
from tests.support.layout_changes import asks_for_layout
from tests.support.random_sold_runs import a_random_run, random_operations
from tests.support.run_snapshots import snapshot

SEEDS = 150
TOLERANCE = timedelta(minutes=2)
# The rules that compare a run with its bookings and its train. These runs do not keep their events.
WITHOUT_EVENTS = [rule for rule in RUN_RULES if rule.check is not Check.HISTORY]
Before = dict[str, Booking]


def a_random_change(run: TrainRun, chance: random.Random) -> UpdateLayout:
    return asks_for_layout(
        *random_operations(run, chance), allow_lower=chance.random() < 0.3, refund_displaced=chance.random() < 0.3
    )


def seats_by_passenger(bookings: Before) -> dict[tuple[str, int], Passenger]:
    return {
        (booking.reference, passenger.number): passenger
        for booking in bookings.values()
        if booking.is_live
        for passenger in booking.passengers
    }


def live_seats(sections: list[SectionSeats]) -> set[tuple[str, int]]:
    return {
        (section.name, number)
        for section in sections
        for number in range(1, section.size + 1)
        if not section.is_retired(number)
    }


def occupied_legs(run: TrainRun) -> dict[tuple[str, int], int]:
    """Which legs of each seat bookings and holds have, as they say themselves. Fails where a leg is sold twice."""
    legs: dict[tuple[str, int], int] = {}
    rides = [(seat, held.legs) for held in run.holds.values() for seat in held.seats]
    rides += [
        (passenger.seat, run.bookings[reference].journey.legs)
        for (reference, _), passenger in seats_by_passenger(run.bookings).items()
        if passenger.seat is not None
    ]
    for seat, sold in rides:
        place = seat.section, seat.number
        assert not legs.get(place, 0) & sold, f"{seat.label} is sold twice"
        legs[place] = legs.get(place, 0) | sold
    return legs


def free_seats(run: TrainRun, legs: int, section: str, floor: int) -> int:
    """How many seats a passenger of a section with this fare could have without a charge, counted seat by seat."""
    occupied = occupied_legs(run)
    taken = [seats for seats in run.sections if seats.name == section or seats.fare.minor >= floor]
    return sum(
        not occupied.get((seats.name, number), 0) & legs
        for seats in taken
        for number in range(1, seats.size + 1)
        if not seats.is_retired(number)
    )


def last_fare(run: TrainRun, section: str) -> int:
    """The fare of a section, or its last one where it is gone."""
    return next(seats.fare.minor for seats in (*run.sections, *run.retired_sections) if seats.name == section)


# -- what has to hold


def require_nobody_without_a_seat_that_exists(run: TrainRun, plan: LayoutPlan, before: Before) -> None:
    """No unit that waits, is refunded or sits in a lower section could be placed by the steps before that."""
    losers = [(wait.reference, wait.passenger_numbers) for wait in plan.waitlisted]
    losers += [(refund.reference, refund.passenger_numbers) for refund in plan.refunds if refund.cause is RefundCause.CANCELLED]
    lower = [move for move in plan.moves if move.step is PlacementStep.LOWER]
    for reference in dict.fromkeys(move.reference for move in lower):
        losers.append((reference, tuple(move.passenger_number for move in lower if move.reference == reference)))
    for reference, numbers in losers:
        booking = before[reference]
        seats = [passenger.seat for passenger in booking.passengers if passenger.number in numbers]
        for section in {seat.section for seat in seats if seat is not None}:
            count = sum(seat is not None and seat.section == section for seat in seats)
            free = free_seats(run, booking.journey.legs, section, last_fare(run, section))
            assert free < count, f"{count} of {reference} lost their seats in {section}, and {free} seats fit"


def require_nobody_waits_while_a_seat_fits(run: TrainRun, now: datetime) -> None:
    for entry in run.waitlist.values() if now < waitlist_closing_time(run) else ():
        names = {section.name for section in run.sections}
        if entry.fare_minor_min is not None or (entry.section and entry.section not in names):
            floor = entry.fare_minor_min if entry.fare_minor_min is not None else last_fare(run, entry.section)
            assert free_seats(run, entry.legs, entry.section, floor) < entry.count
            continue
        for section in names if not entry.section else {entry.section}:
            assert free_seats(run, entry.legs, section, 10**15) < entry.count, f"{entry.reference} fits {section}"


def require_numbers_never_return(before: list[SectionSeats], run: TrainRun) -> None:
    after = {section.name: section for section in (*run.sections, *run.retired_sections)}
    for section in (section for section in before if section.size):  # one that never had a seat leaves nothing
        present = after[section.name]
        assert present.size >= section.size
        assert present.retired >= section.retired
        for number in range(1, section.size + 1):
            assert present.coach_of(number) == section.coach_of(number)


def require_others_unmoved(run: TrainRun, before: Before, removed: set[tuple[str, int]]) -> None:
    after = seats_by_passenger(run.bookings)
    for key, passenger in seats_by_passenger(before).items():
        seat = passenger.seat
        if seat is not None and (seat.section, seat.number) not in removed:
            assert after[key] == passenger


def require_exact_money(run: TrainRun, before: Before, plan: LayoutPlan) -> None:
    refunded = 0
    for booking in run.bookings.values():
        back = sum(refund.minor for refund in booking.refunds)
        assert booking.charged_minor - back == (booking.price.minor if booking.is_live else 0)
        assert len({refund.refund_id for refund in booking.refunds}) == len(booking.refunds)
        refunded += back - sum(refund.minor for refund in before[booking.reference].refunds)
    assert refunded == plan.counts.refunded_minor == sum(refund.amount.minor for refund in plan.refunds)


def require_plan_of_what_happened(run: TrainRun, before: Before, plan: LayoutPlan, removed: set[tuple[str, int]]) -> None:
    """Each passenger of a removed seat is in the plan once, with the seat that the booking has now."""
    after, old = seats_by_passenger(run.bookings), seats_by_passenger(before)
    displaced = {
        key for key, passenger in old.items() if passenger.seat and (passenger.seat.section, passenger.seat.number) in removed
    }
    moved = {(move.reference, move.passenger_number): move for move in plan.moves}
    waits = {(wait.reference, number) for wait in plan.waitlisted for number in wait.passenger_numbers}
    for key, move in moved.items():
        assert (move.before, move.after) == (old[key].seat, after[key].seat)
    assert all(after[key].seat is None for key in waits)
    gone = {key for key in displaced if key not in after}
    assert sorted([*moved, *waits, *gone]) == sorted(displaced)
    assert plan.counts.moved_passengers == len(moved)
    assert plan.counts.waitlisted_passengers == len(waits)
    for promotion in plan.promoted:
        seats = [passenger.seat for passenger in run.bookings[promotion.reference].passengers]
        assert set(promotion.seats) <= set(seats)


def require_sound_record(run: TrainRun, train: Train, now: datetime) -> None:
    """The audit finds nothing, and the stored run is the run."""
    record = AuditedRun(run, run.bookings, now, TOLERANCE, StoredTrain(train, "made", NOW, 1), train, train)
    findings = run_rules(WITHOUT_EVENTS, "run", record)
    assert not findings, [finding.text for finding in findings]
    again = run_from(run_document(run, NOW))
    for reference, booking in run.bookings.items():
        again.load([booking])
        again.passenger_index.add(run.bookings[reference])
    assert snapshot(again) == snapshot(run)


def require_sound(run: TrainRun, train: Train, now: datetime) -> None:
    occupied = occupied_legs(run)
    claimed: dict[tuple[str, int], int] = {}
    for name, number, legs in run.layout_reservation.claims if run.layout_reservation is not None else ():
        assert not (claimed.get((name, number), 0) | occupied.get((name, number), 0)) & legs
        claimed[name, number] = claimed.get((name, number), 0) | legs
    for section in run.sections:
        for number in range(1, section.size + 1):
            place = section.name, number
            sold = section.all_legs if section.is_retired(number) else occupied.get(place, 0) | claimed.get(place, 0)
            assert section.sold_legs[number - 1] == sold, f"{section.name}-{number}"
    assert not occupied.keys() - live_seats(run.sections), "somebody has a seat that is gone"
    require_nobody_waits_while_a_seat_fits(run, now)
    require_sound_record(run, train, now)


# -- the tests


def planned_and_done(run: TrainRun, command: UpdateLayout, now: datetime) -> tuple[LayoutPlan, LayoutPlan] | None:
    """Plan a change, make it, and return both plans; None where it is refused. Neither a plan nor a refusal leaves a trace."""
    before = snapshot(run)
    planning = asks_for_layout(
        *command.operations,
        allow_lower=command.allow_lower,
        refund_displaced=command.refund_displaced,
        validate_only=True,
    )
    try:
        plan = decide(run, planning, now, {})
    except InvalidField:
        assert (snapshot(run), bool(run.change_set)) == (before, False)
        with pytest.raises(InvalidField):
            decide(run, command, now, {})
        assert (snapshot(run), bool(run.change_set)) == (before, False)
        return None
    assert (snapshot(run), bool(run.change_set)) == (before, False)
    return plan, decide(run, command, now, {})


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_layout_change_keeps_every_promise(seed: int) -> None:
    chance = seeded_random(seed)
    run, train = a_random_run(chance)
    now = NOW if chance.random() < 0.9 else waitlist_closing_time(run)
    time_passes(run, now)
    for _ in range(3):
        document, before, sections = run_document(run, NOW), dict(run.bookings), [section.copy() for section in run.sections]
        seats = live_seats(run.sections)
        unchanged = snapshot(run)
        both = planned_and_done(run, a_random_change(run, chance), now)
        if both is None:
            continue
        plan, done = both
        removed = seats - live_seats(run.sections)
        assert (plan.plan_hash, plan.sections, plan.moves, plan.waitlisted, plan.refunds, plan.promoted, plan.counts) == (
            done.plan_hash,
            done.sections,
            done.moves,
            done.waitlisted,
            done.refunds,
            done.promoted,
            done.counts,
        )
        if chance.random() < 0.2:
            run.undo()
            assert snapshot(run) == unchanged
            continue
        update = run_update(run, [], [])
        run.committed()
        stored = run_document(run, NOW)
        written = applied(document, update)
        assert {name: written[name] for name in stored if name != "version"} == {
            name: stored[name] for name in stored if name != "version"
        }
        require_plan_of_what_happened(run, before, done, removed)
        require_nobody_without_a_seat_that_exists(run, done, before)
        require_numbers_never_return(sections, run)
        require_others_unmoved(run, before, removed)
        require_exact_money(run, before, done)
        require_sound(run, train, now)
