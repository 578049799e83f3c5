"""A trial service with streaming methods, guarded like ours: it tests the streaming side while the contract has no stream.

Belongs here: the service, its policies, and a server for it alone. Does not belong here: assertions.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import Int64Value

from app.domain.refusals import Reason, Refusal
from app.ports.call_observer import CallObserver
from app.rpc.authentication import MetadataAuthenticator
from app.rpc.context import CallContext
from app.rpc.guard import Guard, GuardedServer, RateLimiter
from app.rpc.policies import Access, Kind, MethodPolicy, RateClass

SERVICE = "seatline.trial.v1.TrialService"
SECRET = "mongodb://admin:hunter2@db.internal"  # noqa: S105
SHORT_SECONDS = 0.3
FLOOD_BYTES = 2**20


class TrialServicer:
    """Each method is one course of a stream. `ended` counts the streams whose `finally` has run."""

    def __init__(self) -> None:
        self.started, self.ended = 0, 0
        self.callers: list[str | None] = []
        self.before_first_message: Callable[[], object] = lambda: None

    async def Count(self, request: Int64Value, context: CallContext) -> AsyncIterator[Int64Value]:
        """Send the numbers from 1 to the one in the request."""
        self.callers.append(context.caller.email)
        for number in range(1, request.value + 1):
            yield Int64Value(value=number)

    async def Wait(self, request: Int64Value, context: CallContext) -> AsyncIterator[Int64Value]:
        """Send one number, and then nothing for as long as the client stays."""
        self.started += 1
        self.before_first_message()
        try:
            yield Int64Value(value=1)
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    WaitShortly = Wait
    """As Wait, with a short time bound."""

    async def Refuse(self, request: Int64Value, context: CallContext) -> AsyncIterator[Int64Value]:
        """Send one number, and then refuse."""
        yield Int64Value(value=1)
        raise Refusal(Reason.SEAT_TAKEN, "seat A-1 is taken")

    async def Break(self, request: Int64Value, context: CallContext) -> AsyncIterator[Int64Value]:
        """Send one number, and then fail."""
        yield Int64Value(value=1)
        raise RuntimeError(SECRET)

    async def CancelItself(self, request: Int64Value, context: CallContext) -> AsyncIterator[Int64Value]:
        """Send one number, and then raise a cancellation that no client has requested."""
        yield Int64Value(value=1)
        raise asyncio.CancelledError(SECRET)

    async def Flood(self, request: Int64Value, context: CallContext) -> AsyncIterator[Any]:
        """Send large messages for as long as the client reads them."""
        try:
            while True:
                self.started += 1
                yield Flooding()
        finally:
            self.ended += 1

    async def Ask(self, request: Int64Value, context: CallContext) -> Int64Value:
        """Return the number of the request: the unary method beside the streams."""
        return request


class Flooding:
    """A message of a megabyte."""


def _serialize(message: Int64Value | Flooding) -> bytes:
    return bytes(FLOOD_BYTES) if isinstance(message, Flooding) else message.SerializeToString()


def _streaming(access: Access = Access.ANYONE, seconds_max: float | None = None) -> MethodPolicy:
    return MethodPolicy(Kind.SERVER_STREAMING, access, RateClass.READ, seconds_max)


ROWS = {
    "Count": _streaming(Access.OPERATOR),
    "Wait": _streaming(),
    "WaitShortly": _streaming(seconds_max=SHORT_SECONDS),
    "Refuse": _streaming(),
    "Break": _streaming(),
    "CancelItself": _streaming(),
    "Flood": _streaming(seconds_max=SHORT_SECONDS),
    "Ask": MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.READ),
}
TRIAL_POLICIES = {f"/{SERVICE}/{name}": row for name, row in ROWS.items()}


def add_trial_service(server: grpc.aio.Server, guard: Guard, servicer: TrialServicer) -> None:
    """Add the service to a server that has not started, guarded."""

    def handler(name: str, row: MethodPolicy) -> Any:
        make: Any = grpc.unary_unary_rpc_method_handler
        if row.kind is Kind.SERVER_STREAMING:
            make = grpc.unary_stream_rpc_method_handler
        return make(getattr(servicer, name), Int64Value.FromString, _serialize)

    handlers = {name: handler(name, row) for name, row in ROWS.items()}
    GuardedServer(server, guard.wrap).add_registered_method_handlers(SERVICE, handlers)


class TrialClient:
    """A client of the trial service."""

    def __init__(self, channel: grpc.aio.Channel, metadata: Any = (), seconds: float | None = 20.0) -> None:
        self._channel, self._options = channel, {"metadata": metadata, "timeout": seconds}

    def stream(self, name: str, value: int = 0) -> Any:
        """Open a stream; its messages can be awaited one by one."""
        call: Any = self._channel.unary_stream(f"/{SERVICE}/{name}", Int64Value.SerializeToString, Int64Value.FromString)
        return call(Int64Value(value=value), **self._options)

    async def read_all(self, name: str, value: int = 0) -> list[int]:
        """Return the numbers of a whole stream. Raises AioRpcError."""
        return [message.value async for message in self.stream(name, value)]

    async def ask(self, value: int) -> int:
        """Call the unary method."""
        call: Any = self._channel.unary_unary(f"/{SERVICE}/Ask", Int64Value.SerializeToString, Int64Value.FromString)
        return int((await call(Int64Value(value=value), **self._options)).value)


@dataclass
class EndedCalls:
    """Records the calls that started, and how they ended. `noted` has the result of `when_ended` at each end."""

    started: list[str] = field(default_factory=list)
    ended: list[tuple[str, grpc.StatusCode, Reason | None]] = field(default_factory=list)
    when_ended: Callable[[], object] = lambda: None
    noted: list[object] = field(default_factory=list)

    def call_started(self, method: str, context: object) -> None:
        self.started.append(method.rpartition("/")[2])

    def call_ended(self, begun: object, method: str, code: grpc.StatusCode, reason: Reason | None) -> None:
        self.ended.append((method.rpartition("/")[2], code, reason))
        self.noted.append(self.when_ended())


@dataclass
class Trial:
    """A server of the trial service alone. A test may set `is_available` to False, as if the database were away."""

    servicer: TrialServicer
    guard: Guard
    channel: grpc.aio.Channel
    is_available: bool = True

    @property
    def client(self) -> TrialClient:
        return TrialClient(self.channel)


@asynccontextmanager
async def serve_trial(
    observer: CallObserver | None = None, rate_limiter: RateLimiter | None = None, **bounds: Any
) -> AsyncIterator[Trial]:
    """Serve the trial service until the block ends."""
    servicer, server = TrialServicer(), grpc.aio.server()
    available: Callable[[], bool] = lambda: trial.is_available  # noqa: E731
    guard = Guard(
        **{"calls_in_flight_max": 100, "call_seconds_max": 20.0, "request_seconds_max": 20.0, **bounds},
        is_available=available,
        policies=TRIAL_POLICIES,
        authenticator=MetadataAuthenticator(),
        rate_limiter=rate_limiter,
        observer=observer,
    )
    add_trial_service(server, guard, servicer)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            trial = Trial(servicer, guard, channel)
            yield trial
    finally:
        await server.stop(0)
