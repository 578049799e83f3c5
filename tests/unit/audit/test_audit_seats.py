"""Audit rules about runs: a consistent run gives no finding; a run broken in one way gives the finding of that check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.audit.check import Check, Finding, run_rules
from app.domain.audit.rules import REFERENCE_RULES, RUN_DOCUMENT_RULES, RUN_INVENTORY_RULES
from app.domain.audit.run_record import AuditedRun, RunReferences
from app.domain.booking import Booking, BookingState
from app.domain.commands import HoldSeats, IfFull
from app.domain.events import Event, EventType
from app.domain.rules.hold_seats import hold_seats
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry
from tests.support.builders import (
    ASHFORD,
    LONDON,
    NOW,
    PARIS,
    TRAIN_ID,
    TRAVEL_DATE,
    a_caller,
    a_person,
    a_request_id,
    a_run,
    asks_for_seats,
    book,
    cancel,
    key_of,
    sell,
)

TOLERANCE = timedelta(minutes=2)
Breakage = Callable[[TrainRun], None]


def a_hold_for(who: str) -> HoldSeats:
    date = TRAVEL_DATE.isoformat()
    return HoldSeats(a_caller(who), a_request_id(), TRAIN_ID, date, LONDON, PARIS, "A", (), 1, 300)


def a_busy_run() -> TrainRun:
    """Make a run with every kind of seat.

    A-1 was freed and is Gus's as far as Ashford; Bob and Bea have A-2 and A-3; A-4 is held; A-5 was never sold; Fay has A-6;
    Cem has B-1, and Dan waits for it.
    """
    run = a_run("A6 B1")
    ann = book(run, "ann")
    book(run, "bob", "bea")
    cancel(run, ann)
    hold_seats(run, a_hold_for("hal"), NOW)
    run.committed()
    book(run, "fay", seats=[6])
    book(run, "gus", seats=[1], destination=ASHFORD)
    book(run, "cem", section="B")
    sell(run, asks_for_seats("dan", section="B", if_full=IfFull.WAITLIST))
    return run


def check_run(run: TrainRun, now: datetime) -> list[Finding]:
    return run_rules(RUN_INVENTORY_RULES, "run", AuditedRun(run, run.bookings, now, TOLERANCE))


def found_in(run: TrainRun, now: datetime = NOW) -> list[tuple[Check, str]]:
    return [(finding.check, finding.text) for finding in check_run(run, now)]


def of(run: TrainRun, who: str) -> Booking:
    """Return the booking of a person, live or not."""
    return next(booking for booking in run.bookings.values() if booking.passengers[0].person.first_name == who.capitalize())


def put_booking(run: TrainRun, booking: Booking) -> None:
    run.bookings[booking.reference] = booking


def of_another_passenger(booking: Booking, who: str, reference: str) -> Booking:
    person = a_person(who)
    return replace(booking, reference=reference, passengers=(replace(booking.passengers[0], person=person, key=key_of(who)),))


def test_a_run_as_the_service_leaves_it_gives_no_finding() -> None:
    assert found_in(a_run()) == []
    assert found_in(a_busy_run()) == []


# -- breakages, each of one kind


def sells_fays_seat_again(run: TrainRun) -> None:
    put_booking(run, of_another_passenger(of(run, "fay"), "eve", "EVE000"))


def sells_a_held_seat(run: TrainRun) -> None:
    held = next(iter(run.holds.values())).seats[0]
    eve = of_another_passenger(of(run, "fay"), "eve", "EVE000")
    put_booking(run, replace(eve, passengers=(replace(eve.passengers[0], seat=held),)))


def loses_a_booking(run: TrainRun) -> None:
    del run.bookings[of(run, "fay").reference]


def loses_a_hold(run: TrainRun) -> None:
    run.holds.clear()


def forgets_that_a_seat_is_sold(run: TrainRun) -> None:
    run.sections[0].sold_legs[5] = 0


def seats_fay_where_no_seat_is(run: TrainRun) -> None:
    run.sections[0].sold_legs[5] = 0
    fay = of(run, "fay")
    put_booking(run, replace(fay, passengers=(replace(fay.passengers[0], seat=run.seat(0, 6)),)))
    run.sections[0].sold_legs.pop()


def leaves_fay_without_a_seat(run: TrainRun) -> None:
    run.sections[0].sold_legs[5] = 0
    fay = of(run, "fay")
    put_booking(run, replace(fay, passengers=(replace(fay.passengers[0], seat=None),)))


def drops_a_freed_seat(run: TrainRun) -> None:
    run.sections[0].set_freed(1, ())


def offers_a_leg_twice(run: TrainRun) -> None:
    sequence, legs = run.sections[0].freed[1][0]
    run.sections[0].set_freed(1, ((sequence, legs), (sequence, 0b100)))


def offers_a_sold_leg(run: TrainRun) -> None:
    run.sections[0].set_freed(2, ((1, 0b1),))


def offers_a_seat_above_the_counter(run: TrainRun) -> None:
    run.sections[0].set_freed(5, ((1, 0b111),))


def offers_a_seat_that_is_not_there(run: TrainRun) -> None:
    run.sections[0].freed[7] = ((1, 0b1),)


def moves_the_counter_past_a_fresh_seat(run: TrainRun) -> None:
    run.sections[0].next_number = 6


def moves_the_counter_out_of_the_train(run: TrainRun) -> None:
    run.sections[1].next_number = 3


def resets_the_freed_sequence(run: TrainRun) -> None:
    run.freed_sequence = 0


def books_gus_twice(run: TrainRun) -> None:
    book(run, "eve", seats=[5])
    put_booking(run, of_another_passenger(of(run, "eve"), "gus", of(run, "eve").reference))


def lets_dan_book_besides_waiting(run: TrainRun) -> None:
    book(run, "eve", seats=[5])
    put_booking(run, of_another_passenger(of(run, "eve"), "dan", of(run, "eve").reference))


def numbers_fay_as_ten(run: TrainRun) -> None:
    booking = of(run, "fay")
    put_booking(run, replace(booking, passengers=(replace(booking.passengers[0], number=10),)))


def numbers_bea_as_bob(run: TrainRun) -> None:
    bob, bea = of(run, "bob").passengers
    put_booking(run, replace(of(run, "bob"), passengers=(bob, replace(bea, number=1))))


def loses_dans_entry(run: TrainRun) -> None:
    run.waitlist.clear()


def loses_dans_booking(run: TrainRun) -> None:
    del run.bookings[of(run, "dan").reference]


def gives_dans_entry_to_another(run: TrainRun) -> None:
    run.waitlist[1] = replace(run.waitlist[1], reference=of(run, "fay").reference)


def has_dan_wait_for_more_people(run: TrainRun) -> None:
    run.waitlist[1] = replace(run.waitlist[1], count=2)


def has_dan_wait_for_other_legs(run: TrainRun) -> None:
    run.waitlist[1] = replace(run.waitlist[1], legs=0b1)


def has_dan_wait_for_a_section_that_is_not_there(run: TrainRun) -> None:
    run.waitlist[1] = replace(run.waitlist[1], section="Z")


def gives_dans_entry_a_later_number(run: TrainRun) -> None:
    run.last_ticket_number = 0


def seats_dan_while_he_waits(run: TrainRun) -> None:
    dan = of(run, "dan")
    put_booking(run, replace(dan, passengers=(replace(dan.passengers[0], seat=run.seat(0, 5)),)))


def leaves_dan_waiting_for_a_free_seat(run: TrainRun) -> None:
    run.release(run.seat(1, 1), 0b111)
    put_booking(run, replace(of(run, "cem"), state=BookingState.CANCELLED))


def changes_fay_in_a_later_commit(run: TrainRun) -> None:
    put_booking(run, replace(of(run, "fay"), revision=run.version + 1))


BREAKAGES: list[tuple[Breakage, Check]] = [
    (sells_fays_seat_again, Check.SOLD_ONCE),
    (sells_a_held_seat, Check.SOLD_ONCE),
    (loses_a_booking, Check.SOLD_LEGS),
    (loses_a_hold, Check.SOLD_LEGS),
    (forgets_that_a_seat_is_sold, Check.SOLD_LEGS),
    (seats_fay_where_no_seat_is, Check.SOLD_LEGS),
    (leaves_fay_without_a_seat, Check.WAITLIST),
    (drops_a_freed_seat, Check.INVENTORY),
    (offers_a_leg_twice, Check.INVENTORY),
    (offers_a_sold_leg, Check.INVENTORY),
    (offers_a_seat_above_the_counter, Check.INVENTORY),
    (offers_a_seat_that_is_not_there, Check.INVENTORY),
    (moves_the_counter_past_a_fresh_seat, Check.INVENTORY),
    (moves_the_counter_out_of_the_train, Check.INVENTORY),
    (resets_the_freed_sequence, Check.INVENTORY),
    (books_gus_twice, Check.ONE_BOOKING),
    (lets_dan_book_besides_waiting, Check.ONE_BOOKING),
    (numbers_fay_as_ten, Check.PASSENGER_NUMBERS),
    (numbers_bea_as_bob, Check.PASSENGER_NUMBERS),
    (loses_dans_entry, Check.WAITLIST),
    (loses_dans_booking, Check.WAITLIST),
    (gives_dans_entry_to_another, Check.WAITLIST),
    (has_dan_wait_for_more_people, Check.WAITLIST),
    (has_dan_wait_for_other_legs, Check.WAITLIST),
    (has_dan_wait_for_a_section_that_is_not_there, Check.WAITLIST),
    (gives_dans_entry_a_later_number, Check.WAITLIST),
    (seats_dan_while_he_waits, Check.WAITLIST),
    (leaves_dan_waiting_for_a_free_seat, Check.PROMOTIONS),
    (changes_fay_in_a_later_commit, Check.REVISIONS),
]


@pytest.mark.parametrize(("breakage", "check"), BREAKAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_run_that_is_broken_in_one_way_gives_the_finding_of_that_check(breakage: Breakage, check: Check) -> None:
    run = a_busy_run()
    breakage(run)
    assert {found for found, _ in found_in(run)} == {check}


# -- what the findings say


def test_a_seat_that_is_sold_twice_is_named_with_its_legs_and_holders() -> None:
    run = a_busy_run()
    fay = of(run, "fay").reference
    sells_fays_seat_again(run)
    holders = ", ".join(sorted((f"booking {fay}", "booking EVE000")))
    assert found_in(run) == [(Check.SOLD_ONCE, f"seat A-6 is sold twice on legs 1, 2, 3: {holders}")]


def test_every_wrong_seat_is_named() -> None:
    run = a_busy_run()
    run.sections[0].sold_legs[1] = run.sections[0].sold_legs[2] = 0b11
    texts = [text for check, text in found_in(run) if check is Check.SOLD_LEGS]
    assert texts == [f"seat A-{number} is not sold on leg 3, and a booking or hold has it" for number in (2, 3)]


def test_a_rule_that_fails_on_a_broken_run_is_a_finding_and_the_other_rules_still_run() -> None:
    run = a_busy_run()
    sells_fays_seat_again(run)
    run.sections[0].freed = {2: ((1,),)}  # type: ignore[dict-item]  # an impossible value is the point of this test
    found = found_in(run)
    assert Check.SOLD_ONCE in {check for check, _ in found}
    assert any(check is Check.INVENTORY and text.startswith("cannot be checked: ") for check, text in found)


# -- time


def late_events(outbox: list[Event], before: datetime) -> list[Finding]:
    """Return the findings about events that are due before this time and still in the run's document."""
    record = AuditedRun(a_run(), {}, before + TOLERANCE, TOLERANCE, outbox=outbox)
    return [finding for finding in run_rules(RUN_DOCUMENT_RULES, "run", record) if finding.check is Check.EVENTS]


