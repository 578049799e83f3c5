"""The calls of HoldService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.pb.seatline.v1 import hold_pb2
from app.rpc.context import CallContext
from app.rpc.holds import answers, requests
from app.usecases.holds import HoldUseCases


class HoldServicer:
    """The methods of HoldService."""

    def __init__(self, holds: HoldUseCases) -> None:
        self._holds = holds

    async def HoldSeats(self, request: hold_pb2.HoldSeatsRequest, context: CallContext) -> hold_pb2.Hold:
        """Hold seats for some minutes."""
        command = requests.hold_seats(context.caller, request)
        hold = await self._holds.hold_seats(command, context.deadline)
        return answers.hold((command.train_id, command.travel_date), hold)

    async def ReleaseHold(self, request: hold_pb2.ReleaseHoldRequest, context: CallContext) -> hold_pb2.ReleaseHoldResponse:
        """Release a hold."""
        command = requests.release_hold(context.caller, request)
        await self._holds.release(command, context.deadline)
        return hold_pb2.ReleaseHoldResponse()
