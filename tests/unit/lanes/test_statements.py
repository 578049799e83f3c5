"""Look-ups and commits of several lanes share one statement, and each gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from app.domain.booking import Booking
from app.domain.refusals import Reason, Refusal
from app.lanes.statements import BookingLookups, RunCommits
from app.store.bookings import Bookings
from app.store.cached_run import CachedRun
from app.store.driver import SwapOutcome
from app.store.runs import TrainRuns
from app.store.unreadable import Records
from tests.support.cached_runs import a_cached_run


class SlowDatabase:
    """Stands for the bookings and runs of the store: answers one statement at a time, once `may_answer` is set."""

    def __init__(self) -> None:
        self.lookups: list[list[str]] = []
        self.commit_sizes: list[int] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.lost: set[int] = set()
        self.is_away = False

    async def find_archived(self, references: Sequence[str]) -> Records[Booking]:
        self.lookups.append(list(references))
        await self._answer()
        return Records()

    async def commit_each(self, batch: Sequence[CachedRun]) -> list[SwapOutcome]:
        self.commit_sizes.append(len(batch))
        await self._answer()
        return [SwapOutcome.LOST if id(cached) in self.lost else SwapOutcome.DONE for cached in batch]

    async def _answer(self) -> None:
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_away:
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "away")


def lookups_over(database: SlowDatabase) -> BookingLookups:
    return BookingLookups(cast(Bookings, database))


def commits_over(database: SlowDatabase) -> RunCommits:
    return RunCommits(cast(TrainRuns, database), statements_max=1)


# -- look-ups


async def test_lookups_that_arrive_during_a_statement_share_the_next_one() -> None:
    database = SlowDatabase()
    lookups = lookups_over(database)
    first = asyncio.ensure_future(lookups.find(["AAA"]))
    await database.was_asked.wait()
    others = [asyncio.ensure_future(lookups.find([reference])) for reference in ("BBB", "CCC", "DDD")]
    await asyncio.sleep(0)
    database.may_answer.set()
    await asyncio.gather(first, *others)
    assert database.lookups == [["AAA"], ["BBB", "CCC", "DDD"]]


async def test_an_outage_fails_all_lookups_of_the_statement_and_none_after_it() -> None:
    database = SlowDatabase()
    database.may_answer.set()
    database.is_away = True
    lookups = lookups_over(database)
    found = await asyncio.gather(lookups.find(["AAA"]), lookups.find(["BBB"]), return_exceptions=True)
    assert [type(error) for error in found] == [Refusal, Refusal]
    database.is_away = False
    assert await lookups.find(["AAA"]) == {}


async def test_a_lookup_of_no_references_sends_no_statement() -> None:
    database = SlowDatabase()
    assert await lookups_over(database).find([]) == {}
    assert database.lookups == []


# -- commits


async def test_commits_that_arrive_during_a_statement_share_the_next_one_and_only_the_late_run_is_lost() -> None:
    database = SlowDatabase()
    commits = commits_over(database)
    first = asyncio.create_task(commits.commit(a_cached_run()))
    await database.was_asked.wait()
    runs = [a_cached_run() for _ in range(5)]
    database.lost.add(id(runs[3]))
    others = [asyncio.create_task(commits.commit(cached)) for cached in runs]
    await asyncio.sleep(0)  # each of them begins, and waits
    database.may_answer.set()
    assert await first is SwapOutcome.DONE
    done, lost = SwapOutcome.DONE, SwapOutcome.LOST
    assert await asyncio.gather(*others) == [done, done, done, lost, done]
    assert database.commit_sizes == [1, 5]


async def test_an_outage_fails_every_commit_that_waits_and_the_next_one_is_tried() -> None:
    database = SlowDatabase()
    commits = commits_over(database)
    first = asyncio.create_task(commits.commit(a_cached_run()))
    await database.was_asked.wait()
    others = [asyncio.create_task(commits.commit(a_cached_run())) for _ in range(2)]
    await asyncio.sleep(0)
    database.is_away = True
    database.may_answer.set()
    found = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(error) for error in found] == [Refusal] * 3
    database.is_away = False
    assert await commits.commit(a_cached_run()) is SwapOutcome.DONE


async def test_a_commit_that_follows_at_once_on_the_end_of_a_statement_is_answered() -> None:
    database = SlowDatabase()
    database.may_answer.set()
    commits = commits_over(database)

    async def commit_twice() -> None:
        for _ in range(2):
            assert await commits.commit(a_cached_run()) is SwapOutcome.DONE

    await asyncio.wait_for(commit_twice(), timeout=5)
    assert database.commit_sizes == [1, 1]
