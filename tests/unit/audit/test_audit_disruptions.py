"""Audit rules about delays, cancellations and the clock: runs as the rules leave them, and runs that are broken in one way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from app.domain.audit import run_cancellations, run_delays, run_events
from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_DISRUPTION_RULES, RUN_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, BookingState, RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, EventType, event_id, sequence_of
from app.domain.rules.hold_seats import hold_seats
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from tests.support.builders import ASHFORD, DEPARTS_LONDON, NOW, PARIS, a_run, asks_to_hold, book, cancel

TOLERANCE = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)
SCHEDULED_ASHFORD = datetime.fromisoformat("2026-09-01T09:55:00+00:00")
AFTER_DEPARTURE = DEPARTS_LONDON + timedelta(hours=1)
LATER = NOW + timedelta(hours=1)
Breakage = Callable[[TrainRun], None]


def with_delay(run: TrainRun, record: DelayRecord) -> None:
    run.delay = record
    run.renew_schedule()


def with_cancellation(run: TrainRun, cancellation: RunCancellation | None) -> None:
    run.cancellation = cancellation
    run.renew_schedule()


def a_late_run() -> TrainRun:
    """Make a run that is 40 minutes late from Ashford on, where it arrived 35 minutes late, and that has departed."""
    run = a_run("A4 B2")
    run.clock_state = RunState.DEPARTED
    arrival = Arrival(1, SCHEDULED_ASHFORD + 35 * MINUTE, AFTER_DEPARTURE)
    with_delay(run, DelayRecord((0, 40, 40, 40), DisruptionReason.STAFF, "", AFTER_DEPARTURE - 10 * MINUTE, (arrival,)))
    return run


def a_cancelled_run() -> TrainRun:
    """Make a run that is cancelled from Ashford on. Ann's booking ended with it; Bob goes as far as Ashford."""
    run = a_run("A4 B2")
    ann = book(run, "ann")
    book(run, "bob", destination=ASHFORD)
    ann = cancel(run, ann)
    reason = RefundReason.RUN_CANCELLED
    refunds = tuple(replace(refund, reason=reason) for refund in ann.refunds)
    run.bookings[ann.reference] = replace(ann, refunds=refunds, update_time=NOW + MINUTE)
    cancellation = RunCancellation(
        NOW, DisruptionReason.STAFF, "", 1, ann.reference, NOW + MINUTE, 1, 1, sum(refund.minor for refund in refunds)
    )
    with_cancellation(run, cancellation)
    return run


def ann_of(run: TrainRun) -> Booking:
    return next(booking for booking in run.bookings.values() if booking.user.email.startswith("ann"))


def found_in(run: TrainRun, now: datetime, events: Iterable[Event] = ()) -> set[Check]:
    record = AuditedRun(run, run.bookings, now, TOLERANCE, run_events=list(events))
    rules = [*RUN_DISRUPTION_RULES, *(rule for rule in RUN_RULES if rule.find_problems in OTHER_RULES)]
    return {finding.check for finding in run_rules(rules, "run", record)}


OTHER_RULES = (run_cancellations.wrong_refund_reasons, run_cancellations.open_cancellation, run_delays.clock_behind)


def an_event(run: TrainRun, kind: EventType, version: int, time: datetime, **data: object) -> Event:
    key = event_id(run.run_id, version, 0)
    return Event(key, kind, run.run_id, sequence_of(version, 0), time, run.run_id, data, "")  # type: ignore[arg-type]


def events_of(run: TrainRun) -> list[Event]:
    """Return the events that a run with a delay, arrivals or a cancellation has emitted."""
    delay, names, events = run.delay, [stop.name for stop in run.stops], []
    if delay.reported_time is not None:
        first = next((index for index, minutes in enumerate(delay.minutes) if minutes), 0)
        text = delay.reported_time.isoformat()
        data = {"minutes": delay.minutes[first], "from_stop": names[first], "reason": delay.reason, "reported_time": text}
        events.append(an_event(run, EventType.RUN_DELAYED, 3, delay.reported_time, **data))
    if run.clock_state is RunState.DEPARTED:
        events.append(an_event(run, EventType.RUN_DEPARTED, 4, DEPARTS_LONDON, state="DEPARTED", late_minutes=0))
    for arrival in delay.arrivals:
        times = {"arrive_time": arrival.time.isoformat(), "reported_time": arrival.reported_time.isoformat()}
        events.append(an_event(run, EventType.RUN_ARRIVED, 5, arrival.time, stop=names[arrival.stop], **times))
    if run.cancellation is not None:
        data = {"reason": run.cancellation.reason, "from_stop": names[run.cancellation.from_stop], "state": "SCHEDULED"}
        events.append(an_event(run, EventType.RUN_CANCELLED, 6, run.cancellation.time, **data))
    return events


