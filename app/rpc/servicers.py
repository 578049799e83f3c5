"""The services of the contract.

Belongs here: for each call the same few lines: request to command, use case, answer to message. Does not: anything else; the
calls around webhooks stand in `webhook_calls.py`, those around jobs in `job_calls.py`, those around people in `user_calls.py`.
"""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor

from app.domain.people import require_identified, require_operator
from app.domain.run.train_run import run_id
from app.pb.seatline.v1 import (
    booking_pb2,
    booking_pb2_grpc,
    hold_pb2,
    hold_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    train_pb2,
    train_pb2_grpc,
    train_run_pb2,
    train_run_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
    webhook_pb2,
    webhook_pb2_grpc,
)
from app.ports.call_observer import Context
from app.rpc import fields, page_filling, paging, requests, responses
from app.rpc.context import caller_of, deadline_of
from app.rpc.guard import GuardedServer
from app.rpc.job_calls import JobServicer
from app.rpc.user_calls import UserServicer
from app.rpc.webhook_calls import WebhookServicer
from app.store.bookings import receipt_key, row_key
from app.store.run_lists import run_key
from app.usecases.bookings import BookingUseCases
from app.usecases.holds import HoldUseCases
from app.usecases.jobs import JobUseCases
from app.usecases.train_runs import RunView, TrainRunUseCases
from app.usecases.trains import TrainUseCases
from app.usecases.users import UserUseCases
from app.usecases.webhooks import WebhookUseCases

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
        return responses.booking(await self._bookings.create(command, fields.payment_token(request.payment_token), deadline))

    async def GetBooking(self, request: booking_pb2.GetBookingRequest, context: Context) -> booking_pb2.Booking:
        """One booking."""
        caller = caller_of(context)
        require_identified(caller)
        return responses.booking(await self._bookings.get(caller, fields.reference(request.reference)))

    async def GetReceipt(self, request: booking_pb2.GetReceiptRequest, context: Context) -> booking_pb2.Receipt:
        """What was bought."""
        caller = caller_of(context)
        require_identified(caller)
        return responses.receipt(await self._bookings.get(caller, fields.reference(request.reference)))

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
            responses.receipt,
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
            responses.section_booking,
            row_key,
            after=paging.SECTION_ROWS.decode(request.page_token, *question),
            count_max=fields.page_size(request.page_size, default=ROWS_PAGE_SIZE_DEFAULT, most=ROWS_PAGE_SIZE_MAX),
        )
        return booking_pb2.ListSectionBookingsResponse(rows=rows, next_page_token=paging.SECTION_ROWS.encode(after, *question))

    async def UpdateBooking(self, request: booking_pb2.UpdateBookingRequest, context: Context) -> booking_pb2.Booking:
        """Changes the passengers' own fields."""
        command = requests.update_booking(caller_of(context), request)
        return responses.booking(await self._bookings.change(command, deadline_of(context, self._call_seconds_max)))

    async def ChangeSeat(self, request: booking_pb2.ChangeSeatRequest, context: Context) -> booking_pb2.Booking:
        """Moves one passenger."""
        command = requests.change_seat(caller_of(context), request)
        return responses.booking(await self._bookings.change(command, deadline_of(context, self._call_seconds_max)))

    async def CancelBooking(
        self, request: booking_pb2.CancelBookingRequest, context: Context
    ) -> booking_pb2.CancelBookingResponse:
        """Gives seats back."""
        command = requests.cancel_booking(caller_of(context), request)
        return responses.cancellation(await self._bookings.cancel(command, deadline_of(context, self._call_seconds_max)))


