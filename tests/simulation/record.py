"""The record of a history: what was committed, in which order, which events were delivered, and which answers were given.

Belongs here: watching the database, and checking each change against the invariants of that moment. Does not belong here: the
invariants (`invariants.py`), nor those of a finished history (`final_state.py`).
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from app.domain.booking import Booking
from app.domain.events import Event
from app.domain.layout.commands import UpdateLayout
from tests.simulation import (
    disruption_invariants,
    invariants,
    layout_invariants,
    layout_job_invariants,
    passenger_invariants,
    sales_invariants,
    waitlist_invariants,
)
from tests.simulation.database import SimulatedDatabase
from tests.simulation.run_times import delay_of, missing_legs
from tests.support.event_batches import events_of_batches

Document = dict[str, Any]


class Violation(AssertionError):  # noqa: N818 - what the simulation looks for
    """An invariant does not hold."""


def require(subject: str, complaints: Iterable[str]) -> None:
    """Raise Violation for the first complaints, if there are any."""
    found = list(complaints)
    if found:
        raise Violation(f"{subject}: " + "; ".join(found[:5]))


class UnexpectedErrorLog(logging.Handler):
    """Takes errors that the service logs for violations: no history may cause a bug. Other log lines are dropped."""

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
    """`bookings` has the newest committed bookings by run and reference; `revisions` all that were ever committed.

    `delivered` has the events that subscribers outside were sent.
    """

    def __init__(self) -> None:
        self.runs: dict[str, Document] = {}
        self.bookings: dict[str, dict[str, Document]] = {}
        self.revisions: dict[tuple[str, int], Document] = {}
        self.events: dict[str, Document] = {}
        self.delivered: dict[str, Event] = {}
        self.hold_ids: set[str] = set()
        # What operators asked for, by request, and where displaced passengers are now, by run and layout revision.
        self.layout_commands: dict[str, UpdateLayout] = {}
        self.layout_moves: dict[tuple[str, int], dict[tuple[str, int], str]] = {}
        self.waitlisted_before: dict[tuple[str, int], set[str]] = {}
        # What was ever reported on each run, and how often what is expected, cancelled or on sale has changed.
        self.delays: dict[str, list[Document]] = {}
        self.disruptions: Counter[str] = Counter()
        self.commits = 0
        self._decided: dict[str, datetime] = {}
        self.found: list[Violation] = []
        self.step_minor = 1
        self.clock: Callable[[], datetime]
        self.database: SimulatedDatabase

    def watch(self, name: str, before: Document | None, document: Document) -> None:
        """Check a change of the database, in the step that makes it. Violations are noted: the writer would catch them."""
        try:
            self._check_change(name, before, document)
        except Violation as violation:
            self.found.append(violation)

    def _check_change(self, name: str, before: Document | None, document: Document) -> None:
        if name == "train_runs" and before is not None:
            if document["version"] == before["version"]:
                self._check_archive_only(document)
            else:
                self._check_commit(before, document)
        elif name == "bookings":
            self._check_archived(before, document)
        elif name == "events":
            self._check_stored_events(document)

    def begin(self, run: Document) -> None:
        """Note a run that exists from the beginning."""
        self.runs[run["_id"]], self.bookings[run["_id"]], self.delays[run["_id"]] = run, {}, []

    # -- commits

    def _check_commit(self, before: Document, run: Document) -> None:
        commit = f"commit {run['version']} of {run['_id']}"
        changed = [booking for booking in run["recent"] if booking["revision"] == run["version"]]
        emitted = [event for event in events_of_batches(run["outbox"]) if event["_id"] not in self.events]
        older = self._record_commit(run, changed, emitted)
        decided_at = self._decision_time(run, emitted)
        if run["version"] != before["version"] + 1:
            raise Violation(f"{commit} follows version {before['version']}")
        is_disrupted = disruption_invariants.is_disrupted(before, run)
        require(commit, self._run_complaints(run, decided_at, is_disrupted=is_disrupted))
        changes = [(old, booking) for booking in changed if (old := older[booking["_id"]]) is not None]
        require(commit, self._disruption_complaints(before, run, changes, emitted, decided_at))
        new = [booking for booking in changed if older[booking["_id"]] is None]
        promoted = list(_promoted(older, changed, emitted))
        if not is_disrupted:
            require(commit, sales_invariants.sold_while_on_sale(before, run, new, decided_at))
            require(commit, sales_invariants.held_while_on_sale(before, run, decided_at))
        if not sales_invariants.have_windows_changed(before, run):
            require(commit, sales_invariants.promoted_to_what_has_opened(before, run, promoted, decided_at))
        require(commit, invariants.holds_are_not_renewed_without_end(before, run, decided_at))
        require(commit, invariants.holds_that_end_are_remembered(before, run, decided_at))
        require(commit, invariants.events_match_the_commit(run, emitted))
        require(commit, invariants.changes_have_events(changed, emitted))
        require(commit, waitlist_invariants.nobody_is_overtaken(before, run, promoted))
        require(commit, layout_invariants.only_layout_changes_change_layouts(before, run, emitted))
        is_layout_change = layout_invariants.layout_revision(run) != layout_invariants.layout_revision(before)
        if is_layout_change:
            require(commit, self._layout_complaints(before, run, changes, emitted))
        for booking in changed:
            require(
                commit,
                self._booking_complaints((before, run), older[booking["_id"]], booking, emitted, decided_at, is_layout_change),
            )

    def _record_commit(
        self, run: Document, changed: Sequence[Document], emitted: Sequence[Document]
    ) -> dict[str, Document | None]:
        """Note what a commit wrote. Return the changed bookings as they were before, None for a new one."""
        self.commits += 1
        before, self.runs[run["_id"]] = self.runs[run["_id"]], run
        if disruption_invariants.is_disrupted(before, run) or sales_invariants.have_windows_changed(before, run):
            self.disruptions[run["_id"]] += 1
            self.delays[run["_id"]].append(delay_of(run))
        bookings = self.bookings[run["_id"]]
        older = {booking["_id"]: bookings.get(booking["_id"]) for booking in changed}
        for booking in changed:
            bookings[booking["_id"]] = self.revisions[booking["_id"], run["version"]] = booking
        for event in emitted:
            self.events[event["_id"]] = event
        self.hold_ids.update(run["holds"])
        return older

    def _decision_time(self, run: Document, emitted: Sequence[Document]) -> datetime:
        """Return when a commit was decided; for one without events, the least that it can be: no clock runs backwards."""
        known = [event["time"] for event in emitted] or [self._decided.get(run["_id"]), run.get("unsettled_since")]
        decided_at: datetime = max((time for time in known if time is not None), default=run["create_time"])
        self._decided[run["_id"]] = decided_at
        return decided_at

    def _run_complaints(self, run: Document, decided_at: datetime, *, is_disrupted: bool) -> Iterator[str]:
        bookings = self.bookings[run["_id"]]
        yield from invariants.seats_are_sold_once(run, bookings)
        yield from invariants.counter_and_freed_seats_account_for_all(run)
        yield from passenger_invariants.passengers_have_one_live_booking(bookings)
        yield from passenger_invariants.bookers_stay_within_their_limit(run, bookings)
        yield from waitlist_invariants.waitlist_matches_bookings(run, bookings)
        yield from waitlist_invariants.nobody_waits_for_free_seats(run, decided_at, is_disrupted=is_disrupted)
        if layout_invariants.layout_revision(run) or "layout_reservation" in run:
            yield from layout_invariants.retired_seats_belong_to_nobody(run, bookings)
            yield from layout_invariants.no_reservation_is_expired(run, decided_at)
            yield from layout_invariants.reserved_seats_are_not_for_sale(run)
        yield from invariants.no_hold_is_expired(run, decided_at)
        yield from invariants.holds_stay_within_their_share(run)
        yield from invariants.next_due_is_recorded(run)
        yield from invariants.nothing_is_lost(bookings, run, self.database["bookings"].documents)

    def _disruption_complaints(
        self,
        before: Document,
        run: Document,
        changes: list[disruption_invariants.Change],
        emitted: Sequence[Document],
        decided_at: datetime,
    ) -> Iterator[str]:
        """Check what a commit does about delays, cancellations and the clock."""
        yield from disruption_invariants.reports_go_forward(before, run, emitted)
        yield from disruption_invariants.clock_is_followed(before, run, emitted, decided_at, self.clock())
        yield from disruption_invariants.clock_is_not_late(before, run, emitted, decided_at)
        yield from disruption_invariants.only_runs_that_are_over_are_compacted(before, run, self.clock())
        if not (delay_of(run)["minutes"] or delay_of(run)["arrivals"] or missing_legs(run)):
            return
        yield from disruption_invariants.expected_times_are_possible(run)
        yield from disruption_invariants.delay_events_are_true(run, emitted)
        yield from disruption_invariants.cancellations_go_forward(before, run, emitted)
        yield from disruption_invariants.cancelled_legs_are_left(run, self.bookings[run["_id"]])
        ended_with_run = {event["subject"] for event in emitted if event["data"].get("cause") == "run_cancelled"}
        ended = [(old, booking) for old, booking in changes if booking["_id"] in ended_with_run]
        yield from disruption_invariants.cancelled_bookings_are_counted(before, run, ended)

    def _booking_complaints(
        self,
        runs: tuple[Document, Document],
        before: Document | None,
        booking: Document,
        emitted: Sequence[Document],
        decided_at: datetime,
        is_layout_change: bool,
    ) -> Iterator[str]:
        yield from invariants.booking_state_changes_are_allowed(before, booking, is_layout_change=is_layout_change)
        yield from passenger_invariants.passenger_numbers_stay(before, booking)
        yield from invariants.booking_amounts_add_up(booking)
        events = [event for event in emitted if event["subject"] == booking["_id"]]
        run_before, run = runs
        # Two changes of one commit were decided one by one. Of another change of the run in it, only the last is known.
        if before is not None and len(events) == 1 and not disruption_invariants.is_disrupted(run_before, run):
            yield from invariants.refund_matches_the_terms(run, before, booking, decided_at, self.step_minor)
            yield from disruption_invariants.refund_reasons_are_true(run, (before, booking), events)
            yield from disruption_invariants.nobody_leaves_a_train_that_has_left(run, (before, booking), events[0])
            yield from disruption_invariants.nobody_changes_seats_on_a_train_that_does_not_come(
                run_before, (before, booking), events[0]
            )

    def _layout_complaints(
        self, before: Document, run: Document, changes: list[layout_invariants.Change], emitted: Sequence[Document]
    ) -> Iterator[str]:
        """Check a commit that changed the layout."""
        request = run["layout"]["requests"][-1]
        layout_jobs = self._layout_jobs()
        command = self.layout_commands.get(request["request_id"])
        units = layout_invariants.displaced_units(before, run, changes)
        promoted_later = layout_invariants.promoted_after_displacement(emitted)
        promoted = [
            (seat, new["legs"])
            for old, new in changes
            if old["_id"] in promoted_later and _has_seatless(old) and not _has_seatless(new)
            for seat in layout_invariants.new_seats(old, new)
        ]
        yield from layout_job_invariants.train_changes_come_in_order(before, run, layout_jobs)
        yield from layout_invariants.seat_numbers_never_return(before, run)
        yield from layout_invariants.nobody_else_moves(before, run, changes)
        yield from layout_invariants.displaced_pay_no_more(run, units, command)
        yield from layout_invariants.displaced_wait_before_all_others(before, run, units, command)
        if not layout_invariants.promised(before):
            yield from layout_invariants.displaced_find_seats(run, units, promoted)
        change = run["_id"], run["layout"]["revision"]
        self.layout_moves[change] = layout_invariants.moves_of(units)
        self.waitlisted_before[change] = {old["_id"] for old, _ in changes if _has_seatless(old)}

    def _layout_jobs(self) -> dict[str, Document]:
        """Return all layout jobs: stored ones, and those that are still in the documents of their trains."""
        trains = self.database["trains"].documents.values()
        new = {job["_id"]: job for train in trains for job in train.get("new_layout_jobs", [])}
        return new | self.database["layout_jobs"].documents

    def _check_archive_only(self, run: Document) -> None:
        """Check a change that empties a run's document without a commit."""
        self.runs[run["_id"]] = run
        archived = self.database["bookings"].documents
        require(f"archiving {run['_id']}", invariants.nothing_is_lost(self.bookings[run["_id"]], run, archived))

    # -- the archive

    def _check_archived(self, before: Document | None, booking: Document) -> None:
        committed = self.revisions.get((booking["_id"], booking["revision"]))
        if committed != booking:
            raise Violation(f"{booking['_id']} is archived in revision {booking['revision']}, which was never committed so")
        if before is not None and before["revision"] >= booking["revision"]:
            raise Violation(
                f"{booking['_id']} was archived in revision {before['revision']}; {booking['revision']} replaces it"
            )

    def _check_stored_events(self, batch: Document) -> None:
        for event in events_of_batches([batch]):
            committed = self.events.get(event["_id"])
            if committed is None or any(committed[key] != event[key] for key in event if key != "is_new"):
                raise Violation(f"event {event['_id']} is stored, and was never committed so")

    # -- events and answers that leave the service

    async def handle(self, events: Sequence[Event], /) -> None:
        """Deliver events. An event may be delivered again, but never another one under the same id."""
        for event in events:
            known = self.delivered.setdefault(event.event_id, event)
            if known != event:
                self.found.append(Violation(f"event {event.event_id} was delivered as {known}, and now as {event}"))

    def newest_revision(self, run_id: str, reference: str) -> int:
        booking = self.bookings[run_id].get(reference)
        return booking["revision"] if booking else 0

    def answered(self, booking: Booking, at_least: int) -> None:
        """Check that an answer was committed, and is no older than what was committed when the call started."""
        committed = self.revisions.get((booking.reference, booking.revision))
        if committed is None:
            raise Violation(f"{booking.reference} was answered in revision {booking.revision}, which was never committed")
        seats = [passenger.seat.label for passenger in booking.passengers if passenger.seat]
        sold = [
            f"{passenger['section']}-{passenger['number']}" for passenger in committed["passengers"] if "number" in passenger
        ]
        states = [(committed["state"], sold)]  # two changes of one commit share a revision
        states += [(data["state"], data["seats"]) for data in self._event_data(booking)]
        if (booking.state.value, seats) not in states:
            raise Violation(f"{booking.reference} was answered as {booking.state} {seats}; committed was {committed}")
        if booking.revision < at_least:
            raise Violation(f"{booking.reference} was answered in revision {booking.revision}; {at_least} was there before")

    def promoted(self, references: Iterable[str]) -> None:
        """Check that the bookings that an answer names were promoted by a commit."""
        promoted = {event["subject"] for event in self.events.values() if event["type"] == "booking.promoted"}
        for reference in references:
            if reference not in promoted:
                raise Violation(f"{reference} was answered as promoted, and never was")

    def _event_data(self, booking: Booking) -> list[Document]:
        events = [event for event in self.events.values() if event["subject"] == booking.reference]
        return [event["data"] for event in events if event["sequence"] // 100_000 == booking.revision]


def _has_seatless(booking: Document) -> bool:
    return invariants.is_live(booking) and any("number" not in passenger for passenger in booking["passengers"])


def _promoted(
    older: dict[str, Document | None], changed: Iterable[Document], emitted: Iterable[Document]
) -> Iterator[tuple[Document, Document]]:
    """Yield the bookings that a commit promoted: as they were, and as they are."""
    promoted = {event["subject"] for event in emitted if event["type"] == "booking.promoted"}
    for booking in changed:
        waited = older[booking["_id"]]
        is_seated = booking["state"] == "CONFIRMED" and not _has_seatless(booking)
        if waited is not None and _has_seatless(waited) and is_seated and booking["_id"] in promoted:
            yield waited, booking