def test_runs_that_are_late_or_cancelled_give_no_finding() -> None:
    late, cancelled = a_late_run(), a_cancelled_run()
    assert found_in(late, AFTER_DEPARTURE, events_of(late)) == set()
    assert found_in(cancelled, LATER, events_of(cancelled)) == set()
    assert found_in(a_run(), NOW) == set()


# -- delays, each broken in one way


def has_delays_of_another_timetable(run: TrainRun) -> None:
    run.delay = replace(run.delay, minutes=run.delay.minutes[:-1])


def is_longer_late_than_a_day(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(0, 40, 40, 1_441)))


def goes_backwards(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(300, 40, 40, 40)))


def is_late_for_no_reason(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=None)


def has_a_storm_without_evidence(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=DisruptionReason.EXTREME_WEATHER)


def was_never_reported(run: TrainRun) -> None:
    run.delay = replace(run.delay, reported_time=None)


def will_be_reported(run: TrainRun) -> None:
    run.delay = replace(run.delay, reported_time=AFTER_DEPARTURE + 8 * MINUTE)


def arrives_twice(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=run.delay.arrivals * 2))


def arrives_at_no_stop(run: TrainRun) -> None:
    run.delay = replace(run.delay, arrivals=(replace(run.delay.arrivals[0], stop=9),))


def arrives_before_it_leaves(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=(replace(run.delay.arrivals[0], time=DEPARTS_LONDON - MINUTE),)))


def will_arrive(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=(replace(run.delay.arrivals[0], time=AFTER_DEPARTURE + 8 * MINUTE),)))


def has_arrived_by_the_clock(run: TrainRun) -> None:
    run.clock_state = RunState.COMPLETED


def is_delayed_by_the_clock(run: TrainRun) -> None:
    run.clock_state = RunState.DELAYED


def is_compacted_on_its_way(run: TrainRun) -> None:
    run.is_compacted = True


DELAY_BREAKAGES: list[tuple[Breakage, Check]] = [
    (has_delays_of_another_timetable, Check.DELAYS),
    (is_longer_late_than_a_day, Check.DELAYS),
    (goes_backwards, Check.DELAYS),
    (is_late_for_no_reason, Check.DELAYS),
    (has_a_storm_without_evidence, Check.DELAYS),
    (was_never_reported, Check.DELAYS),
    (will_be_reported, Check.DELAYS),
    (arrives_twice, Check.DELAYS),
    (arrives_at_no_stop, Check.DELAYS),
    (arrives_before_it_leaves, Check.DELAYS),
    (will_arrive, Check.DELAYS),
    (has_arrived_by_the_clock, Check.CLOCK),
    (is_delayed_by_the_clock, Check.CLOCK),
    (is_compacted_on_its_way, Check.CLOCK),
]


@pytest.mark.parametrize(("breakage", "check"), DELAY_BREAKAGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_late_run_that_is_broken_in_one_way_gives_the_finding_of_that_check(breakage: Breakage, check: Check) -> None:
    run = a_late_run()
    breakage(run)
    assert check in found_in(run, AFTER_DEPARTURE)


# -- what differs from the events of the run


def is_late_for_another_reason(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=DisruptionReason.CONGESTION)


def was_reported_earlier(run: TrainRun) -> None:
    run.delay = replace(run.delay, reported_time=AFTER_DEPARTURE - 11 * MINUTE)


def is_less_late(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(0, 40, 40, 39)))


def forgets_its_delay(run: TrainRun) -> None:
    with_delay(run, DelayRecord(arrivals=run.delay.arrivals))


def arrived_a_minute_earlier(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=(replace(run.delay.arrivals[0], time=SCHEDULED_ASHFORD + 34 * MINUTE),)))


def arrival_was_reported_later(run: TrainRun) -> None:
    arrival = replace(run.delay.arrivals[0], reported_time=AFTER_DEPARTURE + MINUTE)
    run.delay = replace(run.delay, arrivals=(arrival,))


