"""The adapter of a database follows from what kind of database it is."""

from __future__ import annotations

from typing import Any

from app.store.adapter import adapter_of
from app.store.driver import connect
from app.store.in_memory import InMemoryAdapter, connect_in_memory
from app.store.server_adapter import ServerAdapter


async def test_a_database_on_a_server_has_the_adapter_of_servers() -> None:
    client = connect("mongodb://127.0.0.1:1/", operation_seconds_max=1, selection_seconds_max=1, connections_max=1)
    assert isinstance(adapter_of(client["seatline"]), ServerAdapter)
    client.close()


async def test_a_database_in_memory_has_the_adapter_in_memory() -> None:
    assert isinstance(adapter_of(connect_in_memory()["seatline"]), InMemoryAdapter)


async def test_a_simulated_database_has_the_adapter_in_memory() -> None:
    simulated: Any = object()
    assert isinstance(adapter_of(simulated), InMemoryAdapter)


async def test_a_database_in_memory_reports_no_inserts() -> None:
    database = connect_in_memory()["seatline"]
    assert adapter_of(database).watch_inserts(database["events"]) is None


async def test_a_database_in_memory_has_one_version_for_all_reads() -> None:
    database = connect_in_memory()["seatline"]
    collection = database["events"]
    assert adapter_of(database).with_majority_reads(collection) is collection
    async with adapter_of(database).causal_session(database) as session:
        assert session is None
