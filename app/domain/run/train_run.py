"""A train run: one train on one date, with its seats and bookings.

Belongs here: the state that decisions read and change, a journal of what changed, and the way back. Does not: the decisions
(`app/domain/rules/create_booking.py`, `app/domain/rules/change_booking.py`), nor how a run is kept (`app/store/documents.py`).

Every change goes through the few `_set_...` methods below. Each notes the old value in the journal: what is in the journal is
what a commit has to write, and undoing it restores the run as it was. Nothing is ever copied.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from app.domain.booking import Booking, BookingState, Seat
from app.domain.events import Event, EventType, Json, event_id, sequence_of
from app.domain.refusals import InvalidField
from app.domain.run.hold import EndedHold, Hold, HoldIndex
from app.domain.run.passenger_index import PassengerIndex
from app.domain.run.seats import CoachSeats, FreedEntry, SectionSeats, without_legs
from app.domain.run.waitlist_index import WaitlistDemand, WaitlistIndex
from app.domain.terms import DEFAULT_TERMS, SalesTerms
from app.domain.timetable import Journey, Stop, find_legs, legs_between, stops_on_date
from app.domain.train import Train
from app.domain.values import value

# Spellings of journeys that are remembered. Nearly all callers spell them as the timetable does.
_NAMED_JOURNEYS_MAX = 256


@value(frozen=True, slots=True)
class WaitlistEntry:
    """A place in the line: `count` people for one booking wait for seats on these legs, in a section or (empty) in any."""

    number: int
    reference: str
    section: str
    legs: int
    count: int

    @property
    def demand(self) -> WaitlistDemand:
        """What is waited for; whoever waits for the same differs only in the number."""
        return self.section, self.legs, self.count


@dataclass(slots=True)
class ChangeSet:
    """The values that were replaced: seats by (section, number), counters by section, bookings by reference, holds by key,
    places in the line by number; and the events that tell of it all. No event of its own tells that a booking used up a hold.
    """

    sold: dict[tuple[int, int], int] = field(default_factory=dict)
    freed: dict[tuple[int, int], tuple[FreedEntry, ...]] = field(default_factory=dict)
    counters: dict[int, int] = field(default_factory=dict)
    bookings: dict[str, Booking | None] = field(default_factory=dict)
    freed_sequence: int | None = None
    holds: dict[str, Hold | None] = field(default_factory=dict)
    ended_holds: dict[str, EndedHold | None] = field(default_factory=dict)
    waitlist: dict[int, WaitlistEntry | None] = field(default_factory=dict)
    last_ticket_number: int | None = None
    holds_used: int = 0
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        # A change of seats or of the line always comes with one of a booking or a hold.
        return bool(self.bookings or self.holds)


@dataclass(slots=True)
class TrainRun:
    """One train on one date. `version` is that of the last commit; `run_id` is the key, `<train_id>:<travel_date>`.

    `bookings` are not all bookings of the run, only those that decisions may need: what was committed lately, what was looked
    up for a command, and all that wait. Of the others, the run knows who travels (`passenger_index`). `waiting` is the line, by
    number in the order of coming; `last_ticket_number` is the one given out last. `waitlist_index` has the same numbers by what is
    waited
    for. `_evictable` are the bookings at hand that do not wait, and so may be let go of again.
    """

    train_id: str
    travel_date: str
    number: str
    stops: tuple[Stop, ...]
    sections: list[SectionSeats]
    bookings: dict[str, Booking] = field(default_factory=dict)
    version: int = 1
    freed_sequence: int = 0
    terms: SalesTerms = DEFAULT_TERMS
    holds: dict[str, Hold] = field(default_factory=dict)
    waitlist: dict[int, WaitlistEntry] = field(default_factory=dict)
    last_ticket_number: int = 0
    ended_holds: dict[str, EndedHold] = field(default_factory=dict)
    run_id: str = field(init=False)
    change_set: ChangeSet = field(init=False, default_factory=ChangeSet)
    waitlist_index: WaitlistIndex = field(init=False, default_factory=WaitlistIndex)
    passenger_index: PassengerIndex = field(init=False, default_factory=PassengerIndex)
    _waitlisted_per_user: Counter[str] = field(init=False, default_factory=Counter)
    _evictable: set[str] = field(init=False, default_factory=set)
    _journeys: dict[tuple[int, int], Journey] = field(init=False, default_factory=dict)
    _named_journeys: dict[tuple[str, str], Journey] = field(init=False, default_factory=dict)
    hold_index: HoldIndex = field(init=False)

    def __post_init__(self) -> None:
        self.hold_index = HoldIndex(self.holds.values(), self.ended_holds.values())
        self.run_id = run_id(self.train_id, self.travel_date)
        for place in self.waitlist.values():
            self.waitlist_index.add(place.demand, place.number, place.reference)
        for booking in self.bookings.values():
            self._index_booking(booking)

    def journey(self, origin: str, destination: str) -> Journey:
        """The ride between two stops named by the caller; empty stands for the ends. Refuses what is no journey."""
        journey = self._named_journeys.get((origin, destination))
        if journey is None:
            journey = self.journey_between(*find_legs(self.stops, origin, destination))
            if len(self._named_journeys) < _NAMED_JOURNEYS_MAX:
                self._named_journeys[origin, destination] = journey
        return journey

    def journey_between(self, origin: int, destination: int) -> Journey:
        """The ride between two stops by index; one value for all who ask, since thousands of bookings share it."""
        if (origin, destination) not in self._journeys:
            self._journeys[origin, destination] = journey_between(self, origin, destination)
        return self._journeys[origin, destination]

    def section_index(self, name: str, field_path: str = "section") -> int:
        """Where a section stands in `sections`. Refuses an unknown one."""
        for index, section in enumerate(self.sections):
            if section.name == name:
                return index
        names = ", ".join(section.name for section in self.sections)
        raise InvalidField(field_path, f"the train has no section {name!r}; it has {names}")

    def find(self, reference: str) -> Booking | None:
        """The booking with that reference, where it is one of the `bookings` at hand."""
        return self.bookings.get(reference)

    def live_reference(self, passenger_key: str) -> str | None:
        """The live booking that this passenger travels on."""
        return self.passenger_index.references.get(passenger_key)

    def waitlisted_count(self, user_key: str) -> int:
        """How many bookings of this person wait. All that wait are at hand."""
        return self._waitlisted_per_user[user_key]

    def seat(self, section: int, number: int) -> Seat:
        """The place with that number in a section, by the section's index."""
        seats = self.sections[section]
        return Seat(seats.name, seats.coach_of(number), number)

    # -- what the store does

    def refresh_from(self, newer: "TrainRun") -> None:
        """Takes over all but the bookings of the same run, read again."""
        self.stops, self.sections = newer.stops, newer.sections
        self.version, self.freed_sequence = newer.version, newer.freed_sequence
        self.holds, self.ended_holds, self.hold_index = newer.holds, newer.ended_holds, newer.hold_index
        self.waitlist, self.last_ticket_number, self.waitlist_index = (
            newer.waitlist,
            newer.last_ticket_number,
            newer.waitlist_index,
        )
        self._journeys.clear()
        self._named_journeys.clear()

    def apply_newer(self, bookings: Iterable[Booking]) -> None:
        """Takes over bookings as they are kept, in place of older ones. It is no change: nothing goes into the journal."""
        newer = {booking.reference: booking for booking in bookings}
        if not newer:
            return
        self.passenger_index.forget(newer)
        for reference, booking in newer.items():
            self._unindex_booking(self.bookings.get(reference))
            self._index_booking(booking)
            self.bookings[reference] = booking
            self.passenger_index.add(booking)

    def load(self, bookings: Iterable[Booking]) -> None:
        """Puts bookings at hand whose passengers the run knows already, as they were by its last commit."""
        for booking in bookings:
            self._index_booking(booking)
            self.bookings[booking.reference] = booking

    def evict_except(self, references: Iterable[str]) -> None:
        """Keeps only these bookings at hand, and all that are in the line. All passengers stay known.

        One that is in the line may have its seats already: where it was read later than the run, which is read again then.
        """
        for reference in self._evictable.difference(references):
            if reference not in self.waitlist_index.references:
                self._unindex_booking(self.bookings.pop(reference))

    # -- changes

    def sell(self, section: int, number: int, legs: int) -> None:
        """Sells these legs of a seat that is free on them. The counter stays where it is (`advance_counter`)."""
        seats = self.sections[section]
        if number < seats.next_number:
            self._set_freed(section, number, without_legs(seats.freed.get(number, ()), legs))
        self._set_sold(section, number, seats.sold_legs[number - 1] | legs)

    def advance_counter(self, section: int, number: int) -> None:
        """Moves the counter past `number`, unless it has been; what is free on the seats it passes has come free now."""
        seats = self.sections[section]
        for passed in range(seats.next_number, number + 1):
            free = seats.all_legs & ~seats.sold_legs[passed - 1]
            if free:
                self._set_freed(section, passed, ((self._next_sequence(), free),))
        if number >= seats.next_number:
            self._set_counter(section, number + 1)

    def release(self, seat: Seat, legs: int) -> None:
        """Gives legs of a sold seat back."""
        section = self.section_index(seat.section)
        seats = self.sections[section]
        self._set_sold(section, seat.number, seats.sold_legs[seat.number - 1] & ~legs)
        if seat.number < seats.next_number:
            entries = seats.freed.get(seat.number, ())
            self._set_freed(section, seat.number, (*entries, (self._next_sequence(), legs)))

    def put_booking(self, booking: Booking) -> None:
        """Adds a booking or replaces the one with its reference."""
        self._set_booking(booking.reference, booking)

    def put_hold(self, hold: Hold) -> None:
        """Adds a hold, whose seats have been sold to it."""
        self._set_hold(hold.key, hold)

    def remove_hold(self, hold: Hold) -> None:
        """Forgets a hold. What becomes of its seats is the caller's matter."""
        self._set_hold(hold.key, None)

    def use_hold(self, hold: Hold) -> None:
        """Forgets a hold whose seats are a booking's now."""
        self._set_hold(hold.key, None)
        self.change_set.holds_used += 1

    def set_ended_hold(self, key: str, hold: EndedHold | None) -> None:
        """Remembers a hold that is over, or forgets it. Comes with a change of holds."""
        before = self.ended_holds.pop(key, None)
        self.change_set.ended_holds.setdefault(key, before)
        self.hold_index.replace_ended(before, hold)
        if hold is not None:
            self.ended_holds[key] = hold

    def join_waitlist(self, reference: str, section: str, legs: int, count: int) -> WaitlistEntry:
        """Gives a booking the last place in the line."""
        if self.change_set.last_ticket_number is None:
            self.change_set.last_ticket_number = self.last_ticket_number
        self.last_ticket_number += 1
        place = WaitlistEntry(self.last_ticket_number, reference, section, legs, count)
        self._set_waitlist_entry(place.number, place)
        return place

    def replace_waitlist_entry(self, place: WaitlistEntry) -> None:
        """Changes for how many a booking waits; its place stays."""
        self._set_waitlist_entry(place.number, place)

    def leave_waitlist(self, number: int) -> None:
        """Takes a place out of the line."""
        self._set_waitlist_entry(number, None)

    def emit(self, kind: EventType, subject: str, data: dict[str, Json], now: datetime, trace_parent: str = "") -> None:
        """Notes an event, to be told with the commit that makes it true."""
        index, version = len(self.change_set.events), self.version + 1
        key, sequence = event_id(self.run_id, version, index), sequence_of(version, index)
        self.change_set.events.append(Event(key, kind, self.run_id, sequence, now, subject, data, trace_parent))

    def committed(self) -> None:
        """What changed is kept now: the version rises and the journal begins anew."""
        self.version += 1
        self.change_set = ChangeSet()

    def undo(self) -> None:
        """Takes back all that changed since the last commit."""
        change_set, self.change_set = self.change_set, ChangeSet()
        for (section, number), sold in change_set.sold.items():
            self._set_sold(section, number, sold)
        for section, counter in change_set.counters.items():
            self._set_counter(section, counter)
        for (section, number), entries in change_set.freed.items():
            self._set_freed(section, number, entries)
        for reference, booking in change_set.bookings.items():
            self._set_booking(reference, booking)
        for key, hold in change_set.holds.items():
            self._set_hold(key, hold)
        for key, ended in change_set.ended_holds.items():
            self.set_ended_hold(key, ended)
        for number, place in change_set.waitlist.items():
            self._set_waitlist_entry(number, place)
        if change_set.freed_sequence is not None:
            self.freed_sequence = change_set.freed_sequence
        if change_set.last_ticket_number is not None:
            self.last_ticket_number = change_set.last_ticket_number
        self.change_set = ChangeSet()

    # -- what notes the old value and sets the new one

    def _set_sold(self, section: int, number: int, legs: int) -> None:
        seats = self.sections[section]
        self.change_set.sold.setdefault((section, number), seats.sold_legs[number - 1])
        seats.set_sold(number, legs)

    def _set_freed(self, section: int, number: int, entries: tuple[FreedEntry, ...]) -> None:
        seats = self.sections[section]
        before = seats.freed.get(number, ())
        if before != entries:
            self.change_set.freed.setdefault((section, number), before)
            seats.set_freed(number, entries)

    def _set_counter(self, section: int, number: int) -> None:
        self.change_set.counters.setdefault(section, self.sections[section].next_number)
        self.sections[section].next_number = number

    def _set_hold(self, key: str, hold: Hold | None) -> None:
        self.change_set.holds.setdefault(key, self.holds.get(key))
        self.hold_index.replace(self.holds.get(key), hold)
        if hold is None:
            self.holds.pop(key, None)
        else:
            self.holds[key] = hold

    def _set_waitlist_entry(self, number: int, place: WaitlistEntry | None) -> None:
        before = self.waitlist.get(number)
        self.change_set.waitlist.setdefault(number, before)
        if before is not None:
            self.waitlist_index.remove(before.demand, number, before.reference)
        if place is None:
            self.waitlist.pop(number, None)
        else:
            self.waitlist[number] = place
            self.waitlist_index.add(place.demand, number, place.reference)

    def _next_sequence(self) -> int:
        if self.change_set.freed_sequence is None:
            self.change_set.freed_sequence = self.freed_sequence
        self.freed_sequence += 1
        return self.freed_sequence

    def _set_booking(self, reference: str, booking: Booking | None) -> None:
        before = self.bookings.get(reference)
        self.change_set.bookings.setdefault(reference, before)
        self._unindex_booking(before)
        self._index_booking(booking)
        if before is not None:
            self.passenger_index.remove(before)
        if booking is None:
            del self.bookings[reference]
            return
        self.bookings[reference] = booking
        self.passenger_index.add(booking)

    def _index_booking(self, booking: Booking | None) -> None:
        """Counts a booking that is at hand from now on."""
        if booking is None:
            return
        if booking.state is BookingState.WAITLISTED:
            self._waitlisted_per_user[booking.user_key] += 1
        else:
            self._evictable.add(booking.reference)

    def _unindex_booking(self, booking: Booking | None) -> None:
        """The other way."""
        if booking is None:
            return
        self._evictable.discard(booking.reference)
        if booking.state is BookingState.WAITLISTED:
            self._waitlisted_per_user[booking.user_key] -= 1
            if not self._waitlisted_per_user[booking.user_key]:
                del self._waitlisted_per_user[booking.user_key]