def forgets_its_arrival(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=()))


@pytest.mark.parametrize(
    "breakage",
    [
        is_late_for_another_reason,
        was_reported_earlier,
        is_less_late,
        forgets_its_delay,
        arrived_a_minute_earlier,
        arrival_was_reported_later,
        forgets_its_arrival,
    ],
)
def test_a_delay_that_differs_from_its_last_event_is_found(breakage: Breakage) -> None:
    run = a_late_run()
    events = events_of(run)
    breakage(run)
    assert Check.DELAYS in found_in(run, AFTER_DEPARTURE, events)


def test_a_run_that_has_left_by_its_events_and_not_by_its_document_is_found() -> None:
    run = a_late_run()
    events = [event for event in events_of(run) if event.event_type is EventType.RUN_DEPARTED]
    run.clock_state = RunState.SCHEDULED
    assert Check.CLOCK in found_in(run, AFTER_DEPARTURE, events)


def test_a_later_report_explains_that_a_run_has_not_left_yet() -> None:
    run = a_late_run()
    with_delay(run, DelayRecord((120, 120, 120, 120), DisruptionReason.STAFF, "", AFTER_DEPARTURE))
    run.clock_state = RunState.SCHEDULED
    departed = an_event(run, EventType.RUN_DEPARTED, 4, DEPARTS_LONDON, state="DEPARTED", late_minutes=0)
    text = AFTER_DEPARTURE.isoformat()
    data = {"minutes": 120, "from_stop": run.stops[0].name, "reason": "STAFF", "reported_time": text}
    delayed = an_event(run, EventType.RUN_DELAYED, 5, AFTER_DEPARTURE, **data)
    assert found_in(run, AFTER_DEPARTURE, [departed, delayed]) == set()


def test_a_run_that_departed_or_ended_unnoticed_gives_a_warning() -> None:
    run = a_run()
    run.clock_state = RunState.SCHEDULED
    assert found_in(run, AFTER_DEPARTURE) == {Check.DUE}
    run.clock_state = RunState.COMPLETED
    assert found_in(run, DEPARTS_LONDON + timedelta(days=3)) == {Check.DUE}
    run.is_compacted = True
    assert found_in(run, DEPARTS_LONDON + timedelta(days=3)) == set()


# -- cancellations, each broken in one way


def lets_ann_travel(run: TrainRun) -> None:
    ann = ann_of(run)
    run.bookings[ann.reference] = replace(ann, state=BookingState.CONFIRMED, refunds=())


