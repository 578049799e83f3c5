"""Clients of the API for passengers and operators.

Belongs here: thin methods over the generated stubs, with the caller's metadata, and refusals as clients decode them.
Not here: what a test builds first (`world.py`), and any assertion.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf import field_mask_pb2
from google.rpc import error_details_pb2, status_pb2

from app.pb.seatline.v1 import (
    booking_pb2,
    booking_pb2_grpc,
    disruption_pb2,
    hold_pb2,
    hold_pb2_grpc,
    job_pb2_grpc,
    layout_pb2,
    notice_pb2_grpc,
    passenger_pb2,
    sales_window_pb2,
    ticket_pb2_grpc,
    train_pb2,
    train_pb2_grpc,
    train_run_pb2,
    train_run_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
    webhook_pb2_grpc,
)

LONDON, ASHFORD, LILLE, PARIS = "London St Pancras", "Ashford", "Lille", "Paris Gare du Nord"
CALL_SECONDS_MAX = 20.0  # on a busy machine; calls take milliseconds

Run = train_run_pb2.TrainRunKey
Person = passenger_pb2.Passenger


@dataclass(frozen=True)
class RefusedCall:
    """A refusal as a client reads it from the status and `grpc-status-details-bin`."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    fields: tuple[str, ...] = ()
    resource: tuple[str, str] = ("", "")
    retry_seconds: float = 0.0
    plan: layout_pb2.LayoutPlan | None = None
    details: Mapping[str, str] = field(default_factory=dict)

    @property
    def says(self) -> tuple[grpc.StatusCode, str]:
        """Return code and reason, on which clients branch."""
        return self.code, self.reason


