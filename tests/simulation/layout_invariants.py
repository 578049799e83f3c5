"""Invariants of layouts, as functions over stored documents.

Belongs here: seat numbers, retired seats, who moves, waits or is cancelled by a layout change and with which refund, and the
record of changes. Does not belong here: seats, waitlists and money of any commit (`invariants.py`), nor when these are checked
(`record.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from app.domain.layout.commands import UpdateLayout
from tests.simulation.invariants import Bookings, Document, is_live, retired_numbers

SeatKey = tuple[str, int]
Change = tuple[Document, Document]

_DISPLACED_TICKET_FIRST = -1_000_000_000


@dataclass(frozen=True)
class Unit:
    """The passengers of a booking who lost seats of one section by a commit.

    `floor` is what a seat of the section costs, or did at last.
    """

    before: Document
    after: Document
    section: str
    numbers: tuple[int, ...]
    floor: int

    @property
    def order(self) -> tuple[Any, ...]:
        """What orders units: larger ones first, then more legs, then older bookings."""
        return -len(self.numbers), -self.before["legs"].bit_count(), self.before["create_time"]

    def seats(self) -> list[SeatKey]:
        """The seats that its passengers have now."""
        return [
            (passenger["section"], passenger["number"])
            for passenger in self.after["passengers"]
            if passenger["passenger_number"] in self.numbers and "number" in passenger and is_live(self.after)
        ]


def all_sections(run: Document) -> list[Document]:
    return [*run["sections"], *run.get("retired_sections", [])]


def layout_revision(run: Document) -> int:
    return int(run.get("layout", {}).get("revision", 0))


def retired_seats(run: Document) -> set[SeatKey]:
    return {(section["name"], number) for section in all_sections(run) for number in retired_numbers(section)}


def _coaches(run: Document) -> dict[SeatKey, str]:
    return {
        (section["name"], number): coach["name"]
        for section in all_sections(run)
        for coach in section["coaches"]
        for number in range(coach["first"], coach["last"] + 1)
    }


# -- seats


def seat_numbers_never_return(before: Document, run: Document) -> Iterator[str]:
    """Each seat that there ever was keeps number and coach, and a retired one stays retired. New numbers are above all."""
    old, new, gone = _coaches(before), _coaches(run), retired_seats(run)
    for seat, coach in old.items():
        if new.get(seat) != coach:
            yield f"seat {_label(seat)} was in coach {coach}, and is in {new.get(seat)}"
    for seat in retired_seats(before) - gone:
        yield f"seat {_label(seat)} was retired, and is back"
    alive = {coach for seat, coach in old.items() if seat not in retired_seats(before)}
    for seat in new.keys() - old.keys():
        if new[seat] in set(old.values()) - alive:
            yield f"seat {_label(seat)} is in coach {new[seat]}, which was removed before"
    for section in all_sections(run):
        if len(section["sold_legs"]) != sum(1 for name, _ in new if name == section["name"]):
            yield f"section {section['name']} has {len(section['sold_legs'])} seats, and its coaches have others"


def retired_seats_belong_to_nobody(run: Document, bookings: Bookings) -> Iterator[str]:
    """A retired seat is sold on all legs, on sale on none, and nobody has it."""
    all_legs = (1 << len(run["stops"]) - 1) - 1
    gone = retired_seats(run)
    for section in all_sections(run):
        for number in retired_numbers(section):
            if section["sold_legs"][number - 1] != all_legs or section["freed"].get(str(number)):
                yield f"seat {section['name']}-{number} is retired, and on sale"
    for section in run.get("retired_sections", []):
        if len(retired_numbers(section)) != len(section["sold_legs"]):
            yield f"section {section['name']} is removed and has seats"
    for booking in bookings.values():
        if booking["state"] == "CONFIRMED" and any(seat in gone for seat in _seats_of(booking)):
            yield f"{booking['_id']} has a retired seat of {_seats_of(booking)}"
    for key, hold in run["holds"].items():
        if any((section, number) in gone for section, _, number in hold["seats"]):
            yield f"hold {key} has a retired seat of {hold['seats']}"


def _seats_of(booking: Document) -> list[SeatKey]:
    return [(passenger["section"], passenger["number"]) for passenger in booking["passengers"] if "number" in passenger]


# -- a layout change


def only_layout_changes_change_layouts(before: Document, run: Document, emitted: Iterable[Document]) -> Iterator[str]:
    """Each change of the layout has one event and a revision of its own, and no request is made twice."""
    revisions = [event["data"]["layout_revision"] for event in emitted if event["type"] == "layout.changed"]
    if revisions != list(range(layout_revision(before) + 1, layout_revision(run) + 1)) or len(revisions) > 1:
        yield f"the layout goes from revision {layout_revision(before)} to {layout_revision(run)}, with the events {revisions}"
    if not revisions and (_coaches(before) != _coaches(run) or retired_seats(before) != retired_seats(run)):
        yield "seats come or go without a layout change"
    requests = [request["request_id"] for request in run.get("layout", {}).get("requests", [])]
    if len(set(requests)) < len(requests):
        yield f"a layout change was made twice: {requests}"


def nobody_else_moves(before: Document, run: Document, changed: Iterable[Change]) -> Iterator[str]:
    """By a layout change, only those lose or change their seats whose seats are removed."""
    removed = retired_seats(run) - retired_seats(before)
    for old, new in changed:
        now = {passenger["passenger_number"]: passenger for passenger in new["passengers"]} if is_live(new) else {}
        for passenger in old["passengers"] if is_live(old) else ():
            if "number" not in passenger or (passenger["section"], passenger["number"]) in removed:
                continue
            seat = passenger["section"], passenger["number"]
            kept = now.get(passenger["passenger_number"], {})
            if (kept.get("section"), kept.get("number"), kept.get("fare_minor")) != (*seat, passenger["fare_minor"]):
                yield f"{old['_id']} has its passenger on {_label(seat)} changed, whose seat is not removed"


def new_seats(old: Document, new: Document) -> list[SeatKey]:
    """Return the seats of passengers of a booking who had none before."""
    seated = {passenger["passenger_number"] for passenger in old["passengers"] if "number" in passenger}
    return [
        (passenger["section"], passenger["number"])
        for passenger in new["passengers"]
        if passenger["passenger_number"] not in seated and "number" in passenger and is_live(new)
    ]


def promoted_after_displacement(emitted: Iterable[Document]) -> set[str]:
    """Return the bookings that a commit promoted after it had displaced somebody; what was due by the clock comes before."""
    is_displaced, promoted = False, set()
    for event in emitted:
        is_displaced = is_displaced or event["data"].get("cause") == "layout"
        if is_displaced and event["type"] == "booking.promoted":
            promoted.add(event["subject"])
    return promoted


def displaced_units(before: Document, run: Document, changed: Iterable[Change]) -> list[Unit]:
    """Return who lost seats by a commit, in the order in which they are placed."""
    removed = retired_seats(run) - retired_seats(before)
    fares = {section["name"]: section["fare_minor"] for section in reversed(all_sections(run))}
    units = []
    for old, new in changed:
        lost: dict[str, list[int]] = {}
        for passenger in old["passengers"] if is_live(old) else ():
            if "number" in passenger and (passenger["section"], passenger["number"]) in removed:
                lost.setdefault(passenger["section"], []).append(passenger["passenger_number"])
        units += [Unit(old, new, section, tuple(numbers), fares[section]) for section, numbers in lost.items()]
    return sorted(units, key=lambda unit: unit.order)


def displaced_find_seats(run: Document, units: list[Unit], taken_later: Iterable[tuple[SeatKey, int]]) -> Iterator[str]:
    """No displaced unit is without seats that were there when its turn came.

    Those are the seats that are free now, and those that later units or promoted bookings got. `taken_later` are the seats of
    promoted bookings with their legs.
    """
    given = list(taken_later)
    for unit in reversed(units):
        seats, legs = unit.seats(), unit.before["legs"]
        if seats:
            given += [(seat, legs) for seat in seats]
            continue
        free = _free_seats(run, unit, given)
        if len(free) >= len(unit.numbers):
            who = f"{unit.before['_id']} with {len(unit.numbers)} displaced from {unit.section}"
            yield f"{who} got no seats, and {sorted(map(_label, free))} were free"


def _free_seats(run: Document, unit: Unit, given: list[tuple[SeatKey, int]]) -> set[SeatKey]:
    legs = unit.before["legs"]
    free = set()
    for section in run["sections"]:
        if section["name"] != unit.section and section["fare_minor"] < unit.floor:
            continue
        for number, sold in enumerate(section["sold_legs"], 1):
            key = (section["name"], number)
            taken_later = reduce(or_, [taken for seat, taken in given if seat == key], 0)
            if not sold & ~taken_later & legs and number not in retired_numbers(section):
                free.add(key)
    return free


def displaced_pay_no_more(run: Document, units: Iterable[Unit], command: UpdateLayout | None) -> Iterator[str]:
    """Who moves keeps the fare; in a cheaper section, only where that is allowed, the difference is given back."""
    fares = {section["name"]: section["fare_minor"] for section in run["sections"]}
    for unit in units:
        paid = {passenger["passenger_number"]: passenger["fare_minor"] for passenger in unit.before["passengers"]}
        for passenger in unit.after["passengers"] if is_live(unit.after) else ():
            number = passenger["passenger_number"]
            if number not in unit.numbers or "number" not in passenger:
                continue
            section = passenger["section"]
            is_lower = section != unit.section and fares[section] < unit.floor
            expected = min(paid[number], fares[section]) if is_lower else paid[number]
            who = f"passenger {number} of {unit.before['_id']}, moved from {unit.section} to {section},"
            if passenger["fare_minor"] != expected:
                yield f"{who} pays {passenger['fare_minor']}, not {expected}"
            if is_lower and command is not None and not command.allow_lower:
                yield f"{who} sits in a cheaper section, which was not allowed"
            if is_lower and not unit.after.get("free_cancellation"):
                yield f"{who} sits in a cheaper section, and cannot cancel free of charge"


def displaced_wait_before_all_others(
    before: Document, run: Document, units: Iterable[Unit], command: UpdateLayout | None
) -> Iterator[str]:
    """Who gets no seat waits at the front, behind those displaced earlier; or is refunded where that is asked."""
    given = before.get("last_displaced_number", 0)
    for unit in units:
        waits = [
            passenger
            for passenger in unit.after["passengers"]
            if passenger["passenger_number"] in unit.numbers and "number" not in passenger and is_live(unit.after)
        ]
        number = unit.after.get("waiting_number", 0)
        was_waiting = unit.before.get("waiting_number", 0)
        if waits and number != was_waiting and not given < number - _DISPLACED_TICKET_FIRST <= run["last_displaced_number"]:
            yield f"{unit.before['_id']} lost seats, and waits under number {number}"
        if waits and command is not None and command.refund_displaced:
            yield f"{unit.before['_id']} lost seats and waits, though the displaced are to be refunded"


# -- plans


def moves_of(units: Iterable[Unit]) -> dict[tuple[str, int], str]:
    """Return where each displaced passenger sits now, by reference and number; empty for nowhere."""
    moves: dict[tuple[str, int], str] = {}
    for unit in units:
        now = {passenger["passenger_number"]: passenger for passenger in unit.after["passengers"]}
        for number in unit.numbers:
            passenger = now.get(number, {}) if is_live(unit.after) else {}
            has_seat = "number" in passenger
            moves[unit.before["_id"], number] = f"{passenger['section']}-{passenger['number']}" if has_seat else ""
    return moves


def no_reservation_is_expired(run: Document, decided_at: datetime) -> Iterator[str]:
    """No commit leaves a reservation that had expired when it was decided."""
    reservation = run.get("layout_reservation")
    if reservation is not None and reservation["expire_time"] <= decided_at:
        yield f"the reservation of {reservation['expire_time']} is left by a commit of {decided_at}"


def reserved_seats_are_not_for_sale(run: Document) -> Iterator[str]:
    """No leg of a seat that is withdrawn for a plan is free."""
    all_legs = (1 << len(run["stops"]) - 1) - 1
    sold = {
        (section["name"], number): legs for section in run["sections"] for number, legs in enumerate(section["sold_legs"], 1)
    }
    for section, number in run.get("layout_reservation", {}).get("withdrawn", []):
        if sold.get((section, number)) != all_legs:
            yield f"seat {section}-{number} is withdrawn for a plan, and on sale"


def promised(run: Mapping[str, Any]) -> str:
    """Return the hash of the plan for which the run reserves seats; empty for none."""
    return str(run.get("layout_reservation", {}).get("plan_hash", ""))


def _label(seat: SeatKey) -> str:
    return f"{seat[0]}-{seat[1]}"
