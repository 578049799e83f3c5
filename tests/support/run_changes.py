"""A change of each field of a run, by the field's name.

Belongs here: one small change for every declared field, for tests of recording, undo, writing and refresh. Does not belong
here: what a command does with these fields. A new field of a run needs a change here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from app.domain.disruption import DisruptionReason
from app.domain.layout.plan import LayoutCounts, PlannedOutcome
from app.domain.rules.create_booking import create_booking
from app.domain.run.delay_record import Arrival, DelayRecord
from app.domain.run.hold import Hold, ended_hold
from app.domain.run.layout_record import LayoutRecord, LayoutRequest, LayoutReservation, ReservedPlace
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import SalesWindow
from app.domain.timetable import RunState
from tests.support.builders import DEPARTS_LILLE, FARE_MINOR, LILLE, NOW, asks_for_seats


def lengthen(run: TrainRun, section: int = 0, seats: int = 1) -> None:
    """Add seats at the end of the last coach of a section."""
    run.set_sections([*run.sections[:section], longer(run.sections[section], seats), *run.sections[section + 1 :]])


def longer(section: SectionSeats, seats: int) -> SectionSeats:
    """The section with so many more seats in its last coach."""
    *coaches, last = section.coaches
    longer_coaches = (*coaches, replace(last, last=last.last + seats))
    return replace(section.copy(), coaches=longer_coaches, sold_legs=[*section.sold_legs, *[0] * seats])


def retired(section: SectionSeats, *numbers: int) -> SectionSeats:
    """The section with these seats retired."""
    after = section.copy()
    for number in numbers:
        after.set_sold(number, after.all_legs)
        after.set_freed(number, ())
    return replace(after, retired=after.retired | frozenset(numbers))


def retire_section(run: TrainRun, index: int = 0) -> None:
    """Remove a section with all its seats."""
    section = run.sections[index]
    run.set_retired_sections([*run.retired_sections, retired(section, *range(1, section.size + 1))])
    run.set_sections([*run.sections[:index], *run.sections[index + 1 :]])


def a_layout_record() -> LayoutRecord:
    """A record of one change."""
    request = LayoutRequest("less", "f1", "h1", NOW, LayoutCounts(2, 1, 0, 500, 1, 3, "USD"))
    return LayoutRecord(1, 3, is_own=True, earlier_fares=(("A", FARE_MINOR),), requests=(request,))


def a_layout_reservation(seconds: int = 60) -> LayoutReservation:
    """A reservation of one passenger's place."""
    place = ReservedPlace("AB12CD", 1, "B", 2, PlannedOutcome.TOGETHER_SAME)
    return LayoutReservation("h1", "f1", NOW + timedelta(seconds=seconds), frozenset({("A", 1)}), (place,), (("B", 2, 0b11),))


def a_delay_record(minutes: int = 40) -> DelayRecord:
    """A record of a delay at all stops, and of an arrival at the third one."""
    arrival = Arrival(2, DEPARTS_LILLE, DEPARTS_LILLE)
    return DelayRecord((minutes,) * 4, DisruptionReason.EXTREME_WEATHER, "https://weather.example.com", NOW, (arrival,))


def a_cancellation(from_stop: int = 2, *, is_complete: bool = False) -> RunCancellation:
    """The cancellation of a run from a stop on, of which some bookings are cancelled."""
    complete_time = NOW if is_complete else None
    return RunCancellation(NOW, DisruptionReason.STAFF, "", from_stop, "AB12CD", complete_time, 2, 3, 3 * FARE_MINOR)


def a_hold(run: TrainRun) -> Hold:
    """A hold of the first seat of the run's first section."""
    return Hold("K", "jane@example.com", "f", 0b1, (run.seat(0, 1),), FARE_MINOR, "USD", NOW + timedelta(minutes=5))


CHANGES: dict[str, Callable[[TrainRun], object]] = {
    "sold_legs": lambda run: run.sell(0, 2, 0b1),
    "next_number": lambda run: run.advance_counter(0, 1),
    "freed": lambda run: run.advance_counter(0, 2),
    "sections": lengthen,
    "bookings": lambda run: create_booking(run, asks_for_seats("ann", request_id="click", origin=LILLE), NOW, {}),
    "freed_sequence": lambda run: run.advance_counter(0, 1),
    "holds": lambda run: run.put_hold(a_hold(run)),
    "waitlist": lambda run: run.join_waitlist("AB12CD", "A", 0b111, 2),
    "last_ticket_number": lambda run: run.join_waitlist("AB12CD", "A", 0b111, 2),
    "last_displaced_number": lambda run: run.join_waitlist_front("AB12CD", "A", 0b111, 2, FARE_MINOR),
    "retired_sections": retire_section,
    "layout": lambda run: run.set_layout(a_layout_record()),
    "layout_reservation": lambda run: run.set_layout_reservation(a_layout_reservation()),
    "hidden": lambda run: run.set_hidden(hidden=True),
    "eventless_version": lambda run: run.set_hidden(hidden=True),
    "delay": lambda run: run.set_delay(a_delay_record()),
    "cancellation": lambda run: run.set_cancellation(a_cancellation()),
    "sales_windows": lambda run: run.set_sales_windows((("A", SalesWindow(open_time=NOW)), ("", SalesWindow()))),
    "clock_state": lambda run: run.set_clock_state(RunState.DEPARTED),
    "opened_until": lambda run: run.set_opened_until(NOW),
    "is_compacted": lambda run: run.set_compacted(),
    "ended_holds": lambda run: run.set_ended_hold("K", ended_hold(a_hold(run))),
}
