"""A small cluster: pods with their own addresses behind a name, a caching DNS, rollouts, and drained nodes.

Belongs here: what Kubernetes and its DNS do, in which order and with which delays. Not here: what callers do, and assertions.

Each pod is a real server at a loopback address that no earlier pod had. The waits are the default values of the chart. A test
run that is not long shortens all waits by the same factor, also those of clients and DNS, so that their ratios stay the same.
Loopback addresses need no rights and no programs besides Python, unlike network namespaces.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import yaml

from tests.support.long_mode import full
from tests.support.server_processes import REPOSITORY, ServerProcess

CHART = REPOSITORY / "deploy" / "helm" / "seatline"
SHUTDOWN: dict[str, int] = yaml.safe_load((CHART / "values.yaml").read_text())["shutdown"]
# Seconds of this test run for each second of the cluster.
SCALE = full(1.0, short=0.1)
# gRPC resolves a name at most this often, and CoreDNS caches an answer this long; both are defaults.
CLIENT_ASKS_SECONDS = 30
DNS_KEEPS_SECONDS = 30
READY_SECONDS = 5  # from the creation of a pod until it is ready
NAME = "seatline-headless.tickets.svc.cluster.local"
# 127.77.0.0/16 is loopback like 127.0.0.1; no other program is likely to use it.
_DNS_ADDRESS = "127.77.0.1"
_FIRST_POD = 10
_TYPE_A, _CLASS_IN = 1, 1
_ANSWER_OK, _ANSWER_NO_NAME = 0x8580, 0x8583


async def pass_seconds(seconds: float) -> None:
    """Wait for that many seconds of the cluster."""
    await asyncio.sleep(seconds * SCALE)


class CachingDns(asyncio.DatagramProtocol):
    """Answers the headless name as CoreDNS does: with the published addresses, cached for up to `keeps_seconds`."""

    def __init__(self, keeps_seconds: float) -> None:
        self.published: list[str] = []
        self.keeps_seconds = keeps_seconds
        self._kept: list[str] = []
        self._kept_until = 0.0
        self._transport: asyncio.DatagramTransport | None = None

    def resolve(self) -> list[str]:
        """Return the addresses of an answer, in random order."""
        now = asyncio.get_running_loop().time()
        if now >= self._kept_until:
            self._kept, self._kept_until = list(self.published), now + self.keeps_seconds * SCALE
        return random.sample(self._kept, len(self._kept))

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        name, end = _name_of(data)
        (kind,) = struct.unpack("!H", data[end : end + 2])
        addresses = self.resolve() if name == NAME and kind == _TYPE_A else []
        code = _ANSWER_OK if name == NAME else _ANSWER_NO_NAME
        answer = data[:2] + struct.pack("!HHHHH", code, 1, len(addresses), 0, 0) + data[12 : end + 4]
        for address in addresses:
            answer += b"\xc0\x0c" + struct.pack("!HHIH", _TYPE_A, _CLASS_IN, 1, 4) + socket.inet_aton(address)
        assert self._transport is not None
        self._transport.sendto(answer, addr)


def _name_of(query: bytes) -> tuple[str, int]:
    """Return the name in a query, and the offset of its end."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels).lower(), at + 1


class Pod(ServerProcess):
    """A server at its own address."""

    def __init__(self, address: str, port: int, home: Path, settings: dict[str, str]) -> None:
        self.address = address
        waits = {
            "SEATLINE_LISTEN": f"{address}:{port}",
            "SEATLINE_CONNECTION_SECONDS_MAX": str(SHUTDOWN["connectionSeconds"] * SCALE),
            "SEATLINE_DRAIN_DELAY_SECONDS": str(SHUTDOWN["drainDelaySeconds"] * SCALE),
            "SEATLINE_DRAIN_SECONDS": str(SHUTDOWN["drainSeconds"]),
        }
        name = f"pod-{address.replace('.', '-')}"  # its log has this name without what follows a dot
        super().__init__(home / name, **{**settings, **waits})

    @property
    def target(self) -> str:
        return f"{self.address}:{self.port}"


