"""The services of the contract.

Belongs here: which servicer answers each service, and the names of all methods. Does not belong here: what a call does
(`app/rpc/<resource>/servicer.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.descriptor import ServiceDescriptor

from app.pb.seatline.v1 import (
    booking_pb2,
    booking_pb2_grpc,
    hold_pb2,
    hold_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    notice_pb2,
    notice_pb2_grpc,
    ticket_pb2,
    ticket_pb2_grpc,
    train_pb2,
    train_pb2_grpc,
    train_run_pb2,
    train_run_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
    webhook_pb2,
    webhook_pb2_grpc,
)
from app.rpc.bookings.servicer import BookingServicer
from app.rpc.guard import GuardedServer
from app.rpc.holds.servicer import HoldServicer
from app.rpc.jobs.servicer import JobServicer
from app.rpc.notices.servicer import NoticeServicer
from app.rpc.policies import POLICIES, policy_for
from app.rpc.tickets.servicer import TicketServicer
from app.rpc.train_runs.servicer import RunServicer
from app.rpc.trains.servicer import TrainServicer
from app.rpc.users.servicer import UserServicer
from app.rpc.webhooks.servicer import WebhookServicer
from app.usecases.bookings import BookingUseCases
from app.usecases.holds import HoldUseCases
from app.usecases.jobs import JobUseCases
from app.usecases.layouts import LayoutUseCases
from app.usecases.notices.notices import NoticeUseCases
from app.usecases.tickets import TicketUseCases
from app.usecases.train_runs import TrainRunUseCases
from app.usecases.trains import TrainUseCases
from app.usecases.users import UserUseCases
from app.usecases.webhooks import WebhookUseCases


@dataclass(frozen=True, slots=True)
class UseCases:
    """The use cases that the services answer from, one object per resource."""

    bookings: BookingUseCases
    holds: HoldUseCases
    trains: TrainUseCases
    train_runs: TrainRunUseCases
    layouts: LayoutUseCases
    users: UserUseCases
    webhooks: WebhookUseCases
    jobs: JobUseCases
    tickets: TicketUseCases
    notices: NoticeUseCases
    notice_sender_domain: str = ""


def add_services(server: GuardedServer, use_cases: UseCases) -> tuple[str, ...]:
    """Add all services to a server; return their full names. Raise MissingPolicyError for a method without a policy.

    Servicers take a `CallContext` in the place of gRPC's context, so they are none of the generated base classes. A method of
    the contract that a servicer lacks raises AttributeError here.
    """
    servicers: list[tuple[Callable[..., None], object]] = [
        (booking_pb2_grpc.add_BookingServiceServicer_to_server, BookingServicer(use_cases.bookings)),
        (hold_pb2_grpc.add_HoldServiceServicer_to_server, HoldServicer(use_cases.holds)),
        (train_pb2_grpc.add_TrainServiceServicer_to_server, TrainServicer(use_cases.trains)),
        (train_run_pb2_grpc.add_RunServiceServicer_to_server, RunServicer(use_cases.train_runs, use_cases.layouts)),
        (user_pb2_grpc.add_UserServiceServicer_to_server, UserServicer(use_cases.users)),
        (webhook_pb2_grpc.add_WebhookServiceServicer_to_server, WebhookServicer(use_cases.webhooks)),
        (job_pb2_grpc.add_JobServiceServicer_to_server, JobServicer(use_cases.jobs)),
        (
            notice_pb2_grpc.add_NoticeServiceServicer_to_server,
            NoticeServicer(use_cases.notices, use_cases.notice_sender_domain),
        ),
        (
            ticket_pb2_grpc.add_TicketServiceServicer_to_server,
            TicketServicer(use_cases.tickets, use_cases.notice_sender_domain),
        ),
    ]
    for add_to_server, servicer in servicers:
        add_to_server(servicer, server)
    return tuple(service.full_name for service in _services())


def method_names() -> tuple[str, ...]:
    """The full names of all methods, as "/seatline.v1.BookingService/CreateBooking"."""
    return tuple(f"/{service.full_name}/{method.name}" for service in _services() for method in service.methods)


def method_types() -> dict[str, str]:
    """Return the `grpc_type` of all methods, as gRPC's metrics have it: "unary" or "server_stream"."""
    return {method: policy_for(method, POLICIES).kind.value for method in method_names()}


def methods_with_field(field: str) -> tuple[str, ...]:
    """The full names of the methods whose request has a field of that name, as `page_token` has each list."""
    methods = [method for service in _services() for method in service.methods]
    return tuple(
        f"/{method.containing_service.full_name}/{method.name}"
        for method in methods
        if field in method.input_type.fields_by_name
    )


def _services() -> list[ServiceDescriptor]:
    files = (booking_pb2, hold_pb2, job_pb2, notice_pb2, ticket_pb2, train_pb2, train_run_pb2, user_pb2, webhook_pb2)
    return [service for file in files for service in file.DESCRIPTOR.services_by_name.values()]
