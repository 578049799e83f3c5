"""Callers who ask at the same time share a statement, and each of them gets an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.store.shared_statement import SharedStatement


class Doubling:
    """A statement that doubles numbers, once `may_answer` is set."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.was_sent = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.is_away = False

    async def send(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.was_sent.set()
        await self.may_answer.wait()
        if self.is_away:
            raise ConnectionError("away")
        return [2 * number for number in numbers]


@pytest.fixture
def doubling() -> Doubling:
    return Doubling()


@pytest.fixture
def shared(doubling: Doubling) -> SharedStatement[int, int]:
    return SharedStatement("double", doubling.send, batch_max=3)


async def test_items_that_arrive_during_a_statement_share_the_next_one_up_to_its_size(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    first = asyncio.ensure_future(shared.ask(1))
    await doubling.was_sent.wait()
    others = [asyncio.ensure_future(shared.ask(number)) for number in (2, 3, 4, 5)]
    await asyncio.sleep(0)
    doubling.may_answer.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10]
    assert doubling.batches == [[1], [2, 3, 4], [5]]


async def test_items_that_arrive_at_once_share_the_first_statement(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    doubling.may_answer.set()
    assert list(await asyncio.gather(shared.ask(1), shared.ask(2))) == [2, 4]
    assert doubling.batches == [[1, 2]]


async def test_an_error_is_raised_to_all_callers_of_the_statement_and_to_none_after_it(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    doubling.may_answer.set()
    doubling.is_away = True
    found = await asyncio.gather(shared.ask(1), shared.ask(2), return_exceptions=True)
    assert [str(error) for error in found] == ["away", "away"]
    doubling.is_away = False
    assert await shared.ask(3) == 6


async def test_a_caller_who_goes_does_not_take_the_others_along(doubling: Doubling, shared: SharedStatement[int, int]) -> None:
    calls = [asyncio.ensure_future(shared.ask(number)) for number in (1, 2, 3)]
    await doubling.was_sent.wait()
    calls[1].cancel()
    doubling.may_answer.set()
    found = await asyncio.gather(*calls, return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (2, asyncio.CancelledError, 6)


async def test_waiting_until_it_is_idle_waits_until_all_are_answered(
    doubling: Doubling, shared: SharedStatement[int, int]
) -> None:
    calls = [asyncio.ensure_future(shared.ask(number)) for number in range(5)]
    await doubling.was_sent.wait()
    doubling.may_answer.set()
    await shared.wait_idle()
    assert all(call.done() for call in calls)
    await shared.wait_idle()
