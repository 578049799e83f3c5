"""Fixtures of the tests that call a real server: one mongod for all of them, a server and a database for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.store.in_memory import connect_in_memory
from tests.support.own_mongod import start_mongod
from tests.support.server_clocks import set_clock
from tests.support.world import Clock, World, running_server, settings_for


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    """A real MongoDB server as a replica set of one member."""
    running = start_mongod(tmp_path_factory.mktemp("mongod"))
    yield running
    running.stop()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that a test can set forward. Request it before `world` to make it the clock of that server."""
    made = Clock()
    set_clock(monkeypatch, made.now)
    return made


@pytest.fixture
def chosen_settings() -> dict[str, Any]:
    """Settings of the server of `world` that differ from the defaults. A test module may override this fixture."""
    return {}


@pytest_asyncio.fixture(params=["mongomock", "mongod"])
async def world(request: pytest.FixtureRequest, chosen_settings: dict[str, Any]) -> AsyncIterator[World]:
    """A server over an empty database, of each kind in turn."""
    if request.param == "mongomock":
        async with running_server(settings_for(**chosen_settings), connect_in_memory()) as made:
            yield made
    else:
        async with _serving_an_empty_database(request.getfixturevalue("mongod"), **chosen_settings) as made:
            yield made


@pytest_asyncio.fixture
async def real_world(mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """A server over a real mongod, for what mongomock cannot show: races, plans, unique indexes in arrays."""
    async with _serving_an_empty_database(mongod) as made:
        yield made


@asynccontextmanager
async def _serving_an_empty_database(mongod: EmbeddedMongod, **chosen: Any) -> AsyncIterator[World]:
    """Run a server over the database that all tests share. Making indexes takes longer than most tests; emptying does not."""
    async with running_server(settings_for(mongod.uri, "test_shared", **chosen)) as made:
        for name in await made.database.list_collection_names():
            await made.database[name].delete_many({})
        yield made
