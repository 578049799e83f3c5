"""Layouts as documents: the record of a run's layout changes, the reservation of a plan, and ranges of seat numbers.

Belongs here: encoding and decoding them. Does not belong here: which run fields they are (`run_fields.py`), shapes
(`sales_shapes.py`), layout jobs (`layout_jobs.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from app.domain.layout.plan import LayoutCounts, PlannedOutcome
from app.domain.run.layout_record import LayoutRecord, LayoutRequest, LayoutReservation, ReservedPlace
from app.store.driver import Document
from app.store.shapes import UnreadableError


def counts_document(counts: LayoutCounts) -> Document:
    """Encode what a layout change did, in numbers."""
    return asdict(counts)


def counts_from(document: Document) -> LayoutCounts:
    """Decode what a layout change did. The caller has checked the shape."""
    return LayoutCounts(**{name.name: document[name.name] for name in fields(LayoutCounts)})


def layout_document(record: LayoutRecord) -> Document:
    """Encode the record of a run's layout changes."""
    return {
        "revision": record.revision,
        "train_version": record.train_version,
        "is_own": record.is_own,
        "earlier_fares": [list(fare) for fare in record.earlier_fares],
        "requests": [asdict(request) for request in record.requests],
    }


def layout_from(document: Document) -> LayoutRecord:
    """Decode the record of a run's layout changes. The caller has checked the shape."""
    return LayoutRecord(
        revision=document["revision"],
        train_version=document["train_version"],
        is_own=document["is_own"],
        earlier_fares=tuple((section, minor) for section, minor in document["earlier_fares"]),
        requests=tuple(map(_request_from, document["requests"])),
    )


def _request_from(document: Document) -> LayoutRequest:
    return LayoutRequest(
        request_id=document["request_id"],
        fingerprint=document["fingerprint"],
        plan_hash=document["plan_hash"],
        time=document["time"],
        counts=counts_from(document["counts"]),
    )


def reservation_document(reservation: LayoutReservation | None) -> Document | None:
    """Encode the reservation of a plan's seats."""
    if reservation is None:
        return None
    return {
        "plan_hash": reservation.plan_hash,
        "fingerprint": reservation.fingerprint,
        "expire_time": reservation.expire_time,
        "withdrawn": [list(seat) for seat in sorted(reservation.withdrawn)],
        "places": [_place_row(place) for place in reservation.places],
        "claims": [list(claim) for claim in reservation.claims],
    }


def reservation_from(document: Document) -> LayoutReservation:
    """Decode the reservation of a plan's seats. The caller has checked the shape."""
    return LayoutReservation(
        plan_hash=document["plan_hash"],
        fingerprint=document["fingerprint"],
        expire_time=document["expire_time"],
        withdrawn=frozenset((section, number) for section, number in document["withdrawn"]),
        places=tuple(map(_place_from, document["places"])),
        claims=tuple((section, number, legs) for section, number, legs in document["claims"]),
    )


def _place_row(place: ReservedPlace) -> list[str | int]:
    return [place.reference, place.passenger_number, place.section, place.number, place.outcome.value]


def _place_from(row: Sequence[Any]) -> ReservedPlace:
    reference, passenger_number, section, number, outcome = row
    return ReservedPlace(reference, passenger_number, section, number, PlannedOutcome(outcome))


def number_ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Encode seat numbers as ranges [first, last], in rising order."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def numbers_from(ranges: Iterable[Sequence[int]], highest: int) -> frozenset[int]:
    """Decode the seat numbers of ranges. Raises UnreadableError for numbers that are not from 1 to `highest`."""
    if any(first < 1 or last > highest for first, last in ranges):
        raise UnreadableError("retired has numbers of no seat")
    return frozenset(number for first, last in ranges for number in range(first, last + 1))
