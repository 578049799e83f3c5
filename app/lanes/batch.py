"""Queued commands and their answers.

Belongs here: one caller's command in a lane's queue, and the progress of a batch of them. Does not belong here: deciding and
committing (`committer.py`).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.commands import Command
from app.domain.refusals import Reason, Refusal
from app.store.unreadable import record_unreadable


@dataclass(slots=True)
class QueuedCommand:
    """A command whose caller waits for `answer`.

    `deadline` and `queued_at` are in `time.monotonic` seconds. `caller` is what the observer's `caller_queued` returned.
    """

    command: Command[Any]
    answer: asyncio.Future[Any]
    deadline: float
    queued_at: float
    caller: object

    def is_waiting(self, now_seconds: float) -> bool:
        """Whether the caller still waits. A command whose caller has gone is not decided."""
        if now_seconds >= self.deadline:
            self.fail(Refusal(Reason.DEADLINE_EXCEEDED, "the deadline passed before this was decided; nothing was changed"))
        return not self.answer.done()

    def fail(self, error: Exception) -> None:
        """Raise the error to the caller, unless the caller has an answer or has gone."""
        if not self.answer.done():
            self.answer.set_exception(error)


# The decision for each command: its result, or the rule's Refusal.
Decisions = list[tuple[QueuedCommand, object]]


@dataclass(slots=True)
class BatchProgress:
    """Progress of one batch: time of the last decision, whether it is committed, lost swaps, and what it made happen."""

    decided_at: float
    committed: bool = False
    swaps_lost: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)


def answer_callers(decisions: Decisions) -> None:
    """Give each caller who still waits the decision."""
    for queued, decision in decisions:
        if queued.answer.done():
            continue
        if isinstance(decision, Refusal):
            queued.answer.set_exception(decision)
        else:
            queued.answer.set_result(decision)


def fail_all(batch: Iterable[QueuedCommand], error: Exception) -> None:
    """Raise the error to every caller who has no answer."""
    for queued in batch:
        queued.fail(error)


def refuse_unreadable(batch: Sequence[QueuedCommand], unreadable: frozenset[str]) -> None:
    """Refuse the commands about bookings that cannot be read. The others of the batch go on."""
    for queued in batch if unreadable else ():
        references = (*queued.command.required_references(), *queued.command.fallback_references())
        if unreadable.intersection(references):
            queued.fail(record_unreadable("bookings"))
