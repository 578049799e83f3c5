"""Invariants of sales windows and departures: what is sold when, as functions over stored documents.

Belongs here: new bookings, holds and promotions against openings, closings and cancelled legs, and refusals against them. Does
not belong here: the openings themselves (`run_times.py`), nor when these are checked (`record.py`, `callers.py`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from app.domain.refusals import Reason
from tests.simulation.invariants import Document
from tests.simulation.run_times import closes_at, departs_at, has_opened, missing_legs, opens_at, waitlist_closes_at

# The other fields of a run whose changes leave that mark.
_MARKED_FIELDS = ("delay", "cancellation", "clock_state", "is_compacted", "opened_until", "layout_reservation", "hidden")


def have_windows_changed(before: Document, run: Document) -> bool:
    """Whether a commit changed a window or the sections, so that its parts were decided by different windows.

    Two changes of one commit may set a window and take it away again. Only the mark of a commit without an event is left then.
    """
    names = [[section["name"] for section in document["sections"]] for document in (before, run)]
    is_marked = run.get("eventless_version") == run["version"]
    is_set_back = is_marked and all(before.get(name) == run.get(name) for name in _MARKED_FIELDS)
    return is_set_back or before.get("sales_windows", []) != run.get("sales_windows", []) or names[0] != names[1]


def sold_while_on_sale(before: Document, run: Document, new: Iterable[Document], decided_at: datetime) -> Iterator[str]:
    """Each new booking is for a train that comes, in a section on sale; a hold keeps its seats on sale."""
    used = [hold for key, hold in before["holds"].items() if key not in run["holds"]]
    for booking in new:
        legs, who = booking["legs"], f"{booking['_id']}, booked at {decided_at},"
        if legs & missing_legs(run):
            yield f"{who} is for cancelled legs"
        if departs_at(run, legs) <= decided_at:
            yield f"{who} is for a train that left at {departs_at(run, legs)}"
        if have_windows_changed(before, run) or any(hold["legs"] == legs for hold in used):
            continue
        names = [booking["wanted_section"]] if booking.get("wanted_section") else _names(run)
        seated = {passenger["section"] for passenger in booking["passengers"] if "number" in passenger}
        if not any(_is_on_sale(run, name, legs, decided_at) for name in names):
            yield f"{who} is for {names}, of which none is on sale"
        if any(not has_opened(run, name, decided_at) for name in seated):
            yield f"{who} has seats in {seated}, which have not opened"


def held_while_on_sale(before: Document, run: Document, decided_at: datetime) -> Iterator[str]:
    """Each new hold is for a train that comes, in a section on sale."""
    for key, hold in run["holds"].items():
        if key in before["holds"]:
            continue
        if departs_at(run, hold["legs"]) <= decided_at:
            yield f"hold {key} is for a train that left at {departs_at(run, hold['legs'])}"
        names = {section for section, _, _ in hold["seats"]}
        closed = [name for name in names if not _is_on_sale(run, name, hold["legs"], decided_at)]
        if closed and not have_windows_changed(before, run):
            yield f"hold {key} of {decided_at} has seats in {closed}, not on sale"


def promoted_to_what_has_opened(
    before: Document, run: Document, promoted: Iterable[tuple[Document, Document]], decided_at: datetime
) -> Iterator[str]:
    """Nobody is promoted to legs that were cancelled before; who was not displaced is promoted to sections that have opened."""
    present = _names(run)
    for waited, booking in promoted:
        if booking["legs"] & missing_legs(before):
            yield f"{booking['_id']} is promoted to cancelled legs"
        wanted = waited.get("wanted_section", "")
        is_displaced = waited["waiting_number"] < 0 or (wanted and wanted not in present)
        sections = {passenger["section"] for passenger in booking["passengers"]}
        early = [name for name in sections if name in present and not has_opened(run, name, decided_at)]
        if early and not is_displaced:
            yield f"{booking['_id']} is promoted to {early} at {decided_at}, before the opening"


def _names(run: Document) -> list[str]:
    return [section["name"] for section in run["sections"]]


def _is_on_sale(run: Document, section: str, legs: int, now: datetime) -> bool:
    return has_opened(run, section, now) and now < closes_at(run, section, legs)


def refusal_is_wrong(
    reason: Reason, run: Document, journey: tuple[str, str], section: str, times: tuple[datetime, datetime]
) -> str:
    """Return what is wrong with a refusal to sell; empty where it is right. `times` are those of the call.

    It is right where it was at any time of the call, as far as the run did not change.
    """
    legs, (begin, end) = _legs(run, *journey), times
    sections = [section] if section else _names(run)
    is_right = {
        Reason.RUN_DEPARTED: departs_at(run, legs) <= end,
        Reason.RUN_CANCELLED: bool(legs & missing_legs(run)),
        Reason.WAITLIST_CLOSED: waitlist_closes_at(run) <= end,
        Reason.SALES_NOT_OPEN: any(not has_opened(run, name, begin) for name in sections)
        and not any(_is_on_sale(run, name, legs, begin) and _is_on_sale(run, name, legs, end) for name in sections),
        Reason.SALES_CLOSED: any(_has_closed(run, name, legs, end) for name in sections)
        and not any(_is_on_sale(run, name, legs, begin) and _is_on_sale(run, name, legs, end) for name in sections),
    }
    return "" if is_right.get(reason, True) else f"was refused between {begin} and {end}: {reason}"


def _has_closed(run: Document, section: str, legs: int, now: datetime) -> bool:
    """Whether the sale of a section has closed, or would open after it has closed."""
    opening, closing = opens_at(run, section), closes_at(run, section, legs)
    return closing <= now or (opening is not None and opening >= closing)


def _legs(run: Document, origin: str, destination: str) -> int:
    names = [stop["name"] for stop in run["stops"]]
    start = names.index(origin) if origin else 0
    end = names.index(destination) if destination else len(names) - 1
    return (1 << end) - (1 << start)