class HoldServicer(hold_pb2_grpc.HoldServiceServicer):
    """Holds. A call may take `call_seconds_max`."""

    def __init__(self, holds: HoldUseCases, call_seconds_max: float) -> None:
        self._holds = holds
        self._call_seconds_max = call_seconds_max

    async def HoldSeats(self, request: hold_pb2.HoldSeatsRequest, context: Context) -> hold_pb2.Hold:
        """Keeps seats for a while."""
        command = requests.hold_seats(caller_of(context), request)
        hold = await self._holds.hold_seats(command, deadline_of(context, self._call_seconds_max))
        return responses.hold((command.train_id, command.travel_date), hold)

    async def ReleaseHold(self, request: hold_pb2.ReleaseHoldRequest, context: Context) -> hold_pb2.ReleaseHoldResponse:
        """Gives them back."""
        command = requests.release_hold(caller_of(context), request)
        await self._holds.release(command, deadline_of(context, self._call_seconds_max))
        return hold_pb2.ReleaseHoldResponse()


class RunServicer(train_run_pb2_grpc.RunServiceServicer):
    """Train runs. Anyone may look at them. A call that changes one may take `call_seconds_max`."""

    def __init__(self, train_runs: TrainRunUseCases, call_seconds_max: float) -> None:
        self._train_runs = train_runs
        self._call_seconds_max = call_seconds_max

    async def ListTrainRuns(
        self, request: train_run_pb2.ListTrainRunsRequest, context: Context
    ) -> train_run_pb2.ListTrainRunsResponse:
        """Runs by date."""
        caller_of(context)
        date = fields.iso_date(request.travel_date, "travel_date").isoformat() if request.travel_date else ""
        question = (request.origin, request.destination, date)
        origin, destination = fields.stop(request.origin, "origin"), fields.stop(request.destination, "destination")
        runs, after = await page_filling.fill_page(
            lambda after, limit: self._train_runs.list_page(
                origin=origin, destination=destination, travel_date=date, after=after, limit=limit
            ),
            responses.train_run,
            lambda view: run_key(view.run),
            after=paging.RUNS.decode(request.page_token, *question),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
            read_max=page_filling.LARGE_ITEMS_READ_MAX,
        )
        return train_run_pb2.ListTrainRunsResponse(train_runs=runs, next_page_token=paging.RUNS.encode(after, *question))

    async def GetTrainRun(self, request: train_run_pb2.GetTrainRunRequest, context: Context) -> train_run_pb2.TrainRun:
        """One run."""
        return responses.train_run(await self._view(request, context))

    async def GetSeatMap(self, request: train_run_pb2.GetSeatMapRequest, context: Context) -> train_run_pb2.SeatMap:
        """Every seat of a run."""
        return responses.seat_map(await self._view(request, context))

    async def _view(
        self, request: train_run_pb2.GetTrainRunRequest | train_run_pb2.GetSeatMapRequest, context: Context
    ) -> RunView:
        caller_of(context)
        return await self._train_runs.get(
            fields.train_id(request.train_id),
            fields.iso_date(request.travel_date, "travel_date").isoformat(),
            fields.stop(request.origin, "origin"),
            fields.stop(request.destination, "destination"),
        )

    async def ScheduleTrainRuns(
        self, request: train_run_pb2.ScheduleTrainRunsRequest, context: Context
    ) -> train_run_pb2.ScheduleTrainRunsResponse:
        """Makes the runs of a range of dates."""
        caller = caller_of(context)
        require_operator(caller)
        train_id = fields.train_id(request.train_id)
        dates, created = await self._train_runs.schedule(
            caller,
            train_id,
            fields.iso_date(request.first_date, "first_date"),
            fields.iso_date(request.last_date, "last_date"),
        )
        keys = [train_run_pb2.TrainRunKey(train_id=train_id, travel_date=travel_date.isoformat()) for travel_date in dates]
        return train_run_pb2.ScheduleTrainRunsResponse(train_runs=keys, created_count=created)

    async def PromoteWaitlist(
        self, request: train_run_pb2.PromoteWaitlistRequest, context: Context
    ) -> train_run_pb2.PromoteWaitlistResponse:
        """Gives free seats to who waits."""
        command = requests.promote_waitlist(caller_of(context), request)
        found = await self._train_runs.promote_waitlist(command, deadline_of(context, self._call_seconds_max))
        return train_run_pb2.PromoteWaitlistResponse(promoted_references=found.references, waiting_count=found.still_waiting)


