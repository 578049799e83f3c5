"""A train run: one train on one date, with its seats, bookings, holds and waitlist.

Belongs here: the state that rules read and change, its recording, and the undo. Does not belong here: the rules
(`app/domain/rules/`), nor how a run is stored (`app/store/run_fields.py`).

A field that commands change is declared where its attribute is (`change_set.py` has the kinds of fields). Every change goes
through `_set`, which notes the value before in the change set. A commit writes what the change set names, and undo restores it.
No run is ever copied.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from app.domain.booking import Booking, Seat
from app.domain.events import Event, EventType, Json, event_id, sequence_of
from app.domain.refusals import InvalidField
from app.domain.run.change_set import ChangeSet, Entries, RunField, Whole, declared_fields
from app.domain.run.delay_record import NO_DELAY, DelayRecord
from app.domain.run.hold import EndedHold, Hold, HoldIndex
from app.domain.run.journeys import Journeys
from app.domain.run.layout_record import NEW_LAYOUT, LayoutRecord, LayoutReservation
from app.domain.run.passenger_index import PassengerIndex
from app.domain.run.run_cancellation import RunCancellation
from app.domain.run.run_in_memory import RunInMemory
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.seats import SectionSeats, without_legs
from app.domain.run.section_sales import SectionSales, sales_of_sections
from app.domain.run.waitlist_index import DISPLACED_TICKET_FIRST, WaitlistEntry, WaitlistIndex
from app.domain.sales_window import SalesWindow
from app.domain.terms import DEFAULT_TERMS, SalesTerms
from app.domain.timetable import Journey, RunState, Stop


def _new_change_set() -> ChangeSet:
    return ChangeSet({name: {} for name in RUN_FIELDS})


@dataclass(slots=True)
class TrainRun(RunInMemory):
    """One train on one date. `version` is that of the last commit; `run_id` is the key, `<train_id>:<travel_date>`.

    `bookings` are only those that rules may need: the newest, those loaded for a command, and all that are WAITLISTED. Of the
    others, `passenger_index` has the passengers. `waitlist` has entries by ticket number; `last_displaced_number` counts those
    of displaced passengers. `retired_sections` were removed; all their seats are retired. Buyers do not see a `hidden` run.
    `eventless_version` is that of the last commit without an event: it changed a field such as `hidden`, or nothing.
    `delay` is what was reported of delays and arrivals, `cancellation` that of the run or its last legs; `schedule` follows
    from them. `sales_windows` are the run's own: (section, window), section "" for all. `clock_state` is the state of which the
    last event was emitted: SCHEDULED, DEPARTED or COMPLETED; None for a run of an earlier version, of which no event follows
    from the clock. `opened_until` is until when the opening of a section has led to promotions from the waitlist. A run that
    `is_compacted` has lost what only sales need. `made_from_version` is the version of the train that the run was made from.
    The attributes with a leading underscore are derived: `_evictable` are the bookings in memory that are not WAITLISTED.
    """

    train_id: str
    travel_date: str
    number: str
    stops: tuple[Stop, ...]
    sections: Annotated[list[SectionSeats], Whole(lambda run: run.renew_sales_windows())]
    bookings: Annotated[
        dict[str, Booking], Entries(lambda run, before, after: run.reindex_booking(before, after), is_refreshed=False)
    ] = field(default_factory=dict)
    version: int = 1
    freed_sequence: Annotated[int, Whole()] = 0
    terms: SalesTerms = DEFAULT_TERMS
    holds: Annotated[dict[str, Hold], Entries(lambda run, before, after: run.hold_index.replace(before, after))] = field(
        default_factory=dict
    )
    waitlist: Annotated[
        dict[int, WaitlistEntry], Entries(lambda run, before, after: run.waitlist_index.replace(before, after))
    ] = field(default_factory=dict)
    last_ticket_number: Annotated[int, Whole()] = 0
    ended_holds: Annotated[
        dict[str, EndedHold], Entries(lambda run, before, after: run.hold_index.replace_ended(before, after))
    ] = field(default_factory=dict)
    last_displaced_number: Annotated[int, Whole()] = 0
    retired_sections: Annotated[list[SectionSeats], Whole()] = field(default_factory=list)
    layout: Annotated[LayoutRecord, Whole()] = NEW_LAYOUT
    layout_reservation: Annotated[LayoutReservation | None, Whole()] = None
    hidden: Annotated[bool, Whole()] = False
    eventless_version: Annotated[int, Whole()] = 0
    delay: Annotated[DelayRecord, Whole(lambda run: run.renew_schedule())] = NO_DELAY
    cancellation: Annotated[RunCancellation | None, Whole(lambda run: run.renew_schedule())] = None
    sales_windows: Annotated[tuple[tuple[str, SalesWindow], ...], Whole(lambda run: run.renew_sales_windows())] = ()
    clock_state: Annotated[RunState | None, Whole()] = None
    is_compacted: Annotated[bool, Whole()] = False
    opened_until: Annotated[datetime | None, Whole()] = None
    made_from_version: int = 1
    run_id: str = field(init=False)
    change_set: ChangeSet = field(init=False, default_factory=_new_change_set)
    hold_index: HoldIndex = field(init=False)
    waitlist_index: WaitlistIndex = field(init=False)
    passenger_index: PassengerIndex = field(init=False, default_factory=PassengerIndex)
    _waitlisted_per_user: Counter[str] = field(init=False, default_factory=Counter)
    _evictable: set[str] = field(init=False, default_factory=set)
    _journeys: Journeys = field(init=False)
    schedule: RunSchedule = field(init=False)
    section_sales: tuple[SectionSales, ...] | None = field(init=False)

    def __post_init__(self) -> None:
        self.run_id = run_id(self.train_id, self.travel_date)
        self.hold_index = HoldIndex(self.holds.values(), self.ended_holds.values())
        self.waitlist_index = WaitlistIndex(self.waitlist.values())
        self._journeys = Journeys(self.train_id, self.travel_date, self.number, self.stops)
        self.renew_schedule()
        self.renew_sales_windows()
        for booking in self.bookings.values():
            self._count_booking(booking)

    # -- questions

    def journey(self, origin: str, destination: str) -> Journey:
        """Return the journey between two stops named by a caller; an empty name stands for the first or last stop.

        Refuses INVALID_FIELD where the run has no such journey.
        """
        return self._journeys.named(origin, destination)

    def journey_between(self, origin: int, destination: int) -> Journey:
        """Return the journey between two stops by index."""
        return self._journeys.between(origin, destination)

    def section_index(self, name: str, field_path: str = "section") -> int:
        """Return the index of a section in `sections`. Refuses INVALID_FIELD for an unknown one."""
        for index, section in enumerate(self.sections):
            if section.name == name:
                return index
        names = ", ".join(section.name for section in self.sections)
        raise InvalidField(field_path, f"the train has no section {name!r}; it has {names}")

    def find(self, reference: str) -> Booking | None:
        """Return the booking with that reference, None where it is not in memory."""
        return self.bookings.get(reference)

    def live_reference(self, passenger_key: str) -> str | None:
        """Return the reference of this passenger's live booking, or None."""
        return self.passenger_index.references.get(passenger_key)

    def waitlisted_count(self, user_key: str) -> int:
        """Return how many WAITLISTED bookings a user has, without displaced ones. All of them are in memory."""
        return self._waitlisted_per_user[user_key]

    def seat(self, section: int, number: int) -> Seat:
        """Return the seat with that number in a section, by the section's index."""
        seats = self.sections[section]
        return Seat(seats.name, seats.coach_of(number), number)

    # -- the cache of a server

    def is_same_run(self, newer: "TrainRun") -> bool:
        """Whether a run that was read again is this one, and not one that was made for the same date after its deletion.

        A run is only deleted while nothing was ever booked on it. So a run that agrees in all that never changes may be taken
        for this one.
        """
        constants = (self.number, self.made_from_version, self.terms, self.stops)
        return constants == (newer.number, newer.made_from_version, newer.terms, newer.stops)

    def refresh_from(self, newer: "TrainRun") -> None:
        """Take over everything but the bookings from the same run, as it was read again."""
        self.version = newer.version
        for run_field in RUN_FIELDS.values():
            if run_field.is_refreshed:
                setattr(self, run_field.name, getattr(newer, run_field.name))
        self.hold_index, self.waitlist_index = newer.hold_index, newer.waitlist_index
        self.renew_schedule()
        self.renew_sales_windows()

    # -- changes

    def sell(self, section: int, number: int, legs: int) -> None:
        """Sell these legs of a seat that is free on them. Does not move the counter (`advance_counter`)."""
        seats = self.sections[section]
        if number < seats.next_number:
            self._set_freed(section, number, without_legs(seats.freed.get(number, ()), legs))
        self._set_sold_legs(section, number, seats.sold_legs[number - 1] | legs)

    def advance_counter(self, section: int, number: int) -> None:
        """Move the counter of a section past `number`. The free legs of the seats that it passes come free at this moment."""
        seats = self.sections[section]
        for passed in range(seats.next_number, number + 1):
            free = seats.all_legs & ~seats.sold_legs[passed - 1]
            if free:
                self._set_freed(section, passed, ((self._next_sequence(), free),))
        if number >= seats.next_number:
            self.change_set.replaced["next_number"].setdefault(section, seats.next_number)
            seats.next_number = number + 1

    def release(self, seat: Seat, legs: int) -> None:
        """Release sold legs of a seat. Below the counter, they join the freed seats.

        A seat that is withdrawn from sale for a layout plan does not come free: the plan's reservation takes the legs over.
        """
        reservation = self.layout_reservation
        if reservation is not None and (seat.section, seat.number) in reservation.withdrawn:
            self.set_layout_reservation(reservation.with_claim(seat.section, seat.number, legs))
            return
        section = self.section_index(seat.section)
        seats = self.sections[section]
        self._set_sold_legs(section, seat.number, seats.sold_legs[seat.number - 1] & ~legs)
        if seat.number < seats.next_number:
            entries = seats.freed.get(seat.number, ())
            self._set_freed(section, seat.number, (*entries, (self._next_sequence(), legs)))

    def forget_freed_seats(self) -> None:
        """Remove what is known of freed seats: nothing is sold any more."""
        for index, section in enumerate(self.sections):
            for number in list(section.freed):
                self._set_freed(index, number, ())

    def put_booking(self, booking: Booking) -> None:
        """Add a booking, or replace the one with its reference."""
        before = self.bookings.get(booking.reference)
        self.change_set.replaced["bookings"].setdefault(booking.reference, before)
        self.reindex_booking(before, booking)
        self.bookings[booking.reference] = booking

    def put_hold(self, hold: Hold) -> None:
        """Add a hold. Its seats are sold already."""
        self._set("holds", hold.key, hold)

    def remove_hold(self, hold: Hold) -> None:
        """Remove a hold. Does not release its seats."""
        self._set("holds", hold.key, None)

    def use_hold(self, hold: Hold) -> None:
        """Remove a hold whose seats a booking takes over."""
        self._set("holds", hold.key, None)
        self.change_set.holds_used += 1

    def set_ended_hold(self, key: str, hold: EndedHold | None) -> None:
        """Remember a hold that ended, or forget it."""
        self._set("ended_holds", key, hold)

    def join_waitlist(self, reference: str, section: str, legs: int, count: int) -> WaitlistEntry:
        """Put a booking at the end of the waitlist."""
        self._set("last_ticket_number", None, self.last_ticket_number + 1)
        entry = WaitlistEntry(self.last_ticket_number, reference, section, legs, count)
        self._set("waitlist", entry.ticket_number, entry)
        return entry

    def join_waitlist_front(self, reference: str, section: str, legs: int, count: int, fare_minor_min: int) -> WaitlistEntry:
        """Put displaced passengers of a booking on the waitlist: before all others, behind those displaced earlier."""
        self._set("last_displaced_number", None, self.last_displaced_number + 1)
        ticket_number = DISPLACED_TICKET_FIRST + self.last_displaced_number
        entry = WaitlistEntry(ticket_number, reference, section, legs, count, fare_minor_min)
        self._set("waitlist", ticket_number, entry)
        return entry

    def replace_waitlist_entry(self, entry: WaitlistEntry) -> None:
        """Replace the entry that has the same ticket number."""
        self._set("waitlist", entry.ticket_number, entry)

    def leave_waitlist(self, ticket_number: int) -> None:
        """Remove an entry from the waitlist."""
        self._set("waitlist", ticket_number, None)

    def set_sections(self, sections: Sequence[SectionSeats]) -> None:
        """Replace all sections with their coaches and seats, such as by a longer one."""
        replaced = self.change_set.replaced
        if not replaced["sections"]:
            replaced["sections"][None] = self._sections_before()
        for name in SECTION_FIELDS:  # the values in the sections before, and so part of what was noted just now
            replaced[name].clear()
        self.sections = [section.copy() for section in sections]
        self.renew_sales_windows()

    def set_retired_sections(self, sections: Sequence[SectionSeats]) -> None:
        """Replace the removed sections."""
        self._set("retired_sections", None, [section.copy() for section in sections])

    def set_layout(self, record: LayoutRecord) -> None:
        """Replace the record of layout changes."""
        self._set("layout", None, record)

    def set_layout_reservation(self, reservation: LayoutReservation | None) -> None:
        """Set the reservation of a layout plan's seats, or end it. Does not sell or release their legs."""
        self._set("layout_reservation", None, reservation)
        self._expect_no_event()

    def set_hidden(self, *, hidden: bool) -> None:
        """Hide the run from buyers, or show it."""
        self._set("hidden", None, hidden)
        self._expect_no_event()

    def set_delay(self, record: DelayRecord, *, is_repeated: bool = False) -> None:
        """Replace what was reported of delays and arrivals. The schedule follows. There is no event of a repeated report."""
        self._set("delay", None, record)
        if is_repeated:
            self._expect_no_event()

    def set_cancellation(self, cancellation: RunCancellation) -> None:
        """Cancel the run or its last legs, or note how far the cancellation of its bookings has come. The schedule follows."""
        self._set("cancellation", None, cancellation)
        self._expect_no_event()

    def set_sales_windows(self, windows: tuple[tuple[str, SalesWindow], ...]) -> None:
        """Replace the run's own sales windows: (section, window) each, section "" for all sections."""
        self._set("sales_windows", None, windows)
        self._expect_no_event()

    def set_clock_state(self, state: RunState) -> None:
        """Set the state of which the last event was emitted: SCHEDULED, DEPARTED or COMPLETED."""
        self._set("clock_state", None, state)
        self._expect_no_event()

    def set_opened_until(self, now: datetime) -> None:
        """Note until when the opening of a section has led to promotions."""
        self._set("opened_until", None, now)
        self._expect_no_event()

    def set_compacted(self) -> None:
        """Note that the run has lost what only sales need."""
        self._set("is_compacted", None, True)
        self._expect_no_event()

    def _expect_no_event(self) -> None:
        """Record that the next commit may have no event."""
        self._set("eventless_version", None, self.version + 1)

    def emit(self, kind: EventType, subject: str, data: dict[str, Json], now: datetime, trace_parent: str = "") -> None:
        """Add an event to the next commit."""
        index, version = len(self.change_set.events), self.version + 1
        key, sequence = event_id(self.run_id, version, index), sequence_of(version, index)
        self.change_set.events.append(Event(key, kind, self.run_id, sequence, now, subject, data, trace_parent))

    def committed(self) -> None:
        """Begin a new change set after a commit, and raise the version."""
        self.version += 1
        self.change_set = _new_change_set()

    def committed_without_change(self) -> None:
        """Raise the version after a commit that changed nothing, and so has no event: a claim to the next one."""
        self.eventless_version = self.version + 1
        self.committed()

    def undo(self) -> None:
        """Undo all changes since the last commit."""
        for name, values in self.change_set.replaced.items():
            run_field = RUN_FIELDS[name]
            for key, value in values.items():
                run_field.put(self, key, value)
        self.change_set = _new_change_set()

    # -- recording. `_set` serves every field. What each sale changes is set without it, in half the time: seats, counters and
    # bookings; tests hold both against each other.

    def _set(self, name: str, key: Any, value: Any) -> None:
        """Set one value of a run field, and note the value of the last commit in the change set."""
        run_field, replaced = RUN_FIELDS[name], self.change_set.replaced[name]
        if key not in replaced:
            replaced[key] = run_field.get(self, key)
        run_field.put(self, key, value)

    def _set_sold_legs(self, section: int, number: int, legs: int) -> None:
        seats = self.sections[section]
        self.change_set.replaced["sold_legs"].setdefault((section, number), seats.sold_legs[number - 1])
        seats.set_sold(number, legs)

    def _set_freed(self, section: int, number: int, entries: tuple[tuple[int, int], ...]) -> None:
        if self.sections[section].freed.get(number, ()) != entries:
            self._set("freed", (section, number), entries)

    def _next_sequence(self) -> int:
        self._set("freed_sequence", None, self.freed_sequence + 1)
        return self.freed_sequence

    def _sections_before(self) -> list[SectionSeats]:
        """Return copies of the sections as of the last commit."""
        current, self.sections = self.sections, [section.copy() for section in self.sections]
        for name, run_field in SECTION_FIELDS.items():
            for key, value in self.change_set.replaced[name].items():
                run_field.put(self, key, value)
        before, self.sections = self.sections, current
        return before

    # -- what is derived from the fields

    def renew_schedule(self) -> None:
        """Derive the schedule anew, since the delay or the cancellation has changed."""
        self.schedule = RunSchedule(self.stops, self.delay, self.cancellation)

    def renew_sales_windows(self) -> None:
        """Derive anew when each section is on sale, since the sections or the windows have changed."""
        names = [section.name for section in self.sections]
        zone_name = self.stops[0].time_zone
        self.section_sales = sales_of_sections(names, self.sales_windows, self.terms, self.travel_date, zone_name)


# The fields within the sections, and all fields of a run that commands change, by name. Undo goes through them in this order:
# the values in the sections come before the sections themselves.
SECTION_FIELDS: dict[str, RunField] = {run_field.name: run_field for run_field in declared_fields(SectionSeats)}
RUN_FIELDS: dict[str, RunField] = SECTION_FIELDS | {run_field.name: run_field for run_field in declared_fields(TrainRun)}


def run_id(train_id: str, travel_date: str) -> str:
    """Return the key of a run: `<train_id>:<YYYY-MM-DD>`."""
    return f"{train_id}:{travel_date}"
