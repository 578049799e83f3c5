"""A change of each field of a run, by the field's name.

Belongs here: one small change for every declared field, for tests of recording, undo, writing and refresh. Does not belong
here: what a command does with these fields. A new field of a run needs a change here.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from app.domain.rules.create_booking import create_booking
from app.domain.run.hold import Hold, ended_hold
from app.domain.run.seats import SectionSeats
from app.domain.run.train_run import TrainRun
from tests.support.builders import FARE_MINOR, LILLE, NOW, asks_for_seats


def delay(run: TrainRun, by: timedelta = timedelta(minutes=40)) -> None:
    """Let the train leave and arrive later at every stop."""
    run.set_stops(
        tuple(
            replace(
                stop,
                arrive=None if stop.arrive is None else stop.arrive + by,
                depart=None if stop.depart is None else stop.depart + by,
            )
            for stop in run.stops
        )
    )


def lengthen(run: TrainRun, section: int = 0, seats: int = 1) -> None:
    """Add seats at the end of the last coach of a section."""
    run.set_sections([*run.sections[:section], longer(run.sections[section], seats), *run.sections[section + 1 :]])


def longer(section: SectionSeats, seats: int) -> SectionSeats:
    """The section with so many more seats in its last coach."""
    *coaches, last = section.coaches
    longer_coaches = (*coaches, replace(last, last=last.last + seats))
    return replace(section.copy(), coaches=longer_coaches, sold_legs=[*section.sold_legs, *[0] * seats])


def a_hold(run: TrainRun) -> Hold:
    """A hold of the first seat of the run's first section."""
    return Hold("K", "jane@example.com", "f", 0b1, (run.seat(0, 1),), FARE_MINOR, "USD", NOW + timedelta(minutes=5))


CHANGES: dict[str, Callable[[TrainRun], object]] = {
    "sold_legs": lambda run: run.sell(0, 2, 0b1),
    "next_number": lambda run: run.advance_counter(0, 1),
    "freed": lambda run: run.advance_counter(0, 2),
    "stops": delay,
    "sections": lengthen,
    "bookings": lambda run: create_booking(run, asks_for_seats("ann", request_id="click", origin=LILLE), NOW, {}),
    "freed_sequence": lambda run: run.advance_counter(0, 1),
    "holds": lambda run: run.put_hold(a_hold(run)),
    "waitlist": lambda run: run.join_waitlist("AB12CD", "A", 0b111, 2),
    "last_ticket_number": lambda run: run.join_waitlist("AB12CD", "A", 0b111, 2),
    "ended_holds": lambda run: run.set_ended_hold("K", ended_hold(a_hold(run))),
}
