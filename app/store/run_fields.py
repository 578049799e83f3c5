"""How the fields of a run are stored: one row for each field that commands change.

Belongs here: the fields of the sections, the table of fields, and the fields that are derived for indexes. Does not belong
here: the kinds of fields (`stored_fields.py`), which fields a run has (`app/domain/run/`), whole documents
(`run_documents.py`), the update of a commit (`run_updates.py`).

A row says how a field is encoded, decoded and written, and which shape it has. The names on disk do not change: where the name
in the code is another one, the row has both. A new field of a run is a declaration in the domain and a row here; a test holds
the two against each other.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.booking import Seat
from app.domain.money import Money
from app.domain.people import email_key
from app.domain.rules.follow_clock import clock_due_time
from app.domain.rules.follow_openings import next_opening
from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.delay_record import NO_DELAY
from app.domain.run.hold import EndedHold, Hold
from app.domain.run.layout_record import NEW_LAYOUT
from app.domain.run.seats import CoachSeats, FreedEntry, SectionSeats
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistEntry
from app.domain.timetable import RunState, Stop, legs_between, stop_form
from app.store.disruption_documents import (
    cancellation_document,
    cancellation_from,
    clock_state_document,
    delay_document,
    delay_from,
)
from app.store.driver import Document
from app.store.layout_documents import (
    layout_document,
    layout_from,
    number_ranges,
    numbers_from,
    reservation_document,
    reservation_from,
)
from app.store.sales_shapes import (
    CANCELLATION,
    CLOCK_STATE,
    COACH,
    DELAY,
    ENDED_HOLD,
    HOLD,
    LAYOUT,
    LAYOUT_RESERVATION,
    SALES_WINDOWS,
    WAITLIST_ENTRY,
)
from app.store.sales_window_documents import sales_windows_document, sales_windows_from
from app.store.shapes import Kind, ListOf, MapOf, Row, Shape
from app.store.stored_fields import StoredEntries, StoredField, StoredWhole, Update, as_it_is
from app.store.train_documents import all_stop_forms

# -- the sections


class StoredSectionValue:
    """A field of the sections that is written as a whole, for each section that changed."""

    def __init__(self, name: str, shape: Kind | type) -> None:
        self.name, self.shape = name, shape

    def encode(self, section: SectionSeats) -> Any:
        """Encode the attribute of a section."""
        return getattr(section, self.name)

    def decode(self, stored: Any) -> Any:
        """Decode the attribute."""
        return stored

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write the attribute of the sections under these keys."""
        for index in keys:
            update.put(f"sections.{index}.{self.name}", self.encode(run.sections[index]))


class StoredSoldLegs(StoredSectionValue):
    """The sold legs: an integer for each seat, so that a sale writes one number at a known path on a train of any size."""

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write the seats under these keys."""
        values, sections = update.values, run.sections
        for section, number in keys:
            values[f"sections.{section}.sold_legs.{number - 1}"] = sections[section].sold_legs[number - 1]


class StoredFreedLegs(StoredSectionValue):
    """What is free on seats below the counter, by seat number."""

    def encode(self, section: SectionSeats) -> Document:
        """Encode the freed legs of a section."""
        return {str(number): freed_document(entries) for number, entries in section.freed.items()}

    def decode(self, stored: Document) -> dict[int, tuple[FreedEntry, ...]]:
        """Decode the freed legs of a section."""
        return {int(number): tuple((sequence, legs) for sequence, legs in entries) for number, entries in stored.items()}

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write the seats under these keys."""
        for section, number in keys:
            entries = run.sections[section].freed.get(number)
            update.put(f"sections.{section}.freed.{number}", freed_document(entries) if entries else None)


SECTION_FIELDS: tuple[StoredSectionValue, ...] = (
    StoredSectionValue("next_number", int),
    StoredSoldLegs("sold_legs", ListOf(int)),
    StoredFreedLegs("freed", MapOf(ListOf(Row(int, int)), has_numbers=True)),
)
_SECTION_PARTS: dict[str, Kind | type] = {"name": str, "fare_minor": int, "currency": str, "coaches": ListOf(COACH)}
SECTION = Shape(
    _SECTION_PARTS | {section_field.name: section_field.shape for section_field in SECTION_FIELDS},
    {"retired": ListOf(Row(int, int))},
)


