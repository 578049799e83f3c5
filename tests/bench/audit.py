"""Counting the database.

Belongs here: what a run's document says about seats and bookings, and whether that agrees with what the callers were told. Only
this module and the rivals in `naive.py` know the document's shape. Does not: selling.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]
LIVE = "CONFIRMED"


@dataclass
class Sold:
    """What the documents of some runs hold."""

    references: set[str] = field(default_factory=set)
    passengers: int = 0
    problems: list[str] = field(default_factory=list)


def with_bookings(run: Document, settled: Iterable[Document]) -> Document:
    """A run's document with all its bookings: those at rest, and over them the recent ones that it carries itself."""
    bookings = {booking["_id"]: booking for booking in (*settled, *run["recent"])}
    return {**run, "bookings": [{**booking, "reference": booking["_id"]} for booking in bookings.values()]}


def count_sold(runs: Iterable[Document]) -> Sold:
    """All live bookings, and every seat that is sold twice on a leg or whose legs do not match the bookings."""
    sold = Sold()
    for run in runs:
        _count_run(run, sold)
    return sold


def disagreements(sold: Sold, acknowledged: set[str]) -> list[str]:
    """Where the documents and the callers' answers differ."""
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
    travellers: set[str] = set()
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
            if passenger["email"] in travellers:
                sold.problems.append(f"{run['_id']}: {passenger['email']} travels twice")
            taken[seat] = taken.get(seat, 0) | legs
            travellers.add(passenger["email"])
            sold.passengers += 1
    _check_sections(run, taken, sold)


def _check_sections(run: Document, taken: dict[tuple[str, int], int], sold: Sold) -> None:
    for section in run["sections"]:
        for index, legs in enumerate(section["sold_legs"]):
            if legs != taken.pop((section["name"], index + 1), 0):
                sold.problems.append(f"{run['_id']}: seat {section['name']}-{index + 1} does not match its bookings")
    sold.problems += [f"{run['_id']}: seat {name}-{number} does not exist" for name, number in taken]
