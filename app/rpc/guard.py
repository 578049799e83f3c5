"""The guard around every call of our services.

Belongs here: the life of a call, from its start to its status. Does not belong here: what a call does
(`<resource>/servicer.py`), who may call (`policies.py`), how a caller is known (`authentication.py`), the guard of health
checks and reflection (`public_services.py`).

The guard ends every call with a status: a refusal with the one of the table in `errors.py`, a fault with INTERNAL and none of
its text. A cancellation from inside the service does not leave the client hanging. The guard reads the request itself, so that
undecodable bytes are refused like anything else, and a request that does not arrive holds nothing for long. It authenticates
the caller, checks the method's policy, and bounds how many calls are in flight and how long each may take.

A call passes, in this order: capacity and database, the request, authentication, access, rate, the servicer.

A streaming call is a call: it counts against the same bound, has a time bound, is observed from start to end, and is aborted
like any other. In addition it ends when the server stops (`abort_streams`), because it might not end by itself for long.

The guard wraps each handler once, when its service is added, and resolves there whatever the method's policy says. A
`grpc.aio.ServerInterceptor` would be asked again for every call. To gRPC all handlers take a stream of requests: gRPC calls
such a handler as soon as a call starts. It calls a handler of one request only once the request has arrived, and nothing would
bound that wait.

A call that has ended leaves nothing behind. An exception refers to the frames that it went through, and a frame to its values.
Where both refer to each other, they stay until the garbage collector runs, which is rare (`app/process/interpreter.py`).
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import grpc

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.ports.call_observer import CallObserver, Context, NullCallObserver
from app.rpc.authentication import Authenticator
from app.rpc.context import CallContext
from app.rpc.deadlines import Call, CallDeadlines
from app.rpc.errors import STATUS_CODES, abort_arguments
from app.rpc.faults import clear_tracebacks, internal_error
from app.rpc.messages import Parse, Serialize, parse_request
from app.rpc.policies import ACCESS_CHECKS, Kind, MethodPolicy, MissingPolicyError, RateClass, policy_for

_OK, _CANCELLED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED
# A client gives up at its deadline. gRPC writes the remaining time with two significant digits, and the request travels for a
# while. So this server hears of the client's end earlier than it expects it.
_DEADLINE_TOLERANCE_SECONDS = 0.1
_DEADLINE_TOLERANCE_SHARE = 0.01
# A healthy connection takes headers in microseconds; on a dead one the call is lost anyway.
_HEADERS_SECONDS_MAX = 1.0

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # the class takes no arguments at run time
_Behavior: TypeAlias = Callable[[Any, CallContext], Awaitable[Any]]
_StreamBehavior: TypeAlias = Callable[[Any, CallContext], AsyncGenerator[Any, None]]


class RateLimiter(Protocol):
    """Decides whether a caller may make one more call of a rate class. Runs within every call: it may not wait."""

    def admit(self, caller: Caller, rate_class: RateClass) -> None:
        """Count the call. Raise the refusal where it is one too many."""


@dataclass(frozen=True, slots=True)
class _Method:
    """A guarded method: everything that its policy says, resolved."""

    name: str
    parse: Parse
    behavior: _Behavior
    serialize: Serialize
    check_access: Callable[[Caller], object] | None
    rate_class: RateClass
    seconds_max: float
    deadlines: CallDeadlines


class Guard:
    """The guard. `is_available` says whether the database answers at the moment; `policies` has a row for each method.

    A call may take `call_seconds_max` in all unless its policy says otherwise, and its request `request_seconds_max` to arrive.
    At most `calls_in_flight_max` calls are in flight, streams included.
    """

    def __init__(
        self,
        *,
        calls_in_flight_max: int,
        call_seconds_max: float,
        request_seconds_max: float,
        is_available: Callable[[], bool],
        policies: Mapping[str, MethodPolicy],
        authenticator: Authenticator,
        rate_limiter: RateLimiter | None = None,
        observer: CallObserver | None = None,
    ) -> None:
        self._observer = observer or NullCallObserver()
        self._authenticate, self._rate_limiter = authenticator.authenticate, rate_limiter
        self._policies, self._call_seconds_max = policies, call_seconds_max
        self._calls_in_flight_max, self._calls_in_flight = calls_in_flight_max, 0
        self._is_available = is_available
        # The calls in flight, by their time bound: those of one bound end in the order in which they began.
        self._deadlines: dict[float, CallDeadlines] = {}
        # Those whose request has not arrived.
        self._half_sent = CallDeadlines(request_seconds_max, self._abort_half_sent)
        # Those that stream answers, once they are past every check.
        self._streams: set[Call] = set()
        self._refuses_streams = False
        # Calls that this guard has cancelled, and why.
        self._aborted: dict[Call, Refusal] = {}

    def wrap(self, name: str, handler: Handler) -> Handler:
        """Return the handler of a method, guarded by its policy. Raise MissingPolicyError where it has none that fits."""
        policy = policy_for(name, self._policies)
        if policy.kind is Kind.UNARY and handler.unary_unary:
            method = self._method(name, handler, policy, handler.unary_unary, handler.response_serializer)
            return grpc.stream_unary_rpc_method_handler(self._unary(method))
        if policy.kind is Kind.SERVER_STREAMING and inspect.isasyncgenfunction(handler.unary_stream):
            stream = self._streaming(handler.unary_stream, handler.response_serializer)
            return grpc.stream_stream_rpc_method_handler(self._stream(self._method(name, handler, policy, stream, _nothing)))
        raise MissingPolicyError(f"the method policy of {name} says {policy.kind.value}, but its servicer's method is none")

    def _method(self, name: str, handler: Any, policy: MethodPolicy, behavior: Any, serialize: Any) -> _Method:
        seconds_max = self._call_seconds_max if policy.seconds_max is None else policy.seconds_max
        deadlines = self._deadlines.setdefault(seconds_max, CallDeadlines(seconds_max, self._abort_overdue))
        check_access = ACCESS_CHECKS[policy.access]
        return _Method(
            name, handler.request_deserializer, behavior, serialize, check_access, policy.rate_class, seconds_max, deadlines
        )

    def _unary(self, method: _Method) -> Any:
        async def guarded(messages: object, context: Context) -> bytes:
            try:
                answer = await self._answer(method, context)
                if isinstance(answer, bytes):
                    return answer
                await context.abort(*abort_arguments(answer))
                raise AssertionError("abort does not return")
            finally:  # gRPC keeps what `abort` raises with the call, and it knows this frame
                del messages, context

        return guarded

    def _stream(self, method: _Method) -> Any:
        async def guarded(messages: object, context: Context) -> None:
            try:
                answer = await self._answer(method, context)
                if not isinstance(answer, bytes):
                    await context.abort(*abort_arguments(answer))
            finally:  # as above
                del messages, context

        return guarded

    def _streaming(self, behavior: _StreamBehavior, serialize: Any) -> _Behavior:
        """Return a behavior that writes the messages of a stream, and answers with nothing once all are written."""

        async def write_all(request: Any, context: CallContext) -> None:
            call = _current_call()
            if self._refuses_streams:
                raise _server_stopping()
            self._streams.add(call)
            try:
                await _uninterrupted(context.send_headers())
                async with aclosing(behavior(request, context)) as messages:
                    async for message in messages:
                        await context.write(serialize(message))
            finally:
                self._streams.discard(call)

        return write_all

    async def _answer(self, method: _Method, context: Context) -> bytes | Refusal:
        """Return the answer or the refusal of a call. Lets its cancellation by the client through."""
        call = self._begin(method)
        begun = self._observer.call_started(method.name, context)
        refusal: Refusal | None = None
        code = _OK
        try:
            self._require_capacity(call)
            data = await context.read()
            self._half_sent.end(call)
            request = parse_request(data, method.parse)
            caller = await self._authenticate(context.invocation_metadata())
            if method.check_access is not None:
                method.check_access(caller)
            if self._rate_limiter is not None:
                self._rate_limiter.admit(caller, method.rate_class)
            return method.serialize(await method.behavior(request, CallContext(caller, context, method.seconds_max)))
        except Refusal as error:
            refusal = error
        except asyncio.CancelledError as error:
            refusal = self._abort_reason(call)
            if refusal is None and call.cancelling():
                code = _code_of_disconnected_client(method.deadlines.seconds_elapsed(call), context)
                raise
            refusal = refusal or internal_error(error)
        except Exception as error:  # any other exception is a fault of the service
            refusal = internal_error(error)
        finally:
            self._end(method, call)
            code = code if refusal is None else STATUS_CODES[refusal.reason]
            self._observer.call_ended(begun, method.name, code, refusal.reason if refusal else None)
            data = request = None
            del begun, call, context  # a task keeps its cancellation, which knows this frame
        clear_tracebacks(refusal)
        return refusal

    def abort_all(self) -> None:
        """Abort all calls in flight, because the database is away. Clients may send the same requests again."""
        for deadlines in self._deadlines.values():
            for call in deadlines:
                self._abort(call, _database_unavailable())

    def abort_streams(self) -> None:
        """Abort all streams in flight and refuse new ones, because the server stops. Other calls go on."""
        self._refuses_streams = True
        for call in self._streams:
            self._abort(call, _server_stopping())

    def _abort(self, call: Call, reason: Refusal) -> None:
        if call not in self._aborted:
            self._aborted[call] = reason
            call.cancel()

    def _abort_reason(self, call: Call) -> Refusal | None:
        """Return why this guard has cancelled the call; None where it was not this guard."""
        reason = self._aborted.get(call)
        if reason is not None:
            call.uncancel()
        return reason

    def _begin(self, method: _Method) -> Call:
        call = _current_call()
        method.deadlines.begin(call)
        self._half_sent.begin(call)
        self._calls_in_flight += 1
        return call

    def _end(self, method: _Method, call: Call) -> None:
        self._calls_in_flight -= 1
        method.deadlines.end(call)
        self._half_sent.end(call)
        self._aborted.pop(call, None)

    def _abort_overdue(self, call: Call) -> None:
        self._abort(call, Refusal(Reason.DEADLINE_EXCEEDED, "the call took longer than this server lets any take"))

    def _abort_half_sent(self, call: Call) -> None:
        self._abort(call, Refusal(Reason.MESSAGE_INCOMPLETE, "the request did not arrive in time"))

    def _require_capacity(self, call: Call) -> None:
        """Refuse a call for which there is no room, or abort in its place the call whose request has been awaited longest.

        So a client that begins calls and never sends a request keeps no other out.
        """
        if self._calls_in_flight - len(self._aborted) > self._calls_in_flight_max:
            oldest = next(iter(self._half_sent))
            self._half_sent.end(oldest)
            if oldest is call:
                raise _too_many_calls()
            self._abort(oldest, _too_many_calls())
        if not self._is_available():
            raise _database_unavailable()


class GuardedServer:
    """Stands in for the server before the generated `add_..._to_server` functions: adds their handlers guarded by `wrap`."""

    def __init__(self, server: grpc.aio.Server, wrap: Callable[[str, Handler], Handler]) -> None:
        self._server = server
        self._wrap = wrap

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Ignore these: the generated functions give the same ones to `add_registered_method_handlers` as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Add the handlers of a service, by the names of its methods."""
        guarded = {name: self._wrap(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))


