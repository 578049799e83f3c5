"""A real replica set on this machine, whose members can be killed and started again.

Belongs here: the members' processes, which of them is primary, and mongod's fail points (`failing`). Does not belong here: what
kept in the set.

No member outlives this process: the kernel sends each of them SIGKILL when the process that started it ends. Elections take
about a second here, as nobody waits longer than that for a lost primary.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from app.embedded.mongod import find_mongod
from tests.support.world import eventually

NAME, LOOPBACK = "outages", "127.0.0.1"
DATABASE = "seatline"
# On a busy machine; an election usually takes between one and two seconds.
SECONDS_MAX = 60.0
END_SECONDS_MAX = 20.0
# Asks the kernel to kill it together with its parent (PR_SET_PDEATHSIG), and becomes mongod. This process, which has threads
# of gRPC, must not do anything between fork and exec.
_BECOME = "import ctypes, os, sys; ctypes.CDLL(None).prctl(1, 9); os.execv(sys.argv[1], sys.argv[1:])"
_INTERRUPTED = 11601
# Longer than it takes to notice the fault and to kill the waiting process; the end of the fault waits for it.
_HANGING_MILLISECONDS = 1_500
_PORTS = range(20_000, 32_000)

MongoDatabase = Database[dict[str, Any]]


def free_ports(count: int) -> list[int]:
    """Return ports that are free now. The kernel does not assign them to outgoing connections, not even while their
    member is dead.
    """
    free = [port for port in random.sample(_PORTS, 50 * count) if _is_free(port)]
    return free[:count]


def _is_free(port: int) -> bool:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


class Member:
    """One mongod. It keeps its port and its files over restarts."""

    def __init__(self, binary: Path, home: Path, port: int) -> None:
        self.home, self.port = home, port
        home.mkdir()
        self._command = [
            *(sys.executable, "-I", "-S", "-c", _BECOME, str(binary)),
            *("--replSet", NAME, "--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
            *("--dbpath", str(home), "--logpath", str(home / "mongod.log"), "--logappend", "--quiet", "--slowms", "1000"),
            *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
            *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=32MB)"),
            *("--setParameter", "diagnosticDataCollectionEnabled=false", "--setParameter", "enableTestCommands=1"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process. It listens and catches up with the others some time later."""
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """Kill the process with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(END_SECONDS_MAX)

    async def ask(self, *command: Any, database: str = "admin", **arguments: Any) -> dict[str, Any]:
        """Send a command to this member alone."""
        return await asyncio.to_thread(self._ask, database, *command, **arguments)

    def _ask(self, database: str, *command: Any, **arguments: Any) -> dict[str, Any]:
        with MongoClient[dict[str, Any]](
            LOOPBACK, self.port, directConnection=True, serverSelectionTimeoutMS=1_000, timeoutMS=10_000
        ) as client:
            return client[database].command(*command, **arguments)


class ReplicaSet:
    """The members of one set. Made by `replica_set`."""

    def __init__(self, binary: Path, home: Path, count: int) -> None:
        self.members = [Member(binary, home / f"member{number}", port) for number, port in enumerate(free_ports(count))]
        addresses = ",".join(member.address for member in self.members)
        self.uri = f"mongodb://{addresses}/?replicaSet={NAME}"

    async def begin(self) -> None:
        """Start all members. Return once one is primary and the others are secondaries."""
        for member in self.members:
            member.start()
        for member in self.members:
            await eventually(lambda member=member: _answers(member), SECONDS_MAX)  # type: ignore[misc]
        await self.members[0].ask("replSetInitiate", self._configuration())
        await self.primary()
        await eventually(self._all_follow, SECONDS_MAX)

    def _configuration(self) -> dict[str, Any]:
        members = [{"_id": number, "host": member.address} for number, member in enumerate(self.members)]
        return {"_id": NAME, "members": members, "settings": {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 200}}

    def end(self) -> None:
        """Stop all members and discard their files."""
        for member in self.members:
            member.kill()

    async def primary(self) -> Member:
        """Return the primary, once there is one."""
        found: list[Member] = []

        async def leads() -> bool:
            found[:] = [member for member in self.members if member.is_running and await _leads(member)]
            return len(found) == 1

        await eventually(leads, SECONDS_MAX)
        return found[0]

    async def kill_primary(self) -> Member:
        """Kill the primary and return it. The others elect another one."""
        member = await self.primary()
        member.kill()
        return member

    async def start_again(self, member: Member) -> None:
        """Start a killed member. Return once all running members follow the primary."""
        member.start()
        await eventually(self._all_follow, SECONDS_MAX)

    async def _all_follow(self) -> bool:
        """Return whether all running members can be elected and one is primary."""
        running = [member for member in self.members if member.is_running]
        states = [await _state(member) for member in running]
        return sorted(states) == ["PRIMARY", *["SECONDARY"] * (len(running) - 1)]


async def _answers(member: Member) -> bool:
    assert member.is_running, (member.home / "mongod.log").read_text(errors="replace")[-2_000:]
    return await _state(member) != ""


async def _state(member: Member) -> str:
    """Return PRIMARY, SECONDARY and so on; NONE before the set is initiated, nothing while the member does not answer."""
    try:
        hello = await member.ask("hello")
    except PyMongoError:
        return ""
    if hello["isWritablePrimary"]:
        return "PRIMARY"
    return "SECONDARY" if hello["secondary"] else "NONE"


async def _leads(member: Member) -> bool:
    return await _state(member) == "PRIMARY"


def _new_home() -> Path:
    shared_memory = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    return Path(tempfile.mkdtemp(prefix="seatline-", dir=shared_memory if shared_memory.is_dir() else None))


@asynccontextmanager
async def replica_set(count: int) -> AsyncIterator[ReplicaSet]:
    """Run a set of so many members until the block ends. Their files are in memory, if there is room."""
    binary = find_mongod()
    if binary is None:
        pytest.fail("no mongod runs here")
    home = _new_home()
    made = ReplicaSet(binary, home, count)
    try:
        await made.begin()
        yield made
    finally:
        made.end()
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


@contextmanager
def database_of(members: ReplicaSet) -> Iterator[MongoDatabase]:
    """Return the service's database in the set."""
    with MongoClient[dict[str, Any]](members.uri, tz_aware=True, timeoutMS=20_000, readConcernLevel="majority") as client:
        yield client[DATABASE]


