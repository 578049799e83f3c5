"""A gRPC server with answers that a test prepares, and the messages that these answers are made of.

Belongs here: what tests of the command line share. Does not belong here: any rule of the real service.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import any_pb2, descriptor_pool, message_factory, timestamp_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from google.type.money_pb2 import Money
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from app.pb.seatline.v1 import booking_pb2, passenger_pb2, seat_pb2, train_run_pb2, user_pb2

STOP_SECONDS_MAX = 10.0
FARE = Money(currency_code="USD", units=20)


class Refusal:
    """An answer of the scripted service that is not a message."""

    def __init__(self, code: grpc.StatusCode, reason: str, *details: Message, message: str = "no") -> None:
        self.code = code
        packed = []
        for detail in (error_details_pb2.ErrorInfo(reason=reason, domain="seatline"), *details):
            packed.append(any_pb2.Any())
            packed[-1].Pack(detail)
        self.status = status_pb2.Status(code=code.value[0], message=message, details=packed)


class ScriptedService(grpc.GenericRpcHandler):
    """Answers each method with the prepared answers, and records the requests."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, Any]] = []
        self.metadata: dict[str, str | bytes] = {}
        self.target = ""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        _, service, name = str(handler_call_details.method).split("/")
        if not service.startswith("seatline."):
            return None
        method = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
        kind: Any = message_factory.GetMessageClass(method.input_type)

        def answer(request: Any, context: Any) -> Any:
            self.metadata = dict(context.invocation_metadata())
            self.asked.append((name, request))
            script = self.answers.get(name, Refusal(grpc.StatusCode.INTERNAL, "INTERNAL", message=f"{name} is not scripted"))
            found = script(request) if callable(script) else script
            if isinstance(found, Refusal):
                context.set_trailing_metadata((("grpc-status-details-bin", found.status.SerializeToString()),))
                context.abort(found.code, found.status.message)
            return found

        return grpc.unary_unary_rpc_method_handler(answer, kind.FromString, lambda message: message.SerializeToString())

    def requests(self, name: str) -> list[Any]:
        """Return the requests of that method."""
        return [request for asked, request in self.asked if asked == name]


@contextmanager
def scripted_service(port: int = 0) -> Iterator[ScriptedService]:
    """Run a scripted service on the loopback `port` (0: any free one) that reports SERVING."""
    scripted = ScriptedService()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((scripted,))
    checks = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    checks.set("", health_pb2.HealthCheckResponse.SERVING)
    scripted.target = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    scripted.answers["GetTrainRun"] = run_of()
    server.start()
    try:
        yield scripted
    finally:
        server.stop(None).wait(timeout=STOP_SECONDS_MAX)


def at(text: str) -> timestamp_pb2.Timestamp:
    stamp = timestamp_pb2.Timestamp()
    stamp.FromJsonString(text)
    return stamp


def ann(seat: int = 1, section: str = "A") -> passenger_pb2.Passenger:
    place = seat_pb2.Seat(section=section, coach="1", number=seat, label=f"{section}-{seat}")
    return passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com", seat=place)


JOURNEY: dict[str, Any] = {
    "train_id": "es9014",
    "travel_date": "2030-07-01",
    "origin": "London St Pancras",
    "destination": "Paris Gare du Nord",
    "depart_time": at("2030-07-01T09:24:00Z"),
    "arrive_time": at("2030-07-01T11:56:00Z"),
}
USER = user_pb2.User(first_name="Ann", last_name="Lee", email="ann@example.com")


def booking_of(*people: passenger_pb2.Passenger) -> booking_pb2.Booking:
    return booking_pb2.Booking(
        reference="7K2M9Q",
        state=booking_pb2.BOOKING_STATE_CONFIRMED,
        passengers=people,
        price=FARE,
        user=USER,
        etag="e1",
        **JOURNEY,
    )


def receipt_of(*people: passenger_pb2.Passenger, reference: str = "7K2M9Q") -> booking_pb2.Receipt:
    return booking_pb2.Receipt(
        reference=reference,
        state=booking_pb2.BOOKING_STATE_CONFIRMED,
        passengers=people,
        seats=[person.seat for person in people],
        price_paid=FARE,
        user=USER,
        train_number="ES 9014",
        issue_time=at("2030-06-01T08:00:00Z"),
        **JOURNEY,
    )


def run_of(free_seat_count: int = 8) -> train_run_pb2.TrainRun:
    first = train_run_pb2.RunStop(
        name=JOURNEY["origin"], code="STP", time_zone="Europe/London", depart_time=JOURNEY["depart_time"]
    )
    last = train_run_pb2.RunStop(
        name=JOURNEY["destination"], code="PNO", time_zone="Europe/Paris", arrive_time=JOURNEY["arrive_time"]
    )
    left = train_run_pb2.SectionAvailability(section="A", fare=FARE, seat_count=8, free_seat_count=free_seat_count)
    return train_run_pb2.TrainRun(
        train_id="es9014",
        travel_date="2030-07-01",
        number="ES 9014",
        state=train_run_pb2.RUN_STATE_SCHEDULED,
        stops=[first, last],
        sections=[left],
    )
