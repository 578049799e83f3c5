"""One task that runs in the background of a process.

Belongs here: starting a task, stopping it, reporting that it failed, and repeating an action. Does not belong here: what the
task does, nor periodic jobs that several processes share (`app/jobs`).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn

_log = logging.getLogger(__name__)


class BackgroundTask:
    """Run a coroutine from `start` until `stop`. A stopped task may be started again.

    `coroutine_factory` makes the coroutine at each start. A coroutine that raises is logged at once, and not run again.
    """

    def __init__(self, name: str, coroutine_factory: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._name, self._coroutine_factory = name, coroutine_factory
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the coroutine was started and has neither returned nor failed."""
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        """Start the coroutine in the running event loop. Raise RuntimeError while it is running."""
        if self.is_running:
            raise RuntimeError(f"the background task {self._name!r} is already running")
        self._task = asyncio.create_task(self._coroutine_factory(), name=self._name)
        self._task.add_done_callback(self._log_failure)

    async def stop(self) -> None:
        """Cancel the coroutine and wait until it has ended. Does nothing when it is not running."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])  # unlike `await task`, this raises only when our own caller is cancelled

    def _log_failure(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            _log.error("the background task %r failed", self._name, exc_info=error)


async def repeat(interval_seconds: float, action: Callable[[], Awaitable[None]]) -> NoReturn:
    """Await `action` every `interval_seconds`, for the first time after one interval, until cancelled."""
    while True:
        await asyncio.sleep(interval_seconds)
        await action()
