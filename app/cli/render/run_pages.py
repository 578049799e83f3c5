"""Layout of one train run: state, delay, cancellation, the times of all stops, sections with their sales.

Belongs here: the page, and the texts around a cancellation. Does not belong here: the table of runs
(`app.cli.render.train_runs`), and the calls (`app.cli.train_runs` and the modules beside it).
"""

from __future__ import annotations

import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.screen import counted, empty_grid, empty_table, print_json, print_page
from app.cli.render.text import (
    date_text,
    disruption_reason_text,
    instant_text,
    local_time_text,
    money_text,
    run_state_text,
    sales_window_text,
    zone_by_name,
)
from app.pb.seatline.v1 import train_run_pb2

_CHANGED = "bold"
_BEFORE_DEPARTURE = frozenset({train_run_pb2.RUN_STATE_SCHEDULED, train_run_pb2.RUN_STATE_DELAYED})


def print_run(run: train_run_pb2.TrainRun, prefix: str = "", *, as_json: bool) -> None:
    """Print a run as JSON, or as a page whose title begins with `prefix`."""
    if as_json:
        print_json(run)
        return
    print_page(run_page(run, datetime.datetime.now(tz=datetime.UTC), prefix))


def run_page(run: train_run_pb2.TrainRun, now: datetime.datetime, prefix: str = "") -> RenderableType:
    """Return the page of a run. `now` tells sales that open later from those that are closed."""
    title = f"{prefix}{printable(run.number)} ({printable(run.train_id)}), {date_text(run.travel_date)}"
    parts: list[RenderableType] = [Text(title, style="bold"), Text(), _facts_grid(run)]
    if run.stops:
        parts += [Text(), _stops_table(run)]
    if run.sections:
        parts += [Text(), _sections_table(run, now)]
    return Group(*parts)


def _facts_grid(run: train_run_pb2.TrainRun) -> Table:
    grid = empty_grid()
    hidden = ", hidden from buyers" if run.hidden else ""
    grid.add_row("State", Text(run_state_text(run.state) + hidden, style=_CHANGED))
    if run.HasField("delay"):
        _add_delay(grid, run)
    if run.HasField("cancellation"):
        _add_cancellation(grid, run)
    heading = "Sales window"
    for own in run.sales_windows:
        of_section = f"section {printable(own.section)}: " if own.section else ""
        grid.add_row(heading, f"{of_section}{sales_window_text(own.sales_window)}")
        heading = ""
    if run.HasField("waitlist_close_time") and run.state in _BEFORE_DEPARTURE:
        grid.add_row("Waitlist", f"until {instant_text(run.waitlist_close_time, _zone_of_first_stop(run))}")
    return grid


def _add_delay(grid: Table, run: train_run_pb2.TrainRun) -> None:
    delay, zone = run.delay, _zone_of_first_stop(run)
    last_stop = run.cancelled_from_stop or (run.stops[-1].name if run.stops else "the last stop")
    late = f"{delay.minutes:,} min at {printable(last_stop)}" if delay.minutes else "none"
    reason = f", {disruption_reason_text(delay.reason)}" if delay.reason else ""
    grid.add_row("Delay", late + reason)
    if delay.evidence:
        grid.add_row("Evidence", printable(delay.evidence))
    if delay.HasField("report_time"):
        grid.add_row("Reported", instant_text(delay.report_time, zone))


def _add_cancellation(grid: Table, run: train_run_pb2.TrainRun) -> None:
    cancellation, zone = run.cancellation, _zone_of_first_stop(run)
    ends = f"from {printable(run.cancelled_from_stop)} on, " if run.cancelled_from_stop else ""
    grid.add_row("Cancelled", f"{ends}{disruption_reason_text(cancellation.reason)}")
    if cancellation.evidence:
        grid.add_row("Evidence", printable(cancellation.evidence))
    grid.add_row("Since", instant_text(cancellation.cancel_time, zone))
    if cancellation.cancelled_booking_count:
        bookings = counted(cancellation.cancelled_booking_count, "booking")
        grid.add_row("Bookings", f"{bookings} cancelled: {cancelled_text(cancellation)}")
    complete = instant_text(cancellation.complete_time, zone) if cancellation.HasField("complete_time") else "not yet"
    grid.add_row("Complete", complete)


