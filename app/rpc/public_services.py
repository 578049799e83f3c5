"""Health checks and reflection, which anyone may call at any time, and their guard.

Belongs here: reading their requests, refusing undecodable ones, and bounding how many streams stay open. Does not belong here:
the guard of our own services (`guard.py`), nor what is answered (`app/process/health.py`, grpc_reflection).

They are answered also while the database is away or the server has no capacity for more calls. They are not counted in the
metrics of calls, because probes would hide what clients see.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from app.domain.refusals import Reason, Refusal
from app.ports.call_observer import CallObserver, Context
from app.rpc.errors import STATUS_CODES, abort_arguments
from app.rpc.faults import clear_tracebacks, internal_error
from app.rpc.guard import GuardedServer, Handler
from app.rpc.messages import Parse, parse_request

# A client watches the health of each service that it uses, and reads descriptions with one tool at a time.
STREAMS_PER_CONNECTION_MAX = 16


class PublicGuard:
    """Guards services of gRPC's libraries. A request may take `request_seconds_max` to arrive; `observer` sees refusals."""

    def __init__(self, request_seconds_max: float, observer: CallObserver) -> None:
        self._request_seconds_max, self._observer = request_seconds_max, observer
        self._streams: Counter[str] = Counter()

    def wrap(self, method: str, handler: Handler) -> Handler:
        """Return the guarded handler of a unary method, or of one that streams its answers, or requests and answers."""
        parse: Any = handler.request_deserializer
        behavior: Any = handler.unary_unary or handler.unary_stream or handler.stream_stream

        async def answer_one_request(context: Context) -> Any:
            return await behavior(parse_request(await self._read_first(context), parse), context)

        async def answer_each_request(context: Context) -> None:
            async for answer in behavior(self._requests(context, parse), context):
                await context.write(answer)

        if handler.unary_unary:
            unary: Any = self._guard(method, answer_one_request)
            return grpc.stream_unary_rpc_method_handler(unary, None, handler.response_serializer)
        streaming: Any = self._guard(method, self._counted(answer_one_request if handler.unary_stream else answer_each_request))
        return grpc.stream_stream_rpc_method_handler(streaming, None, handler.response_serializer)

    def _guard(self, method: str, answer: Callable[[Context], Awaitable[Any]]) -> Callable[[object, Context], Awaitable[Any]]:
        async def guarded(messages: object, context: Context) -> Any:
            begun = self._observer.call_started(method, context)
            try:
                try:
                    return await answer(context)
                except Refusal as error:
                    refusal = error
                except grpc.aio.AbortError as error:
                    clear_tracebacks(error)
                    raise
                except Exception as error:  # any other exception is a fault of the service
                    refusal = internal_error(error)
                self._observer.call_ended(begun, method, STATUS_CODES[refusal.reason], refusal.reason)
                clear_tracebacks(refusal)
                await context.abort(*abort_arguments(refusal))
            finally:  # gRPC keeps what `abort` raises with the call, and it knows this frame
                del messages, context

        return guarded

    def _counted(self, answer: Callable[[Context], Awaitable[Any]]) -> Callable[[Context], Awaitable[Any]]:
        """Refuse a stream where its connection has as many as it may."""

        async def counted(context: Context) -> None:
            connection = context.peer()
            if self._streams[connection] >= STREAMS_PER_CONNECTION_MAX:
                raise Refusal(Reason.TOO_MANY_CALLS, f"a connection may have {STREAMS_PER_CONNECTION_MAX} such calls open")
            self._streams[connection] += 1
            try:
                await answer(context)
            finally:
                self._streams[connection] -= 1
                if not self._streams[connection]:
                    del self._streams[connection]

        return counted

    async def _read_first(self, context: Context) -> Any:
        try:
            async with asyncio.timeout(self._request_seconds_max):
                return await context.read()
        except TimeoutError:
            raise Refusal(Reason.MESSAGE_INCOMPLETE, "the request did not arrive in time") from None

    async def _requests(self, context: Context, parse: Parse) -> AsyncIterator[Any]:
        data = await self._read_first(context)
        while data is not grpc.aio.EOF:
            yield parse_request(data, parse)
            data = await context.read()


def add_public_services(
    server: grpc.aio.Server, guard: PublicGuard, servicer: health_pb2_grpc.HealthServicer, services: tuple[str, ...]
) -> None:
    """Add health checks, answered by `servicer`, and reflection of `services` to a server."""
    guarded: Any = GuardedServer(server, guard.wrap)  # the generated functions are typed for the servers of the library
    health_pb2_grpc.add_HealthServicer_to_server(servicer, guarded)
    described = reflection.aio.ReflectionServicer((*services, health.SERVICE_NAME, reflection.SERVICE_NAME))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(described, guarded)  # type: ignore[no-untyped-call]
