"""What happens around every call.

Belongs here: the outermost guard. Does not: what calls do, nor the guard of health checks and reflection
(`public_services.py`).

The guard sees to it that every call ends with a status: a refusal becomes the one of the table, a fault INTERNAL without any of
its text, and a cancellation that came from inside the service does not leave the client hanging. It reads the call's request
itself, so that bytes that are no message are refused like anything else, and a request that does not arrive holds nothing for
long. It also bounds how many calls are answered at a time and how long each may take. It stands around the handlers of our
services only.

It wraps each handler once, when the service is added. A `grpc.aio.ServerInterceptor` would be asked again for every call. To
gRPC all handlers take a stream of requests: such a handler is called as soon as a call begins, the other kind only once its
request has arrived, for which nobody would look.

A call that has ended leaves nothing behind. An exception knows the frames that it went through and a frame what it worked on,
so that whoever keeps an exception keeps the request; where both know each other, they stay until the garbage collector looks,
which is rarely (`app.process.interpreter.tune_interpreter`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc

from app.domain.refusals import Reason, Refusal
from app.ports.call_observer import CallObserver, Context, NullCallObserver
from app.rpc.deadlines import Call, CallDeadlines
from app.rpc.errors import STATUS_CODES, abort_arguments
from app.rpc.faults import clear_tracebacks, internal_error
from app.rpc.messages import Parse, Serialize, parse_request

_Behavior = Callable[[Any, Context], Awaitable[Any]]
_OK, _CANCELLED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED
# A client gives up at its deadline. This server knows how much was left when the request came, to the hundredth as gRPC writes
# it, and so hears of the end earlier than it expects it, by as long as the request was on its way.
_DEADLINE_SECONDS_AROUND = 0.1
_DEADLINE_PART_AROUND = 0.01

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # the class takes no arguments at run time


class Guard:
    """The outermost guard. `is_available` says whether the database answers at the moment.

    A call may take `call_seconds_max` in all, and its request `request_seconds_max` to arrive.
    """

    def __init__(
        self,
        *,
        calls_in_flight_max: int,
        call_seconds_max: float,
        request_seconds_max: float,
        is_available: Callable[[], bool],
        observer: CallObserver | None = None,
    ) -> None:
        self._observer = observer or NullCallObserver()
        self._calls_in_flight_max = calls_in_flight_max
        self._is_available = is_available
        self._calls = CallDeadlines(call_seconds_max, self._abort_overdue)
        # Those of them whose request has not arrived.
        self._half_sent = CallDeadlines(request_seconds_max, self._abort_half_sent)
        # Calls that this guard has cancelled, and why.
        self._aborted: dict[Call, Refusal] = {}

    def around(self, method: str, handler: Handler) -> Handler:
        """The handler of a unary call, guarded."""
        parse: Any = handler.request_deserializer
        behavior: Any = handler.unary_unary
        serialize: Any = handler.response_serializer

        async def guarded(messages: object, context: Context) -> bytes:
            try:
                answer = await self._answer(method, context, parse, behavior, serialize)
                if isinstance(answer, bytes):
                    return answer
                await context.abort(*abort_arguments(answer))
                raise AssertionError("abort does not return")
            finally:  # gRPC keeps what `abort` raises with the call, and it knows this frame
                del messages, context

        return grpc.stream_unary_rpc_method_handler(guarded)

    async def _answer(
        self, method: str, context: Context, parse: Parse, behavior: _Behavior, serialize: Serialize
    ) -> bytes | Refusal:
        """What becomes of a call; its cancellation by its client passes."""
        call = self._begin()
        begun = self._observer.call_started(method, context)
        refusal: Refusal | None = None
        code = _OK
        try:
            self._require_capacity(call)
            return serialize(await behavior(await self._read(call, context, parse), context))
        except Refusal as error:
            refusal = error
        except asyncio.CancelledError as error:
            refusal = self._abort_reason(call)
            if refusal is None and call.cancelling():
                code = self._code_of_disconnected_client(call, context)
                raise
            refusal = refusal or internal_error(error)
        except Exception as error:  # whatever it is, it is a fault of ours
            refusal = internal_error(error)
        finally:
            self._end(call)
            code = code if refusal is None else STATUS_CODES[refusal.reason]
            self._observer.call_ended(begun, method, code, refusal.reason if refusal else None)
            del begun, call, context  # a task keeps its cancellation, which knows this frame
        clear_tracebacks(refusal)
        return refusal

    async def _read(self, call: Call, context: Context, parse: Parse) -> Any:
        """The request, once it has arrived."""
        data = await context.read()
        self._half_sent.end(call)
        return parse_request(data, parse)

    def abort_all(self) -> None:
        """Tells all calls under way that the database is away; what becomes of them is found out by sending them again."""
        for call in self._calls:
            self._abort(call, _database_unavailable())

    def _abort(self, call: Call, reason: Refusal) -> None:
        if call not in self._aborted:
            self._aborted[call] = reason
            call.cancel()

    def _abort_reason(self, call: Call) -> Refusal | None:
        """For a call that this guard has cancelled."""
        reason = self._aborted.get(call)
        if reason is not None:
            call.uncancel()
        return reason

    def _code_of_disconnected_client(self, call: Call, context: Context) -> grpc.StatusCode:
        """What a client who is not there any more has: its deadline has passed, or it has cancelled."""
        remaining = context.time_remaining()
        if remaining is None:
            return _CANCELLED
        around = _DEADLINE_SECONDS_AROUND + _DEADLINE_PART_AROUND * (self._calls.seconds_elapsed(call) + remaining)
        return grpc.StatusCode.DEADLINE_EXCEEDED if remaining <= around else _CANCELLED

    def _begin(self) -> Call:
        call = asyncio.current_task()
        if call is None:
            raise RuntimeError("gRPC answers each call in a task of its own")
        self._calls.begin(call)
        self._half_sent.begin(call)
        return call

    def _end(self, call: Call) -> None:
        self._calls.end(call)
        self._half_sent.end(call)
        self._aborted.pop(call, None)

    def _abort_overdue(self, call: Call) -> None:
        self._abort(call, Refusal(Reason.DEADLINE_EXCEEDED, "the call took longer than this server lets any take"))

    def _abort_half_sent(self, call: Call) -> None:
        self._abort(call, Refusal(Reason.MESSAGE_INCOMPLETE, "the request did not arrive in time"))

    def _require_capacity(self, call: Call) -> None:
        """Refuses a call for which there is no room, or in its place the one whose request has been awaited longest.

        So who begins calls and never sends a request keeps nobody else out.
        """
        if len(self._calls) - len(self._aborted) > self._calls_in_flight_max:
            oldest = next(iter(self._half_sent))
            self._half_sent.end(oldest)
            if oldest is call:
                raise _too_many_calls()
            self._abort(oldest, _too_many_calls())
        if not self._is_available():
            raise _database_unavailable()


class GuardedServer:
    """What the generated `add_..._to_server` functions are given in place of the server: it adds their handlers guarded."""

    def __init__(self, server: grpc.aio.Server, around: Callable[[str, Handler], Handler]) -> None:
        self._server = server
        self._around = around

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leaves these out: the generated functions give the same ones to `add_registered_method_handlers` as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Adds the handlers of a service, by the names of its methods."""
        guarded = {name: self._around(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))


def _too_many_calls() -> Refusal:
    return Refusal(Reason.TOO_MANY_CALLS, "the server answers as many calls as it may; try again in a moment")


def _database_unavailable() -> Refusal:
    return Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again")