async def refusal(call: Awaitable[Any]) -> RefusedCall:
    """Await a call that has to be refused, and return the refusal."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return decoded(error)
    pytest.fail(f"was not refused: {answer}")


def decoded(error: grpc.aio.AioRpcError) -> RefusedCall:
    """Decode an error with its details. Code and text are in it twice and must agree."""
    trailing = dict(error.trailing_metadata() or ())
    if "grpc-status-details-bin" not in trailing:
        return RefusedCall(error.code(), error.details() or "")
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    resource, retry, plan = error_details_pb2.ResourceInfo(), error_details_pb2.RetryInfo(), layout_pb2.LayoutPlan()
    for detail in status.details:
        assert any(detail.Unpack(message) for message in (info, bad, resource, retry, plan)), detail.type_url
    return RefusedCall(
        code=error.code(),
        message=status.message,
        reason=info.reason,
        domain=info.domain,
        fields=tuple(violation.field for violation in bad.field_violations),
        resource=(resource.resource_type, resource.resource_name),
        retry_seconds=retry.retry_delay.ToTimedelta().total_seconds(),
        plan=plan if plan.ByteSize() else None,
        details=dict(info.metadata),
    )


def address(name: str) -> str:
    """Return jane@example.com for `jane`; leave a text with an "@" as it is."""
    return name if "@" in name or not name else f"{name}@example.com"


def naming(name: str) -> tuple[tuple[str, str | bytes], ...]:
    """Return the metadata that names a caller; gRPC sends other scripts only as bytes."""
    caller = address(name)
    if not caller:
        return ()
    return (("x-seatline-user", caller) if caller.isascii() else ("x-seatline-user-bin", caller.encode()),)


def person(name: str, first_name: str = "", last_name: str = "Doe") -> Person:
    """Build a passenger: `jane` is Jane Doe <jane@example.com>."""
    return Person(first_name=first_name or name.partition("@")[0].title(), last_name=last_name, email=address(name))


def people(prefix: str, count: int) -> list[str]:
    """Return `count` names: g1, g2, and so on."""
    return [f"{prefix}{number}" for number in range(1, count + 1)]


def held_seats(hold: hold_pb2.Hold) -> list[str]:
    """Return the labels of the held seats, in the order of the request."""
    return [seat.label for seat in hold.seats]


def seats_of(booking: booking_pb2.Booking | booking_pb2.Receipt) -> list[str]:
    """Return the labels of the seats, in the order of the passengers."""
    return [passenger.seat.label for passenger in booking.passengers]


class ApiClient:
    """A client of the API for one caller. Without a name, it sends no identity."""

    def __init__(self, channel: grpc.aio.Channel, name: str = "", roles: str = "") -> None:
        self.name = name
        self._options: dict[str, Any] = {
            "metadata": (*naming(name), *((("x-seatline-roles", roles),) if roles else ())),
            "timeout": CALL_SECONDS_MAX,
        }
        self.bookings = booking_pb2_grpc.BookingServiceStub(channel)
        self.trains = train_pb2_grpc.TrainServiceStub(channel)
        self.users = user_pb2_grpc.UserServiceStub(channel)
        self.train_runs = train_run_pb2_grpc.RunServiceStub(channel)
        self.holds = hold_pb2_grpc.HoldServiceStub(channel)
        self.webhooks = webhook_pb2_grpc.WebhookServiceStub(channel)
        self.jobs = job_pb2_grpc.JobServiceStub(channel)
        self.notices = notice_pb2_grpc.NoticeServiceStub(channel)
        self.tickets = ticket_pb2_grpc.TicketServiceStub(channel)

    async def book(
        self, run: Run, *travellers: str | Person, seconds: float | None = None, **asked: Any
    ) -> booking_pb2.Booking:
        """Book for the travellers, or for the caller, London to Paris unless `asked` says otherwise.

        The deadline is `seconds`.
        """
        request = booking_request(run, *(travellers or (self.name,)), **asked)
        options = self._options if seconds is None else {**self._options, "timeout": seconds}
        return await self.bookings.CreateBooking(request, **options)

    async def wait(self, run: Run, *travellers: str | Person, **asked: Any) -> booking_pb2.Booking:
        """Book as `book` does, but join the waitlist if no seat is free."""
        return await self.book(run, *travellers, if_full=booking_pb2.IF_FULL_WAITLIST, **asked)

    async def hold(
        self,
        run: Run,
        count: int = 0,
        *,
        seats: Iterable[int] = (),
        origin: str = LONDON,
        destination: str = PARIS,
        request_id: str = "",
        seconds: float = 0,
        **asked: Any,
    ) -> hold_pb2.Hold:
        """Hold these seats, or the next `count` seats, one by default; for `seconds`, or for the default time."""
        numbers = list(seats)
        request = hold_pb2.HoldSeatsRequest(
            request_id=request_id or str(uuid.uuid4()),
            train_id=run.train_id,
            travel_date=run.travel_date,
            origin=origin,
            destination=destination,
            seat_numbers=numbers,
            seat_count=0 if numbers else count or 1,
            **asked,
        )
        if seconds:
            request.ttl.FromTimedelta(timedelta(seconds=seconds))
        return await self.send_hold(request)

    async def send_hold(self, request: hold_pb2.HoldSeatsRequest) -> hold_pb2.Hold:
        """Send a request as it is."""
        return await self.holds.HoldSeats(request, **self._options)

    async def release(self, hold_id: str) -> None:
        await self.holds.ReleaseHold(hold_pb2.ReleaseHoldRequest(hold_id=hold_id), **self._options)

    async def send(self, request: booking_pb2.CreateBookingRequest) -> booking_pb2.Booking:
        """Send a request as it is."""
        return await self.bookings.CreateBooking(request, **self._options)

    async def booking(self, reference: str) -> booking_pb2.Booking:
        return await self.bookings.GetBooking(booking_pb2.GetBookingRequest(reference=reference), **self._options)

    async def receipt(self, reference: str) -> booking_pb2.Receipt:
        return await self.bookings.GetReceipt(booking_pb2.GetReceiptRequest(reference=reference), **self._options)

    async def receipts_page(self, name: str = "", **asked: Any) -> booking_pb2.ListReceiptsResponse:
        request = booking_pb2.ListReceiptsRequest(email=address(name or self.name), **asked)
        return await self.bookings.ListReceipts(request, **self._options)

    async def receipts(self, name: str = "", **asked: Any) -> list[str]:
        """Return the references of all receipts, read page by page."""
        found: list[str] = []
        token = ""
        while True:
            page = await self.receipts_page(name, page_token=token, **asked)
            found += [receipt.reference for receipt in page.receipts]
            token = page.next_page_token
            if not token:
                return found

    async def update(
        self, reference: str, *travellers: Person, mask: Sequence[str] = (), etag: str = ""
    ) -> booking_pb2.Booking:
        request = booking_pb2.UpdateBookingRequest(
            reference=reference, passengers=travellers, update_mask=field_mask_pb2.FieldMask(paths=mask), etag=etag
        )
        return await self.bookings.UpdateBooking(request, **self._options)

    async def move(self, reference: str, name: str = "", *, number: int = 0, **asked: Any) -> booking_pb2.Booking:
        """Move a passenger, by name or number; by default the caller."""
        email = address(name or ("" if number else self.name))
        request = booking_pb2.ChangeSeatRequest(reference=reference, passenger_email=email, passenger_number=number, **asked)
        return await self.bookings.ChangeSeat(request, **self._options)

    async def cancel(self, reference: str, *names: str | int, **asked: Any) -> booking_pb2.Booking:
        return (await self.give_back(reference, *names, **asked)).booking

    async def give_back(self, reference: str, *names: str | int, **asked: Any) -> booking_pb2.CancelBookingResponse:
        """Cancel all passengers, or some by name or number. Return the booking and the refund."""
        emails = [address(name) for name in names if isinstance(name, str)]
        numbers = [number for number in names if isinstance(number, int)]
        request = booking_pb2.CancelBookingRequest(
            reference=reference, passenger_emails=emails, passenger_numbers=numbers, **asked
        )
        return await self.bookings.CancelBooking(request, **self._options)

    async def run_of(self, run: Run, **asked: Any) -> train_run_pb2.TrainRun:
        request = train_run_pb2.GetTrainRunRequest(train_id=run.train_id, travel_date=run.travel_date, **asked)
        return await self.train_runs.GetTrainRun(request, **self._options)

    async def free(self, run: Run, **asked: Any) -> dict[str, int]:
        """Return the number of free seats of each section."""
        return {section.section: section.free_seat_count for section in (await self.run_of(run, **asked)).sections}

    async def seat_map(self, run: Run, **asked: Any) -> dict[str, str]:
        """Return the state of each seat by its label: FREE, SOLD, PARTLY_SOLD or HELD."""
        request = train_run_pb2.GetSeatMapRequest(train_id=run.train_id, travel_date=run.travel_date, **asked)
        seats = (await self.train_runs.GetSeatMap(request, **self._options)).seats
        return {seat.seat.label: train_run_pb2.SeatState.Name(seat.state).removeprefix("SEAT_STATE_") for seat in seats}

    async def list_runs(self, **asked: Any) -> train_run_pb2.ListTrainRunsResponse:
        return await self.train_runs.ListTrainRuns(train_run_pb2.ListTrainRunsRequest(**asked), **self._options)

    async def register(self, first_name: str, last_name: str, name: str = "") -> user_pb2.User:
        request = user_pb2.RegisterUserRequest(
            request_id=str(uuid.uuid4()), first_name=first_name, last_name=last_name, email=address(name or self.name)
        )
        return await self.users.RegisterUser(request, **self._options)

    async def user(self, name: str = "") -> user_pb2.User:
        return await self.users.GetUser(user_pb2.GetUserRequest(email=address(name or self.name)), **self._options)

    async def rename(self, name: str = "", *, mask: Sequence[str] = (), etag: str = "", **names: str) -> user_pb2.User:
        request = user_pb2.UpdateUserRequest(
            email=address(name or self.name),
            user=user_pb2.User(**names),
            update_mask=field_mask_pb2.FieldMask(paths=mask),
            etag=etag,
        )
        return await self.users.UpdateUser(request, **self._options)

    # -- calls that only operators may make

    async def create_train(self, train: train_pb2.Train, request_id: str = "", **asked: Any) -> train_pb2.Train:
        request = train_pb2.CreateTrainRequest(request_id=request_id or str(uuid.uuid4()), train=train, **asked)
        return await self.trains.CreateTrain(request, **self._options)

    async def train(self, train_id: str) -> train_pb2.Train:
        return await self.trains.GetTrain(train_pb2.GetTrainRequest(train_id=train_id), **self._options)

    async def list_trains(self, **asked: Any) -> train_pb2.ListTrainsResponse:
        return await self.trains.ListTrains(train_pb2.ListTrainsRequest(**asked), **self._options)

    async def schedule(self, train_id: str, first: str, last: str = "") -> train_run_pb2.ScheduleTrainRunsResponse:
        request = train_run_pb2.ScheduleTrainRunsRequest(train_id=train_id, first_date=first, last_date=last or first)
        return await self.train_runs.ScheduleTrainRuns(request, **self._options)

    async def section_page(self, run: Run, section: str, **asked: Any) -> booking_pb2.ListSectionBookingsResponse:
        request = booking_pb2.ListSectionBookingsRequest(
            train_id=run.train_id, travel_date=run.travel_date, section=section, **asked
        )
        return await self.bookings.ListSectionBookings(request, **self._options)

    async def promote(self, run: Run) -> train_run_pb2.PromoteWaitlistResponse:
        request = train_run_pb2.PromoteWaitlistRequest(train_id=run.train_id, travel_date=run.travel_date)
        return await self.train_runs.PromoteWaitlist(request, **self._options)

    async def set_delay(self, run: Run, minutes: int | None, **asked: Any) -> train_run_pb2.TrainRun:
        """Set the delay of a run; by a fault of the train, unless `asked` says otherwise."""
        asked = {"reason": disruption_pb2.DISRUPTION_REASON_ROLLING_STOCK, **asked}
        request = train_run_pb2.SetDelayRequest(train_id=run.train_id, travel_date=run.travel_date, minutes=minutes, **asked)
        return await self.train_runs.SetDelay(request, **self._options)

    async def record_arrival(self, run: Run, stop: str, arrive_time: datetime | None, **asked: Any) -> train_run_pb2.TrainRun:
        request = train_run_pb2.RecordArrivalRequest(train_id=run.train_id, travel_date=run.travel_date, stop=stop, **asked)
        if arrive_time is not None:
            request.arrive_time.FromDatetime(arrive_time)
        return await self.train_runs.RecordArrival(request, **self._options)

    async def cancel_run(self, run: Run, from_stop: str = "", **asked: Any) -> train_run_pb2.TrainRun:
        """Cancel a run, or its legs from a stop on; by a fault of the train, unless `asked` says otherwise."""
        asked = {"reason": disruption_pb2.DISRUPTION_REASON_ROLLING_STOCK, **asked}
        request = train_run_pb2.CancelTrainRunRequest(
            train_id=run.train_id, travel_date=run.travel_date, from_stop=from_stop, **asked
        )
        return await self.train_runs.CancelTrainRun(request, **self._options)

    async def set_sales_window(
        self, run: Run, window: sales_window_pb2.SalesWindow | None, section: str = ""
    ) -> train_run_pb2.TrainRun:
        request = train_run_pb2.SetSalesWindowRequest(
            train_id=run.train_id, travel_date=run.travel_date, section=section, sales_window=window
        )
        return await self.train_runs.SetSalesWindow(request, **self._options)

    async def section(self, run: Run, section: str, **asked: Any) -> list[tuple[str, str]]:
        """Return (seat, address of the passenger) of a section, by seat."""
        rows = (await self.section_page(run, section, **asked)).rows
        return [(row.seat.label, row.passenger.email) for row in rows]


def booking_request(
    run: Run,
    *travellers: str | Person,
    origin: str = LONDON,
    destination: str = PARIS,
    section: str = "",
    seats: Iterable[int] = (),
    request_id: str = "",
    if_full: booking_pb2.IfFull.ValueType = booking_pb2.IF_FULL_REJECT,
    **more: Any,
) -> booking_pb2.CreateBookingRequest:
    """Build a CreateBooking request with seats only, under a new request_id unless one is given."""
    return booking_pb2.CreateBookingRequest(
        request_id=request_id or str(uuid.uuid4()),
        train_id=run.train_id,
        travel_date=run.travel_date,
        origin=origin,
        destination=destination,
        section=section,
        passengers=[traveller if isinstance(traveller, Person) else person(traveller) for traveller in travellers],
        seat_numbers=seats,
        if_full=if_full,
        **more,
    )
