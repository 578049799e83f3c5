"""New runs: a train on a date, with every seat free.

Belongs here: making a run from its train. Does not belong here: the run itself (`train_run.py`).
"""

from datetime import date

from app.domain.run.layout_record import LayoutRecord
from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.timetable import RunState, legs_between, stops_on_date
from app.domain.train import Train


def make_run(train: Train, travel_date: date, train_version: int = 1, *, hidden: bool = False) -> TrainRun:
    """Make the run of that version of a train on a date, without bookings. Refuses TIMETABLE_IMPOSSIBLE."""
    stops = stops_on_date(train.stops, travel_date)
    all_legs = legs_between(0, len(stops) - 1)
    sections = []
    for section in train.sections:
        coaches: list[CoachSeats] = []
        last = 0
        for coach in train.coaches:
            if coach.section == section.name:
                coaches.append(CoachSeats(coach.name, last + 1, last + coach.seat_count))
                last += coach.seat_count
        sections.append(SectionSeats(section.name, section.fare, tuple(coaches), all_legs, [0] * last))
    return TrainRun(
        train.train_id,
        travel_date.isoformat(),
        train.number,
        stops,
        sections,
        terms=train.terms,
        layout=LayoutRecord(train_version=train_version),
        hidden=hidden,
        clock_state=RunState.SCHEDULED,
        made_from_version=train_version,
    )
