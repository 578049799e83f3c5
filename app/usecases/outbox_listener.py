"""The outbox listener: has new events processed at once, where the database reports changes.

Belongs here: waiting for new events. Does not belong here: processing them (`outbox.py`), nor the periodic task that does so
anyway; without the listener, events wait for it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.ports.background_task import BackgroundTask
from app.store.events import Events

_log = logging.getLogger(__name__)

# Events come in bursts; those that follow closely are processed together.
_GATHER_SECONDS = 0.1
# After a fault, such as an outage: nothing can be heard until it is over.
_PAUSE_SECONDS = 2.0


class OutboxListener:
    """Calls `on_new_events` whenever there are new events, from `start` until `stop`."""

    def __init__(self, events: Events, on_new_events: Callable[[], Awaitable[None]]) -> None:
        self._events, self._on_new_events = events, on_new_events
        self._task = BackgroundTask("outbox listener", self._listen)

    def start(self) -> None:
        """Start listening."""
        self._task.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self._task.stop()

    async def _listen(self) -> None:
        while True:
            try:
                if not await self._events.wait_for_unprocessed():
                    _log.info("this database does not report changes: new events are polled")
                    return
                await self._on_new_events()
                await asyncio.sleep(_GATHER_SECONDS)
            except Exception as error:  # whatever it is, the periodic task goes on without the listener
                _log.debug("listening for events pauses: %s", type(error).__name__)
                await asyncio.sleep(_PAUSE_SECONDS)
