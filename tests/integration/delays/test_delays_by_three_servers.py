"""Delays and arrivals that three servers hear of: all of them follow the newest report, and a late message changes nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any

import grpc
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2, payment_pb2, train_run_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, ApiClient, Run, decoded, refusal
from tests.support.world import Clock, World, outcomes, running_server, settings_for

MINUTE = timedelta(minutes=1)
SERVERS = 3
DELAYED, DEPARTED = train_run_pb2.RUN_STATE_DELAYED, train_run_pb2.RUN_STATE_DEPARTED
SCHEDULED, COMPLETED = train_run_pb2.RUN_STATE_SCHEDULED, train_run_pb2.RUN_STATE_COMPLETED
TERMS, DELAY = payment_pb2.REFUND_REASON_TERMS, payment_pb2.REFUND_REASON_DELAY
STALE = (grpc.StatusCode.ABORTED, "REPORT_STALE")


@dataclass
class Railway:
    """Three servers with one clock and one database, and a run of a full section A and an empty section B."""

    worlds: list[World]
    clock: Clock
    run: Run
    booked: booking_pb2.Booking
    departs: datetime

    def __post_init__(self) -> None:
        self._turns = cycle(self.worlds)

    def next_world(self) -> World:
        """Return another server than the last time."""
        return next(self._turns)

    def operator(self) -> ApiClient:
        """Return a client of an operator, at the next server."""
        return self.next_world().desk

    def set_clock(self, moment: datetime) -> None:
        self.clock.ahead = moment - datetime.now(UTC)

    async def shown(self) -> list[train_run_pb2.TrainRun]:
        """Return the run as each server shows it."""
        return [await world.api_client("zoe").run_of(self.run) for world in self.worlds]

    async def expects(self) -> list[float]:
        """Return by how many minutes each server says that the train leaves late."""
        return [(depart_of(run.stops[0]) - self.departs) / MINUTE for run in await self.shown()]

    async def quote(self) -> tuple[int, payment_pb2.RefundReason.ValueType] | str:
        """Return what the next server would refund, in whole dollars, and why; or why it would not."""
        client = self.next_world().api_client("ann")
        try:
            found = await client.give_back(self.booked.reference, validate_only=True)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return found.refund.units, found.refund_reason

    async def sells(self, name: str, section: str) -> str:
        """Return what a buyer gets from the next server: the state of the booking, or the reason of the refusal."""
        client = self.next_world().api_client(name)
        try:
            booking = await client.wait(self.run, section=section)
        except grpc.aio.AioRpcError:
            return (await refusal(client.wait(self.run, section=section))).reason
        return booking_pb2.BookingState.Name(booking.state).removeprefix("BOOKING_STATE_")

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """Return the data of all events of this type, in order."""
        for world in self.worlds:
            await world.wait_until_archived()
        return [event["data"] for event in await self.worlds[0].events(self.run) if event["type"] == event_type]


@pytest_asyncio.fixture
async def railway(clock: Clock, real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[Railway]:
    run = await real_world.run("A1 B4")
    booked = await real_world.api_client("ann").book(run, section="A")
    async with AsyncExitStack() as stack:
        settings = settings_for(mongod.uri, real_world.database.name)
        others = [await stack.enter_async_context(running_server(settings)) for _ in range(SERVERS - 1)]
        departs = booked.depart_time.ToDatetime(UTC)
        yield Railway([real_world, *others], clock, run, booked, departs)


def depart_of(stop: train_run_pb2.RunStop) -> datetime:
    departs: datetime = stop.expected_depart_time.ToDatetime(UTC)
    return departs


async def test_times_closing_and_refund_quotes_follow_each_of_four_reports_and_not_the_late_message(railway: Railway) -> None:
    now = railway.departs - 180 * MINUTE  # the waitlist closes 240 minutes before the departure
    railway.set_clock(now)
    found = []
    for step, minutes in enumerate((70, 40, 0, 130)):
        run = await railway.operator().set_delay(railway.run, minutes, report_time=now + step * timedelta(seconds=10))
        assert (depart_of(run.stops[0]) - railway.departs) / MINUTE == minutes
        assert await railway.expects() == [minutes] * SERVERS
        closes = [run.waitlist_close_time.ToDatetime(UTC) for run in await railway.shown()]
        assert closes == [railway.departs + (minutes - 240) * MINUTE] * SERVERS
        found.append((await railway.sells(f"step{step}", "A"), await railway.quote()))
    assert found == [
        ("WAITLISTED", (20, DELAY)),
        ("WAITLIST_CLOSED", (10, TERMS)),
        ("WAITLIST_CLOSED", (10, TERMS)),
        ("WAITLISTED", (20, DELAY)),
    ]
    for _ in range(SERVERS):
        late = railway.operator().set_delay(railway.run, 40, report_time=now + timedelta(seconds=25))
        assert (await refusal(late)).says == STALE
    assert await railway.expects() == [130] * SERVERS
    assert [data["minutes"] for data in await railway.events("run.delayed")] == [70, 40, 0, 130]


async def test_a_train_that_has_left_by_one_report_is_sold_again_after_the_next(railway: Railway) -> None:
    before, after = railway.departs - 60 * MINUTE, railway.departs + 50 * MINUTE
    found = []
    for step, minutes in enumerate((70, 40, 0, 130)):
        railway.set_clock(after + step * MINUTE if step else before)
        await railway.operator().set_delay(railway.run, minutes)
        railway.set_clock(after + (step + 0.5) * MINUTE)
        state = {run.state for run in await railway.shown()}
        found.append((state, await railway.sells(f"step{step}", "B"), await railway.quote()))
    assert found == [
        ({DELAYED}, "CONFIRMED", (20, DELAY)),
        ({DEPARTED}, "RUN_DEPARTED", "FAILED_PRECONDITION"),
        ({DEPARTED}, "RUN_DEPARTED", "FAILED_PRECONDITION"),
        ({DELAYED}, "CONFIRMED", (20, DELAY)),
    ]
    assert len(await railway.events("run.departed")) == 1  # after the report of 40 minutes; then it came back


async def test_every_answer_about_a_booking_has_the_scheduled_and_the_expected_times(railway: Railway) -> None:
    railway.set_clock(railway.departs - 60 * MINUTE)
    await railway.operator().set_delay(railway.run, 70)
    await railway.operator().set_delay(railway.run, 130, from_stop=PARIS)
    for index, world in enumerate(railway.worlds):
        ann, eve = world.api_client("ann"), world.api_client(f"eve{index}")
        made = await eve.book(railway.run, section="B")
        shown = (
            await ann.booking(railway.booked.reference),
            await ann.receipt(railway.booked.reference),
            (await ann.receipts_page()).receipts[0],
            (await ann.give_back(railway.booked.reference, validate_only=True)).booking,
            made,
            await eve.move(made.reference, seat_number=4),
            await eve.cancel(made.reference),
        )
        for answer in shown:
            assert answer.depart_time == railway.booked.depart_time
            assert answer.arrive_time == railway.booked.arrive_time
            assert (answer.expected_depart_time.ToDatetime(UTC) - railway.departs) / MINUTE == 70
            late = answer.expected_arrive_time.ToDatetime(UTC) - answer.arrive_time.ToDatetime(UTC)
            assert (late / MINUTE, answer.run_state) == (130, DELAYED)


async def test_a_run_departs_arrives_and_completes_once_whichever_servers_hear_of_it(railway: Railway) -> None:
    railway.set_clock(railway.departs - 60 * MINUTE)
    await railway.operator().set_delay(railway.run, 70)
    scheduled = [stop.arrive_time.ToDatetime(UTC) for stop in (await railway.shown())[0].stops]
    states = []
    for index, (stop, late) in enumerate(((ASHFORD, 75), (LILLE, 65), (PARIS, 62)), 1):
        arrives = scheduled[index] + late * MINUTE
        railway.set_clock(arrives)
        run = await railway.operator().record_arrival(railway.run, stop, arrives)
        assert run.stops[index].has_arrived
        assert run.stops[index].expected_arrive_time.ToDatetime(UTC) == arrives
        states.append({run.state for run in await railway.shown()})
    assert states == [{DEPARTED}, {DEPARTED}, {COMPLETED}]
    arrived = await railway.events("run.arrived")
    assert [(data["stop"], data["late_minutes"]) for data in arrived] == [(ASHFORD, 75), (LILLE, 65), (PARIS, 62)]


async def test_of_many_messages_at_once_to_three_servers_the_newest_wins_and_the_others_are_in_order(railway: Railway) -> None:
    now = railway.departs - 300 * MINUTE
    railway.set_clock(now)
    chance = random.Random(7)  # noqa: S311 - no secret
    times = [now + timedelta(milliseconds=100 * number) for number in range(30)]
    messages = [(minutes, reported) for minutes, reported in zip(chance.sample(range(1, 1_000), 30), times, strict=True)]
    newest = messages[-1]
    chance.shuffle(messages)
    answers = await outcomes(
        [
            railway.operator().set_delay(railway.run, minutes, from_stop=LONDON, report_time=reported)
            for minutes, reported in messages
        ]
    )
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert {decoded(error).says for error in refused} <= {STALE}
    assert await railway.expects() == [newest[0]] * SERVERS
    told = await railway.events("run.delayed")
    reported = [data["report_time"] for data in told]
    assert reported == sorted(reported)
    assert len(told) == len(answers) - len(refused)
    assert told[-1]["minutes"] == newest[0]
