"""Invariants of the waitlist, as functions over stored documents.

Belongs here: entries against bookings, promotions that are missing or out of order, and the end of the waitlist. Does not
belong here: seats and money (`invariants.py`), who joins its front (`layout_invariants.py`), nor when these are checked
(`record.py`, `final_state.py`).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.simulation.invariants import Bookings, Document, is_live
from tests.simulation.run_times import has_opened, missing_legs, waitlist_closes_at


def waitlist_matches_bookings(run: Document, bookings: Bookings) -> Iterator[str]:
    """Each waitlist entry belongs to a booking with passengers who have no seat, and each of these has one.

    Displaced passengers, whose ticket numbers are negative, wait for the section in which they sat.
    """
    entries = {
        reference: [int(number), section if int(number) > 0 else "", legs, count]
        for number, (reference, section, legs, count, *_) in run["waiting"].items()
    }
    waiting = {}
    for booking in bookings.values():
        seatless = sum(1 for passenger in booking["passengers"] if "number" not in passenger) if is_live(booking) else 0
        number = booking.get("waiting_number", 0)
        if seatless or number:
            section = booking.get("wanted_section", "") if number > 0 else ""
            waiting[booking["_id"]] = [number, section, booking["legs"], seatless]
        if is_live(booking) and (booking["state"] == "WAITLISTED") != (seatless == len(booking["passengers"])):
            yield f"{booking['_id']} is {booking['state']} with {seatless} passengers without seats"
    if entries != waiting or len(entries) != len(run["waiting"]):
        yield f"the waitlist is {run['waiting']}; the bookings with waiting passengers are {waiting}"
    if any(int(number) > run["waiting_number"] for number in run["waiting"]):
        yield f"a number of {run['waiting']} was never given: the last one is {run['waiting_number']}"


def nobody_waits_for_free_seats(run: Document, decided_at: datetime, *, is_disrupted: bool) -> Iterator[str]:
    """Until the waitlist closes, no free seats fit an entry. Afterwards it is empty. (One decision ends some hundred.)

    A waitlisted booking for cancelled legs gets none. A commit that changed the expected times was decided before that.
    """
    waiting = [entry for entry in run["waiting"].values() if not entry[2] & missing_legs(run)]
    if decided_at >= waitlist_closes_at(run):
        yield from (f"{entry[0]} waits though the waitlist is closed" for entry in waiting if not is_disrupted)
        return
    opened = {section["name"] for section in run["sections"] if has_opened(run, section["name"], decided_at)}
    removed = {section["name"]: section["fare_minor"] for section in run.get("retired_sections", [])}
    for reference, wanted, legs, count, *floor in waiting:
        free = {section["name"]: sum(1 for sold in section["sold_legs"] if not sold & legs) for section in run["sections"]}
        for name, seats in free.items():
            if wanted in ("", name) and name in opened and seats >= count:
                yield f"{reference} waits for {count}, and section {name} has {seats} free"
        if floor or wanted in removed:  # seats apart and in other sections are as good, where these do not cost less
            least = removed.get(wanted, floor[0] if floor else 0)
            fitting = [s["name"] for s in run["sections"] if s["name"] == wanted or s["fare_minor"] >= least]
            if sum(free[name] for name in fitting) >= count:
                yield f"{reference} waits for {count} from {least} on, and {free} are free in {', '.join(fitting)}"


def nobody_is_overtaken(before: Document, run: Document, promoted: Iterable[tuple[Document, Document]]) -> Iterator[str]:
    """Of two entries with the same demand, the earlier one is promoted first. `promoted` are pairs: before, and now."""
    for waited, booking in promoted:
        _, *demand = before["waiting"].get(str(waited["waiting_number"]), [""])
        if len(booking["passengers"]) < len(waited["passengers"]):  # the same commit cancelled a part of it
            demand[2] -= len(waited["passengers"]) - len(booking["passengers"])
        for number, (reference, *other) in run["waiting"].items():
            if other == demand and int(number) < waited["waiting_number"]:
                yield f"{booking['_id']} got seats before {reference}, which was first"


def no_open_waitlist_is_left(run: Document, now: datetime) -> Iterator[str]:
    """A waitlist is emptied once it is closed, also without any call. A cancellation ends the entries for cancelled legs."""
    if now >= waitlist_closes_at(run) and run["waiting"]:
        yield f"the waitlist of {run['_id']} is closed and has {run['waiting']}"
