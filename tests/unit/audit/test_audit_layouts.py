"""Audit rules about layouts: runs whose layout changed give no finding; each that is broken in one way gives that check's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit.bookings import wrong_charges, wrong_history, wrong_names
from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_BOOKING_RULES, RUN_DOCUMENT_RULES, RUN_INVENTORY_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.commands import IfFull
from app.domain.layout.operations import AddCoach, AddSection, RemoveCoach, RemoveSeats, RemoveSection, SetFare
from app.domain.money import Money
from app.domain.run.layout_record import LayoutRecord
from app.domain.run.seats import CoachSeats
from app.domain.run.train_run import TrainRun
from app.domain.train import StoredTrain, Train
from tests.support.builders import NOW, a_run, a_train, asks_for_seats, book, sell
from tests.support.layout_changes import asks_for_layout, decide_alone

TOLERANCE = timedelta(minutes=2)
LAYOUT = "A3 A2 B2"
FARES = {"A": 2_000, "B": 1_000}
DEAREST = Money(9_000, "USD")
Breakage = Callable[[TrainRun], None]
# These rules need what the runs lack: payments, and events that are stored.
NOT_CHECKED = (wrong_charges, wrong_names, wrong_history)


def a_changed_run() -> TrainRun:
    """Make a run that lost coach 2, so that Gus and Gil are on the waitlist: A-4 and A-5 are retired.

    Coach N has seat A-6, which a plan would remove. A-1 to A-3 are full. Cem has B-1 at the fare of 10.00; it is 15.00 now.
    """
    run = a_run(LAYOUT, fares=FARES)
    book(run, "ann", "bob", "eve", section="A")
    book(run, "gus", "gil", section="A")
    book(run, "cem", section="B")
    run.committed()
    decide_alone(run, asks_for_layout(RemoveCoach("2"), SetFare("B", replace(run.sections[1].fare, minor=1_500))))
    decide_alone(run, asks_for_layout(AddCoach("N", "A", 1)))
    decide_alone(run, asks_for_layout(RemoveSeats("A", (6,)), reserve_seconds=600))
    return run


def a_run_without_a_section() -> TrainRun:
    """Make a run that lost section B, for which Dan waits."""
    run = a_run("A1 B1", fares=FARES)
    book(run, "ann", section="A")
    book(run, "cem", section="B")
    sell(run, asks_for_seats("dan", section="B", if_full=IfFull.WAITLIST))
    run.committed()
    decide_alone(run, asks_for_layout(RemoveSection("B")))
    return run


def a_run_with_a_waiter_at_the_fare_of_a_section_that_is_gone() -> TrainRun:
    """Make a run on which Dan waits for any section, at the fare of section C. That never had a seat, and is gone."""
    run = a_run("A1 B1", fares=FARES)
    book(run, "ann", section="A")
    book(run, "cem", section="B")
    run.committed()
    decide_alone(run, asks_for_layout(AddSection("C", DEAREST)))
    sell(run, asks_for_seats("dan", if_full=IfFull.WAITLIST))
    run.committed()
    decide_alone(run, asks_for_layout(RemoveSection("C")))
    return run


def found_in(run: TrainRun, train: Train | None = None) -> set[Check]:
    train = train or a_train(LAYOUT, fares=FARES)
    stored = StoredTrain(train, "request", NOW - timedelta(days=1), 1)
    record = AuditedRun(run, run.bookings, NOW, TOLERANCE, train=stored, made_from_train=train, layout_train=train)
    rules = [*RUN_INVENTORY_RULES, *RUN_BOOKING_RULES, *RUN_DOCUMENT_RULES]
    checked = [rule for rule in rules if rule.find_problems not in NOT_CHECKED]
    return {finding.check for finding in run_rules(checked, "run", record)}


def test_runs_whose_layout_changed_give_no_finding() -> None:
    assert found_in(a_changed_run()) == set()
    assert found_in(a_run_without_a_section(), a_train("A1 B1", fares=FARES)) == set()
    assert found_in(a_run(LAYOUT, fares=FARES)) == set()


def test_who_paid_the_fare_of_a_section_that_never_had_a_seat_gives_no_finding() -> None:
    run = a_run_with_a_waiter_at_the_fare_of_a_section_that_is_gone()
    [dan] = [booking for booking in run.bookings.values() if booking.ticket_number]
    assert (dan.passengers[0].fare_minor, run.retired_sections) == (DEAREST.minor, [])
    assert found_in(run, a_train("A1 B1", fares=FARES)) == set()


@pytest.mark.parametrize("fare", [("", 9_000), ("c", 9_000), ("C", -1)])
def test_an_earlier_fare_that_no_section_can_have_had_gives_a_finding(fare: tuple[str, int]) -> None:
    run = a_changed_run()
    run.layout = replace(run.layout, earlier_fares=(*run.layout.earlier_fares, fare))
    assert found_in(run) == {Check.LAYOUT}


# -- breakages, each of one kind


def sells_a_retired_seat(run: TrainRun) -> None:
    run.sections[0].sold_legs[3] = 0


def seats_ann_on_a_retired_seat(run: TrainRun) -> None:
    ann = next(booking for booking in run.bookings.values() if booking.passengers[0].person.first_name == "Ann")
    seat = replace(ann.passengers[0].assigned_seat, coach="2", number=4)
    run.bookings[ann.reference] = replace(ann, passengers=(replace(ann.passengers[0], seat=seat), *ann.passengers[1:]))
    run.sections[0].sold_legs[0] = 0
    run.sections[0].set_freed(1, ((run.freed_sequence, 0b111),))


def retires_a_seat_that_never_was(run: TrainRun) -> None:
    run.sections[0].retired |= {99}


def loses_the_claims_of_the_reservation(run: TrainRun) -> None:
    reservation = run.layout_reservation
    assert reservation is not None
    run.layout_reservation = replace(reservation, claims=())


def reserves_for_an_hour(run: TrainRun) -> None:
    reservation = run.layout_reservation
    assert reservation is not None
    run.layout_reservation = replace(reservation, expire_time=NOW + timedelta(hours=1))


def names_two_coaches_alike(run: TrainRun) -> None:
    first, *others = run.sections[1].coaches
    run.sections[1].coaches = (CoachSeats("1", first.first, first.last), *others)


def leaves_a_gap_between_coaches(run: TrainRun) -> None:
    *others, last = run.sections[0].coaches
    run.sections[0].coaches = (*others, replace(last, first=last.first + 1))


def forgets_the_changes(run: TrainRun) -> None:
    run.layout = LayoutRecord()


def makes_a_change_twice(run: TrainRun) -> None:
    first, *others = run.layout.requests
    run.layout = replace(run.layout, requests=(first, *others[1:], first))


def has_the_layout_of_its_train(run: TrainRun) -> None:
    run.layout = replace(run.layout, is_own=False)


def forgets_the_fare_of_cem(run: TrainRun) -> None:
    run.layout = replace(run.layout, earlier_fares=())


def gives_a_displaced_number_that_never_was(run: TrainRun) -> None:
    run.last_displaced_number = 0


def loses_the_entry_of_displaced_passengers(run: TrainRun) -> None:
    run.waitlist.clear()


def lets_displaced_passengers_wait_for_a_free_seat(run: TrainRun) -> None:
    run.layout_reservation = None
    run.sections[0].sold_legs[5] = 0
    run.sections[0].sold_legs.append(0)
    *others, last = run.sections[0].coaches
    run.sections[0].coaches = (*others, replace(last, last=7))


BREAKAGES: list[tuple[Breakage, Check]] = [
    (sells_a_retired_seat, Check.RETIRED_SEATS),
    (seats_ann_on_a_retired_seat, Check.RETIRED_SEATS),
    (retires_a_seat_that_never_was, Check.RETIRED_SEATS),
    (loses_the_claims_of_the_reservation, Check.SOLD_LEGS),
    (reserves_for_an_hour, Check.LAYOUT),
    (names_two_coaches_alike, Check.LAYOUT),
    (leaves_a_gap_between_coaches, Check.LAYOUT),
    (forgets_the_changes, Check.LAYOUT),
    (makes_a_change_twice, Check.LAYOUT),
    (has_the_layout_of_its_train, Check.LAYOUT),
    (forgets_the_fare_of_cem, Check.FARES),
    (gives_a_displaced_number_that_never_was, Check.WAITLIST),
    (loses_the_entry_of_displaced_passengers, Check.WAITLIST),
    (lets_displaced_passengers_wait_for_a_free_seat, Check.PROMOTIONS),
]


@pytest.mark.parametrize(("breakage", "check"), BREAKAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_layout_that_is_broken_in_one_way_gives_the_finding_of_that_check(breakage: Breakage, check: Check) -> None:
    run = a_changed_run()
    breakage(run)
    assert check in found_in(run)