def test_promotions_are_not_checked_once_the_waitlist_closes() -> None:
    run = a_busy_run()
    run.holds.clear()
    run.sections[0].sold_legs[3] = 0
    run.sections[0].set_freed(4, ((1, 0b111),))
    leaves_dan_waiting_for_a_free_seat(run)
    closes = waitlist_closing_time(run)
    assert {check for check, _ in found_in(run, closes - timedelta(hours=1))} == {Check.PROMOTIONS}
    assert found_in(run, closes) == []


def test_overdue_holds_and_waitlists_give_warnings_after_the_tolerance() -> None:
    run = a_busy_run()
    expires = NOW + timedelta(seconds=300)
    assert check_run(run, expires + TOLERANCE) == []
    for moment, what in (
        (expires + TOLERANCE * 2, "expired holds"),
        (waitlist_closing_time(run) + TOLERANCE * 2, "the waitlist is closed"),
    ):
        findings = check_run(run, moment)
        assert all((finding.check, finding.is_warning) == (Check.DUE, True) for finding in findings)
        assert any(what in finding.text for finding in findings)


def test_events_that_stay_in_the_run_for_longer_than_the_tolerance_are_late() -> None:
    event = Event("es9014:2026-09-01:2:0", EventType.BOOKING_CONFIRMED, "es9014:2026-09-01", 1, NOW, "7K2M9Q", {})
    assert late_events([event], NOW) == []
    (finding,) = late_events([event, event], NOW + timedelta(seconds=1))
    assert not finding.is_warning
    assert finding.text == "2 events have not left the run's document, the first since 2026-08-01 12:00:00"


def test_a_reference_of_two_bookings_is_named_with_the_other_run() -> None:
    assert run_rules(REFERENCE_RULES, "run one", RunReferences([], {})) == []
    assert run_rules(REFERENCE_RULES, "run one", RunReferences(["AAAAAA"], {"BBBBBB": "other"})) == [
        Finding(Check.REFERENCES, "run one", "booking AAAAAA is twice among the recent ones"),
        Finding(Check.REFERENCES, "run one", "reference BBBBBB is also that of a booking of run other"),
    ]


def test_a_group_on_the_waitlist_needs_all_of_its_seats() -> None:
    run = a_busy_run()
    run.waitlist[2] = WaitlistEntry(2, of(run, "dan").reference, "A", 0b111, 2)
    assert (Check.PROMOTIONS in {check for check, _ in found_in(run)}) is False
    run.waitlist[2] = replace(run.waitlist[2], count=1)
    assert (Check.PROMOTIONS in {check for check, _ in found_in(run)}) is True
