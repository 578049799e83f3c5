"""One statement for many who ask: what waits together goes together, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.store.shared_statement import SharedStatement


class Doubling:
    """Answers one statement at a time with numbers doubled, when it is told to."""

    def __init__(self) -> None:
        self.statements: list[list[int]] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.is_away = False

    async def ask(self, numbers: Sequence[int]) -> list[int]:
        self.statements.append(list(numbers))
        self.was_asked.set()
        await self.may_answer.wait()
        if self.is_away:
            raise ConnectionError("away")
        return [2 * number for number in numbers]


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


@pytest.fixture
def shared(doubling: Doubling) -> SharedStatement[int, int]:
    return SharedStatement("double", doubling.ask, batch_max=3)


async def test_what_is_asked_while_a_statement_is_under_way_shares_the_next_one_up_to_its_size(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    first = asyncio.ensure_future(shared.ask(1))
    await doubling.was_asked.wait()
    others = [asyncio.ensure_future(shared.ask(number)) for number in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    doubling.may_answer.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert doubling.statements == [[1], [2, 3, 4], [5]]


async def test_what_is_asked_at_once_shares_the_first_statement(doubling: Doubling, shared: SharedStatement[int, int]) -> None:
    doubling.may_answer.set()
    assert list(await asyncio.gather(shared.ask(1), shared.ask(2))) == [2, 4]
    assert doubling.statements == [[1, 2]]


async def test_a_fault_is_told_to_all_who_wait_and_to_nobody_after_them(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    doubling.may_answer.set()
    doubling.is_away = True
    found = await asyncio.gather(shared.ask(1), shared.ask(2), return_exceptions=True)
    assert [str(one) for one in found] == ["away", "away"]
    doubling.is_away = False
    assert await shared.ask(3) == 6


async def test_who_gives_up_does_not_take_the_others_along(doubling: Doubling, shared: SharedStatement[int, int]) -> None:
    waiting = [asyncio.ensure_future(shared.ask(number)) for number in (1, 2, 3)]
    await doubling.was_asked.wait()
    waiting[1].cancel()
    doubling.may_answer.set()
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (2, asyncio.CancelledError, 6)


async def test_joining_waits_until_all_are_answered(doubling: Doubling, shared: SharedStatement[int, int]) -> None:
    waiting = [asyncio.ensure_future(shared.ask(number)) for number in range(5)]
    await doubling.was_asked.wait()
    doubling.may_answer.set()
    await shared.wait_idle()
    assert all(one.done() for one in waiting)
    await shared.wait_idle()