def _zone_of_first_stop(run: train_run_pb2.TrainRun) -> datetime.tzinfo:
    return zone_by_name(run.stops[0].time_zone) if run.stops else datetime.UTC


def _stops_table(run: train_run_pb2.TrainRun) -> Table:
    """Return one row per stop: the scheduled times, and below them what is different now."""
    table = empty_table("Stop", "Arrives", "Departs")
    for stop in run.stops:
        zone, ends_here = zone_by_name(stop.time_zone), stop.name == run.cancelled_from_stop
        table.add_row(
            printable(stop.name),
            _time_cell(
                local_time_text(stop.arrive_time, zone, run.travel_date) if stop.HasField("arrive_time") else "",
                local_time_text(stop.expected_arrive_time, zone, run.travel_date),
                "arrived" if stop.has_arrived else "expected" if stop.HasField("expected_arrive_time") else "",
                is_cancelled=stop.cancelled and not ends_here,
            ),
            _time_cell(
                local_time_text(stop.depart_time, zone, run.travel_date) if stop.HasField("depart_time") else "",
                local_time_text(stop.expected_depart_time, zone, run.travel_date),
                "expected" if stop.HasField("expected_depart_time") else "",
                is_cancelled=stop.cancelled,
            ),
        )
    return table


def _time_cell(scheduled: str, actual: str, word: str, *, is_cancelled: bool) -> Text:
    """Return the scheduled time, and below it the actual one with its word, where it differs or was reported.

    `scheduled` is empty where the train does not call, and `word` where the service sends no actual time, as older ones do.
    """
    text = Text(scheduled)
    if scheduled and is_cancelled:
        text.append("\ncancelled", style=_CHANGED)
    elif scheduled and word and (word == "arrived" or actual != scheduled):
        text.append(f"\n{word} {actual}", style=_CHANGED)
    return text


def _sections_table(run: train_run_pb2.TrainRun, now: datetime.datetime) -> Table:
    table = empty_table("Section", "Free seats", "Fare", "Sales")
    for section in run.sections:
        waitlisted = f"\n{section.waiting_count:,} waitlisted" if section.waiting_count else ""
        table.add_row(
            printable(section.section),
            f"{section.free_seat_count:,}/{section.seat_count:,}{waitlisted}",
            money_text(section.fare),
            _sales_text(run, section, now),
        )
    return table


def _sales_text(run: train_run_pb2.TrainRun, section: train_run_pb2.SectionAvailability, now: datetime.datetime) -> str:
    """Return when a section is on sale. Empty for older servers, which do not send it."""
    if not section.HasField("sales_close_time"):
        return ""
    zone = _zone_of_first_stop(run)
    closes = instant_text(section.sales_close_time, zone)
    if section.on_sale:
        return f"open until {closes}"
    if section.HasField("sales_open_time") and section.sales_open_time.ToDatetime(tzinfo=datetime.UTC) > now:
        return f"opens {instant_text(section.sales_open_time, zone)}\ncloses {closes}"
    return "closed for this journey" if run.cancelled_from_stop else "closed"


def cancelled_text(cancellation: train_run_pb2.RunCancellation) -> str:
    """Return such as "1,234 passengers, USD 24,680.00 back". Empty while nobody is cancelled."""
    if not cancellation.cancelled_passenger_count:
        return ""
    passengers = counted(cancellation.cancelled_passenger_count, "passenger")
    return f"{passengers}, {money_text(cancellation.refunded)} back"


def concerned_text(run: train_run_pb2.TrainRun) -> str:
    """Say how many seats a cancellation concerns. `run` has what is free on the legs to cancel."""
    seats = sum(section.seat_count - section.free_seat_count for section in run.sections)
    waiting = any(section.waiting_count for section in run.sections)
    waitlisted = ", and waitlisted bookings" if waiting else ""
    return f"\nThis concerns {counted(seats, 'seat')} sold or held{waitlisted}."
