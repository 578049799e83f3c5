"""Build the gRPC side of a server.

Belongs here: the gRPC server, its guard and health checks, and the use cases behind each service. Does not belong here: the
services and their methods (`app/rpc`).
"""

import grpc

from app.domain.people import domain_key
from app.ports.call_observer import CallObserver, combine_call_observers
from app.process.application import Application
from app.process.bootstrap.notice_calls import build_notice_use_cases
from app.process.bootstrap.ticket_calls import build_ticket_use_cases
from app.process.connections import limit_connections
from app.process.grpc_options import grpc_options
from app.process.health import Health
from app.process.server import Edge
from app.rpc.authentication import MetadataAuthenticator
from app.rpc.guard import Guard, GuardedServer
from app.rpc.policies import POLICIES
from app.rpc.public_services import PublicGuard, add_public_services
from app.rpc.services import UseCases, add_services
from app.usecases.bookings import BookingUseCases
from app.usecases.holds import HoldUseCases
from app.usecases.jobs import JobUseCases
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.layouts import LayoutUseCases
from app.usecases.train_runs import TrainRunUseCases
from app.usecases.trains import TrainUseCases
from app.usecases.users import UserUseCases
from app.usecases.webhooks import WebhookUseCases


def build_edge(application: Application) -> Edge:
    """Build the gRPC server, its guard and its health checks, and add every service to it."""
    settings, logger = application.settings, application.call_logger
    guard = Guard(
        calls_in_flight_max=settings.calls_in_flight_max,
        call_seconds_max=settings.call_seconds_max,
        request_seconds_max=settings.request_seconds_max,
        is_available=lambda: application.monitor.is_available,
        policies=POLICIES,
        authenticator=MetadataAuthenticator(),
        observer=_call_observer(application),
    )
    own_connections = settings.mongodb_connections_max + settings.webhook_sends_max
    connections_max = limit_connections(settings.connections_max, own_connections)
    server = grpc.aio.server(options=grpc_options(settings, connections_max))
    services = _add_services(GuardedServer(server, guard.wrap), application)
    health = Health(services)
    add_public_services(server, PublicGuard(settings.request_seconds_max, logger), health.servicer, services)
    return Edge(server, guard, health, connections_max)


def _call_observer(application: Application) -> CallObserver:
    """Combine tracing, metrics and logs. The first begins first and ends last: the others run inside its span."""
    observed = [part.calls for part in (application.tracing, application.metrics) if part is not None]
    return combine_call_observers([*observed, application.call_logger])


def _add_services(server: GuardedServer, application: Application) -> tuple[str, ...]:
    """Add the services of the contract; return their full names."""
    settings, store, bus = application.settings, application.store, application.bus
    payments, clock = application.payments, application.clock
    use_cases = UseCases(
        bookings=BookingUseCases(store, bus, payments, clock),
        holds=HoldUseCases(bus),
        trains=TrainUseCases(store, clock, payments.amounts),
        train_runs=TrainRunUseCases(store, bus, clock, LayoutFanOut(store, clock)),
        layouts=LayoutUseCases(store, bus, clock, payments.amounts),
        users=UserUseCases(store, clock),
        webhooks=WebhookUseCases(store, clock, allow_private_addresses=settings.webhook_allow_private_addresses),
        jobs=JobUseCases(store, clock),
        tickets=build_ticket_use_cases(application),
        notices=build_notice_use_cases(application),
        notice_sender_domain=domain_key(settings.notice_sender.rpartition("@")[2]),
    )
    return add_services(server, use_cases)
