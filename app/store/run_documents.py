"""Runs as documents.

Belongs here: encoding a new run, decoding a run. Does not belong here: its fields (`run_fields.py`), bookings
(`booking_documents.py`), nor statements.

train_runs  {_id: "<train_id>:<date>", schema_version, version, train_id, travel_date, number, stops: [...],
             stop_forms: [...], arrive_time: expected at the last stop, missing where an earlier version made the run,
             sections: [{name, fare_minor, currency, coaches, next_number, sold_legs: [an integer for each seat],
             freed: {"<seat number>": [[sequence, legs], ...]}, retired: [[first, last], ...]}], freed_sequence, terms,
             ended_holds: {"<key>": [owner_key, legs, [[section, number], ...], expire_time, was_used]},
             holds: {"<key>": {owner_key, legs, seats: [[section, coach, number], ...], fare_minor, expire_time, ...}},
             waiting: the waitlist, {"<ticket number>": [reference, section, legs, count, fare_minor_min]},
             waiting_number: the last ticket number, last_displaced_number, made_from_version, hidden,
             eventless_version, retired_sections: like sections,
             layout: {revision, train_version, is_own, earlier_fares: [[section, fare_minor], ...], requests: [...]},
             layout_reservation: {plan_hash, fingerprint, expire_time, withdrawn: [[section, number], ...],
             places: [[reference, passenger_number, section, number, outcome], ...], claims: [[section, number, legs], ...]},
             delay: {minutes: [of each stop], reason, evidence, report_time, arrivals: [[stop, time, report_time], ...]},
             cancellation: {time, reason, evidence, from_stop, cursor, complete_time, booking_count, passenger_count,
             refunded_minor}, sales_windows: [[section, window], ...], clock_state, is_compacted,
             opened_until, recent: [bookings], outbox: [event batches], next_due, unsettled_since, create_time,
             claimed_turn: {version, server_id, expire_time}}

Documents lack what is empty, False or as on a new run: retired, fare_minor_min, last_displaced_number, hidden,
eventless_version, retired_sections, layout, layout_reservation, delay, cancellation, sales_windows, is_compacted, opened_until.
The first version with delays stored `delay.report_time` as `delay.reported_time`.
Earlier versions stored none of these, and no made_from_version. A run of theirs has no clock_state until its next commit.
"""

from datetime import date, datetime

from app.domain.run.train_run import TrainRun, run_id
from app.store.driver import Document
from app.store.run_fields import DERIVED_FIELDS, RUN_FIELDS, stop_documents, stops_from
from app.store.sales_shapes import KNOWN_VERSION, SCHEMA_VERSION, STOP, TERMS
from app.store.shapes import Kind, ListOf, Shape, UnreadableError
from app.store.train_documents import terms_document, terms_from

# What a reader of a run without its bookings and events reads.
_CONSTANT_FIELDS: dict[str, Kind | type] = {
    "_id": str,
    "version": int,
    "train_id": str,
    "travel_date": str,
    "number": str,
    "stops": ListOf(STOP),
    "terms": TERMS,
}
_OPTIONAL_FIELDS: dict[str, Kind | type] = {"schema_version": KNOWN_VERSION, "made_from_version": int}
RUN_WITHOUT_BOOKINGS = Shape(
    _CONSTANT_FIELDS | {stored.path: stored.shape for stored in RUN_FIELDS if not stored.is_optional},
    _OPTIONAL_FIELDS | {stored.path: stored.shape for stored in RUN_FIELDS if stored.is_optional},
)


def run_document(run: TrainRun, create_time: datetime) -> Document:
    """Encode a new run, which has no bookings."""
    stored = {stored.path: stored.encode(run) for stored in RUN_FIELDS}
    derived = {derived.path: derived.value(run) for derived in DERIVED_FIELDS}
    return {
        "_id": run.run_id,
        "schema_version": SCHEMA_VERSION,
        "version": run.version,
        "train_id": run.train_id,
        "travel_date": run.travel_date,
        "number": run.number,
        "stops": stop_documents(run.stops),
        "made_from_version": run.made_from_version,
        "terms": terms_document(run.terms),
        **{path: value for path, value in (stored | derived).items() if value is not None},
        "recent": [],
        "outbox": [],
        "create_time": create_time,
    }


def run_from(document: Document) -> TrainRun:
    """Decode a run, without bookings. Raises UnreadableError."""
    RUN_WITHOUT_BOOKINGS.check(document)
    if document["_id"] != run_id(document["train_id"], document["travel_date"]):
        raise UnreadableError("_id is not that of train_id and travel_date")
    date.fromisoformat(document["travel_date"])
    return TrainRun(
        train_id=document["train_id"],
        travel_date=document["travel_date"],
        number=document["number"],
        stops=stops_from(document["stops"]),
        version=document["version"],
        terms=terms_from(document["terms"]),
        made_from_version=document.get("made_from_version", 1),
        **{stored.name: stored.decode(document) for stored in RUN_FIELDS},
    )
