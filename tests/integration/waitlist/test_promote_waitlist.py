"""PromoteWaitlist, while the service promotes by itself, with two servers and a worker at
once: each booking is promoted once.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any

import grpc
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import booking_pb2
from app.usecases.run_maintenance import RunMaintenance
from app.usecases.verification.report import Report
from app.usecases.verification.verification import Verification, audit_sources
from tests.support.clients import Run, people, refusal, seats_of
from tests.support.world import TRAVEL_DATE, Clock, World, eventually, outcomes, running_server, settings_for, usd

WAITLISTED, CONFIRMED = booking_pb2.BOOKING_STATE_WAITLISTED, booking_pb2.BOOKING_STATE_CONFIRMED
NOT_THERE = Run(train_id="es9014", travel_date=TRAVEL_DATE)


async def test_the_answer_has_the_bookings_that_got_the_seats_of_an_expired_hold(clock: Clock, world: World) -> None:
    run = await world.run("A2")
    await world.api_client("jane").hold(run, 2)
    waiting = [await world.api_client(name).wait(run) for name in people("w", 3)]
    assert list((await world.desk.promote(run)).promoted_references) == []
    clock.ahead = timedelta(minutes=5)
    answer = await world.desk.promote(run)
    assert list(answer.promoted_references) == [booking.reference for booking in waiting[:2]]
    assert answer.waiting_count == 1
    found = [await world.desk.booking(booking.reference) for booking in waiting]
    assert [(booking.state, seats_of(booking)) for booking in found] == [
        (CONFIRMED, ["A-1"]),
        (CONFIRMED, ["A-2"]),
        (WAITLISTED, [""]),
    ]
    again = await world.desk.promote(run)
    assert (list(again.promoted_references), again.waiting_count) == ([], 1)


async def test_seats_freed_by_a_correction_of_the_database_go_to_waitlisted_bookings_on_request(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("ann").book(run)
    waiting = [await world.api_client(name).wait(run) for name in ("ben", "cem")]
    await world.wait_until_archived()
    coach = {"name": "2", "first": 2, "last": 2}
    another = {"$push": {"sections.0.coaches": coach, "sections.0.sold_legs": 0}, "$inc": {"version": 1}}
    await world.database["train_runs"].update_one({"_id": f"{run.train_id}:{run.travel_date}"}, another)
    answer = await world.desk.promote(run)
    assert (list(answer.promoted_references), answer.waiting_count) == ([waiting[0].reference], 1)
    assert seats_of(await world.desk.booking(waiting[0].reference)) == ["A-2"]


async def test_only_operators_may_promote_and_only_an_existing_run(world: World) -> None:
    run = await world.run("A1")
    assert (await refusal(world.api_client("ann").promote(run))).says == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    missing = await refusal(world.desk.promote(Run(train_id="none", travel_date=run.travel_date)))
    assert missing.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")
    for wrong, field in ((Run(travel_date=run.travel_date), "train_id"), (Run(train_id="es9014"), "travel_date")):
        assert (await refusal(world.desk.promote(wrong))).fields == (field,)


# -- at the same time, on a real database

HOLDS = 12
HOLD_SECONDS = 60
WAITERS = 30


class Deployment:
    """Two servers and a worker, which expires what is due once a second, and here also on request."""

    def __init__(self, first: World, second: World, third: World, clock: Clock) -> None:
        self.servers, self.clock, self.database = (first, second), clock, first.database
        self.store = third.server.store
        self._maintenance = RunMaintenance(self.store.runs, third.server.bus, clock.now, time.monotonic)
        third.server.start_worker()

    async def promote_and_expire_at_once(self, run: Run, expires_due: int, *more: Awaitable[object]) -> list[set[str]]:
        """Promote at both servers and the worker at the same time. Return the references that each server promoted.

        Without `expires_due` the worker keeps to its interval: it is nearer to the database and would mostly be the first.
        """
        by_hand = [outcomes([server.desk.promote(run) for _ in range(3)]) for server in self.servers]
        expired = [self._maintenance.expire_due() for _ in range(expires_due)]
        of_servers = (await asyncio.gather(*by_hand, *expired, *more))[: len(by_hand)]
        return [{reference for answer in answers for reference in answer.promoted_references} for answers in of_servers]

    async def verify(self) -> Report:
        """Return what `seatline verify` finds, without any tolerance."""
        return await Verification(audit_sources(self.database, ("ledger",), self.clock.now), timedelta(0)).verify()


@pytest_asyncio.fixture
async def deployment(clock: Clock, real_world: World, mongod: EmbeddedMongod) -> AsyncIterator[Deployment]:
    settings = settings_for(mongod.uri, real_world.database.name)
    async with running_server(settings) as second, running_server(settings) as third:
        yield Deployment(real_world, second, third, clock)


async def test_concurrent_promotions_give_each_booking_one_seat_one_event_and_one_charge(deployment: Deployment) -> None:
    first, second = deployment.servers
    run = await first.run(f"A1 B{HOLDS}", fares={"A": usd(50), "B": usd(20)}, hold_percent_max=100)
    await first.api_client("ann").book(run, section="A")
    for number in range(1, HOLDS + 1):
        await first.api_client(f"holder{number}").hold(run, section="B", seconds=HOLD_SECONDS * number)
    names = people("w", WAITERS)
    waiting = [(await deployment.servers[number % 2].api_client(name).wait(run)).reference for number, name in enumerate(names)]
    promoted, by_hand = 0, set[str]()
    for number in range(1, HOLDS + 1):
        deployment.clock.ahead = timedelta(seconds=HOLD_SECONDS * number + 1)
        # In every third round, the last promoted booking is cancelled meanwhile: two seats are freed at once.
        leaving = [second.api_client(names[promoted - 1]).cancel(waiting[promoted - 1])] if number % 3 == 0 else []
        answers = await deployment.promote_and_expire_at_once(run, 2 * (number % 2), *leaving)
        had, promoted = promoted, promoted + 1 + len(leaving)
        assert not answers[0] & answers[1], "two servers promoted one and the same"
        assert answers[0] | answers[1] <= set(waiting[had:promoted])
        by_hand |= answers[0] | answers[1]
        document = await first.run_document(run)
        assert sorted(entry[0] for entry in document["waiting"].values()) == sorted(waiting[promoted:])

    assert promoted == HOLDS + HOLDS // 3
    assert by_hand, "the worker was always the first; nothing is proven"
    await _all_is_done(deployment, run)
    await _is_promoted_and_paid_once(deployment, run, waiting[:promoted], waiting[promoted:])


async def _all_is_done(deployment: Deployment, run: Run) -> None:
    """Return once `seatline verify` has no finding without tolerance. Fail with the findings."""

    async def is_clean() -> bool:
        for server in deployment.servers:
            await server.wait_until_archived()
        await deployment.store.runs.archive_leftovers(f"{run.train_id}:{run.travel_date}")
        findings[:] = (await deployment.verify()).findings
        return not findings

    findings: list[object] = []
    try:
        await eventually(is_clean)
    except AssertionError:
        raise AssertionError(findings) from None


async def _is_promoted_and_paid_once(deployment: Deployment, run: Run, promoted: list[str], waiting: list[str]) -> None:
    server = deployment.servers[0]
    events = Counter((event["type"], event["subject"]) for event in await server.events(run))
    assert {reference: events["booking.promoted", reference] for reference in (*promoted, *waiting)} == {
        **dict.fromkeys(promoted, 1),
        **dict.fromkeys(waiting, 0),
    }
    assert sum(count for (kind, _), count in events.items() if kind == "hold.expired") == HOLDS
    seats = {seat for seat, _ in await server.desk.section(run, "B")}
    assert seats == {f"B-{number}" for number in range(1, HOLDS + 1)}
    entries = await _ledger_entries(deployment)
    for reference in promoted:
        entry = entries[reference]
        given_back = sum(refund["amount_minor"] for refund in entry["refunds"])
        is_cancelled = events["booking.cancelled", reference] == 1
        # A waitlist entry for any section costs the dearer fare; the cheaper seat refunds the difference, cancelling all of it.
        assert (entry["captured_minor"], given_back) == (5_000, 5_000 if is_cancelled else 3_000)


async def _ledger_entries(deployment: Deployment) -> dict[str, dict[str, Any]]:
    """Return the ledger entry of each booking, by reference."""
    stored = {name: await deployment.database[name].find().to_list(100) for name in ("bookings", "payments", "ledger")}
    ledger = {entry["_id"]: entry for entry in stored["ledger"]}
    payments = {payment["_id"]: ledger[payment["authorization_id"]] for payment in stored["payments"]}
    return {booking["_id"]: payments[booking["payment_id"]] for booking in stored["bookings"]}
