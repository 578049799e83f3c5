"""One statement for many callers.

Belongs here: collecting what callers ask for while an earlier statement is under way. Does not belong here: any statement.

A statement costs half a millisecond of processor time before it does anything. Where hundreds of callers need the same kind at
once, they share it: what is asked for while one statement is under way waits, and goes into the next one together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class SharedStatement(Generic[ItemT, ResultT]):
    """Sends statements for at most `batch_max` items each, with at most `statements_max` of them under way.

    `send` returns a result for each item, in their order. An error that it raises is raised for all of them.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[Sequence[ItemT]], Awaitable[Sequence[ResultT]]],
        *,
        batch_max: int,
        statements_max: int = 1,
    ) -> None:
        self._name = name
        self._send = send
        self._batch_max, self._statements_max = batch_max, statements_max
        self._waiting: list[tuple[ItemT, asyncio.Future[ResultT]]] = []
        self._under_way = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the event loop itself keeps only weak references to tasks

    async def ask(self, item: ItemT) -> ResultT:
        """Return the result for one item. Its statement begins after the call."""
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._under_way < self._statements_max:
            self._under_way += 1
            task = asyncio.create_task(self._work(), name=self._name)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await future

    async def wait_idle(self) -> None:
        """Wait until no item waits and no statement is under way."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
                await self._send_batch(batch)
        finally:
            # In the same step as the last look at `_waiting`: the next caller must start a task of its own.
            self._under_way -= 1

    async def _send_batch(self, batch: list[tuple[ItemT, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self._send([item for item, _ in batch])
        except Exception as error:  # raised to every caller
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), result in zip(batch, results, strict=True):
            if not future.done():  # the caller may have gone
                future.set_result(result)
