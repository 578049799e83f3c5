"""Servers and workers are replaced under load by others at new addresses, as Kubernetes does it: no call fails.

Clients know the servers by a name only, whose addresses are cached on the way. `make test-long` waits as long as the chart;
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
# Each resolves the name at its own times.
CHANNELS = 8
# How long a change takes to reach all DNS servers, besides the caches and clients.
SPREADING_SECONDS = 15
SECONDS_MAX = full(900, short=240)


async def _channels(stack: AsyncExitStack, made: Cluster) -> list[grpc.aio.Channel]:
    """Open channels one after the other, spread over the time for which a client caches addresses."""
    found = []
    for _ in range(CHANNELS):
        found.append(await stack.enter_async_context(made.channel()))
        await asyncio.wait_for(found[-1].channel_ready(), SECONDS_MAX)
        await pass_seconds(CLIENT_ASKS_SECONDS / CHANNELS)
    return found


async def _replaced(worker: WorkerProcess, home: Path, settings: dict[str, str], stack: AsyncExitStack) -> None:
    """End a worker and start another."""
    worker.terminate()
    assert await worker.ended() == 0
    await stack.enter_async_context(running(WorkerProcess(home, **settings)))


async def _all_is_booked(members: ReplicaSet, callers: Callers) -> None:
    """Check that exactly the answered bookings are stored, each once, and that all records agree."""
    await settled(members)
    with database_of(members) as database:
        kept = read_books(database).bookings
    assert {booking["request_id"]: booking["_id"] for booking in kept.values()} == {
        name: booking.reference for name, booking in callers.answered.items()
    }
    assert len(kept) == len(callers.answered)
    assert all(seats_of(booking) != [""] for booking in callers.answered.values())


@pytest.mark.timeout(SECONDS_MAX)
@pytest.mark.parametrize("replace", [Cluster.roll_out, Cluster.drain_nodes], ids=["a rollout", "two nodes are drained"])
async def test_no_call_fails_and_no_booking_is_lost_or_doubled_while_processes_are_replaced(
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
        made.dns.resolve()  # so that old addresses are cached for as long as possible
        await replace(made)
        await _replaced(worker, tmp_path / "worker2", settings, stack)
        await callers.leave()
        assert callers.failed == []
        await _all_is_booked(members, callers)
        print(f"{callers.calls} calls, {len(callers.answered)} bookings")  # noqa: T201 - shown with -s


@pytest.mark.timeout(SECONDS_MAX)
async def test_calls_fail_when_dns_caches_answers_longer_than_the_chart_waits(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        members = await stack.enter_async_context(replica_set(1))
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri}
        too_long = 2 * SHUTDOWN["preStopSeconds"]
        made = await stack.enter_async_context(cluster(tmp_path, free_ports(1)[0], 1, settings, too_long))
        channel = await stack.enter_async_context(made.channel())
        callers = Callers([channel], await some_runs(channel, "A200 B200", 10))
        made.dns.resolve()
        await made.roll_out()
        await callers.wait_for_calls(CHANNELS)
        await callers.leave()
        assert any("UNAVAILABLE" in output for output in callers.failed)


def test_a_stopping_pod_waits_for_clients_and_dns_caches() -> None:
    assert SHUTDOWN["preStopSeconds"] >= CLIENT_ASKS_SECONDS + DNS_KEEPS_SECONDS + SPREADING_SECONDS
