"""The calls of BookingService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.domain.run.train_run import run_id
from app.pb.seatline.v1 import booking_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.bookings import answers, requests
from app.rpc.context import CallContext
from app.store.bookings import receipt_key, row_key
from app.usecases.bookings import BookingUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # an answer then mostly has about 200 kB
ROWS_PAGE_SIZE_DEFAULT = 200
ROWS_PAGE_SIZE_MAX = 1_000  # a row has a few hundred bytes


class BookingServicer:
    """The methods of BookingService."""

    def __init__(self, bookings: BookingUseCases) -> None:
        self._bookings = bookings

    async def CreateBooking(self, request: booking_pb2.CreateBookingRequest, context: CallContext) -> booking_pb2.Booking:
        """Sell seats or a place on the waitlist."""
        command = requests.create_booking(context.caller, request)
        return answers.booking(
            await self._bookings.create(command, fields.payment_token(request.payment_token), context.deadline)
        )

    async def GetBooking(self, request: booking_pb2.GetBookingRequest, context: CallContext) -> booking_pb2.Booking:
        """Return a booking."""
        caller = context.caller
        return answers.booking(await self._bookings.get(caller, fields.reference(request.reference)))

    async def GetReceipt(self, request: booking_pb2.GetReceiptRequest, context: CallContext) -> booking_pb2.Receipt:
        """Return the receipt of a booking."""
        caller = context.caller
        return answers.receipt(await self._bookings.get(caller, fields.reference(request.reference)))

    async def ListReceipts(
        self, request: booking_pb2.ListReceiptsRequest, context: CallContext
    ) -> booking_pb2.ListReceiptsResponse:
        """List the receipts of a person."""
        caller = context.caller
        email = fields.email(request.email, "email")
        date = fields.iso_date(request.travel_date, "travel_date").isoformat() if request.travel_date else ""
        filters = (email, date, request.origin, request.destination)
        origin, destination = fields.stop(request.origin, "origin"), fields.stop(request.destination, "destination")
        receipts, after = await page_filling.fill_page(
            lambda after, limit: self._bookings.list_receipts(
                caller, email, travel_date=date, origin=origin, destination=destination, after=after, limit=limit
            ),
            answers.receipt,
            lambda view: receipt_key(view.booking),
            after=paging.RECEIPTS.decode(request.page_token, *filters),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return booking_pb2.ListReceiptsResponse(receipts=receipts, next_page_token=paging.RECEIPTS.encode(after, *filters))

    async def ListSectionBookings(
        self, request: booking_pb2.ListSectionBookingsRequest, context: CallContext
    ) -> booking_pb2.ListSectionBookingsResponse:
        """List the passengers of a section."""
        train_id = fields.train_id(request.train_id)
        date = fields.iso_date(request.travel_date, "travel_date").isoformat()
        section = fields.required(fields.section(request.section), "section")
        filters = (run_id(train_id, date), section)
        rows, after = await page_filling.fill_page(
            lambda after, limit: self._bookings.list_section(train_id, date, section, after, limit),
            answers.section_booking,
            row_key,
            after=paging.SECTION_ROWS.decode(request.page_token, *filters),
            count_max=fields.page_size(request.page_size, default=ROWS_PAGE_SIZE_DEFAULT, most=ROWS_PAGE_SIZE_MAX),
        )
        return booking_pb2.ListSectionBookingsResponse(rows=rows, next_page_token=paging.SECTION_ROWS.encode(after, *filters))

    async def UpdateBooking(self, request: booking_pb2.UpdateBookingRequest, context: CallContext) -> booking_pb2.Booking:
        """Change the passengers' own fields."""
        command = requests.update_booking(context.caller, request)
        return answers.booking(await self._bookings.change(command, context.deadline))

    async def ChangeSeat(self, request: booking_pb2.ChangeSeatRequest, context: CallContext) -> booking_pb2.Booking:
        """Move one passenger to another seat."""
        command = requests.change_seat(context.caller, request)
        return answers.booking(await self._bookings.change(command, context.deadline))

    async def CancelBooking(
        self, request: booking_pb2.CancelBookingRequest, context: CallContext
    ) -> booking_pb2.CancelBookingResponse:
        """Cancel some or all passengers of a booking."""
        command = requests.cancel_booking(context.caller, request)
        return answers.cancellation(await self._bookings.cancel(command, context.deadline))
