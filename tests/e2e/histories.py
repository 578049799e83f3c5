"""Writers whose every step is known, and lists that must show the state after one step.

Belongs here: the bookings of a writer after each of its steps, and whether a list shows them at one moment. Not here: what
writers do and readers ask (`listed_agents.py`), nor the servers.

A writer takes one step at a time, and nobody else changes its bookings. So a list of them must be the list after one of the
steps: not before the last step that was acknowledged when the list was requested, and not after the last step that was sent
when the list arrived. Any other list has a booking twice, lacks one, shows one in a state that it did not have, or mixes
moments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.pb.seatline.v1 import booking_pb2

# The bookings of a writer after a step, by reference.
State = dict[str, booking_pb2.Booking]
# The rows of a list in their order, and whether there are more.
Listed = tuple[tuple[Any, ...], bool]
Message = TypeVar("Message")


class History:
    """The bookings of one writer after each of its steps."""

    def __init__(self) -> None:
        self.states: list[State] = [{}]
        self.steps_sent = 0

    @property
    def now(self) -> State:
        """The bookings after the last acknowledged step."""
        return self.states[-1]

    @property
    def steps_acknowledged(self) -> int:
        return len(self.states) - 1

    async def step(self, call: Awaitable[booking_pb2.Booking]) -> None:
        """Take a step: send a call that creates or changes a booking."""
        self.steps_sent += 1
        booking = await call
        self.states.append({**self.now, booking.reference: booking})


@dataclass(frozen=True)
class Answer:
    """A list that was read during a history, and how it follows from a state."""

    history: History
    first: int
    last: int
    expected: Callable[[State], Listed]
    listed: Listed

    @property
    def candidates(self) -> list[Listed]:
        """Return the lists that are right, once the history has ended."""
        return [self.expected(state) for state in self.history.states[self.first : self.last + 1]]

    def __str__(self) -> str:
        return f"after steps {self.first} to {self.last} was listed {self.listed}, which is none of {self.candidates}"


async def ask(
    history: History, expected: Callable[[State], Listed], call: Awaitable[Message], show: Callable[[Message], Listed]
) -> tuple[Answer, Message]:
    """Read a list, and note between which steps. Return it with its message, from which `show` makes the list."""
    first = history.steps_acknowledged
    message = await call
    return Answer(history, first, history.steps_sent, expected, show(message)), message


def wrong(answers: Sequence[Answer]) -> list[str]:
    """Describe the first answers that show the state after no step, and their number."""
    told = [str(answer) for answer in answers if answer.listed not in answer.candidates]
    return [*told[:3], f"{len(told)} of {len(answers)} answers"] if told else []
