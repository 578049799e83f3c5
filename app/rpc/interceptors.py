"""What happens around every call.

Belongs here: the outermost guard. Does not: what calls do.

The guard sees to it that every call ends with a status: a refusal becomes the one of the table, a fault INTERNAL without any of
its text, and a cancellation that came from inside the service does not leave the client hanging. It also bounds how many calls
are answered at a time and how long each may take. It stands around the handlers of our services only; health checks and
reflection pass freely.

It wraps each handler once, when the service is added. A `grpc.aio.ServerInterceptor` would be asked again for every call.
"""

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn, TypeAlias

import grpc

from app.domain.refusals import Reason, Refusal
from app.rpc.calls import Context
from app.rpc.refusals import abort_arguments

_log = logging.getLogger(__name__)

_Behavior = Callable[[Any, Context], Awaitable[Any]]
_Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # the class takes no arguments at run time


class Guard:
    """The outermost guard. `is_available` says whether the database answers at the moment."""

    def __init__(self, *, calls_in_flight_max: int, call_seconds_max: float, is_available: Callable[[], bool]) -> None:
        self._calls_in_flight_max = calls_in_flight_max
        self._call_seconds_max = call_seconds_max
        self._is_available = is_available
        # Every call may take equally long, so that the calls under way stand in the order of their ends.
        self._ends: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
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
        async def guarded(request: Any, context: Context) -> Any:
            task = self._begin()
            try:
                self._require_room()
                return await behavior(request, context)
            except Refusal as refusal:
                await _abort(context, refusal)
            except asyncio.CancelledError:
                if task in self._overdue:
                    task.uncancel()
                    text = "the call took longer than this server lets any take"
                    await _abort(context, Refusal(Reason.DEADLINE_EXCEEDED, text))
                if task.cancelling():  # the client has gone, or its deadline has passed
                    raise
                await _abort_fault(context, method)
            except grpc.aio.AbortError:
                raise
            except Exception:
                await _abort_fault(context, method)
            finally:
                del self._ends[task]
                self._overdue.discard(task)

        return guarded

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
            if task not in self._overdue:
                self._overdue.add(task)
                task.cancel()

    def _require_room(self) -> None:
        if len(self._ends) > self._calls_in_flight_max:
            raise Refusal(Reason.TOO_MANY_CALLS, "the server answers as many calls as it may; try again in a moment")
        if not self._is_available():
            raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer; send the same request again")


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


async def _abort(context: Context, refusal: Refusal) -> NoReturn:
    code, text, metadata = abort_arguments(refusal)
    await context.abort(code, text, metadata)
    raise AssertionError("abort does not return")


async def _abort_fault(context: Context, method: str) -> NoReturn:
    """Ends the call with INTERNAL; what happened is in the log under the same number, and not in the answer."""
    incident = uuid.uuid4().hex[:12]
    _log.exception("%s failed, incident %s", method, incident)
    await _abort(context, Refusal(Reason.INTERNAL, f"an internal error occurred, incident {incident}"))
