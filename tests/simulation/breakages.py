"""Rules that are broken on purpose, to prove that the simulation notices.

Belongs here: context managers that each replace a part of the service by a faulty one. Does not belong here: looking for the
violations (`test_breakages.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

import app.domain.limits
import app.domain.run.train_run
import app.store.event_documents
import app.store.run_fields
import app.usecases.payments
from app.domain.amounts import AmountRules
from app.domain.booking import Booking
from app.domain.money import Money
from app.domain.rules import cancel_booking, cancel_unpaid, change_seat, expire_due, hold_seats, release_hold, sale_checks
from app.domain.run.change_set import ChangeSet
from app.domain.run.train_run import TrainRun
from app.domain.run.waitlist_index import WaitlistIndex
from app.lanes.committer import BatchCommitter
from app.store.cached_run import CachedRun
from app.store.driver import Swap
from app.store.run_archive import RunArchive
from app.store.runs import TrainRuns
from app.usecases.outbox import OutboxRelay
from tests.simulation.broken import broken, broken_constant, broken_in
from tests.simulation.provider import SimulatedProvider

Breakage = Callable[[], AbstractContextManager[Any]]


@contextmanager
def the_swap_guard_is_ignored() -> Iterator[None]:
    prepare = TrainRuns._prepare

    def unguarded(runs: TrainRuns, cached: CachedRun) -> Any:
        prepared = prepare(runs, cached)
        return prepared._replace(swap=Swap({"_id": cached.run.run_id}, prepared.swap.update))

    with broken(TrainRuns, "_prepare", unguarded):
        yield


@contextmanager
def nobody_is_promoted() -> Iterator[None]:
    with broken_in((cancel_booking, cancel_unpaid, change_seat, expire_due, release_hold), "promote", lambda run, now: None):
        yield


def the_waitlist_is_served_from_its_end() -> AbstractContextManager[Any]:
    return broken(WaitlistIndex, "first", lambda index, demand: index.ticket_numbers.get(demand, [None])[-1])


def expired_holds_are_honoured() -> AbstractContextManager[Any]:
    return broken(expire_due, "expire_holds", lambda run, now: False)


def expired_holds_are_renewed() -> AbstractContextManager[Any]:
    return broken_constant(app.domain.limits, "HOLD_AGAIN_SECONDS", 0)


def used_holds_are_placed_again() -> AbstractContextManager[Any]:
    return broken(hold_seats, "_require_not_used", lambda run, key: None)


def passengers_may_book_twice() -> AbstractContextManager[Any]:
    return broken(sale_checks, "require_no_live_booking", lambda run, key: None)


def bookers_have_no_limit() -> AbstractContextManager[Any]:
    return broken(sale_checks, "_require_booker_room", lambda sale: None)


@contextmanager
def remaining_passengers_are_renumbered() -> Iterator[None]:
    without = cancel_booking._without_passengers

    def renumbered(*asked: Any) -> Booking:
        booking = without(*asked)
        remaining = [replace(passenger, number=number) for number, passenger in enumerate(booking.passengers, 1)]
        return replace(booking, passengers=tuple(remaining))

    with broken(cancel_booking, "_without_passengers", renumbered):
        yield


def refunds_are_always_full() -> AbstractContextManager[Any]:
    def full(paid_minor: int, *terms: object) -> int:
        return paid_minor

    return broken(cancel_booking, "refund_minor", full)


def refunds_are_not_rounded() -> AbstractContextManager[Any]:
    return broken(AmountRules, "refundable_minor", lambda rules, minor, paid: minor)


@contextmanager
def freed_seats_are_forgotten() -> Iterator[None]:
    def release(run: TrainRun, seat: Any, legs: int) -> None:
        section = run.section_index(seat.section)
        run._set("sold_legs", (section, seat.number), run.sections[section].sold_legs[seat.number - 1] & ~legs)

    with broken(TrainRun, "release", release):
        yield


@contextmanager
def a_lost_swap_is_not_undone() -> Iterator[None]:
    def undo(run: TrainRun) -> None:
        run.change_set = ChangeSet({name: {} for name in run.change_set.replaced})

    with broken(TrainRun, "undo", undo):
        yield


@contextmanager
def bookings_leave_the_document_before_they_are_archived() -> Iterator[None]:
    async def drop_unarchived(archive: RunArchive, todo: Sequence[Any]) -> None:
        for cached, reference, booking in todo:
            del cached.pending_bookings[reference]
            cached.archived_revisions[reference] = booking.revision

    with broken(RunArchive, "_archive_bookings", drop_unarchived):
        yield


@contextmanager
def archived_bookings_are_not_looked_up() -> Iterator[None]:
    async def load_nothing(committer: BatchCommitter, cached: CachedRun, batch: Sequence[Any]) -> dict[str, Booking]:
        cached.run.evict_except(cached.references_to_keep())
        return {}

    with broken(BatchCommitter, "_load_bookings", load_nothing):
        yield


def each_attempt_has_its_own_reference() -> AbstractContextManager[Any]:
    numbers = count(100_000)
    return broken(sale_checks, "reference_for", lambda *request: f"R{next(numbers)}")


def next_due_is_not_recorded() -> AbstractContextManager[Any]:
    return broken(app.store.run_fields, "next_due", lambda run: None)


@contextmanager
def events_are_marked_processed_before_the_jobs_are_written() -> Iterator[None]:
    async def process(relay: OutboxRelay) -> None:
        events = (await relay._events.list_unprocessed(100)).events
        if events:
            await relay._events.mark_processed(events)
            for subscriber in relay._subscribers:
                await subscriber.handle(events)

    with broken(OutboxRelay, "process", process):
        yield


@contextmanager
def each_refund_attempt_has_its_own_key() -> Iterator[None]:
    refund, numbers = SimulatedProvider.refund, count(1)

    async def refund_under_new_key(provider: SimulatedProvider, key: str, authorization_id: str, amount: Money) -> str:
        return await refund(provider, f"{key}/{next(numbers)}", authorization_id, amount)

    with broken(SimulatedProvider, "refund", refund_under_new_key):
        yield


def authorizations_are_voided_while_a_sale_may_use_them() -> AbstractContextManager[Any]:
    return broken_constant(app.usecases.payments, "VOID_AFTER_SECONDS", 0, whole_in=("app.usecases.verification.payments",))


def event_ids_are_not_deterministic() -> AbstractContextManager[Any]:
    numbers = count(1)
    return broken(app.store.event_documents, "commit_id", lambda run_id, version: f"{run_id}:{next(numbers)}")


def closed_waitlists_stay_open() -> AbstractContextManager[Any]:
    def close(run: TrainRun, now: datetime) -> None:
        return None

    return broken(expire_due, "close_waitlist", close)


BREAKAGES: tuple[Breakage, ...] = (
    the_swap_guard_is_ignored,
    nobody_is_promoted,
    the_waitlist_is_served_from_its_end,
    expired_holds_are_honoured,
    expired_holds_are_renewed,
    used_holds_are_placed_again,
    passengers_may_book_twice,
    bookers_have_no_limit,
    remaining_passengers_are_renumbered,
    refunds_are_always_full,
    refunds_are_not_rounded,
    freed_seats_are_forgotten,
    a_lost_swap_is_not_undone,
    bookings_leave_the_document_before_they_are_archived,
    archived_bookings_are_not_looked_up,
    each_attempt_has_its_own_reference,
    next_due_is_not_recorded,
    events_are_marked_processed_before_the_jobs_are_written,
    each_refund_attempt_has_its_own_key,
    authorizations_are_voided_while_a_sale_may_use_them,
    event_ids_are_not_deterministic,
    closed_waitlists_stay_open,
)