def run_id(train_id: str, travel_date: str) -> str:
    """The key of a run: `<train_id>:<YYYY-MM-DD>`."""
    return f"{train_id}:{travel_date}"


def make_run(train: Train, travel_date: date) -> TrainRun:
    """A run without bookings, made from its train. Refuses a date on which the timetable is impossible."""
    stops = stops_on_date(train.stops, travel_date)
    all_legs = legs_between(0, len(stops) - 1)
    sections = []
    for section in train.sections:
        coaches: list[CoachSeats] = []
        last = 0
        for coach in train.coaches:
            if coach.section == section.name:
                coaches.append(CoachSeats(coach.name, last + 1, last + coach.seat_count))
                last += coach.seat_count
        sections.append(SectionSeats(section.name, section.fare, tuple(coaches), all_legs, [0] * last))
    return TrainRun(train.train_id, travel_date.isoformat(), train.number, stops, sections, terms=train.terms)


def journey_between(run: TrainRun, origin: int, destination: int) -> Journey:
    """The ride on a run between two stops by index, origin before destination."""
    start, end = run.stops[origin], run.stops[destination]
    if start.depart is None or end.arrive is None:
        raise ValueError("every stop but the first is arrived at, every stop but the last is left")
    legs = legs_between(origin, destination)
    return Journey(run.train_id, run.travel_date, run.number, start.name, end.name, legs, start.depart, end.arrive)
