"""A scheduler in place of the event loop: it runs coroutines one statement at a time, in an order given by a seed.

Belongs here: replacements for what the service uses of `asyncio` and `time`. A seed decides which task runs next, a process
can end between any two statements, and time passes only where the simulation says so. Does not belong here: trains and money.

A task runs until it awaits something that is not there yet. Then the scheduler chooses the next task. A process that ends takes
its tasks with it, and nothing reports it.
"""

import random
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

import app.jobs.runner
import app.lanes.archive
import app.lanes.claimed_turns
import app.lanes.committer
import app.lanes.contention
import app.lanes.lane
import app.lanes.local_bus
import app.store.shared_statement
import app.store.unreadable
import app.store.users
import app.usecases.layout_jobs
import app.usecases.payments
import app.usecases.train_layouts

Value = TypeVar("Value")

_USE_ASYNCIO = (
    app.lanes.archive,
    app.lanes.claimed_turns,
    app.lanes.lane,
    app.lanes.local_bus,
    app.store.shared_statement,
    app.store.unreadable,
    app.jobs.runner,
    app.usecases.layout_jobs,
    app.usecases.payments,
    app.usecases.train_layouts,
)
_USE_TIME = (app.lanes.committer, app.lanes.contention, app.lanes.lane, app.store.users, app.usecases.train_layouts)


class SimulatedFuture(Generic[Value]):
    """Stands for `asyncio.Future`."""

    def __init__(self, scheduler: "Scheduler") -> None:
        self._scheduler = scheduler
        self._is_done = False
        self._result: Value | None = None
        self._error: BaseException | None = None
        self.waiting: list[Task] = []

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: Value) -> None:
        self._result = result
        self._complete()

    def set_exception(self, error: BaseException) -> None:
        self._error = error
        self._complete()

    def _complete(self) -> None:
        if self._is_done:
            raise RuntimeError("a future is completed once")
        self._is_done = True
        self._scheduler.ready.extend(task for task in self.waiting if not task.is_over)
        self.waiting.clear()

    def __await__(self) -> Generator[Any, None, Value]:
        if not self._is_done:
            yield self
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # set_result was called, maybe with None


class YieldPoint:
    """A point at which other tasks may run."""

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
    """Decides which task runs next. `stickiness` is the probability that the last task goes on, where it can."""

    def __init__(self, rng: random.Random, stickiness: float) -> None:
        self._rng, self._stickiness = rng, stickiness
        self.ready: list[Task] = []
        self.under_way: dict[Task, None] = {}
        self.current: Task | None = None

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str = "", process: str = "") -> Task:
        """Start a task. Without a process name it belongs to the process of the current task."""
        task = Task(coroutine, name, process or (self.current.process if self.current else ""))
        self.ready.append(task)
        self.under_way[task] = None
        return task

    def step(self, is_chosen: Callable[[Task], bool] | None = None) -> bool:
        """Run one task up to its next await. Return False where no task can run."""
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
        """End a process: none of its tasks runs any more."""
        ended = [task for task in self.under_way if task.process == process]
        self.ready = [task for task in self.ready if task.process != process]
        for task in ended:
            task.is_over = True
            del self.under_way[task]
        for task in ended:
            task.coroutine.close()

    def is_idle(self, process: str) -> bool:
        """Whether no task of the process is left."""
        return not any(task.process == process for task in self.under_way)

    def kill_all(self) -> None:
        """End every process."""
        for process in {task.process: None for task in self.under_way}:
            self.kill(process)


class _SimulatedEvent:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._future: SimulatedFuture[None] = SimulatedFuture(scheduler)

    def set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def clear(self) -> None:
        if self._future.done():
            self._future = SimulatedFuture(self._scheduler)

    async def wait(self) -> None:
        await self._future


class _UnboundedSemaphore:
    """A semaphore that never blocks: how many lanes commit at a time changes the speed, not the results."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *error: object) -> None:
        return None


class SimulatedAsyncio:
    """Stands for the module `asyncio`, as far as the service uses it."""

    class CancelledError(BaseException):
        """Never raised: processes end without cancelling their tasks."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def get_running_loop(self) -> "SimulatedAsyncio":
        return self

    def create_future(self) -> SimulatedFuture[Any]:
        return SimulatedFuture(self._scheduler)

    def create_task(self, coroutine: Coroutine[Any, Any, Any], *, name: str = "") -> Task:
        return self._scheduler.spawn(coroutine, name)

    def Event(self) -> _SimulatedEvent:  # noqa: N802 - as asyncio names it
        return _SimulatedEvent(self._scheduler)

    def Semaphore(self, value: int) -> _UnboundedSemaphore:  # noqa: N802 - as asyncio names it
        return _UnboundedSemaphore()

    async def sleep(self, seconds: float) -> None:
        await YIELD_POINT

    async def gather(self, *awaitables: Awaitable[Value]) -> list[Value]:
        try:
            return [await awaitable for awaitable in awaitables]
        finally:  # a process that ends here never awaits the rest
            for awaitable in awaitables:
                if isinstance(awaitable, Coroutine):
                    awaitable.close()

    @asynccontextmanager
    async def timeout(self, seconds: float) -> Any:
        yield


class _Monotonic:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.monotonic = monotonic


@contextmanager
def simulated(scheduler: Scheduler, monotonic: Callable[[], float]) -> Iterator[None]:
    """Replace the event loop and the clock of the service's modules, until the block ends."""
    loop, clock = SimulatedAsyncio(scheduler), _Monotonic(monotonic)
    originals = [(module, "asyncio", module.asyncio) for module in _USE_ASYNCIO]
    originals += [(module, "time", module.time) for module in _USE_TIME]
    try:
        for module, name, _ in originals:
            setattr(module, name, loop if name == "asyncio" else clock)
        yield
    finally:
        for module, name, value in originals:
            setattr(module, name, value)
        scheduler.kill_all()
