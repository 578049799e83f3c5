"""The calls of BookingService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: what the
messages mean (`requests.py`, `answers.py`), and who may call (`app/rpc/policies.py`).
"""

from app.domain.people import require_identified, require_operator
from app.domain.run.train_run import run_id
from app.pb.seatline.v1 import (
    booking_pb2,
    booking_pb2_grpc,
)
from app.ports.call_observer import Context
from app.rpc import fields, page_filling, paging
from app.rpc.bookings import answers, requests
from app.rpc.context import caller_of, deadline_of
from app.store.bookings import receipt_key, row_key
from app.usecases.bookings import BookingUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # receipts, runs or trains: mostly about 200 kB
ROWS_PAGE_SIZE_DEFAULT = 200
ROWS_PAGE_SIZE_MAX = 1_000  # rows of a section: a few hundred bytes each


class BookingServicer(booking_pb2_grpc.BookingServiceServicer):
    """Buying, looking at, changing and giving back seats. A call may take `call_seconds_max`."""

    def __init__(self, bookings: BookingUseCases, call_seconds_max: float) -> None:
        self._bookings = bookings
        self._call_seconds_max = call_seconds_max

    async def CreateBooking(self, request: booking_pb2.CreateBookingRequest, context: Context) -> booking_pb2.Booking:
        """Sells seats."""
        command = requests.create_booking(caller_of(context), request)
        deadline = deadline_of(context, self._call_seconds_max)
        return answers.booking(await self._bookings.create(command, fields.payment_token(request.payment_token), deadline))

    async def GetBooking(self, request: booking_pb2.GetBookingRequest, context: Context) -> booking_pb2.Booking:
        """One booking."""
        caller = caller_of(context)
        require_identified(caller)
        return answers.booking(await self._bookings.get(caller, fields.reference(request.reference)))

    async def GetReceipt(self, request: booking_pb2.GetReceiptRequest, context: Context) -> booking_pb2.Receipt:
        """What was bought."""
        caller = caller_of(context)
        require_identified(caller)
        return answers.receipt(await self._bookings.get(caller, fields.reference(request.reference)))

    async def ListReceipts(
        self, request: booking_pb2.ListReceiptsRequest, context: Context
    ) -> booking_pb2.ListReceiptsResponse:
        """A person's receipts."""
        caller = caller_of(context)
        require_identified(caller)
        email = fields.email(request.email, "email")
        date = fields.iso_date(request.travel_date, "travel_date").isoformat() if request.travel_date else ""
        question = (email, date, request.origin, request.destination)
        origin, destination = fields.stop(request.origin, "origin"), fields.stop(request.destination, "destination")
        receipts, after = await page_filling.fill_page(
            lambda after, limit: self._bookings.list_receipts(
                caller, email, travel_date=date, origin=origin, destination=destination, after=after, limit=limit
            ),
            answers.receipt,
            lambda view: receipt_key(view.booking),
            after=paging.RECEIPTS.decode(request.page_token, *question),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return booking_pb2.ListReceiptsResponse(receipts=receipts, next_page_token=paging.RECEIPTS.encode(after, *question))

    async def ListSectionBookings(
        self, request: booking_pb2.ListSectionBookingsRequest, context: Context
    ) -> booking_pb2.ListSectionBookingsResponse:
        """Who sits in a section."""
        caller = caller_of(context)
        require_operator(caller)
        train_id = fields.train_id(request.train_id)
        date = fields.iso_date(request.travel_date, "travel_date").isoformat()
        section = fields.required(fields.section(request.section), "section")
        question = (run_id(train_id, date), section)
        rows, after = await page_filling.fill_page(
            lambda after, limit: self._bookings.list_section(caller, train_id, date, section, after, limit),
            answers.section_booking,
            row_key,
            after=paging.SECTION_ROWS.decode(request.page_token, *question),
            count_max=fields.page_size(request.page_size, default=ROWS_PAGE_SIZE_DEFAULT, most=ROWS_PAGE_SIZE_MAX),
        )
        return booking_pb2.ListSectionBookingsResponse(rows=rows, next_page_token=paging.SECTION_ROWS.encode(after, *question))

    async def UpdateBooking(self, request: booking_pb2.UpdateBookingRequest, context: Context) -> booking_pb2.Booking:
        """Changes the passengers' own fields."""
        command = requests.update_booking(caller_of(context), request)
        return answers.booking(await self._bookings.change(command, deadline_of(context, self._call_seconds_max)))

    async def ChangeSeat(self, request: booking_pb2.ChangeSeatRequest, context: Context) -> booking_pb2.Booking:
        """Moves one passenger."""
        command = requests.change_seat(caller_of(context), request)
        return answers.booking(await self._bookings.change(command, deadline_of(context, self._call_seconds_max)))

    async def CancelBooking(
        self, request: booking_pb2.CancelBookingRequest, context: Context
    ) -> booking_pb2.CancelBookingResponse:
        """Gives seats back."""
        command = requests.cancel_booking(caller_of(context), request)
        return answers.cancellation(await self._bookings.cancel(command, deadline_of(context, self._call_seconds_max)))
