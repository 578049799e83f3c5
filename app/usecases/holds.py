"""Holds: seats that are kept for a while.

Belongs here: the use cases around holds. Does not belong here: bookings that use them (`bookings.py`).
"""

from app.domain.commands import (
    HoldSeats,
    ReleaseHold,
)
from app.domain.refusals import InvalidField
from app.domain.run.hold import Hold
from app.lanes.bus import CommandBus


class HoldUseCases:
    """The use cases around holds. Deadlines are in `time.monotonic` seconds."""

    def __init__(self, bus: CommandBus) -> None:
        self._bus = bus

    async def hold_seats(self, command: HoldSeats, deadline: float) -> Hold:
        """Keeps seats for a while; see `app.domain.rules.hold_seats`."""
        return await self._bus.submit(command, deadline)

    async def release(self, command: ReleaseHold, deadline: float) -> None:
        """Gives held seats back; see `app.domain.rules.hold_seats`."""
        if not command.run_id:
            raise InvalidField("hold_id", "is not the id of a hold")
        await self._bus.submit(command, deadline)
