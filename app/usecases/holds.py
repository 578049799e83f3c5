"""Holds: timed claims on seats before payment.

Belongs here: the use cases around holds. Does not belong here: bookings that use them (`bookings.py`).
"""

from app.domain.commands import HoldSeats, ReleaseHold
from app.domain.refusals import InvalidField
from app.domain.run.hold import Hold
from app.lanes.bus import CommandBus


class HoldUseCases:
    """The use cases around holds. Deadlines are in `time.monotonic` seconds."""

    def __init__(self, bus: CommandBus) -> None:
        self._bus = bus

    async def hold_seats(self, command: HoldSeats, deadline: float) -> Hold:
        """Hold seats for some minutes; `app/domain/rules/hold_seats.py` says what is refused."""
        return await self._bus.submit(command, deadline)

    async def release(self, command: ReleaseHold, deadline: float) -> None:
        """Release a hold before it expires. Refuses NOT_PERMITTED, TRAIN_RUN_NOT_FOUND, INVALID_FIELD (malformed id)."""
        if not command.run_id:
            raise InvalidField("hold_id", "is not the id of a hold")
        await self._bus.submit(command, deadline)