def gives_ann_half_of_it(run: TrainRun) -> None:
    ann = ann_of(run)
    refunds = tuple(replace(refund, minor=refund.minor // 2) for refund in ann.refunds)
    run.bookings[ann.reference] = replace(ann, refunds=refunds)


def gives_ann_nothing(run: TrainRun) -> None:
    ann = ann_of(run)
    run.bookings[ann.reference] = replace(ann, refunds=())


def gives_ann_the_share_of_the_terms(run: TrainRun) -> None:
    ann = ann_of(run)
    refunds = tuple(replace(refund, reason=RefundReason.TERMS) for refund in ann.refunds)
    run.bookings[ann.reference] = replace(ann, refunds=refunds)


def changed_cancellation(**fields: object) -> Breakage:
    def change(run: TrainRun) -> None:
        assert run.cancellation is not None
        with_cancellation(run, replace(run.cancellation, **fields))  # type: ignore[arg-type]

    change.__name__ = " and ".join(f"{name} becomes {value}" for name, value in fields.items())
    return change


CANCELLATION_BREAKAGES: list[Breakage] = [
    lets_ann_travel,
    gives_ann_half_of_it,
    gives_ann_nothing,
    gives_ann_the_share_of_the_terms,
    changed_cancellation(from_stop=3),
    changed_cancellation(from_stop=0),
    changed_cancellation(reason=DisruptionReason.TERRORISM),
    changed_cancellation(time=NOW + timedelta(days=1)),
    changed_cancellation(time=NOW + 2 * MINUTE),
    changed_cancellation(complete_time=NOW + timedelta(days=1)),
    changed_cancellation(booking_count=2),
    changed_cancellation(passenger_count=2),
    changed_cancellation(refunded_minor=2_001),
    changed_cancellation(refunded_minor=-1),
]


@pytest.mark.parametrize("breakage", CANCELLATION_BREAKAGES, ids=lambda breakage: breakage.__name__)
def test_a_cancellation_that_is_broken_in_one_way_is_found(breakage: Breakage) -> None:
    run = a_cancelled_run()
    breakage(run)
    assert Check.CANCELLATIONS in found_in(run, LATER)


def test_a_cancellation_that_differs_from_its_event_is_found() -> None:
    events = events_of(a_cancelled_run())
    for breakage in (
        changed_cancellation(from_stop=2),
        changed_cancellation(reason=DisruptionReason.CONGESTION),
        changed_cancellation(time=NOW - MINUTE),
        lambda run: with_cancellation(run, None),
    ):
        run = a_cancelled_run()
        breakage(run)
        assert Check.CANCELLATIONS in found_in(run, LATER, events)


def test_a_hold_or_a_waitlist_entry_that_outlives_its_legs_is_found() -> None:
    for fill in (waits_for_paris, holds_a_seat_to_paris):
        run = a_cancelled_run()
        fill(run)
        assert Check.CANCELLATIONS in found_in(run, LATER)


def waits_for_paris(run: TrainRun) -> None:
    run.join_waitlist("WAITS1", "A", run.journey(ASHFORD, PARIS).legs, 1)


def holds_a_seat_to_paris(run: TrainRun) -> None:
    cancellation = run.cancellation
    with_cancellation(run, None)
    hold_seats(run, asks_to_hold("hal"), NOW)
    with_cancellation(run, cancellation)


def test_a_booking_that_an_open_cancellation_has_not_reached_is_no_finding_but_what_it_passed_is() -> None:
    run = a_cancelled_run()
    lets_ann_travel(run)
    changed_cancellation(complete_time=None, cursor="", booking_count=0, passenger_count=0, refunded_minor=0)(run)
    assert found_in(run, NOW + MINUTE) == set()
    changed_cancellation(cursor=ann_of(run).reference)(run)
    assert found_in(run, NOW + MINUTE) == {Check.CANCELLATIONS}


def test_a_cancellation_that_does_not_come_to_an_end_gives_a_warning() -> None:
    run = a_cancelled_run()
    changed_cancellation(complete_time=None)(run)
    assert found_in(run, NOW + MINUTE) == set()
    assert found_in(run, LATER) == {Check.DUE}


@pytest.mark.parametrize("reason", [RefundReason.DELAY, RefundReason.RUN_CANCELLED, RefundReason.LAYOUT, RefundReason.WAITLIST])
def test_a_refund_for_a_reason_that_the_run_does_not_have_is_found(reason: RefundReason) -> None:
    run = a_run()
    ann = cancel(run, book(run, "ann"))
    run.bookings[ann.reference] = replace(ann, refunds=(replace(ann.refunds[0], reason=reason),))
    assert Check.FARES in found_in(run, LATER)


# -- the data of the events


RIGHT_DATA: dict[EventType, dict[str, object]] = {
    EventType.RUN_DELAYED: {
        "minutes": 5,
        "from_stop": ASHFORD,
        "reason": "STAFF",
        "state": "DELAYED",
        "reported_time": NOW.isoformat(),
        "stops": [{"name": PARIS, "expected_arrive_time": NOW.isoformat(), "expected_depart_time": None}],
    },
    EventType.RUN_ARRIVED: {
        "stop": ASHFORD,
        "arrive_time": NOW.isoformat(),
        "late_minutes": 0,
        "reported_time": NOW.isoformat(),
    },
    EventType.RUN_CANCELLED: {"reason": "STAFF", "from_stop": "", "state": "CANCELLED"},
    EventType.RUN_DEPARTED: {"state": "DEPARTED", "late_minutes": 0},
    EventType.RUN_COMPLETED: {"state": "COMPLETED", "late_minutes": 0},
}


@pytest.mark.parametrize("kind", RIGHT_DATA, ids=str)
def test_each_field_of_the_data_of_a_run_event_is_checked(kind: EventType) -> None:
    run, data = a_run(), RIGHT_DATA[kind]
    assert run_events.wrong_run_data(an_event(run, kind, 3, NOW, **data)) == []
    for name in data:
        assert run_events.wrong_run_data(an_event(run, kind, 3, NOW, **data | {name: 7.5})), name
    of_another = replace(an_event(run, kind, 3, NOW, **data), subject="es9014:2030-01-01")
    assert run_events.wrong_run_data(of_another)
