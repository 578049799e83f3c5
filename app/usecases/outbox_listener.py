"""Listening: new events are followed up at once, where the database tells of them.

Belongs here: hearing of events, and hurrying the sweep that follows them up. Does not: following up (`outbox.py`), nor the
sweep's own rhythm, which is the net under this: what is not heard waits for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from app.store.events import Events

_log = logging.getLogger(__name__)

# Events come in crowds: those that follow closely are to come along.
_GATHER_SECONDS = 0.1
# After a fault, such as an outage: until it is over, nothing can be heard anyway.
_PAUSE_SECONDS = 2.0


class OutboxListener:
    """Calls `hurry` whenever there are new events, from `start` until `stop`."""

    def __init__(self, events: Events, hurry: Callable[[], Awaitable[None]]) -> None:
        self._events, self._hurry = events, hurry
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to listen."""
        self._task = asyncio.create_task(self._listen(), name="listen for events")

    async def stop(self) -> None:
        """Stops listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while True:
            try:
                if not await self._events.wait_for_unprocessed():
                    _log.info("this database does not tell of changes: new events are looked for instead")
                    return
                await self._hurry()
                await asyncio.sleep(_GATHER_SECONDS)
            except Exception as error:  # whatever it is, the sweep goes on without us
                _log.debug("nothing is heard for a while: %s", type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
