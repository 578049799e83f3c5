"""One statement for many who ask.

Belongs here: gathering. Does not: any statement.

A statement costs a fixed half millisecond of processor time before it does anything. Where hundreds ask for the same kind at
once, they share it: whatever is asked for while one statement is under way waits, and goes into the next one together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class SharedStatement(Generic[Asked, Answer]):
    """Asks for many at a time, at most `batch_max`, and one statement after the other.

    `ask` gives an answer for each of those asked for, in their order. What it raises is raised for all of them.
    """

    def __init__(self, name: str, ask: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]], *, batch_max: int) -> None:
        self._name = name
        self._ask = ask
        self._batch_max = batch_max
        self._waiting: list[tuple[Asked, asyncio.Future[Answer]]] = []
        self._task: asyncio.Task[None] | None = None

    async def ask(self, one: Asked) -> Answer:
        """The answer for one. The statement begins after the call."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((one, answer))
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=self._name)
        return await answer

    async def join(self) -> None:
        """Waits until nothing is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._batch_max], self._waiting[self._batch_max :]
                await self._answer(batch)
        finally:
            self._task = None

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Answer]]]) -> None:
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
