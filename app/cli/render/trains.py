"""Layout of trains.

Belongs here: the table of trains, and the summary of a new train. Does not belong here: train runs
(`app.cli.render.train_runs`), and the calls (`app.cli.trains`).
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from app.cli.failures import printable
from app.cli.render.screen import arrow, counted, empty_table
from app.cli.render.text import (
    dry_run_text,
    duration_text,
    hold_terms_text,
    money_text,
    refund_terms_text,
    sales_window_text,
    waitlist_terms_text,
)
from app.pb.seatline.v1 import train_pb2


def train_text(train: train_pb2.Train, *, is_dry_run: bool) -> str:
    """Summarize a created train, or the one that a dry run checked."""
    seat_count = sum(coach.seat_count for coach in train.coaches)
    lines = [
        f"Train {printable(train.train_id)} ({printable(train.number)}): {len(train.stops)} stops, "
        f"{len(train.coaches)} coaches, {seat_count:,} seats."
    ]
    for heading, terms in (
        ("Refunds", refund_terms_text(train.refund_tiers)),
        ("Waitlist", waitlist_terms_text(train)),
        ("Holds", hold_terms_text(train)),
        ("Sales", _sales_terms_text(train)),
        ("Runs", _horizon_text(train)),
        ("Reminders", _reminders_text(train)),
    ):
        if terms:
            lines.append(f"{heading}: {terms}.")
    if is_dry_run:
        lines.append(dry_run_text("train", exists_already=bool(train.etag)))
    return "\n".join(lines)


def updated_text(train: train_pb2.Train, fields: Sequence[str], *, is_dry_run: bool) -> str:
    """Say which fields of a train were changed, or would be."""
    names = ", ".join(field.replace("_", " ").replace(".", " ") for field in fields)
    if is_dry_run:
        return f"Dry run: nothing was changed. Train {printable(train.train_id)} would change its {names}."
    kept = "" if set(fields) == {"departure_reminder_minutes"} else " Runs that are scheduled already keep theirs."
    return f"Train {printable(train.train_id)} has changed its {names}.{kept}"


def unchanged_text(train: train_pb2.Train) -> str:
    """Say that the train already is as the file says."""
    return f"Train {printable(train.train_id)} already has what the file says; nothing was changed."


def trains_table(trains: Sequence[train_pb2.Train], console: Console) -> Table:
    """Return one row per train."""
    table = empty_table("Train", "Route", "Sections")
    for train in trains:
        ends = [printable(stop.name) for stop in (*train.stops[:1], *train.stops[-1:])]
        terms = refund_terms_text(train.refund_tiers)
        lines = (
            f" {arrow(console)} ".join(ends),
            f"{len(train.stops)} stops, {len(train.coaches)} coaches",
            f"refunds {terms}" if terms else "",
            waitlist_terms_text(train),
            f"sales {sales_window_text(train.sales_window)}" if train.HasField("sales_window") else "",
            f"runs {horizon}" if (horizon := _horizon_text(train)) else "",
            f"reminders {reminders}" if (reminders := _reminders_text(train)) else "",
        )
        table.add_row(
            f"{printable(train.train_id)}\n{printable(train.number)}",
            "\n".join(line for line in lines if line),
            _sections_text(train),
        )
    return table


def _sections_text(train: train_pb2.Train) -> str:
    seats = {section.name: 0 for section in train.sections}
    for coach in train.coaches:
        seats[coach.section] = seats.get(coach.section, 0) + coach.seat_count
    fares = {section.name: money_text(section.fare) for section in train.sections}
    own = {section.name: section.sales_window for section in train.sections if section.HasField("sales_window")}
    lines = []
    for name, count in seats.items():
        window = f", sales {sales_window_text(own[name])}" if name in own else ""
        lines.append(f"{printable(name)}: {count} seats, {fares.get(name, '')}{window}")
    return "\n".join(lines)


def _sales_terms_text(train: train_pb2.Train) -> str:
    """Return the sales windows of a train and its sections, or an empty text where it is always on sale."""
    windows = [sales_window_text(train.sales_window)] if train.HasField("sales_window") else []
    windows += [
        f"section {printable(section.name)}: {sales_window_text(section.sales_window)}"
        for section in train.sections
        if section.HasField("sales_window")
    ]
    return "; ".join(windows)


def _horizon_text(train: train_pb2.Train) -> str:
    """Return how far ahead runs are scheduled, or an empty text where they are not scheduled by the service."""
    return f"scheduled {counted(train.schedule_horizon_days, 'day')} ahead" if train.schedule_horizon_days else ""


def _reminders_text(train: train_pb2.Train) -> str:
    """Return how long before they depart passengers are reminded, or an empty text where the service does not say."""
    if not train.HasField("departure_reminder_minutes"):
        return ""
    minutes = train.departure_reminder_minutes
    return f"{duration_text(minutes)} before departure" if minutes else "none before departure"
