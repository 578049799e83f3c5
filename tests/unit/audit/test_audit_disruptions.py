"""Audit rules about delays and the clock: a late run gives no finding; each that is broken in one way gives that check's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from app.domain.audit import run_events
from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_DISRUPTION_RULES, RUN_INVENTORY_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.disruption import DisruptionReason
from app.domain.events import EventType
from app.domain.rules.expire_due import expire_due
from app.domain.run.delay_record import DelayRecord
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from tests.support.builders import ASHFORD, DEPARTS_LONDON, NOW, PARIS, a_run, book, cancel
from tests.support.disrupted_runs import (
    AFTER_DEPARTURE,
    LATER,
    MINUTE,
    SCHEDULED_ASHFORD,
    a_cancelled_run,
    a_late_run,
    an_event,
    disruptions_found_in,
    events_of,
    with_delay,
)

Breakage = Callable[[TrainRun], None]


def test_runs_that_are_late_or_cancelled_give_no_finding() -> None:
    late, cancelled = a_late_run(), a_cancelled_run()
    assert disruptions_found_in(late, AFTER_DEPARTURE, events_of(late)) == set()
    assert disruptions_found_in(cancelled, LATER, events_of(cancelled)) == set()
    assert disruptions_found_in(a_run(), NOW) == set()


# -- delays, each broken in one way


def has_delays_of_another_timetable(run: TrainRun) -> None:
    run.delay = replace(run.delay, minutes=run.delay.minutes[:-1])


def is_longer_late_than_a_day(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(0, 40, 40, 1_441)))


def goes_backwards(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(0, 40, 300, 40)))


def is_late_for_no_reason(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=None)


def has_a_storm_without_evidence(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=DisruptionReason.EXTREME_WEATHER)


def was_never_reported(run: TrainRun) -> None:
    run.delay = replace(run.delay, report_time=None)


def will_be_reported(run: TrainRun) -> None:
    run.delay = replace(run.delay, report_time=AFTER_DEPARTURE + 8 * MINUTE)


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
    assert check in disruptions_found_in(run, AFTER_DEPARTURE)


# -- what differs from the events of the run


def is_late_for_another_reason(run: TrainRun) -> None:
    run.delay = replace(run.delay, reason=DisruptionReason.CONGESTION)


def was_reported_earlier(run: TrainRun) -> None:
    run.delay = replace(run.delay, report_time=AFTER_DEPARTURE - 11 * MINUTE)


def is_less_late(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, minutes=(0, 40, 40, 39)))


def forgets_its_delay(run: TrainRun) -> None:
    with_delay(run, DelayRecord(arrivals=run.delay.arrivals))


def arrived_a_minute_earlier(run: TrainRun) -> None:
    with_delay(run, replace(run.delay, arrivals=(replace(run.delay.arrivals[0], time=SCHEDULED_ASHFORD + 34 * MINUTE),)))


def arrival_was_reported_earlier(run: TrainRun) -> None:
    arrival = replace(run.delay.arrivals[0], report_time=AFTER_DEPARTURE - MINUTE)
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
        arrival_was_reported_earlier,
        forgets_its_arrival,
    ],
)
def test_a_delay_that_differs_from_its_last_event_is_found(breakage: Breakage) -> None:
    run = a_late_run()
    events = events_of(run)
    breakage(run)
    assert Check.DELAYS in disruptions_found_in(run, AFTER_DEPARTURE, events)


def test_a_run_that_has_left_by_its_events_and_not_by_its_document_is_found() -> None:
    run = a_late_run()
    events = [event for event in events_of(run) if event.event_type is EventType.RUN_DEPARTED]
    run.clock_state = RunState.SCHEDULED
    assert Check.CLOCK in disruptions_found_in(run, AFTER_DEPARTURE, events)


def test_a_later_report_explains_that_a_run_has_not_left_yet() -> None:
    run = a_late_run()
    with_delay(run, DelayRecord((120, 120, 120, 120), DisruptionReason.STAFF, "", AFTER_DEPARTURE))
    run.clock_state = RunState.SCHEDULED
    departed = an_event(run, EventType.RUN_DEPARTED, 4, DEPARTS_LONDON, state="DEPARTED", late_minutes=0)
    text = AFTER_DEPARTURE.isoformat()
    data = {"minutes": 120, "from_stop": run.stops[0].name, "reason": "STAFF", "report_time": text}
    delayed = an_event(run, EventType.RUN_DELAYED, 5, AFTER_DEPARTURE, **data)
    assert disruptions_found_in(run, AFTER_DEPARTURE, [departed, delayed]) == set()


def test_a_run_that_was_sold_and_compacted_gives_no_finding_of_its_seats() -> None:
    run = a_run("A2 B2")
    cancel(run, book(run, "ann"))
    book(run, "bob", destination=ASHFORD)
    run.committed()
    expire_due(run, DEPARTS_LONDON + timedelta(days=3))
    assert run.is_compacted
    record = AuditedRun(run, run.bookings, DEPARTS_LONDON + timedelta(days=3), MINUTE)
    assert run_rules([*RUN_INVENTORY_RULES, *RUN_DISRUPTION_RULES], "run", record) == []


def test_a_run_that_departed_or_ended_unnoticed_gives_a_warning() -> None:
    run = a_run()
    run.clock_state = RunState.SCHEDULED
    assert disruptions_found_in(run, AFTER_DEPARTURE) == {Check.DUE}
    run.clock_state = RunState.COMPLETED
    assert disruptions_found_in(run, DEPARTS_LONDON + timedelta(days=3)) == {Check.DUE}
    run.is_compacted = True
    assert disruptions_found_in(run, DEPARTS_LONDON + timedelta(days=3)) == set()


# -- the data of the events


RIGHT_DATA: dict[EventType, dict[str, object]] = {
    EventType.RUN_DELAYED: {
        "minutes": 5,
        "from_stop": ASHFORD,
        "reason": "STAFF",
        "state": "DELAYED",
        "report_time": NOW.isoformat(),
        "stops": [{"name": PARIS, "expected_arrive_time": NOW.isoformat(), "expected_depart_time": None}],
    },
    EventType.RUN_ARRIVED: {
        "stop": ASHFORD,
        "arrive_time": NOW.isoformat(),
        "late_minutes": 0,
        "report_time": NOW.isoformat(),
    },
    EventType.RUN_CANCELLED: {"reason": "STAFF", "from_stop": "", "state": "CANCELLED"},
    EventType.RUN_DEPARTED: {"state": "DEPARTED", "stop": ASHFORD, "depart_time": NOW.isoformat(), "late_minutes": 0},
    EventType.RUN_COMPLETED: {"state": "COMPLETED", "stop": PARIS, "arrive_time": NOW.isoformat(), "late_minutes": 0},
}


@pytest.mark.parametrize("kind", RIGHT_DATA, ids=str)
def test_each_field_of_the_data_of_a_run_event_is_checked(kind: EventType) -> None:
    run, data = a_run(), RIGHT_DATA[kind]
    assert run_events.wrong_run_data(an_event(run, kind, 3, NOW, **data)) == []
    for name in data:
        assert run_events.wrong_run_data(an_event(run, kind, 3, NOW, **data | {name: 7.5})), name
    of_another = replace(an_event(run, kind, 3, NOW, **data), subject="es9014:2030-01-01")
    assert run_events.wrong_run_data(of_another)
