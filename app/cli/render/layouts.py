"""Layout of layout changes: the plan's consequences as tables, a layout job, and its outcome on each run.

Belongs here: these pages and texts. Does not belong here: the calls (`app.cli.layouts`), the progress bar
(`app.cli.layout_progress`).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence

from google.type.money_pb2 import Money
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from app.cli.failures import printable
from app.cli.render.screen import arrow, counted, empty_grid, empty_table
from app.cli.render.text import (
    date_text,
    instant_text,
    instant_text_with_seconds,
    money_text,
    seat_text,
    seats_text,
)
from app.pb.seatline.v1 import layout_pb2, seat_pb2

_STEPS: dict[int, str] = {
    layout_pb2.PLACEMENT_STEP_TOGETHER_SAME: "same section",
    layout_pb2.PLACEMENT_STEP_TOGETHER_BETTER: "better section",
    layout_pb2.PLACEMENT_STEP_SPLIT_SAME: "same section, apart",
    layout_pb2.PLACEMENT_STEP_SPLIT_BETTER: "better section, apart",
    layout_pb2.PLACEMENT_STEP_LOWER: "lower section",
}
_REFUND_CAUSES: dict[int, str] = {
    layout_pb2.LAYOUT_REFUND_CAUSE_LOWER_SECTION: "lower section",
    layout_pb2.LAYOUT_REFUND_CAUSE_CANCELLED: "cancelled: no seat",
}
_JOB_STATES: dict[int, str] = {
    layout_pb2.LAYOUT_JOB_STATE_RUNNING: "running",
    layout_pb2.LAYOUT_JOB_STATE_COMPLETE: "complete",
}
_OUTCOME_STATES: dict[int, str] = {
    layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED: "changed",
    layout_pb2.LAYOUT_OUTCOME_STATE_SKIPPED: "skipped",
    layout_pb2.LAYOUT_OUTCOME_STATE_REFUSED: "refused",
}


def plan_page(plan: layout_pb2.LayoutPlan, train: str, date: str, console: Console) -> RenderableType:
    """Return the consequences of a planned or made change: details first, the sum last, where a question follows it."""
    word = _page_word(plan)
    where = f"{printable(train)}, {date_text(date)}" if date else f"{printable(train)} and its future runs"
    # The answer to a repeated request has only the sum.
    sections = _sections_table(plan, console) if plan.sections else Text("An earlier call with this request id made it.")
    parts: list[RenderableType] = [Text(f"{word}: {where}", style="bold"), Text(), sections]
    tables = (
        ("Displaced passengers", _displaced_table(plan), len(plan.moves) + len(plan.waitlisted)),
        ("Refunds", _refunds_table(plan.refunds), len(plan.refunds)),
        ("Promoted from the waitlist", _promotions_table(plan.promoted), len(plan.promoted)),
    )
    for heading, table, count in tables:
        if count:
            parts += [Text(f"\n{heading}", style="bold"), table]
    return Group(*parts, Text(), _sum_grid(plan))


def _page_word(plan: layout_pb2.LayoutPlan) -> str:
    if not plan.validate_only:
        return "Layout change"
    # A reservation takes seats off sale, and ends holds on those that the change would remove.
    return "Layout plan, seats reserved" if plan.HasField("reserve_expire_time") else "Layout plan, nothing was changed"


def _sections_table(plan: layout_pb2.LayoutPlan, console: Console) -> Table:
    table = empty_table("Section", "Seats", "Fare")
    to = arrow(console)
    for change in plan.sections:
        had, has = change.HasField("fare_before"), change.HasField("fare_after")
        before, after = money_text(change.fare_before), money_text(change.fare_after)
        if had and has:
            fare = before if before == after else f"{before} {to} {after}"
            seats = f"{change.seats_before:,}"
            if change.seats_before != change.seats_after:
                seats += f" {to} {change.seats_after:,} ({change.seats_after - change.seats_before:+,})"
        elif has:
            fare, seats = after, f"new: {change.seats_after:,}"
        else:
            fare, seats = before, f"{change.seats_before:,} {to} removed"
        table.add_row(printable(change.section), seats, fare)
    return table


def _displaced_table(plan: layout_pb2.LayoutPlan) -> Table:
    """Return a row for each passenger who moves or waits. Those who are cancelled are among the refunds."""
    table = empty_table("Booking", "No.", "From (coach)", "To (coach)", "How")
    rows = [
        (
            printable(move.reference),
            f"{move.passenger_number}",
            _place_text(move.before),
            _place_text(move.after),
            _how_text(move),
        )
        for move in plan.moves
    ]
    for wait in plan.waitlisted:
        for number, seat in zip(wait.passenger_numbers, wait.before, strict=False):
            rows.append((printable(wait.reference), f"{number}", _place_text(seat), "none", "waits for a seat"))
    before = ""
    for reference, *cells in rows:
        table.add_row("" if reference == before else reference, *cells)
        before = reference
    return table


def _how_text(move: layout_pb2.SeatMove) -> str:
    """Return such as "better section". The step is that of all who move together; some of them may stay in their section."""
    is_apart = move.step in (layout_pb2.PLACEMENT_STEP_SPLIT_BETTER, layout_pb2.PLACEMENT_STEP_LOWER)
    if is_apart and move.before.section == move.after.section:
        return _STEPS[layout_pb2.PLACEMENT_STEP_SPLIT_SAME]
    return _STEPS.get(move.step, f"step {move.step}")


def _place_text(seat: seat_pb2.Seat) -> str:
    """Return such as "A-17 (2)"."""
    return seat_text(seat) + (f" ({printable(seat.coach)})" if seat.coach else "")


def _refunds_table(refunds: Iterable[layout_pb2.LayoutRefund]) -> Table:
    table = empty_table("Booking", "No.", "Amount", "Why")
    for refund in refunds:
        why = _REFUND_CAUSES.get(refund.cause, f"cause {refund.cause}")
        numbers = _numbers_text(refund.passenger_numbers)
        table.add_row(printable(refund.reference), numbers, money_text(refund.amount), why)
    return table


def _promotions_table(promotions: Iterable[layout_pb2.LayoutPromotion]) -> Table:
    table = empty_table("Booking", "Seats")
    for promotion in promotions:
        table.add_row(printable(promotion.reference), seats_text(promotion.seats))
    return table


def _numbers_text(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _sum_grid(plan: layout_pb2.LayoutPlan) -> Table:
    grid = empty_grid()
    # A job does what a train's change does to passengers, so the answer does not know it yet.
    for name, value in [] if plan.layout_job_id else _count_rows(plan.counts):
        grid.add_row(name, value)
    for name, value in _run_rows(plan):
        grid.add_row(name, value)
    if plan.HasField("reserve_expire_time"):
        grid.add_row("Reserved until", instant_text_with_seconds(plan.reserve_expire_time))
    if plan.plan_hash:
        grid.add_row("Plan hash", printable(plan.plan_hash))
    if plan.layout_job_id:
        grid.add_row("Layout job", printable(plan.layout_job_id))
    return grid


def _run_rows(plan: layout_pb2.LayoutPlan) -> list[tuple[str, str]]:
    """Return how many runs the change of a train concerns, and how many of them would not be changed. None for a run."""
    if not plan.run_count:
        return []
    if not plan.validate_only:
        return [("Future runs", f"{plan.run_count:,}")]
    rows = [("Future runs", f"{plan.run_count:,}, {plan.planned_run_count:,} of them planned here")]
    if plan.skipped_run_count:
        rows.append(("Skipped", f"{counted(plan.skipped_run_count, 'run')}: departed, or with a layout of its own"))
    if plan.refused_run_count:
        rows.append(
            ("Refused", f"{counted(plan.refused_run_count, 'run')}: a rule refuses the change; plan it for these dates")
        )
    return rows


def _count_rows(counts: layout_pb2.LayoutCounts) -> list[tuple[str, str]]:
    """Return the counts that are not zero, or that there are none."""
    rows = [
        ("Move", counts.moved_passengers, counted(counts.moved_passengers, "passenger")),
        ("Wait", counts.waitlisted_passengers, counted(counts.waitlisted_passengers, "passenger")),
        ("Cancelled", counts.cancelled_passengers, counted(counts.cancelled_passengers, "passenger")),
        ("Refunds", _is_positive(counts.refunded), money_text(counts.refunded)),
        ("Promoted", counts.promoted_bookings, counted(counts.promoted_bookings, "booking")),
        ("Holds that end", counts.released_holds, f"{counts.released_holds:,}"),
    ]
    return [(name, text) for name, count, text in rows if count] or [("Passengers", "nobody is affected")]


def _is_positive(amount: Money) -> bool:
    return bool(amount.units > 0 or amount.nanos > 0)


def apply_command_text(plan: layout_pb2.LayoutPlan, train: str, date: str, options: Sequence[str]) -> str:
    """Return the command that carries out exactly this plan, ready to paste into a shell."""
    words = [train, *([date] if date else []), *options, "--plan-hash", plan.plan_hash]
    command = printable(f"seatline layout apply {shlex.join(words)}")
    return f"\nTo make exactly this change:\n  {command}"


def declined_text(plan: layout_pb2.LayoutPlan) -> str:
    """Say that a planned change was not made."""
    if not plan.HasField("reserve_expire_time"):
        return "The layout was not changed."
    until = instant_text_with_seconds(plan.reserve_expire_time)
    return f"The layout was not changed. The seats of the plan stay reserved until {until}."


def changed_text(plan: layout_pb2.LayoutPlan) -> str:
    """Say that the change was made."""
    if plan.layout_job_id:
        name = printable(plan.layout_job_id)
        return f"\nThe layout of the train was changed.\nLayout job {name} brings the change to its future runs."
    return "\nThe layout was changed."


def progress_text(job: layout_pb2.LayoutJob) -> str:
    """Return what did not go well so far, such as "2 skipped, 1 refused". Empty if all went well."""
    parts = [f"{job.skipped_count:,} skipped"] if job.skipped_count else []
    return ", ".join([*parts, f"{job.refused_count:,} refused"] if job.refused_count else parts)


def job_page(job: layout_pb2.LayoutJob) -> RenderableType:
    """Return the page of a layout job: its train, how many runs have which outcome, and the sum of what was done."""
    grid = empty_grid()
    grid.add_row("Train", printable(job.train_id))
    grid.add_row("State", _JOB_STATES.get(job.state, f"state {job.state}"))
    outcomes = [f"{job.applied_count:,} changed", progress_text(job)]
    runs = counted(job.run_count, "run") if job.run_count or job.HasField("complete_time") else "not listed yet"
    grid.add_row("Runs", f"{runs}: {', '.join(text for text in outcomes if text)}")
    for name, value in _count_rows(job.counts):
        grid.add_row(name, value)
    grid.add_row("Begun", instant_text(job.create_time))
    if job.HasField("complete_time"):
        grid.add_row("Complete", instant_text(job.complete_time))
    return Group(Text(f"\nLayout job {printable(job.layout_job_id)}", style="bold"), grid)


def outcomes_table(outcomes: Sequence[layout_pb2.LayoutOutcome]) -> RenderableType:
    """Return one row per run, with what was done or why not."""
    table = empty_table("Date", "Outcome", "What was done, or why not")
    for outcome in outcomes:
        is_applied = outcome.state == layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED
        done = ", ".join(f"{name.lower()} {value}" for name, value in _count_rows(outcome.counts))
        state = _OUTCOME_STATES.get(outcome.state, f"state {outcome.state}")
        table.add_row(date_text(outcome.travel_date), state, done if is_applied else printable(outcome.reason))
    return Group(Text(), table)