def _current_call() -> Call:
    call = asyncio.current_task()
    if call is None:
        raise RuntimeError("gRPC answers each call in a task of its own")
    return call


async def _uninterrupted(sending: Coroutine[Any, Any, None]) -> None:
    """Let a cancellation wait until the headers are sent.

    gRPC notes that they are only after it has waited for it. Interrupted, it would send them again with the status, which fails
    and leaves the client without one. Headers wait for no client: they are outside of flow control (RFC 9113 section 5.2).
    """
    task = asyncio.ensure_future(sending)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=_HEADERS_SECONDS_MAX)
        raise


def _code_of_disconnected_client(seconds_elapsed: float, context: Context) -> grpc.StatusCode:
    """Return the status that a client sees who has gone: its deadline has passed, or it has cancelled."""
    remaining = context.time_remaining()
    if remaining is None:
        return _CANCELLED
    tolerance = _DEADLINE_TOLERANCE_SECONDS + _DEADLINE_TOLERANCE_SHARE * (seconds_elapsed + remaining)
    return grpc.StatusCode.DEADLINE_EXCEEDED if remaining <= tolerance else _CANCELLED


def _nothing(_: None) -> bytes:
    """Serialize the answer of a stream whose messages are written."""
    return b""


def _too_many_calls() -> Refusal:
    return Refusal(Reason.TOO_MANY_CALLS, "the server answers as many calls as it may; try again in a moment")


def _server_stopping() -> Refusal:
    return Refusal(Reason.SERVER_STOPPING, "the server is stopping; ask again, and another one answers")


def _database_unavailable() -> Refusal:
    return Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again")
