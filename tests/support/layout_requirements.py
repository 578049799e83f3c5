"""What has to hold after a layout change, by a plain second reading of the rules.

Belongs here: checks of a run against its bookings, of a plan against what was done, and the slow counting of free seats. Does
not belong here: making runs and changes (`random_sold_runs.py`, `layout_changes.py`).
"""

from datetime import datetime, timedelta

from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, Passenger
from app.domain.layout.plan import LayoutPlan, PlacementStep, RefundCause
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from app.store.run_documents import run_document, run_from
from tests.support.builders import NOW
from tests.support.run_snapshots import snapshot

TOLERANCE = timedelta(minutes=2)
# The rules that compare a run with its bookings and its train. These runs do not keep their events.
WITHOUT_EVENTS = [rule for rule in RUN_RULES if rule.check is not Check.HISTORY]
Before = dict[str, Booking]


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
    """Which legs of each seat bookings, holds and a reservation have, as they say. Fails where a leg is sold twice."""
    legs: dict[tuple[str, int], int] = {}
    taken = [(seat.section, seat.number, held.legs) for held in run.holds.values() for seat in held.seats]
    taken += [
        (passenger.seat.section, passenger.seat.number, run.bookings[reference].journey.legs)
        for (reference, _), passenger in seats_by_passenger(run.bookings).items()
        if passenger.seat is not None
    ]
    taken += run.layout_reservation.claims if run.layout_reservation is not None else ()
    for section, number, sold in taken:
        assert not legs.get((section, number), 0) & sold, f"{section}-{number} is sold twice"
        legs[section, number] = legs.get((section, number), 0) | sold
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
    """Every sold leg is somebody's, nobody waits while a seat fits, and the audit and the store agree with the run."""
    occupied = occupied_legs(run)
    for section in run.sections:
        for number in range(1, section.size + 1):
            sold = section.all_legs if section.is_retired(number) else occupied.get((section.name, number), 0)
            assert section.sold_legs[number - 1] == sold, f"{section.name}-{number}"
    assert not occupied.keys() - live_seats(run.sections), "somebody has a seat that is gone"
    require_nobody_waits_while_a_seat_fits(run, now)
    require_sound_record(run, train, now)
