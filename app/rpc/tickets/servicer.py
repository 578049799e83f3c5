"""The calls of TicketService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: who may
call (`app/rpc/policies.py`), what a ticket is (`app/usecases/tickets.py`).
"""

from app.domain.notices.preferences import Language
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import ticket_pb2
from app.ports.notices import TicketFormat
from app.rpc import fields
from app.rpc.context import CallContext
from app.rpc.notices.answers import notice
from app.rpc.wire_values import timestamp
from app.usecases.tickets import TicketUseCases

_FORMATS = {
    ticket_pb2.TICKET_FORMAT_UNSPECIFIED: TicketFormat.PDF,
    ticket_pb2.TICKET_FORMAT_PDF: TicketFormat.PDF,
    ticket_pb2.TICKET_FORMAT_PNG: TicketFormat.PNG,
    ticket_pb2.TICKET_FORMAT_ICS: TicketFormat.ICS,
}
_LANGUAGES = {language.value: language for language in Language}
_PASSENGER_NUMBER_MAX = 9


class TicketServicer:
    """The methods of TicketService."""

    def __init__(self, tickets: TicketUseCases, sender_domain: str) -> None:
        self._tickets, self._sender_domain = tickets, sender_domain

    async def GetTicket(self, request: ticket_pb2.GetTicketRequest, context: CallContext) -> ticket_pb2.GetTicketResponse:
        """Return the ticket of a passenger as a file."""
        if request.format not in _FORMATS:
            raise InvalidField("format", "needs PDF, PNG or ICS")
        if request.language and request.language not in _LANGUAGES:
            raise InvalidField("language", f"needs one of {', '.join(_LANGUAGES)}, or nothing")
        found = await self._tickets.get(
            context.caller,
            fields.reference(request.reference),
            _passenger_number(request.passenger_number),
            _FORMATS[request.format],
            _LANGUAGES.get(request.language),
        )
        return ticket_pb2.GetTicketResponse(
            content=found.content, content_type=found.content_type, filename=found.filename, code=found.code
        )

    async def ResendTicket(
        self, request: ticket_pb2.ResendTicketRequest, context: CallContext
    ) -> ticket_pb2.ResendTicketResponse:
        """Send the tickets of a booking again."""
        notices = await self._tickets.resend(
            context.caller,
            fields.reference(request.reference),
            _passenger_number(request.passenger_number),
            fields.request_id(request.request_id),
        )
        return ticket_pb2.ResendTicketResponse(
            notices=[
                notice(item, for_operator=context.caller.is_operator, sender_domain=self._sender_domain) for item in notices
            ]
        )

    async def GetInspectionPackage(
        self, request: ticket_pb2.GetInspectionPackageRequest, context: CallContext
    ) -> ticket_pb2.InspectionPackage:
        """Return the signed list of a run's tickets."""
        date = fields.iso_date(request.travel_date, "travel_date").isoformat()
        found = await self._tickets.inspect(fields.train_id(request.train_id), date)
        keys = [ticket_pb2.TicketKey(key_id=key_id, public_key=key) for key_id, key in found.public_keys.items()]
        return ticket_pb2.InspectionPackage(
            content=found.content,
            signature=found.signature,
            issue_time=timestamp(found.inspection.issue_time),
            ticket_count=len(found.inspection.tickets),
            keys=keys,
        )


def _passenger_number(number: int) -> int:
    if not 0 <= number <= _PASSENGER_NUMBER_MAX:
        raise InvalidField("passenger_number", f"needs 1 to {_PASSENGER_NUMBER_MAX}, or 0")
    return number
