"""Writers whose every step is known, and answers that must show the whole of one step.

Belongs here: what a writer's bookings were after each of its steps, and whether an answer shows them as of one moment. Not
here: what writers do and readers ask (`listed_agents.py`), nor the servers.

A writer takes one step at a time, and nobody else changes its bookings. So a list of them, asked for while it goes on, has to
be the list as it was after one of the steps: not before the last one that was acknowledged when the list was asked for, and not
after the last one that was sent when the answer came. Anything else is a booking listed twice, one left out, one in a state
that it was not in, or two of them as of different moments.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from app.pb.seatline.v1 import booking_pb2

# A writer's bookings after a step, by reference.
State = dict[str, booking_pb2.Booking]
# What a list shows: its rows in their order, and whether there are more.
Listed = tuple[tuple[Any, ...], bool]
Message = TypeVar("Message")


class History:
    """The bookings of one writer after each of its steps."""

    def __init__(self) -> None:
        self.states: list[State] = [{}]
        self.steps_sent = 0

    @property
    def now(self) -> State:
        """The bookings after the last step that was acknowledged."""
        return self.states[-1]

    @property
    def steps_acknowledged(self) -> int:
        return len(self.states) - 1

    async def step(self, call: Awaitable[booking_pb2.Booking]) -> None:
        """Takes a step: sends a call that makes or changes a booking."""
        self.steps_sent += 1
        booking = await call
        self.states.append({**self.now, booking.reference: booking})


@dataclass(frozen=True)
class Answer:
    """A list that was given while a history went on, and how it follows from a state."""

    history: History
    first: int
    last: int
    expected: Callable[[State], Listed]
    listed: Listed

    @property
    def candidates(self) -> list[Listed]:
        """What the list may be, once the history has ended."""
        return [self.expected(state) for state in self.history.states[self.first : self.last + 1]]

    def __str__(self) -> str:
        return f"after steps {self.first} to {self.last} was listed {self.listed}, which is none of {self.candidates}"


async def ask(
    history: History, expected: Callable[[State], Listed], call: Awaitable[Message], show: Callable[[Message], Listed]
) -> tuple[Answer, Message]:
    """Has a list given, and notes between which steps; also gives the message, of which `show` makes the list."""
    first = history.steps_acknowledged
    message = await call
    return Answer(history, first, history.steps_sent, expected, show(message)), message


def wrong(answers: Sequence[Answer]) -> list[str]:
    """The answers that show no one step, in words; of many the first ones, and how many there are."""
    told = [str(answer) for answer in answers if answer.listed not in answer.candidates]
    return [*told[:3], f"{len(told)} of {len(answers)} answers"] if told else []
