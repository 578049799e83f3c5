"""Calls to servers, repeated as clients repeat them.

Belongs here: which server gets a call, lost answers, connections to servers that end, and which refusals are retried. Does not
belong here: what callers ask for (`callers.py`).
"""

import random
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol

from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from tests.simulation.processes import Process
from tests.simulation.record import Record, Violation
from tests.simulation.scheduler import YIELD_POINT, Scheduler, SimulatedFuture

CALL_SECONDS_MAX = 20.0
TRIES_MAX = 6
# Refusals after which the command may have been committed, or may succeed later.
_RETRIED = {
    Reason.DATABASE_UNAVAILABLE,
    Reason.COMMIT_ATTEMPTS_SPENT,
    Reason.PAYMENT_UNAVAILABLE,
    Reason.PAYMENT_STALE,
    Reason.DEADLINE_EXCEEDED,
    Reason.RUN_BUSY,
}
# Refusals that no rule gives to these commands.
_UNEXPECTED = {Reason.INTERNAL, Reason.CREDENTIALS_MISSING, Reason.TRAIN_RUN_NOT_FOUND, Reason.TRAIN_NOT_FOUND}

Call = Callable[[Process], Coroutine[Any, Any, Any]]


class ConnectionLostError(Exception):
    """The server ended before it answered."""


class Service(Protocol):
    """What callers see of the world."""

    scheduler: Scheduler
    record: Record
    runs: list[TrainRun]

    def random_server(self) -> Process: ...
    def now(self) -> datetime: ...
    def seconds(self) -> float: ...
    def note(self, text: str) -> None: ...


class Calls:
    """The calls of all callers. `answers_lost` is the share of answers that are lost, so that the caller repeats the call."""

    def __init__(self, service: Service, rng: random.Random, answers_lost: float) -> None:
        self._service, self._rng = service, rng
        self.answers_lost = answers_lost
        self._under_way: dict[SimulatedFuture[Any], str] = {}

    def deadline(self) -> float:
        """Return the deadline of a call that starts now."""
        return self._service.seconds() + CALL_SECONDS_MAX

    def connection_lost(self, process: str) -> None:
        """Tell all callers of a process that it has ended."""
        for answer, name in list(self._under_way.items()):
            if name == process and not answer.done():
                answer.set_exception(ConnectionLostError())

    async def ask(self, text: str, call: Call, *, tries_max: int = TRIES_MAX) -> Any:
        """Call, and repeat the call after a lost answer. Return the result; None where it was refused or given up."""
        for tried in range(1, tries_max + 1):
            try:
                outcome = await self._ask_once(call)
            except ConnectionLostError:
                self._service.note(f"{text}: connection lost")
                continue
            except Refusal as refusal:
                self._service.note(f"{text}: {refusal.reason} {refusal.message}")
                if refusal.reason in _UNEXPECTED:
                    self._service.record.found.append(Violation(f"{text} was refused: {refusal.reason} {refusal.message}"))
                if refusal.reason not in _RETRIED:
                    return None
                await YIELD_POINT
                continue
            if tried < tries_max and self._rng.random() < self.answers_lost:
                self._service.note(f"{text}: the answer is lost")
                continue
            return outcome
        return None

    async def _ask_once(self, call: Call) -> Any:
        server = self._service.random_server()
        answer: SimulatedFuture[Any] = SimulatedFuture(self._service.scheduler)
        self._under_way[answer] = server.name

        async def serve() -> None:
            try:
                outcome = await call(server)
            except Refusal as refusal:
                answer.set_exception(refusal)
            else:
                answer.set_result(outcome)

        server.spawn(serve(), "call")
        try:
            return await answer
        finally:
            del self._under_way[answer]