class StoredSections(StoredField):
    """All sections. A commit writes them as a whole only where the layout changed, and their fields by path else.

    Documents lack an optional list of sections where it is empty.
    """

    def __init__(self, name: str, *, is_optional: bool = False) -> None:
        super().__init__(name, ListOf(SECTION))
        self.is_optional = is_optional

    def encode(self, run: TrainRun) -> list[Document] | None:
        """Encode all sections."""
        sections: list[SectionSeats] = getattr(run, self.name)
        return None if self.is_optional and not sections else [section_document(section) for section in sections]

    def decode(self, document: Document) -> list[SectionSeats]:
        """Decode all sections."""
        all_legs = legs_between(0, len(document["stops"]) - 1)
        stored = document.get(self.path, ()) if self.is_optional else document[self.path]
        return [_section_from(section, all_legs) for section in stored]

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write all sections."""
        update.put(self.path, self.encode(run))


def section_document(section: SectionSeats) -> Document:
    """Encode a section with its seats."""
    retired = {"retired": number_ranges(section.retired)} if section.retired else {}
    return {
        "name": section.name,
        "fare_minor": section.fare.minor,
        "currency": section.fare.currency,
        "coaches": [{"name": coach.name, "first": coach.first, "last": coach.last} for coach in section.coaches],
        **{section_field.name: section_field.encode(section) for section_field in SECTION_FIELDS},
        **retired,
    }


def _section_from(document: Document, all_legs: int) -> SectionSeats:
    return SectionSeats(
        name=document["name"],
        fare=Money(document["fare_minor"], document["currency"]),
        coaches=tuple(CoachSeats(coach["name"], coach["first"], coach["last"]) for coach in document["coaches"]),
        all_legs=all_legs,
        retired=numbers_from(document.get("retired", ()), len(document["sold_legs"])),
        **{section_field.name: section_field.decode(document[section_field.name]) for section_field in SECTION_FIELDS},
    )


def freed_document(entries: Iterable[FreedEntry]) -> list[list[int]]:
    """Encode what is free on a seat below the counter: [sequence, legs] each."""
    return [[sequence, legs] for sequence, legs in entries]


# -- entries


def stop_documents(stops: Iterable[Stop]) -> list[Document]:
    """Encode the stops of a run."""
    return [
        {"name": stop.name, "code": stop.code, "time_zone": stop.time_zone, "arrive": stop.arrive, "depart": stop.depart}
        for stop in stops
    ]


def stops_from(stored: Iterable[Mapping[str, Any]]) -> tuple[Stop, ...]:
    """Decode the stops of a run's document."""
    return tuple(Stop(stop["name"], stop["code"], stop["time_zone"], stop["arrive"], stop["depart"]) for stop in stored)


def _hold_document(hold: Hold) -> Document:
    return {
        "owner_key": hold.owner_key,
        "fingerprint": hold.fingerprint,
        "legs": hold.legs,
        "seats": [[seat.section, seat.coach, seat.number] for seat in hold.seats],
        "fare_minor": hold.fare_minor,
        "currency": hold.currency,
        "expire_time": hold.expire_time,
    }


def _hold_from(key: str, document: Document) -> Hold:
    return Hold(
        key=key,
        owner_key=email_key(document["owner_key"]),
        fingerprint=document["fingerprint"],
        legs=document["legs"],
        seats=tuple(Seat(section, coach, number) for section, coach, number in document["seats"]),
        fare_minor=document["fare_minor"],
        currency=document["currency"],
        expire_time=document["expire_time"],
    )


def _ended_hold_document(hold: EndedHold) -> list[Any]:
    """Encode an ended hold as a list, since a run may remember hundreds."""
    places = [[section, number] for section, number in hold.places]
    return [hold.owner_key, hold.legs, places, hold.expire_time, hold.was_used]


def _ended_hold_from(key: str, document: list[Any]) -> EndedHold:
    owner_key, legs, places, expire_time, was_used = document
    return EndedHold(key, owner_key, legs, tuple((section, number) for section, number in places), expire_time, was_used)


def _waitlist_entry_document(entry: WaitlistEntry) -> list[str | int]:
    """Encode a waitlist entry as a list, since a run may have ten thousand."""
    row: list[str | int] = [entry.reference, entry.section, entry.legs, entry.count]
    return row if entry.fare_minor_min is None else [*row, entry.fare_minor_min]


