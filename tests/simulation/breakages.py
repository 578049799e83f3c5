"""Rules broken on purpose, to show that the simulation would notice.

Belongs here: for each of them, a part of the service put out of order until the block ends. Does not: looking for what comes of
it (`test_breakages.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any
from unittest.mock import patch

import app.domain.limits
import app.domain.rules.change_booking
import app.domain.rules.create_booking
import app.domain.rules.decisions
import app.domain.rules.hold_seats
import app.domain.run.train_run
import app.store.documents
import app.store.run_updates
import app.usecases.payments
from app.domain.amounts import AmountRules
from app.domain.booking import Booking
from app.domain.money import Money
from app.domain.run.train_run import Journal, TrainRun
from app.domain.run.waitlist_index import Line
from app.lanes.lane import Lane
from app.store.cached_run import KeptRun
from app.store.driver import Swap
from app.store.runs import TrainRuns
from app.usecases.outbox import Following, settle_jobs
from tests.simulation.provider import SimulatedProvider

Breakage = Callable[[], AbstractContextManager[Any]]


@contextmanager
def the_swap_guard_is_ignored() -> Iterator[None]:
    prepare = TrainRuns._prepare

    def unguarded(runs: TrainRuns, kept: KeptRun) -> Any:
        prepared = prepare(runs, kept)
        return prepared._replace(swap=Swap({"_id": kept.run.run_id}, prepared.swap.update))

    with patch.object(TrainRuns, "_prepare", unguarded):
        yield


@contextmanager
def nobody_is_promoted() -> Iterator[None]:
    with ExitStack() as changes:
        for module in (app.domain.rules.change_booking, app.domain.rules.decisions, app.domain.rules.hold_seats):
            changes.enter_context(patch.object(module, "promote", lambda run, now: None))
        yield


def the_line_is_served_from_its_end() -> AbstractContextManager[Any]:
    return patch.object(Line, "first", lambda line, wish: line.numbers.get(wish, [None])[-1])


def holds_that_are_over_are_honoured() -> AbstractContextManager[Any]:
    return patch.object(app.domain.rules.decisions, "drop_expired_holds", lambda run, now: False)


def holds_that_ran_out_are_renewed() -> AbstractContextManager[Any]:
    return patch.object(app.domain.limits, "HOLD_AGAIN_SECONDS", 0)


def used_holds_are_placed_again() -> AbstractContextManager[Any]:
    return patch.object(app.domain.rules.hold_seats, "_require_not_used", lambda run, key: None)


def passengers_may_book_twice() -> AbstractContextManager[Any]:
    return patch.object(app.domain.rules.create_booking, "require_no_live_booking", lambda run, key: None)


def bookers_have_no_bound() -> AbstractContextManager[Any]:
    return patch.object(app.domain.rules.create_booking, "_require_booker_room", lambda sale: None)


@contextmanager
def who_stays_is_numbered_anew() -> Iterator[None]:
    without = app.domain.rules.change_booking._without

    def numbered_anew(*asked: Any) -> Booking:
        booking = without(*asked)
        staying = [replace(passenger, number=number) for number, passenger in enumerate(booking.passengers, 1)]
        return replace(booking, passengers=tuple(staying))

    with patch.object(app.domain.rules.change_booking, "_without", numbered_anew):
        yield


def refunds_are_always_whole() -> AbstractContextManager[Any]:
    def whole(paid_minor: int, *terms: object) -> int:
        return paid_minor

    return patch.object(app.domain.rules.change_booking, "refund_minor", whole)


def refunds_are_not_rounded() -> AbstractContextManager[Any]:
    return patch.object(AmountRules, "refundable_minor", lambda rules, minor, paid: minor)


@contextmanager
def seats_that_come_free_are_forgotten() -> Iterator[None]:
    def forgetful(run: TrainRun, seat: Any, legs: int) -> None:
        section = run.section_index(seat.section)
        run._set_sold(section, seat.number, run.sections[section].sold_legs[seat.number - 1] & ~legs)

    with patch.object(TrainRun, "release", forgetful):
        yield


@contextmanager
def a_lost_swap_is_not_undone() -> Iterator[None]:
    def undo(run: TrainRun) -> None:
        run.journal = Journal()

    with patch.object(TrainRun, "undo", undo):
        yield


@contextmanager
def bookings_leave_the_document_before_they_rest() -> Iterator[None]:
    async def settle(runs: TrainRuns, todo: Sequence[Any]) -> None:
        for kept, reference, one in todo:
            del kept.unsettled[reference]
            kept.settled[reference] = one.revision

    with patch.object(TrainRuns, "_settle", settle):
        yield


@contextmanager
def bookings_at_rest_are_not_looked_up() -> Iterator[None]:
    async def look_up(lane: Lane, kept: KeptRun, batch: Sequence[Any]) -> dict[str, Booking]:
        kept.run.retain(kept.references_at_hand())
        return {}

    with patch.object(Lane, "_look_up", look_up):
        yield


def each_try_has_a_reference_of_its_own() -> AbstractContextManager[Any]:
    numbers = count(100_000)
    return patch.object(app.domain.rules.create_booking, "reference_for", lambda *request: f"R{next(numbers)}")


def what_is_due_is_not_noted() -> AbstractContextManager[Any]:
    return patch.object(app.store.run_updates, "next_due", lambda run: None)


@contextmanager
def events_are_followed_up_before_the_jobs_are_written() -> Iterator[None]:
    async def follow_up(following: Following) -> None:
        events = (await following._store.events.list_new(100)).events
        if events:
            await following._store.events.followed_up(events)
            await following._store.jobs.put_missing(settle_jobs(events, following._clock()))
            await following._fan_out(events)

    with patch.object(Following, "follow_up", follow_up):
        yield


@contextmanager
def each_try_of_a_refund_has_a_key_of_its_own() -> Iterator[None]:
    refund, numbers = SimulatedProvider.refund, count(1)

    async def under_a_new_key(provider: SimulatedProvider, key: str, authorization_id: str, amount: Money) -> str:
        return await refund(provider, f"{key}/{next(numbers)}", authorization_id, amount)

    with patch.object(SimulatedProvider, "refund", under_a_new_key):
        yield


def money_is_let_go_while_a_sale_may_rest_on_it() -> AbstractContextManager[Any]:
    return patch.object(app.usecases.payments, "LET_GO_AFTER_SECONDS", 0)


def events_are_named_by_chance() -> AbstractContextManager[Any]:
    numbers = count(1)
    return patch.object(app.store.documents, "commit_id", lambda run_id, version: f"{run_id}:{next(numbers)}")


def closed_lines_stay() -> AbstractContextManager[Any]:
    def close(run: TrainRun, now: datetime) -> None:
        return None

    return patch.object(app.domain.rules.decisions, "close", close)


BREAKAGES: tuple[Breakage, ...] = (
    the_swap_guard_is_ignored,
    nobody_is_promoted,
    the_line_is_served_from_its_end,
    holds_that_are_over_are_honoured,
    holds_that_ran_out_are_renewed,
    used_holds_are_placed_again,
    passengers_may_book_twice,
    bookers_have_no_bound,
    who_stays_is_numbered_anew,
    refunds_are_always_whole,
    refunds_are_not_rounded,
    seats_that_come_free_are_forgotten,
    a_lost_swap_is_not_undone,
    bookings_leave_the_document_before_they_rest,
    bookings_at_rest_are_not_looked_up,
    each_try_has_a_reference_of_its_own,
    what_is_due_is_not_noted,
    events_are_followed_up_before_the_jobs_are_written,
    each_try_of_a_refund_has_a_key_of_its_own,
    money_is_let_go_while_a_sale_may_rest_on_it,
    events_are_named_by_chance,
    closed_lines_stay,
)
