"""The first commit of a cancellation: what it refuses, and what ends with it."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.booking import BookingState
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, EventType
from app.domain.layout.operations import RemoveCoach
from app.domain.refusals import Reason
from app.domain.rules.cancel_train_run import cancel_train_run
from app.domain.rules.create_booking import create_booking
from app.domain.rules.hold_seats import hold_seats
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from tests.support.builders import (
    ASHFORD,
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    LILLE,
    LONDON,
    NOW,
    PARIS,
    a_caller,
    a_run,
    asks_for_seats,
    asks_to_hold,
    book,
    book_waitlisted,
    current_booking,
    fill,
    hold,
)
from tests.support.cancellations import asks_to_cancel_run, cancel_all_bookings, cancel_run, cancellation_of
from tests.support.layout_changes import plan_layout
from tests.support.run_snapshots import invalid, refused, snapshot

A_MOMENT = timedelta(microseconds=1)
LATER = NOW + timedelta(minutes=2)


def free_seats(run: TrainRun, legs: int) -> list[int]:
    """The numbers of the seats of section A that are free on these legs."""
    section = run.sections[0]
    return [number for number in range(1, section.size + 1) if section.is_free(number, legs)]


def events_of(run: TrainRun, from_stop: str = "", now: datetime = NOW) -> list[Event]:
    """The events of the first change, which is not committed."""
    cancel_train_run(run, asks_to_cancel_run(from_stop), now)
    return run.change_set.events


# -- what is refused


def test_only_operators_cancel_a_run() -> None:
    run = a_run()
    with refused(Reason.NOT_PERMITTED, run):
        cancel_train_run(run, asks_to_cancel_run(by=a_caller()), NOW)


@pytest.mark.parametrize("from_stop", ["Rome", LONDON, "stp", PARIS, "PNO"])
def test_a_run_is_cancelled_from_a_stop_between_the_first_and_the_last(from_stop: str) -> None:
    run = a_run()
    with invalid("from_stop", run):
        cancel_train_run(run, asks_to_cancel_run(from_stop), NOW)


def test_a_reason_is_required_and_evidence_where_the_reason_is_outside_the_railway() -> None:
    run = a_run()
    with invalid("reason", run):
        cancel_train_run(run, asks_to_cancel_run(reason=None), NOW)
    with invalid("evidence", run):
        cancel_train_run(run, asks_to_cancel_run(reason=DisruptionReason.EXTREME_WEATHER), NOW)
    cancel_train_run(run, asks_to_cancel_run(reason=DisruptionReason.EXTREME_WEATHER, evidence="storm warning 7"), NOW)
    assert cancellation_of(run).evidence == "storm warning 7"


def test_a_run_that_has_left_is_not_cancelled_as_a_whole() -> None:
    run = a_run()
    with refused(Reason.RUN_DEPARTED, run) as refusals:
        cancel_train_run(run, asks_to_cancel_run(), DEPARTS_LONDON)
    assert "from_stop" in refusals[0].message
    cancel_train_run(run, asks_to_cancel_run(), DEPARTS_LONDON - A_MOMENT)
    assert run.schedule.is_cancelled


def test_a_run_is_not_cancelled_from_a_stop_that_it_has_left() -> None:
    run = a_run()
    with invalid("from_stop", run):
        cancel_train_run(run, asks_to_cancel_run(LILLE), DEPARTS_LILLE)
    cancel_train_run(run, asks_to_cancel_run("LIL"), DEPARTS_LILLE - A_MOMENT)
    assert run.schedule.last_stop == 2


def test_a_late_train_can_be_cancelled_until_it_is_expected_to_leave() -> None:
    run = a_run()
    run.set_delay(DelayRecord(minutes=(30, 30, 30, 30), reason=DisruptionReason.STAFF, report_time=NOW))
    run.committed()
    with refused(Reason.RUN_DEPARTED, run):
        cancel_train_run(run, asks_to_cancel_run(), DEPARTS_LONDON + timedelta(minutes=30))
    cancel_train_run(run, asks_to_cancel_run(), DEPARTS_LONDON + timedelta(minutes=30) - A_MOMENT)
    assert run.schedule.is_cancelled


def test_a_train_that_has_arrived_further_on_has_left_the_stops_before() -> None:
    run, now = a_run(), DEPARTS_LILLE - timedelta(minutes=30)
    arrival = Arrival(2, now + timedelta(minutes=1), now)  # by the clock of who reports it, which is ahead
    run.set_delay(DelayRecord((90, 90, 90, 90), DisruptionReason.STAFF, "", now, (arrival,)))
    run.committed()
    with invalid("from_stop", run):
        cancel_train_run(run, asks_to_cancel_run(ASHFORD), now)
    cancel_train_run(run, asks_to_cancel_run(LILLE), now)
    assert run.schedule.last_stop == 2


# -- what it does


def test_the_event_says_why_and_from_where_and_the_state() -> None:
    (whole,) = events_of(a_run())
    (part,) = events_of(a_run(), "AFK")
    (under_way,) = events_of(a_run(), LILLE, DEPARTS_LONDON)
    assert (whole.event_type, whole.subject) == (EventType.RUN_CANCELLED, a_run().run_id)
    assert whole.data == {"reason": "ROLLING_STOCK", "from_stop": "", "state": "CANCELLED"}
    assert part.data == {"reason": "ROLLING_STOCK", "from_stop": ASHFORD, "state": "SCHEDULED"}
    assert under_way.data["state"] == "DEPARTED"


def test_a_run_that_is_cancelled_from_a_stop_on_keeps_its_state() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    assert run.schedule.state_at(NOW) is RunState.SCHEDULED
    assert run.schedule.state_at(DEPARTS_LILLE) is RunState.COMPLETED  # the train ends at Lille


def test_nobody_buys_or_holds_a_seat_on_cancelled_legs() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    for origin in (LONDON, LILLE):
        with refused(Reason.RUN_CANCELLED, run):
            create_booking(run, asks_for_seats(origin=origin), NOW, {})
        with refused(Reason.RUN_CANCELLED, run):
            hold_seats(run, asks_to_hold(origin=origin), NOW)
    assert book(run, "ann", destination=LILLE).state is BookingState.CONFIRMED


def test_holds_on_missing_legs_end_and_others_stay() -> None:
    run = a_run()
    far, near = hold(run, "ann"), hold(run, "ben", destination=LILLE)
    released, _ = events_of(run, LILLE)
    assert (released.event_type, released.data["cause"]) == (EventType.HOLD_RELEASED, "run_cancelled")
    assert set(run.holds) == {near.key}
    assert set(run.ended_holds) == {far.key}
    assert free_seats(run, 0b111) == [1, 3, 4]
    assert free_seats(run, 0b100) == [1, 2, 3, 4]


def test_a_booking_whose_hold_has_ended_with_the_run_is_refused() -> None:
    run = a_run()
    held = hold(run, "ann")
    cancel_run(run)
    command = asks_for_seats("ann", section="A", hold_id=f"{run.run_id}:{held.key}")
    with pytest.raises(Exception, match="cancelled"):
        create_booking(run, command, NOW, {})
    assert run.bookings == {}


def test_the_reservation_of_a_layout_plan_ends() -> None:
    run = a_run("A3 A3")
    book(run, "ann", seats=(1,))
    plan_layout(run, RemoveCoach("1"), reserve_seconds=600)
    assert free_seats(run, 0b111) == [5, 6]
    cancel_run(run, LILLE)
    assert run.layout_reservation is None
    assert free_seats(run, 0b111) == [2, 3, 4, 5, 6]


def test_seats_of_ended_holds_go_to_those_who_wait_for_other_legs_first() -> None:
    run = a_run("A1", fares={"A": 2_000})
    hold(run, "ann")
    far, near = book_waitlisted(run, "ben"), book_waitlisted(run, "cem", destination=LILLE)
    cancel_run(run, LILLE)
    assert current_booking(run, far).state is BookingState.WAITLISTED
    assert current_booking(run, near).state is BookingState.CONFIRMED


def test_nobody_on_the_waitlist_of_a_cancelled_run_is_promoted() -> None:
    run = a_run("A1")
    hold(run, "ann")
    waiting = book_waitlisted(run, "ben")
    cancel_run(run)
    assert current_booking(run, waiting).state is BookingState.WAITLISTED


def test_a_check_changes_nothing() -> None:
    run = a_run()
    hold(run, "ann")
    before = snapshot(run)
    cancel_train_run(run, asks_to_cancel_run(validate_only=True), NOW)
    assert (snapshot(run), run.cancellation, bool(run.change_set)) == (before, None, False)


# -- again, and further


@pytest.mark.parametrize("from_stop", ["", LILLE])
def test_the_same_again_changes_nothing_at_any_time(from_stop: str) -> None:
    run = a_run()
    cancel_run(run, from_stop)
    record = run.cancellation
    for now in (LATER, DEPARTS_LILLE + timedelta(days=1)):
        cancel_train_run(run, asks_to_cancel_run(from_stop, reason=DisruptionReason.STAFF), now)
    assert run.cancellation == record
    assert not run.change_set


@pytest.mark.parametrize(("before", "after"), [("", ASHFORD), ("", LILLE), (ASHFORD, LILLE)])
def test_a_cancellation_does_not_become_smaller(before: str, after: str) -> None:
    run = a_run()
    cancel_run(run, before)
    with refused(Reason.RUN_CANCELLED, run):
        cancel_train_run(run, asks_to_cancel_run(after), LATER)


@pytest.mark.parametrize(("before", "after", "last_stop"), [(LILLE, ASHFORD, 1), (LILLE, "", 3), (ASHFORD, "", 3)])
def test_a_cancellation_can_be_extended_and_its_bookings_are_looked_at_again(before: str, after: str, last_stop: int) -> None:
    run = a_run()
    book(run, "ann", origin=LILLE)
    cancel_run(run, before)
    cancel_all_bookings(run)
    first = cancellation_of(run)
    assert (first.booking_count, first.cursor != "", first.complete_time) == (1, True, NOW)
    cancel_run(run, after, now=LATER)
    extended = cancellation_of(run)
    assert extended == replace(first, time=LATER, from_stop=extended.from_stop, cursor="", complete_time=None)
    assert run.schedule.last_stop == last_stop
    assert run.schedule.is_cancelled is (after == "")


def test_a_run_that_has_left_is_not_extended_to_the_whole_run() -> None:
    run = a_run()
    cancel_run(run, LILLE)
    with refused(Reason.RUN_DEPARTED, run):
        cancel_train_run(run, asks_to_cancel_run(), DEPARTS_LONDON)
    with invalid("from_stop", run):
        cancel_train_run(run, asks_to_cancel_run(ASHFORD), DEPARTS_LILLE - timedelta(minutes=1))


def test_bookings_stay_until_their_step() -> None:
    run = a_run("A2")
    sold = fill(run)
    cancel_run(run)
    assert [current_booking(run, booking).state for booking in sold] == [BookingState.CONFIRMED] * 2