def _waitlist_entry_from(ticket_number: int, document: list[Any]) -> WaitlistEntry:
    return WaitlistEntry(ticket_number, *document)


# The stored fields of a run. Bookings are not among them: a commit writes those that changed to `recent`.
RUN_FIELDS: tuple[StoredField, ...] = (
    StoredSections("sections"),
    StoredWhole("freed_sequence", int),
    StoredEntries("holds", HOLD, _hold_document, _hold_from),
    StoredEntries("ended_holds", ENDED_HOLD, _ended_hold_document, _ended_hold_from, is_optional=True),
    StoredEntries(
        "waitlist",
        WAITLIST_ENTRY,
        _waitlist_entry_document,
        _waitlist_entry_from,
        path="waiting",
        has_numbers=True,
        allows_negative=True,
    ),
    StoredWhole("last_ticket_number", int, path="waiting_number"),
    StoredWhole("last_displaced_number", int, default=0),
    StoredSections("retired_sections", is_optional=True),
    StoredWhole("layout", LAYOUT, encode=layout_document, decode=layout_from, default=NEW_LAYOUT),
    StoredWhole("layout_reservation", LAYOUT_RESERVATION, encode=reservation_document, decode=reservation_from, default=None),
    StoredWhole("hidden", bool, default=False),
    StoredWhole("eventless_version", int, default=0),
    StoredWhole("delay", DELAY, encode=delay_document, decode=delay_from, default=NO_DELAY),
    StoredWhole("cancellation", CANCELLATION, encode=cancellation_document, decode=cancellation_from, default=None),
    StoredWhole("sales_windows", SALES_WINDOWS, encode=sales_windows_document, decode=sales_windows_from, default=()),
    StoredWhole("clock_state", CLOCK_STATE, encode=clock_state_document, decode=RunState, default=None),
    StoredWhole("is_compacted", bool, default=False),
    StoredWhole("opened_until", datetime, default=None),
)


# -- derived fields


@dataclass(frozen=True, slots=True)
class DerivedField:
    """A field that follows from others, for indexes. None stands for a document without it.

    `normalize` maps a stored value to the present form of it, where earlier versions stored another one. Documents of earlier
    versions may lack an `is_optional` field.
    """

    path: str
    sources: tuple[str, ...]
    value: Callable[[TrainRun], Any]
    normalize: Callable[[Any], Any] = as_it_is
    is_optional: bool = False

    def is_right(self, document: Mapping[str, Any], run: TrainRun) -> bool:
        """Whether a run's document has the value that follows from the run."""
        if self.is_optional and self.path not in document:
            return True
        return bool(self.normalize(document.get(self.path)) == self.normalize(self.value(run)))


def next_due(run: TrainRun) -> datetime | None:
    """Return when something is due on the run by itself; None where nothing is.

    A hold or the reservation of a layout plan expires, a section opens for the waitlist, the waitlist closes, the train departs
    or arrives at its last stop, the run is compacted. Bookings of cancelled legs are due for cancellation at once.
    """
    times = [hold.expire_time for hold in run.holds.values()]
    times += [moment for moment in (clock_due_time(run), next_opening(run)) if moment is not None]
    if run.cancellation is not None and run.cancellation.is_open:
        times.append(run.cancellation.time)
    if run.waitlist:
        times.append(waitlist_closing_time(run))
    if run.layout_reservation is not None:
        times.append(run.layout_reservation.expire_time)
    return min(times, default=None)


DERIVED_FIELDS: tuple[DerivedField, ...] = (
    DerivedField(
        "next_due",
        (
            "holds",
            "waitlist",
            "layout_reservation",
            "delay",
            "cancellation",
            "clock_state",
            "is_compacted",
            "sections",
            "sales_windows",
            "opened_until",
        ),
        lambda run: next_due(run),  # noqa: PLW0108 - tests replace it
    ),
    DerivedField("stop_forms", (), lambda run: all_stop_forms(run.stops), lambda forms: {*map(stop_form, forms)}),
    DerivedField("arrive_time", ("delay", "cancellation"), lambda run: run.schedule.arrive_time, is_optional=True),
)
