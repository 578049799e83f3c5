"""Tasks without an event loop: coroutines that are advanced one statement at a time, in an order that chance decides.

Belongs here: what the service takes of `asyncio`, done again so that a seed decides who goes on, a process can end between any
two statements, and time passes only where the simulation says so. Does not: anything of trains or money.

A task goes on until it awaits something that is not there yet; then `Scheduler` chooses who is next. A process that ends takes
its
tasks with it, without a word to anybody.
"""

import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

import app.jobs.runner
import app.lanes.archive
import app.lanes.committer
import app.lanes.contention
import app.lanes.lane
import app.lanes.local_bus
import app.store.shared_statement
import app.store.users
import app.usecases.payments

Value = TypeVar("Value")

_KNOW_ASYNCIO = (
    app.lanes.archive,
    app.lanes.lane,
    app.lanes.local_bus,
    app.store.shared_statement,
    app.jobs.runner,
    app.usecases.payments,
)
_KNOW_TIME = (app.lanes.committer, app.lanes.contention, app.lanes.lane, app.store.users)


class SimulatedFuture(Generic[Value]):
    """What somebody waits for: a future."""

    def __init__(self, turns: "Scheduler") -> None:
        self._turns = turns
        self._is_done = False
        self._result: Value | None = None
        self._error: BaseException | None = None
        self.waiting: list[Task] = []

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: Value) -> None:
        self._result = result
        self._settle()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._settle()

    def _settle(self) -> None:
        if self._is_done:
            raise RuntimeError("an answer is given once")
        self._is_done = True
        self._turns.ready.extend(task for task in self.waiting if not task.is_over)
        self.waiting.clear()

    def __await__(self) -> Generator[Any, None, Value]:
        if not self._is_done:
            yield self
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # it was set, or is meant to be None


class YieldPoint:
    """A point at which others may have a turn."""

    def __await__(self) -> Generator[Any, None, None]:
        yield None


YIELD_POINT = YieldPoint()


class Task:
    """A coroutine of a process, until it returns or its process ends."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], name: str, process: str) -> None:
        self.coroutine, self.name, self.process = coroutine, name, process
        self.is_over = False
        self.error: BaseException | None = None
        self._callbacks: list[Callable[[Task], object]] = []

    def add_done_callback(self, callback: "Callable[[Task], object]") -> None:
        self._callbacks.append(callback)

    def end(self) -> None:
        self.is_over = True
        for callback in self._callbacks:
            callback(self)


class Scheduler:
    """Who goes on next. `stickiness` is how likely it is that whoever had the last turn has the next one, too."""

    def __init__(self, rng: random.Random, stickiness: float) -> None:
        self._rng, self._stickiness = rng, stickiness
        self.ready: list[Task] = []
        self.under_way: dict[Task, None] = {}
        self.current: Task | None = None

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "", process: str = "") -> Task:
        """Begins a task; without a process it belongs to the one that begins it."""
        task = Task(coroutine, name, process or (self.current.process if self.current else ""))
        self.ready.append(task)
        self.under_way[task] = None
        return task

    def step(self, is_chosen: Callable[[Task], bool] | None = None) -> bool:
        """Has one task go on; False where none can."""
        ready = self.ready if is_chosen is None else [task for task in self.ready if is_chosen(task)]
        if not ready:
            return False
        if self.current in ready and self._rng.random() < self._stickiness:
            task = self.current
        else:
            task = ready[int(self._rng.random() * len(ready))]
        self.ready.remove(task)
        self._advance(task)
        return True

    def _advance(self, task: Task) -> None:
        self.current = task
        try:
            awaited = task.coroutine.send(None)
        except StopIteration:
            self._end(task)
        except Exception as error:
            task.error = error
            self._end(task)
            raise
        else:
            if isinstance(awaited, SimulatedFuture):
                awaited.waiting.append(task)
            elif not task.is_over:
                self.ready.append(task)

    def _end(self, task: Task) -> None:
        self.under_way.pop(task, None)
        task.end()

    def kill(self, process: str) -> None:
        """Ends a process: none of its tasks goes on."""
        doomed = [task for task in self.under_way if task.process == process]
        self.ready = [task for task in self.ready if task.process != process]
        for task in doomed:
            task.is_over = True
            del self.under_way[task]
        for task in doomed:
            task.coroutine.close()

    def is_idle(self, process: str) -> bool:
        return not any(task.process == process for task in self.under_way)

    def kill_all(self) -> None:
        for process in {task.process: None for task in self.under_way}:
            self.kill(process)


class _SimulatedEvent:
    def __init__(self, turns: Scheduler) -> None:
        self._turns = turns
        self._answer: SimulatedFuture[None] = SimulatedFuture(turns)

    def set(self) -> None:
        if not self._answer.done():
            self._answer.set_result(None)

    def clear(self) -> None:
        if self._answer.done():
            self._answer = SimulatedFuture(self._turns)

    async def wait(self) -> None:
        await self._answer


class _UnboundedSemaphore:
    """A semaphore with room for all: how many commit at a time is no matter of being right."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        return None


class SimulatedAsyncio:
    """What the service's modules use of `asyncio`."""

    class CancelledError(BaseException):
        """Nothing is ever cancelled here: processes end at once."""

    def __init__(self, turns: Scheduler) -> None:
        self._turns = turns

    def get_running_loop(self) -> "SimulatedAsyncio":
        return self

    def create_future(self) -> SimulatedFuture[Any]:
        return SimulatedFuture(self._turns)

    def create_task(self, coroutine: Coroutine[Any, Any, Any], *, name: str = "") -> Task:
        return self._turns.spawn(coroutine, name)

    def Event(self) -> _SimulatedEvent:  # noqa: N802 - as asyncio names it
        return _SimulatedEvent(self._turns)

    def Semaphore(self, value: int) -> _UnboundedSemaphore:  # noqa: N802 - as asyncio names it
        return _UnboundedSemaphore()

    async def sleep(self, seconds: float) -> None:
        await YIELD_POINT

    async def gather(self, *all_of: Awaitable[Value]) -> list[Value]:
        begun = list(all_of)
        try:
            return [await one for one in begun]
        finally:  # a process that ends here never comes to the others
            for one in begun:
                if isinstance(one, Coroutine):
                    one.close()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> Any:
        yield


class _Monotonic:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic


@contextmanager
def simulated(turns: Scheduler, monotonic: Callable[[], float]) -> Iterator[None]:
    """Within it, the service's modules have `turns` for their event loop, and `monotonic` for their clock."""
    stand_in, clock = SimulatedAsyncio(turns), _Monotonic(monotonic)
    kept = [(module, "asyncio", module.asyncio) for module in _KNOW_ASYNCIO]
    kept += [(module, "time", module.time) for module in _KNOW_TIME]
    try:
        for module, name, _ in kept:
            setattr(module, name, stand_in if name == "asyncio" else clock)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
        turns.kill_all()