class Cluster:
    """A Deployment of servers behind a headless name; see `cluster`."""

    def __init__(self, home: Path, port: int, dns: CachingDns, dns_port: int, settings: dict[str, str]) -> None:
        self.dns = dns
        self.target = f"dns://{_DNS_ADDRESS}:{dns_port}/{NAME}:{port}"
        self._home, self._port, self._settings = home, port, settings
        self._made: list[Pod] = []
        self._live: list[Pod] = []
        self._spare: list[Pod] = []
        self._stopping: list[asyncio.Task[None]] = []

    def channel(self) -> grpc.aio.Channel:
        """Return a channel as the chart's notes recommend, which resolves the name by itself."""
        options = re.search(r"grpc\.service_config\", '(.+?)'\)", (CHART / "templates" / "NOTES.txt").read_text())
        assert options is not None
        interval = int(CLIENT_ASKS_SECONDS * SCALE * 1_000)
        shortened = [("grpc.dns_min_time_between_resolutions_ms", interval), ("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.insecure_channel(self.target, options=[("grpc.service_config", options[1]), *shortened])

    async def begin(self, replicas: int) -> None:
        """Start that many live pods, and as many that will replace them."""
        await self._start(2 * replicas)
        self._live, self._spare = self._made[:replicas], self._made[replicas:]
        self._publish()

    async def roll_out(self) -> None:
        """Replace each pod as a Deployment with maxSurge 1 and maxUnavailable 0: a new one is ready before an old one stops."""
        for old in list(self._live):
            await self._add_ready_pod()
            self._delete(old)
        await asyncio.gather(*self._stopping)

    async def drain_nodes(self) -> None:
        """Evict each pod, as when all nodes are drained at once.

        A PodDisruptionBudget of one allows the next eviction when the previous pod is replaced.
        """
        for old in list(self._live):
            self._delete(old)
            await self._add_ready_pod()
        await asyncio.gather(*self._stopping)

    async def end(self) -> None:
        for task in self._stopping:
            task.cancel()
        await asyncio.gather(*self._stopping, return_exceptions=True)
        for pod in self._made:
            pod.kill()

    async def _start(self, count: int) -> None:
        """Start that many servers at once, and wait until all are ready."""
        for _ in range(count):
            address = f"127.77.0.{_FIRST_POD + len(self._made)}"
            self._made.append(Pod(address, self._port, self._home, self._settings))
        await asyncio.gather(*(pod.ready() for pod in self._made))

    async def _add_ready_pod(self) -> None:
        await pass_seconds(READY_SECONDS)
        self._live.append(self._spare.pop(0))
        self._publish()

    def _delete(self, pod: Pod) -> None:
        """Delete a pod: unpublish it, wait for `preStopSeconds`, and terminate it."""
        self._live.remove(pod)
        self._publish()
        self._stopping.append(asyncio.create_task(self._stop_pod(pod)))

    async def _stop_pod(self, pod: Pod) -> None:
        await pass_seconds(SHUTDOWN["preStopSeconds"])
        pod.terminate()
        assert await pod.ended() == 0
        assert " ERROR " not in pod.log.read_text()

    def _publish(self) -> None:
        self.dns.published = [pod.address for pod in self._live]


@asynccontextmanager
async def cluster(
    home: Path, port: int, replicas: int, settings: dict[str, str], dns_keeps_seconds: float = DNS_KEEPS_SECONDS
) -> AsyncIterator[Cluster]:
    """Run a cluster with that many ready servers. `port` is free at all loopback addresses."""
    transport, dns = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: CachingDns(dns_keeps_seconds), local_addr=(_DNS_ADDRESS, 0)
    )
    made = Cluster(home, port, dns, transport.get_extra_info("sockname")[1], settings)
    try:
        await made.begin(replicas)
        yield made
    finally:
        await made.end()
        transport.close()
