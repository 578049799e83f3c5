"""Servers and workers are replaced under a load by others at new addresses, as Kubernetes does it: nobody notices.

Clients know the servers by a name alone, whose answers are cached on the way. `make test-long` waits as long as the chart does;
`make test` shortens all waits by the same factor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import pytest

from tests.e2e.callers import Callers
from tests.e2e.cluster import CLIENT_ASKS_SECONDS, DNS_KEEPS_SECONDS, SHUTDOWN, Cluster, cluster, pass_seconds
from tests.e2e.ledgers import read_books
from tests.e2e.outages import SETTINGS, settled
from tests.support.clients import seats_of
from tests.support.long_mode import full
from tests.support.replica_set import ReplicaSet, database_of, free_ports, replica_set
from tests.support.server_processes import WorkerProcess, running, some_runs

REPLICAS = 2
# Each looks the name up at times of its own.
CHANNELS = 8
# Until what was published is known to all DNS servers, beside what caches and clients keep.
SPREADING_SECONDS = 15
SECONDS_MAX = full(900, short=240)


async def _channels(stack: AsyncExitStack, made: Cluster) -> list[grpc.aio.Channel]:
    """Channels that were opened one after the other, over as long as a client keeps what it was told."""
    found = []
    for _ in range(CHANNELS):
        found.append(await stack.enter_async_context(made.channel()))
        await asyncio.wait_for(found[-1].channel_ready(), SECONDS_MAX)
        await pass_seconds(CLIENT_ASKS_SECONDS / CHANNELS)
    return found


async def _replaced(worker: WorkerProcess, home: Path, settings: dict[str, str], stack: AsyncExitStack) -> None:
    """Ends a worker and starts another."""
    worker.terminate()
    assert await worker.ended() == 0
    await stack.enter_async_context(running(WorkerProcess(home, **settings)))


async def _all_is_booked(members: ReplicaSet, callers: Callers) -> None:
    """Each booking that was answered is kept, once, and no other; and the books agree."""
    await settled(members)
    with database_of(members) as database:
        kept = read_books(database).bookings
    assert {one["request_id"]: one["_id"] for one in kept.values()} == {
        name: booking.reference for name, booking in callers.answered.items()
    }
    assert len(kept) == len(callers.answered)
    assert all(seats_of(booking) != [""] for booking in callers.answered.values())


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("replace", [Cluster.roll_out, Cluster.drain_nodes], ids=["a rollout", "two nodes are drained"])
async def test_no_call_fails_and_no_booking_is_lost_or_doubled_while_servers_and_workers_are_replaced(
    replace: Callable[[Cluster], Awaitable[None]], tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        made = await stack.enter_async_context(cluster(tmp_path, free_ports(1)[0], REPLICAS, settings))
        worker = await stack.enter_async_context(running(WorkerProcess(tmp_path / "worker", **settings)))
        channels = await _channels(stack, made)
        callers = Callers(channels, await some_runs(channels[0], "A200 B200", 10))
        await callers.wait_for_calls(CHANNELS)
        made.dns.somebody_asks()  # so that old addresses are given out for as long as may be
        await replace(made)
        await _replaced(worker, tmp_path / "worker2", settings, stack)
        await callers.leave()
        assert callers.failed == []
        await _all_is_booked(members, callers)
        print(f"{callers.calls} calls, {len(callers.answered)} bookings")  # noqa: T201 - for whoever asks with -s


@pytest.mark.timeout(SECONDS_MAX)
async def test_callers_whose_dns_keeps_answers_for_longer_than_the_chart_waits_lose_calls(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        too_long = 2 * SHUTDOWN["preStopSeconds"]
        made = await stack.enter_async_context(cluster(tmp_path, free_ports(1)[0], REPLICAS, settings, too_long))
        channel = await stack.enter_async_context(made.channel())
        callers = Callers([channel], await some_runs(channel, "A200 B200", 10))
        made.dns.somebody_asks()
        await made.roll_out()
        await callers.wait_for_calls(CHANNELS)
        await callers.leave()
        assert any("UNAVAILABLE" in output for output in callers.failed)


def test_a_pod_that_goes_waits_for_clients_and_for_the_caches_between() -> None:
    assert SHUTDOWN["preStopSeconds"] >= CLIENT_ASKS_SECONDS + DNS_KEEPS_SECONDS + SPREADING_SECONDS
