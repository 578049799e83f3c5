"""Agents who book, rename, change seats and cancel for others, and readers who list their bookings.

Belongs here: the steps of an agent, what readers request, and the right answer for given bookings. Not here: whether an answer
is right (`histories.py`).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.e2e.crowd import retry_until_answered
from tests.e2e.histories import Answer, History, Listed, State, ask
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, ApiClient, Run, address, booking_request, decoded, person

SECTIONS = ("A", "B")
LAYOUT = "A90 B90"
CONFIRMED = booking_pb2.BOOKING_STATE_CONFIRMED
# Live bookings of an agent, each of one or two people: fewer than a booker may have on one run.
_LIVE_MAX = 4
_STEPS_OF_A_LIFE = 24
_WHOLE_PAGE = 200
_READERS_OF_AN_AGENT = 2

IsAskedFor = Callable[[booking_pb2.Booking], bool]
ReceiptKey = tuple[str, str, str]
Read = Callable[["Servers", "Agent"], Awaitable[list[Answer]]]


class Servers:
    """The servers of one service; each call goes to a random one."""

    def __init__(self, channels: Sequence[grpc.aio.Channel]) -> None:
        self._channels = channels

    def api_client(self, name: str, roles: str = "") -> ApiClient:
        return ApiClient(random.choice(self._channels), name, roles)  # noqa: S311 - no secret

    @property
    def desk(self) -> ApiClient:
        return self.api_client("desk", "operator")


class Agent:
    """An agent who books for others on several runs: one step at a time, each through a random server.

    Where answers may be lost and a step is taken again, `only_repeatable` leaves out those that then change something again.
    """

    def __init__(self, name: str, servers: Servers, runs: Sequence[Run], *, only_repeatable: bool = False) -> None:
        self.name, self.history, self.runs = name, History(), runs
        self._only_repeatable = only_repeatable
        self.travellers: list[str] = []
        self._servers = servers
        self._random = random.Random(name)  # noqa: S311 - no secret

    async def live(self) -> None:
        """Take all steps, and cancel every booking at the end."""
        for _ in range(_STEPS_OF_A_LIFE):
            live = self._live()
            if not live or (len(live) < _LIVE_MAX and self._random.random() < 0.3):
                await self._book()
            else:
                await self._change(self._random.choice(live))
        for booking in self._live():
            await self._cancel(booking)

    def _live(self) -> list[booking_pb2.Booking]:
        return [booking for booking in self.history.now.values() if booking.state == CONFIRMED]

    def _new_group(self, size: int) -> list[str]:
        """Return one or two new people. The second may leave the booking, so readers do not ask for it."""
        self.travellers.append(f"{self.name}-{len(self.travellers)}")
        return [self.travellers[-1], f"{self.travellers[-1]}-too"][:size]

    async def _book(self) -> None:
        request = booking_request(
            self._random.choice(self.runs),
            *self._new_group(self._random.randint(1, 2)),
            section=self._random.choice(SECTIONS),
            origin=self._random.choice((LONDON, ASHFORD)),
            destination=self._random.choice((PARIS, LILLE)),
        )
        await self.history.step(retry_until_answered(lambda: self._servers.api_client(self.name).send(request)))

    async def _change(self, booking: booking_pb2.Booking) -> None:
        match 0 if self._only_repeatable else self._random.randrange(7):
            case 0:
                await self._cancel(booking)
            case 1 if len(booking.passengers) > 1:
                await self._cancel(booking, booking.passengers[1].email)
            case 1 | 2 | 3:
                await self._rename(booking)
            case _:
                await self._move(booking)

    async def _cancel(self, booking: booking_pb2.Booking, *addresses: str) -> None:
        await self.history.step(
            retry_until_answered(lambda: self._servers.api_client(self.name).cancel(booking.reference, *addresses))
        )

    async def _rename(self, booking: booking_pb2.Booking) -> None:
        renamed = [person(name) for name in self._new_group(len(booking.passengers))]
        await self.history.step(
            retry_until_answered(lambda: self._servers.api_client(self.name).update(booking.reference, *renamed))
        )

    async def _move(self, booking: booking_pb2.Booking) -> None:
        traveller = self._random.choice(booking.passengers)
        section = SECTIONS[1 - SECTIONS.index(traveller.seat.section)]
        await self.history.step(
            retry_until_answered(
                lambda: self._servers.api_client(self.name).move(booking.reference, traveller.email, section=section)
            )
        )


class ListedCrowd:
    """Writers, each of whom is one agent after another, and a reader of each agent while it lives."""

    def __init__(
        self, servers: Servers, name: str, runs_of_writers: Sequence[Sequence[Run]], answers_min: int, **of_agents: bool
    ) -> None:
        self._servers, self._name, self._runs_of_writers = servers, name, runs_of_writers
        self._answers_min, self._of_agents = answers_min, of_agents
        self.answers: list[Answer] = []

    async def read_while_writing(self, read: Read) -> None:
        """Return when there are enough answers and all agents have ended."""
        await asyncio.gather(*(self._lives(number, runs, read) for number, runs in enumerate(self._runs_of_writers)))

    async def _lives(self, number: int, runs: Sequence[Run], read: Read) -> None:
        lives = 0
        while len(self.answers) < self._answers_min:
            agent = Agent(f"{self._name}{number}-{lives}", self._servers, runs, **self._of_agents)
            life = asyncio.create_task(agent.live())
            # No answer about one agent may arrive during the next one, which may be on the same run.
            await asyncio.gather(life, *(self._read(read, agent, life) for _ in range(_READERS_OF_AN_AGENT)))
            lives += 1

    async def _read(self, read: Read, agent: Agent, life: asyncio.Task[None]) -> None:
        while not life.done():
            self.answers += await read(self._servers, agent)


# -- receipts


def _receipt_row(message: booking_pb2.Booking | booking_pb2.Receipt) -> tuple[object, ...]:
    """Return what a booking and its receipt have in common: a different row for each state of each booking."""
    if isinstance(message, booking_pb2.Receipt):
        time, price = message.issue_time, message.price_paid
    else:
        time, price = message.update_time, message.price
    state = booking_pb2.BookingState.Name(message.state).removeprefix("BOOKING_STATE_")
    travellers = [(passenger.email, passenger.seat.label) for passenger in message.passengers]
    return *_receipt_key(message), state, time.ToNanoseconds(), (price.units, price.nanos), *travellers


def _receipt_key(message: booking_pb2.Booking | booking_pb2.Receipt) -> ReceiptKey:
    return message.travel_date, message.train_id, message.reference


def _receipts_in(state: State, is_asked_for: IsAskedFor, after: ReceiptKey, size: int) -> Listed:
    """Return the page of receipts after `after`, for these bookings."""
    asked_for = sorted(filter(is_asked_for, state.values()), key=_receipt_key)
    behind = [_receipt_row(booking) for booking in asked_for if _receipt_key(booking) > after]
    return tuple(behind[:size]), len(behind) > size


def _receipts_shown(page: booking_pb2.ListReceiptsResponse) -> Listed:
    return tuple(map(_receipt_row, page.receipts)), bool(page.next_page_token)


async def read_receipts(servers: Servers, agent: Agent) -> list[Answer]:
    """List the receipts of an agent, or of a passenger of its bookings; return an answer for each page.

    The list is whole or filtered by date, origin or destination, on one page or on small ones.
    """
    name, is_asked_for, filters = _any_question(agent)
    size = random.choice((1, 2, 3, _WHOLE_PAGE))  # noqa: S311 - no secret
    answers: list[Answer] = []
    before, listed = agent.history.now, list[str]()
    after, token = ("", "", ""), ""
    while not answers or token:
        expected = partial(_receipts_in, is_asked_for=is_asked_for, after=after, size=size)
        call = _receipts_page(servers, name, page_size=size, page_token=token, **filters)
        answer, page = await ask(agent.history, expected, call, _receipts_shown)
        answers.append(answer)
        token = page.next_page_token
        listed += [receipt.reference for receipt in page.receipts]
        after = _receipt_key(page.receipts[-1]) if page.receipts else after
    assert len(set(listed)) == len(listed), "no booking is on two pages"
    if name == agent.name:  # the agent's bookings stay the agent's; passengers join and leave
        known = {booking.reference for booking in before.values() if is_asked_for(booking)}
        assert known <= set(listed), "none is left out"
    return answers


def _any_question(agent: Agent) -> tuple[str, IsAskedFor, dict[str, str]]:
    """Choose whose receipts to list; return the name, which of the agent's bookings match, and the filters."""
    date = random.choice(agent.runs).travel_date  # noqa: S311 - no secret
    questions: list[tuple[str, IsAskedFor, dict[str, str]]] = [
        (agent.name, lambda _: True, {}),
        (agent.name, lambda _: True, {}),
        (agent.name, lambda booking: booking.travel_date == date, {"travel_date": date}),
        (agent.name, lambda booking: booking.origin == ASHFORD, {"origin": ASHFORD}),
        (agent.name, lambda booking: booking.destination == LILLE, {"destination": LILLE}),
    ]
    if agent.travellers:
        traveller = random.choice(agent.travellers)  # noqa: S311 - no secret
        questions.append((traveller, lambda booking: _is_with(traveller, booking), {}))
    return random.choice(questions)  # noqa: S311 - no secret