@asynccontextmanager
async def failing(member: Member, name: str, *, after: int = 0, **data: Any) -> AsyncIterator[int]:
    """Set one of MongoDB's fail points on a member until the block ends; the first `after` statements pass.

    Yield how often it was hit before.
    """
    before = await member.ask("configureFailPoint", name, mode={"skip": after} if after else "alwaysOn", data=data)
    try:
        yield int(before["count"])
    finally:
        if member.is_running:
            await member.ask("configureFailPoint", name, mode="off")


@asynccontextmanager
async def hanging(
    member: Member, namespace: str, *commands: str, after: int = 0, milliseconds: int = _HANGING_MILLISECONDS
) -> AsyncIterator[None]:
    """Make the service's statements on a collection hang for a while and then fail, until the block ends.

    The first `after` statements pass.
    """
    data = {"failCommands": commands, "namespace": namespace, "appName": "seatline", "errorCode": _INTERRUPTED}
    async with failing(member, "failCommand", after=after, **data, blockConnection=True, blockTimeMS=milliseconds):
        yield


@asynccontextmanager
async def followers_halted(members: ReplicaSet) -> AsyncIterator[Member]:
    """Stop replication to all secondaries until the block ends, without an election. Yield the primary."""
    primary = await members.primary()
    async with AsyncExitStack() as stack:
        for member in members.members:
            if member is not primary:
                times = 1 + await stack.enter_async_context(failing(member, "stopReplProducer"))
                await member.ask("waitForFailPoint", "stopReplProducer", timesEntered=times, maxTimeMS=4_000)
        yield primary
