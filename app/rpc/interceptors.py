"""What happens around every call.

Belongs here: the outermost guard. Does not: what calls do.

The guard sees to it that every call ends with a status: a refusal becomes the one of the table, a fault INTERNAL without any of
its text, and a cancellation that came from inside the service does not leave the client hanging. It also bounds how many calls
are answered at a time and how long each may take. It stands around the handlers of our services only; health checks and
reflection pass freely.

It wraps each handler once, when the service is added. A `grpc.aio.ServerInterceptor` would be asked again for every call.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc

from app.domain.refusals import Reason, Refusal
from app.rpc.calls import Context
from app.rpc.observing import CallObserver, NobodyLooks
from app.rpc.refusals import STATUS_CODES, abort_arguments
from app.telemetry.logged_calls import note_incident

_Behavior = Callable[[Any, Context], Awaitable[Any]]
_OK, _CANCELLED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED
# A client gives up at its deadline. This server knows how much was left when the request came, to the hundredth as gRPC writes
# it, and so hears of the end earlier than it expects it, by as long as the request was on its way.
_DEADLINE_SECONDS_AROUND = 0.1
_DEADLINE_PART_AROUND = 0.01

_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # the class takes no arguments at run time


class Guard:
    """The outermost guard. `is_available` says whether the database answers at the moment."""

    def __init__(
        self,
        *,
        calls_in_flight_max: int,
        call_seconds_max: float,
        is_available: Callable[[], bool],
        observer: CallObserver | None = None,
    ) -> None:
        self._observer = observer or NobodyLooks()
        self._calls_in_flight_max = calls_in_flight_max
        self._call_seconds_max = call_seconds_max
        self._is_available = is_available
        # Every call may take equally long, so that the calls under way stand in the order of their ends.
        self._ends: dict[asyncio.Task[Any], float] = {}
        # Calls that this guard has cancelled, and why.
        self._given_up: dict[asyncio.Task[Any], Refusal] = {}
        self._timer: asyncio.TimerHandle | None = None

    def around(self, method: str, handler: _Handler) -> _Handler:
        """The handler of a unary call, guarded."""
        return grpc.unary_unary_rpc_method_handler(
            # The stubs know only the synchronous kind of behavior.
            self._guard(method, handler.unary_unary),  # type: ignore[arg-type]
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _guard(self, method: str, behavior: _Behavior) -> _Behavior:
        observer = self._observer

        async def guarded(request: Any, context: Context) -> Any:
            begun = observer.began(method, context)
            refusal: Refusal | None = None
            code = _OK
            task = self._begin()
            try:
                self._require_room()
                return await behavior(request, context)
            except Refusal as error:
                refusal = error
            except asyncio.CancelledError as error:
                refusal = self._reason_given_up(task)
                if refusal is None and task.cancelling():
                    code = self._code_of_gone(task, context)
                    raise
                refusal = refusal or _incident(error)
            except Exception as error:  # whatever it is, it is a fault of ours
                refusal = _incident(error)
            finally:
                del self._ends[task]
                self._given_up.pop(task, None)
                code = code if refusal is None else STATUS_CODES[refusal.reason]
                observer.ended(begun, method, code, refusal.reason if refusal else None)
            return await _abort(context, refusal)

        return guarded

    def give_up_all(self) -> None:
        """Tells all calls under way that the database is away; what becomes of them is found out by sending them again."""
        for task in self._ends:
            self._give_up(task, _database_away())

    def _give_up(self, task: asyncio.Task[Any], reason: Refusal) -> None:
        if task not in self._given_up:
            self._given_up[task] = reason
            task.cancel()

    def _reason_given_up(self, task: asyncio.Task[Any]) -> Refusal | None:
        """For a call that this guard has cancelled."""
        reason = self._given_up.get(task)
        if reason is not None:
            task.uncancel()
        return reason

    def _code_of_gone(self, task: asyncio.Task[Any], context: Context) -> grpc.StatusCode:
        """What a client who is not there any more has: its deadline has passed, or it has cancelled."""
        remaining = context.time_remaining()
        if remaining is None:
            return _CANCELLED
        taken = asyncio.get_running_loop().time() - (self._ends[task] - self._call_seconds_max)
        around = _DEADLINE_SECONDS_AROUND + _DEADLINE_PART_AROUND * (taken + remaining)
        return grpc.StatusCode.DEADLINE_EXCEEDED if remaining <= around else _CANCELLED

    def _begin(self) -> asyncio.Task[Any]:
        """Notes a call that begins. One timer serves all: an `asyncio.timeout` for each costs some microseconds."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("gRPC answers each call in a task of its own")
        loop = asyncio.get_running_loop()
        self._ends[task] = loop.time() + self._call_seconds_max
        if self._timer is None:
            self._timer = loop.call_later(self._call_seconds_max, self._end_overdue)
        return task

    def _end_overdue(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = None
        for task, end in self._ends.items():
            if end > loop.time():
                self._timer = loop.call_at(end, self._end_overdue)
                break
            self._give_up(task, Refusal(Reason.DEADLINE_EXCEEDED, "the call took longer than this server lets any take"))

    def _require_room(self) -> None:
        if len(self._ends) > self._calls_in_flight_max:
            raise Refusal(Reason.TOO_MANY_CALLS, "the server answers as many calls as it may; try again in a moment")
        if not self._is_available():
            raise _database_away()


class GuardedServer:
    """What the generated `add_..._to_server` functions are given in place of the server: it adds their handlers guarded."""

    def __init__(self, server: grpc.aio.Server, guard: Guard) -> None:
        self._server = server
        self._guard = guard

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leaves these out: the generated functions give the same ones to `add_registered_method_handlers` as well."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, _Handler]) -> None:
        """Adds the handlers of a service, by the names of its methods."""
        guarded = {name: self._guard.around(f"/{service}/{name}", handler) for name, handler in handlers.items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, guarded),))


def _database_away() -> Refusal:
    return Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again")


async def _abort(context: Context, refusal: Refusal) -> NoReturn:
    code, text, metadata = abort_arguments(refusal)
    await context.abort(code, text, metadata)
    raise AssertionError("abort does not return")


def _incident(error: BaseException) -> Refusal:
    """INTERNAL; where it happened is in the log under the same number, and nothing of it in the answer."""
    incident = uuid.uuid4().hex[:12]
    note_incident(incident, error)
    return Refusal(Reason.INTERNAL, f"an internal error occurred, incident {incident}")
