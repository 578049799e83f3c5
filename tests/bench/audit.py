"""The audit: the database holds exactly what callers were answered.

Belongs here: the seats and bookings in the documents, compared with the answers. Only this module and the naive sale in
`naive.py` know the shape of the documents. Does not belong here: selling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
LIVE = "CONFIRMED"


@dataclass
class Sold:
    """The bookings in the documents of some runs."""

    references: set[str] = field(default_factory=set)
    passengers: int = 0
    problems: list[str] = field(default_factory=list)


def with_bookings(run: Document, archived: Iterable[Document]) -> Document:
    """Return a run's document with all its bookings: the archived ones, replaced by the recent ones of the document itself."""
    bookings = {booking["_id"]: booking for booking in (*archived, *run["recent"])}
    return {**run, "bookings": [{**booking, "reference": booking["_id"]} for booking in bookings.values()]}


def count_sold(runs: Iterable[Document]) -> Sold:
    """Count all live bookings. Note seats that are sold twice on a leg or do not match their bookings."""
    sold = Sold()
    for run in runs:
        _count_run(run, sold)
    return sold


def disagreements(sold: Sold, acknowledged: set[str]) -> list[str]:
    """Return the differences between the documents and the answers."""
    found = list(sold.problems)
    lost, unknown = acknowledged - sold.references, sold.references - acknowledged
    if lost:
        found.append(f"{len(lost)} acknowledged bookings are not in the database, such as {min(lost)}")
    if unknown:
        found.append(f"{len(unknown)} bookings in the database were never acknowledged, such as {min(unknown)}")
    return found


def _count_run(run: Document, sold: Sold) -> None:
    taken: dict[tuple[str, int], int] = {}
    stops = [stop["name"] for stop in run["stops"]]
    emails: set[str] = set()
    for booking in run["bookings"]:
        if booking["state"] != LIVE:
            continue
        if booking["reference"] in sold.references:
            sold.problems.append(f"{run['_id']}: reference {booking['reference']} twice")
        sold.references.add(booking["reference"])
        legs = (1 << stops.index(booking["destination"])) - (1 << stops.index(booking["origin"]))
        for passenger in booking["passengers"]:
            seat = (passenger["section"], passenger["number"])
            if taken.get(seat, 0) & legs:
                sold.problems.append(f"{run['_id']}: seat {seat[0]}-{seat[1]} sold twice on a leg")
            if passenger["email"] in emails:
                sold.problems.append(f"{run['_id']}: {passenger['email']} has two bookings")
            taken[seat] = taken.get(seat, 0) | legs
            emails.add(passenger["email"])
            sold.passengers += 1
    _check_sections(run, taken, sold)


def _check_sections(run: Document, taken: dict[tuple[str, int], int], sold: Sold) -> None:
    for section in run["sections"]:
        for index, legs in enumerate(section["sold_legs"]):
            if legs != taken.pop((section["name"], index + 1), 0):
                sold.problems.append(f"{run['_id']}: seat {section['name']}-{index + 1} does not match its bookings")
    sold.problems += [f"{run['_id']}: seat {name}-{number} does not exist" for name, number in taken]
