"""The layout of a run changes again and again while 64 buyers book, hold, wait and cancel on it.

Each change is planned with its seats reserved, waits while the buyers go on, and is then made by the hash of its plan. No plan
changes meanwhile, no buyer loses seat and place on the waitlist, and `seatline verify` finds nothing wrong.
"""

from __future__ import annotations

from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.e2e.layout_buyers import Buyers
from tests.e2e.layout_operators import LayoutOperator
from tests.e2e.ledgers import read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import Run
from tests.support.long_mode import full
from tests.support.replica_set import MongoDatabase, database_of, replica_set
from tests.support.server_processes import a_run, server_process, worker_process

BUYERS = 64
CHANGES = full(50, short=4)
# Answered calls of buyers before the first plan: so many that most of them wait for a seat.
CALLS_BEFORE = full(10, short=5) * BUYERS
# Answered calls of buyers between each plan and its change, and before the next plan.
CALLS_BETWEEN = 32
LEGS = 3
COACHES = {"1": ("A", 40), "2": ("A", 30), "3": ("B", 30), "4": ("B", 20)}
SECONDS_MAX = full(900, short=240)
CHANNELS = 4
SEED = 20_301


def _unseated(bookings: dict[str, dict[str, Any]], run: dict[str, Any], buyers: Buyers) -> list[str]:
    """Describe each booking that its buyer has not cancelled and that has neither seats nor a place on the waitlist."""
    waitlisted = {row[0] for row in run["waiting"].values()}
    wrong: list[str] = []
    for reference in buyers.live:
        booking = bookings[reference]
        missing = sum("number" not in passenger for passenger in booking["passengers"])
        if booking["state"] not in ("CONFIRMED", "WAITLISTED"):
            wrong.append(f"{reference} is {booking['state']}")
        elif bool(missing) != (reference in waitlisted):
            wrong.append(
                f"{reference} has {missing} passengers without a seat, and is {'' if not missing else 'not '}waitlisted"
            )
        elif len(booking["passengers"]) != len(buyers.live[reference].passengers):
            wrong.append(f"{reference} has lost passengers")
    return wrong


def _seats_sold_twice(bookings: dict[str, dict[str, Any]]) -> list[tuple[str, int, int]]:
    """Return the (section, number, leg) that two live bookings have."""
    sold = Counter(
        (passenger["section"], passenger["number"], leg)
        for booking in bookings.values()
        if booking["state"] == "CONFIRMED"
        for passenger in booking["passengers"]
        if "number" in passenger
        for leg in range(LEGS)
        if booking["legs"] & 1 << leg
    )
    return [place for place, count in sold.items() if count > 1]


def _check(database: MongoDatabase, key: Run, buyers: Buyers, operator: LayoutOperator) -> None:
    books = read_books(database)
    run = books.runs[f"{key.train_id}:{key.travel_date}"]
    assert _unseated(books.bookings, run, buyers) == []
    assert _seats_sold_twice(books.bookings) == []
    assert run["layout"]["revision"] == CHANGES


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("servers", [1, 2])
async def test_no_plan_changes_and_nobody_is_lost_while_64_buyers_go_on(servers: int, tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        targets = [
            (await stack.enter_async_context(server_process(tmp_path / f"server{number}", **settings))).target
            for number in range(servers)
        ]
        await stack.enter_async_context(worker_process(tmp_path / "worker", **settings))
        database = stack.enter_context(database_of(members))
        channels = [
            await stack.enter_async_context(
                grpc.aio.insecure_channel(targets[number % servers], options=[("grpc.use_local_subchannel_pool", 1)])
            )
            for number in range(CHANNELS)
        ]
        run = await a_run(channels[0], " ".join(f"{section}{seats}" for section, seats in COACHES.values()))
        buyers = await stack.enter_async_context(Buyers(channels, run, BUYERS, SEED))
        operator = LayoutOperator(channels, run, dict(COACHES), SEED)
        counts: Counter[str] = Counter()
        await buyers.wait_for_calls(CALLS_BEFORE)
        for _ in range(CHANGES):
            change = operator.next_change()
            planned = await operator.plan(change)
            await buyers.wait_for_calls(CALLS_BETWEEN)
            made = await operator.make(change, planned.plan_hash)
            assert made.plan_hash == planned.plan_hash
            assert sum(change.seats_after for change in made.sections) == operator.seat_count
            counts.update({field.name: int(value) for field, value in made.counts.ListFields() if field.name != "refunded"})
            await buyers.wait_for_calls(CALLS_BETWEEN)
        await buyers.leave()
        await settled(members)
        _check(database, run, buyers, operator)
        assert counts["moved_passengers"] > 0
        print(f"{servers} servers, {CHANGES} changes, {buyers.calls} calls of buyers, {dict(counts)}")  # noqa: T201 - shown with -s
