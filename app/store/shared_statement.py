"""One statement for many who ask.

Belongs here: gathering. Does not: any statement.

A statement costs a fixed half millisecond of processor time before it does anything. Where hundreds ask for the same kind at
once, they share it: whatever is asked for while one statement is under way waits, and goes into the next one together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class SharedStatement(Generic[ItemT, ResultT]):
    """Asks for many at a time, at most `batch_max`, with at most `statements_max` statements under way.

    `ask` gives an answer for each of those asked for, in their order. What it raises is raised for all of them.
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        batch_max: int,
        statements_max: int = 1,
    ) -> None:
        self._name = name
        self._ask = ask
        self._batch_max, self._statements_max = batch_max, statements_max
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()  # or nobody would keep them

    async def ask(self, one: ItemT) -> ResultT:
        """The answer for one. The statement begins after the call."""
        answer: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, answer))
        if self._under_way < self._statements_max:
            self._under_way += 1
            task = asyncio.create_task(self._work(), name=self._name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def wait_idle(self) -> None:
        """Waits until nothing is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
                await self._answer(batch)
        finally:
            # In the same step: whoever asks next must not count on this task, which looks no more.
            self._under_way -= 1

    async def _answer(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            answers = await self._ask([one for one, _ in batch])
        except Exception as error:  # everybody who waits is to know
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():  # who asked may have given up
                future.set_result(answer)
