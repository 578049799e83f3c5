"""The record of a history: what was committed, in which order, and what was told and answered.

Belongs here: watching the database, and holding each change against what has to hold at that moment. Does not: the rules
themselves (`invariants.py`), nor what has to hold at the end (`ending.py`).
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.events import Event
from tests.simulation import invariants, passengers
from tests.simulation.database import SimulatedDatabase
from tests.support.event_batches import events_of_batches

Document = dict[str, Any]


class Violation(AssertionError):  # noqa: N818 - what the simulation looks for
    """Something that has to hold does not."""


def require(what: str, complaints: Iterable[str]) -> None:
    """Raises Violation for the first complaints."""
    found = list(complaints)
    if found:
        raise Violation(f"{what}: " + "; ".join(found[:5]))


class UnexpectedErrorLog(logging.Handler):
    """Takes what the service logs as its own fault, which no history may bring about; the rest is not told."""

    def __init__(self, record: "Record") -> None:
        super().__init__(logging.ERROR)
        self._record = record

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._record.found.append(Violation(f"the service logs: {record.getMessage()}: {error!r}"))

    def __enter__(self) -> None:
        logger = logging.getLogger("app")
        self._before = logger.level, logger.propagate
        logger.addHandler(self)
        logger.setLevel(logging.ERROR)
        logger.propagate = False

    def __exit__(self, *error: object) -> None:
        logger = logging.getLogger("app")
        logger.removeHandler(self)
        logger.setLevel(self._before[0])
        logger.propagate = self._before[1]


class Record:
    """`bookings` are the newest committed, by run and reference; `revisions` all that were ever committed."""

    def __init__(self) -> None:
        self.runs: dict[str, Document] = {}
        self.bookings: dict[str, dict[str, Document]] = {}
        self.revisions: dict[tuple[str, int], Document] = {}
        self.events: dict[str, Document] = {}
        self.told: dict[str, Event] = {}
        self.hold_ids: set[str] = set()
        self.commits = 0
        self.found: list[Violation] = []
        self.step_minor = 1
        self.database: SimulatedDatabase

    def watch(self, name: str, before: Document | None, document: Document) -> None:
        """A change of the database, in the step that makes it. What is wrong is noted: who made it would catch it."""
        try:
            self._changed(name, before, document)
        except Violation as violation:
            self.found.append(violation)

    def _changed(self, name: str, before: Document | None, document: Document) -> None:
        if name == "train_runs" and before is not None:
            if document["version"] == before["version"]:
                self._left_out(document)
            else:
                self._committed(before, document)
        elif name == "bookings":
            self._rests(before, document)
        elif name == "events":
            self._kept(document)

    def begin(self, run: Document) -> None:
        """A run that is there from the beginning."""
        self.runs[run["_id"]], self.bookings[run["_id"]] = run, {}

    # -- commits

    def _committed(self, before: Document, run: Document) -> None:
        self.commits += 1
        name, version = run["_id"], run["version"]
        bookings = self.bookings[name]
        changed = [one for one in run["recent"] if one["revision"] == version]
        older = {one["_id"]: bookings.get(one["_id"]) for one in changed}
        told = [event for event in events_of_batches(run["outbox"]) if event["_id"] not in self.events]
        self.runs[name] = run
        for booking in changed:
            bookings[booking["_id"]] = self.revisions[booking["_id"], version] = booking
        for event in told:
            self.events[event["_id"]] = event
        self.hold_ids.update(run["holds"])
        decided_at: datetime = told[-1]["time"] if told else run["unsettled_since"]
        if version != before["version"] + 1:
            raise Violation(f"{name} went from version {before['version']} to {version}")
        require(f"commit {version} of {name}", self._run_complaints(run, decided_at))
        require(f"commit {version} of {name}", invariants.holds_are_not_renewed_without_end(before, run, decided_at))
        require(f"commit {version} of {name}", invariants.holds_that_end_are_remembered(before, run, decided_at))
        require(f"commit {version} of {name}", invariants.events_match_the_commit(run, told))
        require(f"commit {version} of {name}", invariants.changes_have_events(changed, told))
        promoted = [
            (waited, one)
            for one in changed
            if one["state"] == "CONFIRMED" and (waited := older[one["_id"]]) is not None and waited["state"] == "WAITLISTED"
        ]
        require(f"commit {version} of {name}", invariants.nobody_is_overtaken(run, promoted))
        for booking in changed:
            complaints = self._booking_complaints(run, older[booking["_id"]], booking, told, decided_at)
            require(f"commit {version} of {name}", complaints)

    def _run_complaints(self, run: Document, decided_at: datetime) -> Iterator[str]:
        bookings = self.bookings[run["_id"]]
        yield from invariants.seats_are_sold_once(run, bookings)
        yield from invariants.counter_and_freed_seats_account_for_all(run)
        yield from passengers.passengers_have_one_live_booking(bookings)
        yield from passengers.bookers_stay_within_their_limit(run, bookings)
        yield from invariants.waitlist_matches_bookings(run, bookings)
        yield from invariants.nobody_waits_for_free_seats(run, decided_at)
        yield from invariants.no_hold_is_expired(run, decided_at)
        yield from invariants.holds_stay_within_their_share(run)
        yield from invariants.next_due_is_recorded(run)
        yield from invariants.nothing_is_lost(bookings, run, self.database["bookings"].kept)

    def _booking_complaints(
        self, run: Document, before: Document | None, booking: Document, told: Sequence[Document], decided_at: datetime
    ) -> Iterator[str]:
        yield from invariants.booking_state_changes_are_allowed(before, booking)
        yield from passengers.passenger_numbers_stay(before, booking)
        yield from invariants.booking_amounts_add_up(booking)
        is_one_change = sum(1 for event in told if event["subject"] == booking["_id"]) == 1
        if before is not None and is_one_change:
            yield from invariants.refund_matches_the_terms(run, before, booking, decided_at, self.step_minor)

    def _left_out(self, run: Document) -> None:
        """Somebody empties a run's document without a commit."""
        self.runs[run["_id"]] = run
        at_rest = self.database["bookings"].kept
        require(f"emptying {run['_id']}", invariants.nothing_is_lost(self.bookings[run["_id"]], run, at_rest))

    # -- copies

    def _rests(self, before: Document | None, booking: Document) -> None:
        committed = self.revisions.get((booking["_id"], booking["revision"]))
        if committed != booking:
            raise Violation(f"{booking['_id']} rests in revision {booking['revision']}, which was never committed so")
        if before is not None and before["revision"] >= booking["revision"]:
            raise Violation(f"{booking['_id']} rested in revision {before['revision']}; {booking['revision']} replaces it")

    def _kept(self, news: Document) -> None:
        for event in events_of_batches([news]):
            committed = self.events.get(event["_id"])
            if committed is None or any(committed[key] != event[key] for key in event if key != "is_new"):
                raise Violation(f"event {event['_id']} is kept, and was never committed so")

    # -- what is told and answered

    async def fan_out(self, events: Sequence[Event]) -> None:
        """Those outside hear of events: again, it may be, but never of another one under the same name."""
        for event in events:
            known = self.told.setdefault(event.event_id, event)
            if known != event:
                self.found.append(Violation(f"event {event.event_id} was told as {known}, and now as {event}"))

    def newest_revision(self, run_id: str, reference: str) -> int:
        booking = self.bookings[run_id].get(reference)
        return booking["revision"] if booking else 0

    def answered(self, booking: Booking, at_least: int) -> None:
        """An answer is something that was committed, and no older than what was there when it was asked for."""
        committed = self.revisions.get((booking.reference, booking.revision))
        if committed is None:
            raise Violation(f"{booking.reference} was answered in revision {booking.revision}, which was never committed")
        seats = [one.seat.label for one in booking.passengers if one.seat]
        sold = [f"{one['section']}-{one['number']}" for one in committed["passengers"] if "number" in one]
        states = [(committed["state"], sold)]  # two changes of one commit are answered each as it was, and share a revision
        states += [(one["state"], one["seats"]) for one in self._told_of(booking)]
        if (booking.state.value, seats) not in states:
            raise Violation(f"{booking.reference} was answered as {booking.state} {seats}; committed was {committed}")
        if booking.revision < at_least:
            raise Violation(f"{booking.reference} was answered in revision {booking.revision}; {at_least} was there before")

    def promoted(self, references: Iterable[str]) -> None:
        """Whoever is said to have got a seat was promoted by a commit."""
        told = {event["subject"] for event in self.events.values() if event["type"] == "booking.promoted"}
        for reference in references:
            if reference not in told:
                raise Violation(f"{reference} was said to be promoted, and never was")

    def _told_of(self, booking: Booking) -> list[Document]:
        told = [event for event in self.events.values() if event["subject"] == booking.reference]
        return [event["data"] for event in told if event["sequence"] // 100_000 == booking.revision]
