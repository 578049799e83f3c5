"""Layout of lists of train runs.

Belongs here: the table of train runs, and the texts after a change of one. Does not belong here: the page of one run
(`app.cli.render.run_pages`), the seat map (`app.cli.render.seat_map`), and the calls (`app.cli.train_runs`).
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.table import Table

from app.cli.arguments import comparison_key
from app.cli.failures import printable
from app.cli.render.screen import counted, empty_table
from app.cli.render.text import (
    date_text,
    local_time_text,
    money_text,
    run_state_text,
    short_instant_text,
    zone_by_name,
)
from app.pb.seatline.v1 import train_run_pb2


def runs_table(
    runs: Sequence[train_run_pb2.TrainRun], _: Console, *, origin: str, destination: str, now: datetime.datetime
) -> Table:
    """Return one row per run, for the journey from `origin` to `destination` (names or codes; empty: the whole route).

    `now` tells sales that open later from those that are closed.
    """
    table = empty_table("Date and train", "Journey", "Free seats", "Fare")
    for run in runs:
        if not run.stops:
            continue
        first, last = find_stop(run, origin) or run.stops[0], find_stop(run, destination) or run.stops[-1]
        departs = _time_text(first.depart_time, first.expected_depart_time, first, run)
        arrives = _time_text(last.arrive_time, last.expected_arrive_time, last, run)
        fares = dict.fromkeys(money_text(section.fare) for section in run.sections)
        table.add_row(
            f"{date_text(run.travel_date)}\n{printable(run.train_id)} ({printable(run.number)})",
            f"{departs} {printable(first.name)}\n{arrives} {printable(last.name)}",
            "\n".join([*(_free_seats_text(section) for section in run.sections), *_sales_lines(run, now)]),
            "\n".join([*fares, _state_text(run)]),
        )
    return table


def _time_text(scheduled: Timestamp, expected: Timestamp, stop: train_run_pb2.RunStop, run: train_run_pb2.TrainRun) -> str:
    """Return such as "10:24 GMT", or "10:24 GMT (11:34)" where it is expected at another time and calls there."""
    zone = zone_by_name(stop.time_zone)
    text = local_time_text(scheduled, zone, run.travel_date)
    is_cancelled = stop.cancelled and stop.name != run.cancelled_from_stop
    if is_cancelled or not expected.seconds or expected == scheduled:  # older servers send no expected times
        return text
    return f"{text} ({local_time_text(expected, zone, run.travel_date, with_zone=False)})"


def _state_text(run: train_run_pb2.TrainRun) -> str:
    ends = f"\nends at {printable(run.cancelled_from_stop)}" if run.cancelled_from_stop else ""
    return run_state_text(run.state) + (", hidden" if run.hidden else "") + ends


def _sales_lines(run: train_run_pb2.TrainRun, now: datetime.datetime) -> list[str]:
    """Return when sales open, or that they are closed. Empty where a section is on sale, or where the state says enough."""
    is_ahead = run.state in (train_run_pb2.RUN_STATE_SCHEDULED, train_run_pb2.RUN_STATE_DELAYED)
    if not is_ahead or not run.HasField("sales_close_time") or any(section.on_sale for section in run.sections):
        return []
    zone = zone_by_name(run.stops[0].time_zone)
    if run.HasField("sales_open_time") and run.sales_open_time.ToDatetime(tzinfo=datetime.UTC) > now:
        return ["sales open", short_instant_text(run.sales_open_time, zone)]
    return ["sales closed"]


def _free_seats_text(section: train_run_pb2.SectionAvailability) -> str:
    waitlisted = f", {section.waiting_count:,} waitlisted" if section.waiting_count else ""
    return f"{printable(section.section)} {section.free_seat_count}/{section.seat_count}{waitlisted}"


def find_stop(run: train_run_pb2.TrainRun, name: str) -> train_run_pb2.RunStop | None:
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
