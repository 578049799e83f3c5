"""What the delivery engine needs of the stored deliveries.

Belongs here: the protocol. Does not belong here: statements (`app/store/deliveries.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from app.domain.deliveries import Delivery


class DeliveryStore(Protocol):
    """Stored deliveries, as `app.store.deliveries.Deliveries` has them. Every method refuses DATABASE_UNAVAILABLE."""

    async def insert_if_absent(self, deliveries: Sequence[Delivery]) -> int:
        """Insert the deliveries whose ids are not stored yet; return their number."""

    async def list_due(self, receiver_id: str, now: datetime, limit: int) -> list[Delivery]:
        """Return at most `limit` deliveries to a receiver that are due, those that wait longest first."""

    async def next_due_time(self, receiver_id: str) -> datetime | None:
        """Return when the first pending delivery to a receiver is due, which may have passed; None if there is none."""

    async def claim(self, delivery: Delivery, until: datetime) -> Delivery | None:
        """Claim a due delivery until then. Return None when another server has claimed it."""

    async def record(self, delivery: Delivery) -> bool:
        """Write a delivery's last attempt. Return False when another attempt was written in the meantime, or it is gone."""
