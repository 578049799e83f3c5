"""Outbox subscribers.

Belongs here: what the outbox relay needs of whoever acts on events. Does not belong here: the relay
(`app/usecases/outbox.py`), nor any subscriber.
"""

from collections.abc import Sequence
from typing import Protocol

from app.domain.events import Event


class EventSubscriber(Protocol):
    """Turns events into work: jobs, or deliveries."""

    async def handle(self, events: Sequence[Event], /) -> object:
        """Write down the work that follows from these events, which are in the order of their runs.

        It is called again with the same events after a crash, so the ids of the work must follow from those of the events. The
        events are stored already. What it raises keeps all of them unprocessed. Refuses DATABASE_UNAVAILABLE.
        """
