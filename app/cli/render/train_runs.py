"""Layout of train runs.

Belongs here: the table of train runs, and the texts after a change of one. Does not belong here: the seat map
(`app.cli.render.seat_map`), and the calls (`app.cli.train_runs`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from app.cli.arguments import comparison_key
from app.cli.failures import printable
from app.cli.render.screen import counted, empty_table
from app.cli.render.text import date_text, local_time_text, money_text, run_state_text, zone_by_name
from app.pb.seatline.v1 import train_run_pb2


def runs_table(runs: Sequence[train_run_pb2.TrainRun], _: Console, *, origin: str, destination: str) -> Table:
    """Return one row per run, for the journey from `origin` to `destination` (names or codes; empty: the whole route)."""
    table = empty_table("Date and train", "Journey", "Free seats", "Fare")
    for run in runs:
        if not run.stops:
            continue
        first, last = _find_stop(run, origin) or run.stops[0], _find_stop(run, destination) or run.stops[-1]
        departs = local_time_text(first.depart_time, zone_by_name(first.time_zone), run.travel_date)
        arrives = local_time_text(last.arrive_time, zone_by_name(last.time_zone), run.travel_date)
        fares = dict.fromkeys(money_text(section.fare) for section in run.sections)
        table.add_row(
            f"{date_text(run.travel_date)}\n{printable(run.train_id)} ({printable(run.number)})",
            f"{departs} {printable(first.name)}\n{arrives} {printable(last.name)}",
            "\n".join(_free_seats_text(section) for section in run.sections),
            "\n".join([*fares, run_state_text(run.state) + (", hidden" if run.hidden else "")]),
        )
    return table


def _free_seats_text(section: train_run_pb2.SectionAvailability) -> str:
    waitlisted = f", {section.waiting_count:,} waitlisted" if section.waiting_count else ""
    return f"{printable(section.section)} {section.free_seat_count}/{section.seat_count}{waitlisted}"


def _find_stop(run: train_run_pb2.TrainRun, name: str) -> train_run_pb2.RunStop | None:
    """Find the stop with that name or code, ignoring case as the contract does."""
    wanted = comparison_key(name)
    return next(
        (stop for stop in run.stops if wanted and wanted in (comparison_key(stop.name), comparison_key(stop.code))), None
    )


def schedule_text(train_id: str, answer: train_run_pb2.ScheduleTrainRunsResponse) -> str:
    """Say on which dates the train runs, and how many of them are new."""
    dates = [run.travel_date for run in answer.train_runs]
    span = " to ".join(date_text(date) for date in dict.fromkeys((*dates[:1], *dates[-1:])))
    return f"Train {printable(train_id)} runs on {counted(len(dates), 'date')}, {span}; {answer.created_count} new."


def promotion_text(answer: train_run_pb2.PromoteWaitlistResponse) -> str:
    """Say which bookings got seats, and how many remain on the waitlist."""
    references = ", ".join(map(printable, answer.promoted_references))
    promoted = f"{counted(len(answer.promoted_references), 'booking')} promoted{f': {references}' if references else ''}."
    if not answer.waiting_count:
        return f"{promoted}\nThe waitlist is empty."
    return f"{promoted}\n{counted(answer.waiting_count, 'booking')} still waitlisted: no free seats fit."


def visibility_text(run: train_run_pb2.TrainRun) -> str:
    """Say whether buyers see the run."""
    name = f"Train {printable(run.train_id)} on {date_text(run.travel_date)}"
    return f"{name} is hidden from buyers." if run.hidden else f"{name} is shown to buyers."


def deletion_text(train_id: str, travel_date: str) -> str:
    """Say that the run is deleted."""
    return f"Train {printable(train_id)} on {date_text(travel_date)} is deleted."
