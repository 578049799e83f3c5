"""The calls of HoldService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: what the
messages mean (`requests.py`, `answers.py`), and who may call (`app/rpc/policies.py`).
"""

from app.pb.seatline.v1 import (
    hold_pb2,
    hold_pb2_grpc,
)
from app.ports.call_observer import Context
from app.rpc.context import caller_of, deadline_of
from app.rpc.holds import answers, requests
from app.usecases.holds import HoldUseCases


class HoldServicer(hold_pb2_grpc.HoldServiceServicer):
    """Holds. A call may take `call_seconds_max`."""

    def __init__(self, holds: HoldUseCases, call_seconds_max: float) -> None:
        self._holds = holds
        self._call_seconds_max = call_seconds_max

    async def HoldSeats(self, request: hold_pb2.HoldSeatsRequest, context: Context) -> hold_pb2.Hold:
        """Keeps seats for a while."""
        command = requests.hold_seats(caller_of(context), request)
        hold = await self._holds.hold_seats(command, deadline_of(context, self._call_seconds_max))
        return answers.hold((command.train_id, command.travel_date), hold)

    async def ReleaseHold(self, request: hold_pb2.ReleaseHoldRequest, context: Context) -> hold_pb2.ReleaseHoldResponse:
        """Gives them back."""
        command = requests.release_hold(caller_of(context), request)
        await self._holds.release(command, deadline_of(context, self._call_seconds_max))
        return hold_pb2.ReleaseHoldResponse()
