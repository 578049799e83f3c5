"""Observers of the worker.

Belongs here: what the worker reports about deliveries and statistics. Does not belong here: what is made of it
(`app/telemetry`).
"""

from typing import Protocol

from app.domain.deliveries import DeliveryState
from app.domain.statistics import Statistics


class WorkObserver(Protocol):
    """Observes the worker. Its methods may not raise or wait."""

    def delivery_attempted(self, channel: str, state: DeliveryState) -> None:
        """Observe an attempt of the channel of that name, by the state that it left the delivery in."""

    def statistics_collected(self, statistics: Statistics) -> None:
        """Observe new statistics of the database."""
