"""Snapshots on a real server: several reads as of one moment, and what happens if there is none."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pymongo import WriteConcern

from app.domain.refusals import Reason, Refusal
from app.embedded.mongod import EmbeddedMongod, find_mongod
from app.store.driver import Client, Database, connect
from app.store.snapshots import ServerSnapshots, Snapshot
from tests.support.replica_set import free_ports

MEGABYTE = 1_000_000


def a_client(uri: str) -> Client:
    return connect(uri, operation_seconds_max=10, selection_seconds_max=10, connections_max=4)


@pytest_asyncio.fixture
async def database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    client = a_client(mongod.uri)
    made = client[f"test_{uuid.uuid4().hex[:16]}"]
    for name in ("left", "right"):
        await made[name].insert_one({"_id": "first"})
    yield made
    await client.drop_database(made.name)
    client.close()


async def ids_in(snapshot: Snapshot, database: Database, name: str) -> list[str]:
    return [document["_id"] for document in await snapshot.find(database[name], {}, most=1_000, sort=[("_id", 1)])]


async def test_reads_of_one_snapshot_see_one_moment_in_spite_of_writes_between(database: Database) -> None:
    async def look(snapshot: Snapshot) -> tuple[list[str], list[str], list[dict[str, Any]]]:
        left = await ids_in(snapshot, database, "left")
        await database["left"].delete_one({"_id": "first"})
        await database["right"].insert_one({"_id": "moved"})
        right = await ids_in(snapshot, database, "right")
        return left, right, await snapshot.aggregate(database["left"], [{"$match": {}}], most=9)

    snapshots = ServerSnapshots(database)
    assert await snapshots.read(look) == (["first"], ["first"], [{"_id": "first"}])
    assert await snapshots.read(lambda snapshot: ids_in(snapshot, database, "right")) == ["first", "moved"]


async def test_an_acknowledged_write_is_in_the_next_snapshot(database: Database) -> None:
    snapshots = ServerSnapshots(database)
    for number in range(200):
        await database["right"].insert_one({"_id": f"{number:03}"})
        found = await snapshots.read(lambda snapshot: ids_in(snapshot, database, "right"))
        assert len(found) == number + 2


async def test_the_first_snapshot_on_a_primary_waits_for_all_its_writes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = database["right"].with_options(write_concern=WriteConcern(w=1))  # as before a majority has the write
    snapshots = ServerSnapshots(database)
    for election in range(10):
        monkeypatch.setattr("app.store.snapshots.current_primary", lambda _, number=election: number)
        await snapshots.read(_read_nothing)
        await alone.insert_one({"_id": f"{election}"})
        found = await snapshots.read(lambda snapshot: ids_in(snapshot, database, "right"))
        assert len(found) == election + 2


async def _read_nothing(snapshot: Snapshot) -> None:
    pass


class LosingReader:
    """Reads a collection that is made after the moment of the snapshot, for the first `times` reads."""

    def __init__(self, database: Database, times: int) -> None:
        self._database, self._times = database, times
        self.calls = 0

    async def look(self, snapshot: Snapshot) -> list[str]:
        self.calls += 1
        await ids_in(snapshot, self._database, "left")
        name = f"made_{min(self.calls, self._times)}"
        await self._database[name].update_one({"_id": "there"}, {"$set": {"call": self.calls}}, upsert=True)
        return await ids_in(snapshot, self._database, name)


async def test_a_lost_snapshot_is_started_again(database: Database) -> None:
    losing = LosingReader(database, times=2)
    assert await ServerSnapshots(database).read(losing.look) == ["there"]
    assert losing.calls == 3


async def test_if_every_snapshot_is_lost_the_database_is_unavailable(database: Database) -> None:
    losing = LosingReader(database, times=1_000)
    with pytest.raises(Refusal) as refused:
        await ServerSnapshots(database).read(losing.look)
    assert refused.value.reason is Reason.DATABASE_UNAVAILABLE
    assert losing.calls == 5


async def test_a_result_larger_than_one_batch_is_read_as_of_the_same_moment(database: Database) -> None:
    texts = [{"_id": f"{number:02}", "text": "x" * MEGABYTE} for number in range(40)]
    await database["right"].insert_many(texts)

    async def look(snapshot: Snapshot) -> list[str]:
        await ids_in(snapshot, database, "left")
        await database["right"].delete_many({"_id": "39"})
        return await ids_in(snapshot, database, "right")

    assert await ServerSnapshots(database).read(look) == [*(document["_id"] for document in texts), "first"]


async def test_a_read_of_one_batch_is_one_command_and_leaves_no_cursor_open(database: Database) -> None:
    async def look(snapshot: Snapshot) -> None:
        assert len(await snapshot.find(database["left"], {}, most=1)) == 1
        assert len(await snapshot.aggregate(database["right"], [{"$match": {}}], most=1)) == 1

    snapshots = ServerSnapshots(database)
    await snapshots.read(look)  # the first snapshot waits for the primary
    await database.command("profile", 2)
    await snapshots.read(look)
    await database.command("profile", 0)
    commands = await database["system.profile"].find({"ns": {"$regex": "left|right"}}).to_list(100)
    assert sorted(command["op"] for command in commands) == ["command", "query"]
    assert [command for command in commands if "cursorid" in command] == []


@pytest.mark.parametrize("names", [("missing", "right"), ("right", "missing"), ("missing", "missing")])
async def test_a_missing_collection_is_empty(database: Database, names: tuple[str, str]) -> None:
    async def look(snapshot: Snapshot) -> list[list[str]]:
        first = await ids_in(snapshot, database, names[0])
        await database["right"].insert_one({"_id": "later"})
        return [first, await ids_in(snapshot, database, names[1])]

    assert await ServerSnapshots(database).read(look) == [["first"] if name == "right" else [] for name in names]


async def test_a_refusal_raised_by_the_reader_passes_unchanged(database: Database) -> None:
    async def look(snapshot: Snapshot) -> None:
        raise Refusal(Reason.TRAIN_NOT_FOUND, "there is no such train")

    with pytest.raises(Refusal, match="no such train"):
        await ServerSnapshots(database).read(look)


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[str]:
    """A MongoDB that is no replica set."""
    binary, (port,) = find_mongod(), free_ports(1)
    assert binary is not None
    command = [str(binary), "--dbpath", str(tmp_path), "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield f"mongodb://127.0.0.1:{port}"
    process.kill()
    process.wait()


async def test_a_server_that_is_no_replica_set_is_unavailable_and_the_log_says_why(
    standalone: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = a_client(standalone)
    database = client["test_standalone"]
    with pytest.raises(Refusal) as refused:
        await ServerSnapshots(database).read(lambda snapshot: ids_in(snapshot, database, "left"))
    client.close()
    assert refused.value.reason is Reason.DATABASE_UNAVAILABLE
    assert "no replica set" in caplog.text
