"""The calls of TicketService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages, who may call (`app/rpc/policies.py`).
"""

from app.domain.refusals import Reason, Refusal
from app.pb.seatline.v1 import ticket_pb2
from app.rpc.context import CallContext


class TicketServicer:
    """The methods of TicketServic."""

    async def GetTicket(self, request: ticket_pb2.GetTicketRequest, context: CallContext) -> ticket_pb2.GetTicketResponse:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def ResendTicket(
        self, request: ticket_pb2.ResendTicketRequest, context: CallContext
    ) -> ticket_pb2.ResendTicketResponse:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")

    async def GetInspectionPackage(
        self, request: ticket_pb2.GetInspectionPackageRequest, context: CallContext
    ) -> ticket_pb2.InspectionPackage:
        """Refuse."""
        raise Refusal(Reason.TICKETS_UNAVAILABLE, "not built yet")
