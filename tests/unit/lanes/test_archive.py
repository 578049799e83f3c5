"""Statements that lanes share: what waits together goes together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date
from typing import cast

import pytest

from app.domain.booking import Booking
from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import make_run
from app.lanes.archive import ArchiveQueue, BookingLookups, RunCommits
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun, PendingBooking
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns
from app.store.unreadable import Records
from tests.support.builders import a_train


class AtRest:
    """Bookings that answer one statement at a time, when they are told to."""

    def __init__(self) -> None:
        self.statements: list[list[str]] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.is_away = False

    async def find_archived(self, references: Sequence[str]) -> Records[Booking]:
        self.statements.append(list(references))
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_away:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")
        return Records()


class Copies:
    """Runs whose bookings are copied, or not while the database is away."""

    def __init__(self) -> None:
        self.statements: list[int] = []
        self.is_away = False

    async def settle(self, batch: Sequence[CachedRun]) -> None:
        self.statements.append(len(batch))
        if self.is_away:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")
        for cached in batch:
            cached.pending_bookings.clear()


class Swaps:
    """Runs that are committed one statement at a time, when it is told to; those with a rival lose."""

    def __init__(self) -> None:
        self.statements: list[int] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.contended: set[int] = set()
        self.is_away = False

    async def commit_each(self, batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        self.statements.append(len(batch))
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_away:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")
        return [SwapOutcome.LOST if id(cached) in self.contended else SwapOutcome.DONE for cached in batch]


def a_kept_run(pending_bookings: int) -> CachedRun:
    documents = {f"B{number}": PendingBooking({"_id": f"B{number}"}, 2) for number in range(pending_bookings)}
    return CachedRun(make_run(a_train(), date(2031, 5, 1)), documents)


async def test_what_is_looked_up_while_a_statement_is_under_way_goes_into_the_next_one_together() -> None:
    at_rest = AtRest()
    lookups = BookingLookups(cast(Bookings, at_rest))
    first = asyncio.ensure_future(lookups.find(["AAA"]))
    await at_rest.was_asked.wait()
    others = [asyncio.ensure_future(lookups.find([reference])) for reference in ("BBB", "CCC", "DDD")]
    await asyncio.sleep(0)
    at_rest.may_answer.set()
    await asyncio.gather(first, *others)
    assert at_rest.statements == [["AAA"], ["BBB", "CCC", "DDD"]]


async def test_an_outage_is_told_to_all_who_wait_and_to_nobody_after_them() -> None:
    at_rest = AtRest()
    at_rest.may_answer.set()
    at_rest.is_away = True
    lookups = BookingLookups(cast(Bookings, at_rest))
    outcomes = await asyncio.gather(lookups.find(["AAA"]), lookups.find(["BBB"]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Refusal, Refusal]
    at_rest.is_away = False
    assert await lookups.find(["AAA"]) == {}


async def test_nothing_is_asked_where_nothing_is_wanted() -> None:
    at_rest = AtRest()
    assert await BookingLookups(cast(Bookings, at_rest)).find([]) == {}
    assert at_rest.statements == []


async def test_runs_that_commit_at_the_same_time_are_copied_together() -> None:
    copies = Copies()
    archive_queue = ArchiveQueue(cast(TrainRuns, copies))
    cached = [a_kept_run(3), a_kept_run(2)]
    for one in (*cached, cached[0]):
        archive_queue.add(one)
    await archive_queue.join()
    assert copies.statements == [2]
    assert not any(one.pending_bookings for one in cached)


async def test_a_lane_waits_for_room_until_its_bookings_are_copied() -> None:
    archive_queue = ArchiveQueue(cast(TrainRuns, Copies()))
    cached = a_kept_run(5)
    archive_queue.add(cached)
    await archive_queue.wait_for_room(cached, 4)
    assert not cached.pending_bookings


async def test_who_is_waited_for_and_who_has_a_rival_is_copied_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.lanes.archive.ARCHIVE_DELAY_SECONDS", 3_600)
    archive_queue = ArchiveQueue(cast(TrainRuns, Copies()))
    contested, full = a_kept_run(3), a_kept_run(5)
    archive_queue.add(contested, is_contended=True)
    await asyncio.wait_for(archive_queue.join(), timeout=5)
    archive_queue.add(full)
    await asyncio.wait_for(archive_queue.wait_for_room(full, 4), timeout=5)
    assert not contested.pending_bookings
    assert not full.pending_bookings


@pytest.mark.parametrize("is_away", [True, False])
async def test_a_lane_does_not_wait_for_room_that_nobody_can_make(is_away: bool) -> None:
    copies = Copies()
    copies.is_away = is_away
    archive_queue = ArchiveQueue(cast(TrainRuns, copies))
    cached = a_kept_run(5)
    if is_away:
        archive_queue.add(cached)
    await asyncio.wait_for(archive_queue.wait_for_room(cached, 0), timeout=5)
    assert len(cached.pending_bookings) == 5


async def test_runs_that_commit_while_statements_are_under_way_share_the_next_one() -> None:
    swaps = Swaps()
    commits = RunCommits(cast(TrainRuns, swaps), statements_max=1)
    first = asyncio.create_task(commits.commit(a_kept_run(0)))
    await swaps.was_asked.wait()
    runs = [a_kept_run(0) for _ in range(5)]
    swaps.contended.add(id(runs[3]))
    others = [asyncio.create_task(commits.commit(cached)) for cached in runs]
    await asyncio.sleep(0)  # each of them begins, and waits
    swaps.may_answer.set()
    assert await first is SwapOutcome.DONE
    done, lost = SwapOutcome.DONE, SwapOutcome.LOST
    assert await asyncio.gather(*others) == [done, done, done, lost, done]
    assert swaps.statements == [1, 5]


async def test_an_outage_is_told_to_every_run_that_shared_the_statement_and_the_next_one_is_tried() -> None:
    swaps = Swaps()
    commits = RunCommits(cast(TrainRuns, swaps), statements_max=1)
    first = asyncio.create_task(commits.commit(a_kept_run(0)))
    await swaps.was_asked.wait()
    others = [asyncio.create_task(commits.commit(a_kept_run(0))) for _ in range(2)]
    await asyncio.sleep(0)
    swaps.is_away = True
    swaps.may_answer.set()
    found = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(one) for one in found] == [Refusal] * 3
    swaps.is_away = False
    assert await commits.commit(a_kept_run(0)) is SwapOutcome.DONE


async def test_who_commits_in_the_very_moment_in_which_a_statement_has_ended_does_not_wait_for_ever() -> None:
    swaps = Swaps()
    swaps.may_answer.set()
    commits = RunCommits(cast(TrainRuns, swaps), statements_max=1)

    async def commit_twice() -> None:
        for _ in range(2):
            assert await commits.commit(a_kept_run(0)) is SwapOutcome.DONE

    await asyncio.wait_for(commit_twice(), timeout=5)
    assert swaps.statements == [1, 1]
