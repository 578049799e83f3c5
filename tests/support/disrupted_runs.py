"""Runs that are late or cancelled, for tests of the audit.

Belongs here: such runs, the events that they have emitted, and what the audit finds in them. Does not belong here: assertions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.audit import run_cancellations, run_delays
from app.domain.audit.check import Check, run_rules
from app.domain.audit.rules import RUN_DISRUPTION_RULES, RUN_RULES
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking, RefundReason
from app.domain.disruption import DisruptionReason
from app.domain.events import Event, EventType, event_id, sequence_of
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState
from tests.support.builders import ASHFORD, DEPARTS_LONDON, NOW, a_run, book, cancel

TOLERANCE = timedelta(minutes=2)
MINUTE = timedelta(minutes=1)
SCHEDULED_ASHFORD = datetime.fromisoformat("2026-09-01T09:55:00+00:00")
AFTER_DEPARTURE = DEPARTS_LONDON + timedelta(hours=1)
LATER = NOW + timedelta(hours=1)


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


def disruptions_found_in(run: TrainRun, now: datetime, events: Iterable[Event] = ()) -> set[Check]:
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
    if delay.report_time is not None:
        first = next((index for index, minutes in enumerate(delay.minutes) if minutes), 0)
        text = delay.report_time.isoformat()
        data = {"minutes": delay.minutes[first], "from_stop": names[first], "reason": delay.reason, "report_time": text}
        events.append(an_event(run, EventType.RUN_DELAYED, 3, delay.report_time, **data))
    if run.clock_state is RunState.DEPARTED:
        events.append(an_event(run, EventType.RUN_DEPARTED, 4, DEPARTS_LONDON, state="DEPARTED", late_minutes=0))
    for arrival in delay.arrivals:
        times = {"arrive_time": arrival.time.isoformat(), "report_time": arrival.report_time.isoformat()}
        events.append(an_event(run, EventType.RUN_ARRIVED, 5, arrival.time, stop=names[arrival.stop], **times))
    if run.cancellation is not None:
        data = {"reason": run.cancellation.reason, "from_stop": names[run.cancellation.from_stop], "state": "SCHEDULED"}
        events.append(an_event(run, EventType.RUN_CANCELLED, 6, run.cancellation.time, **data))
    return events