class TrainServicer(train_pb2_grpc.TrainServiceServicer):
    """Trains."""

    def __init__(self, trains: TrainUseCases) -> None:
        self._trains = trains

    async def CreateTrain(self, request: train_pb2.CreateTrainRequest, context: Context) -> train_pb2.Train:
        """Makes a train."""
        caller = caller_of(context)
        require_operator(caller)
        kept = await self._trains.create(
            caller,
            requests.train(request.train),
            fields.request_id(request.request_id),
            validate_only=request.validate_only,
        )
        return responses.train(kept, validate_only=request.validate_only)

    async def GetTrain(self, request: train_pb2.GetTrainRequest, context: Context) -> train_pb2.Train:
        """One train."""
        caller = caller_of(context)
        require_operator(caller)
        return responses.train(await self._trains.get(caller, fields.train_id(request.train_id)))

    async def ListTrains(self, request: train_pb2.ListTrainsRequest, context: Context) -> train_pb2.ListTrainsResponse:
        """All trains."""
        caller = caller_of(context)
        require_operator(caller)
        trains, after = await page_filling.fill_page(
            lambda after, limit: self._trains.list_page(caller, after, limit),
            responses.train,
            lambda kept: (kept.train.train_id,),
            after=paging.TRAINS.decode(request.page_token),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
            read_max=page_filling.LARGE_ITEMS_READ_MAX,
        )
        return train_pb2.ListTrainsResponse(trains=trains, next_page_token=paging.TRAINS.encode(after))


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases that the services answer from, one object per resource."""

    bookings: BookingUseCases
    holds: HoldUseCases
    trains: TrainUseCases
    train_runs: TrainRunUseCases
    users: UserUseCases
    webhooks: WebhookUseCases
    jobs: JobUseCases


def add_services(server: GuardedServer, use_cases: UseCases, call_seconds_max: float) -> tuple[str, ...]:
    """Add all services to a server; return their full names."""
    servicers: Any = server  # the generated functions are typed for the servers of the library
    booking_pb2_grpc.add_BookingServiceServicer_to_server(BookingServicer(use_cases.bookings, call_seconds_max), servicers)
    hold_pb2_grpc.add_HoldServiceServicer_to_server(HoldServicer(use_cases.holds, call_seconds_max), servicers)
    train_run_pb2_grpc.add_RunServiceServicer_to_server(RunServicer(use_cases.train_runs, call_seconds_max), servicers)
    train_pb2_grpc.add_TrainServiceServicer_to_server(TrainServicer(use_cases.trains), servicers)
    user_pb2_grpc.add_UserServiceServicer_to_server(UserServicer(use_cases.users), servicers)
    webhook_pb2_grpc.add_WebhookServiceServicer_to_server(WebhookServicer(use_cases.webhooks), servicers)
    job_pb2_grpc.add_JobServiceServicer_to_server(JobServicer(use_cases.jobs), servicers)
    return tuple(service.full_name for service in _services())


def method_names() -> tuple[str, ...]:
    """The full names of all methods, as "/seatline.v1.BookingService/CreateBooking"."""
    return tuple(f"/{service.full_name}/{method.name}" for service in _services() for method in service.methods)


def methods_with_field(field: str) -> tuple[str, ...]:
    """The full names of the methods whose request has a field of that name, as `page_token` has each list."""
    methods = [method for service in _services() for method in service.methods]
    return tuple(
        f"/{method.containing_service.full_name}/{method.name}"
        for method in methods
        if field in method.input_type.fields_by_name
    )


def _services() -> list[ServiceDescriptor]:
    files = (booking_pb2, hold_pb2, job_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2)
    return [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
