"""Trains as documents.

Belongs here: the shape of a train's document, encoding and decoding it. Does not belong here: runs (`run_documents.py`),
statements.
"""

from collections.abc import Iterable
from datetime import datetime, time

from app.domain.limits import DEPARTURE_REMINDER_MINUTES_DEFAULT
from app.domain.money import Money
from app.domain.sales_window import ALWAYS_OPEN
from app.domain.terms import DEFAULT_TERMS, RefundTier, SalesTerms
from app.domain.timetable import Call, Stop, TimetableStop, stop_forms
from app.domain.train import Coach, Section, StoredTrain, Train
from app.store.driver import Document
from app.store.sales_shapes import TERMS
from app.store.sales_window_documents import (
    sales_window_document,
    sales_window_from,
    sales_windows_document,
    sales_windows_from,
)
from app.store.shapes import ListOf, Nullable, Shape

_CALL = Nullable(Shape({"at": str, "day_offset": int}))
TRAIN = Shape(
    {
        "_id": str,
        "version": int,
        "request_id": str,
        "create_time": datetime,
        "number": str,
        "stops": ListOf(Shape({"name": str, "code": str, "time_zone": str, "arrive": _CALL, "depart": _CALL})),
        "stop_forms": ListOf(str),
        "sections": ListOf(Shape({"name": str, "fare_minor": int, "currency": str})),
        "coaches": ListOf(Shape({"name": str, "section": str, "seat_count": int})),
        "terms": TERMS,
    },
    # `layout_version` only of a train whose layout was changed. `scheduled_until` is written by itself: a change of the train
    # leaves it alone.
    {"layout_version": int, "schedule_horizon_days": int, "scheduled_until": str, "departure_reminder_minutes": int},
)
# A version that was replaced. Its `_id` is "<train_id>:<version>". The first version has no `purge_time`.
TRAIN_VERSION = Shape({"train_id": str}, {"purge_time": datetime})


def all_stop_forms(stops: Iterable[Stop | TimetableStop]) -> list[str]:
    """Return the names and codes of all the stops, as compared, for finding trains by station."""
    return sorted(set().union(*map(stop_forms, stops)))


def train_document(stored: StoredTrain) -> Document:
    """Encode a train."""
    made = {"_id": stored.train.train_id, "request_id": stored.request_id, "create_time": stored.create_time}
    return {**made, **changeable_fields(stored)}


def changeable_fields(stored: StoredTrain) -> Document:
    """Encode the fields of a train that its changes replace."""
    train = stored.train
    return {
        "version": stored.version,
        **({"layout_version": stored.layout_version} if stored.layout_version > 1 else {}),
        "number": train.number,
        "stops": [_timetable_stop_document(stop) for stop in train.stops],
        "stop_forms": all_stop_forms(train.stops),
        "sections": [
            {"name": section.name, "fare_minor": section.fare.minor, "currency": section.fare.currency}
            for section in train.sections
        ],
        "coaches": [{"name": coach.name, "section": coach.section, "seat_count": coach.seat_count} for coach in train.coaches],
        "terms": terms_document(train.terms),
        "schedule_horizon_days": train.schedule_horizon_days,
        "departure_reminder_minutes": train.departure_reminder_minutes,
    }


def train_from(document: Document) -> StoredTrain:
    """Decode a train. Raises UnreadableError."""
    TRAIN.check(document)
    train = Train(
        train_id=document["_id"],
        number=document["number"],
        stops=tuple(_timetable_stop_from(stop) for stop in document["stops"]),
        sections=tuple(
            Section(section["name"], Money(section["fare_minor"], section["currency"])) for section in document["sections"]
        ),
        coaches=tuple(Coach(coach["name"], coach["section"], coach["seat_count"]) for coach in document["coaches"]),
        terms=terms_from(document["terms"]),
        schedule_horizon_days=document.get("schedule_horizon_days", 0),
        departure_reminder_minutes=document.get("departure_reminder_minutes", DEPARTURE_REMINDER_MINUTES_DEFAULT),
    )
    version, layout_version = document["version"], document.get("layout_version", 1)
    scheduled_until = document.get("scheduled_until", "")
    return StoredTrain(train, document["request_id"], document["create_time"], version, layout_version, scheduled_until)


def train_version_id(train_id: str, version: int) -> str:
    """Return the key of a version of a train that was replaced."""
    return f"{train_id}:{version}"


def train_version_document(stored: StoredTrain) -> Document:
    """Encode a version of a train that is replaced, without the time at which it is deleted."""
    key = train_version_id(stored.train.train_id, stored.version)
    return {**train_document(stored), "_id": key, "train_id": stored.train.train_id}


def train_version_from(document: Document) -> StoredTrain:
    """Decode a version of a train that was replaced. Raises UnreadableError."""
    TRAIN_VERSION.check(document)
    return train_from({**document, "_id": document["train_id"]})


def _timetable_stop_document(stop: TimetableStop) -> Document:
    return {
        "name": stop.name,
        "code": stop.code,
        "time_zone": stop.time_zone,
        "arrive": _call_document(stop.arrive),
        "depart": _call_document(stop.depart),
    }


def _timetable_stop_from(document: Document) -> TimetableStop:
    arrive, depart = _call_from(document["arrive"]), _call_from(document["depart"])
    return TimetableStop(document["name"], document["code"], document["time_zone"], arrive, depart)


def _call_document(call: Call | None) -> Document | None:
    return None if call is None else {"at": call.at.strftime("%H:%M"), "day_offset": call.day_offset}


def _call_from(document: Document | None) -> Call | None:
    return None if document is None else Call(time.fromisoformat(document["at"]), document["day_offset"])


def terms_document(terms: SalesTerms) -> Document:
    """Encode sales terms. The windows are only there where seats are not always on sale."""
    windows: Document = {}
    if terms.sales_window != ALWAYS_OPEN:
        windows["sales_window"] = sales_window_document(terms.sales_window)
    if terms.section_windows:
        windows["section_windows"] = sales_windows_document(terms.section_windows)
    return {
        "refund_tiers": [[tier.hours_before, tier.percent] for tier in terms.refund_tiers],
        "waitlist_closes_minutes_before": terms.waitlist_closes_minutes_before,
        "waitlist_max": terms.waitlist_max,
        "hold_percent_max": terms.hold_percent_max,
        "passengers_per_booker_max": terms.passengers_per_booker_max,
        **windows,
    }


def terms_from(document: Document) -> SalesTerms:
    """Decode sales terms."""
    tiers = tuple(RefundTier(hours_before, percent) for hours_before, percent in document["refund_tiers"])
    return SalesTerms(
        tiers,
        document["waitlist_closes_minutes_before"],
        document["waitlist_max"],
        # Older documents do not have these.
        hold_percent_max=document.get("hold_percent_max", DEFAULT_TERMS.hold_percent_max),
        passengers_per_booker_max=document.get("passengers_per_booker_max", DEFAULT_TERMS.passengers_per_booker_max),
        sales_window=sales_window_from(window) if (window := document.get("sales_window")) else ALWAYS_OPEN,
        section_windows=sales_windows_from(document.get("section_windows", ())),
    )