def _is_with(traveller: str, booking: booking_pb2.Booking) -> bool:
    return address(traveller) in {passenger.email for passenger in (*booking.passengers, *booking.cancelled_passengers)}


async def _receipts_page(servers: Servers, name: str, **asked: Any) -> booking_pb2.ListReceiptsResponse:
    """Return a page; an empty one for a person on no booking, who is unknown."""

    async def page() -> booking_pb2.ListReceiptsResponse:
        try:
            return await servers.api_client(name).receipts_page(**asked)
        except grpc.aio.AioRpcError as error:
            if decoded(error).reason != "USER_NOT_FOUND":
                raise
            return booking_pb2.ListReceiptsResponse()

    return await retry_until_answered(page)


# -- sections


SeatRow = tuple[int, str, str]


def _seats_in(state: State, section: str, after: tuple[int, str], size: int) -> Listed:
    """Return the page of a section's list after `after`, for these bookings."""
    rows: list[SeatRow] = sorted(
        (passenger.seat.number, booking.reference, passenger.email)
        for booking in state.values()
        for passenger in booking.passengers
        if booking.state == CONFIRMED and passenger.seat.section == section
    )
    behind = [row for row in rows if row[:2] > after]
    return tuple(behind[:size]), len(behind) > size


def _seats_shown(page: booking_pb2.ListSectionBookingsResponse) -> Listed:
    rows = tuple((row.seat.number, row.reference, row.passenger.email) for row in page.rows)
    return rows, bool(page.next_page_token)


async def read_section(servers: Servers, agent: Agent) -> list[Answer]:
    """List a section of a run that only this agent books on; return an answer for each page."""
    section = random.choice(SECTIONS)  # noqa: S311 - no secret
    size = random.choice((1, 2, 3, _WHOLE_PAGE))  # noqa: S311 - no secret
    (run,) = agent.runs
    answers: list[Answer] = []
    after, token = (0, ""), ""
    while not answers or token:
        expected = partial(_seats_in, section=section, after=after, size=size)
        call = _section_page(servers, run, section, page_size=size, page_token=token)
        answer, page = await ask(agent.history, expected, call, _seats_shown)
        answers.append(answer)
        token = page.next_page_token
        after = (page.rows[-1].seat.number, page.rows[-1].reference) if page.rows else after
    return answers


async def _section_page(servers: Servers, run: Run, section: str, **asked: Any) -> booking_pb2.ListSectionBookingsResponse:
    return await retry_until_answered(lambda: servers.desk.section_page(run, section, **asked))
