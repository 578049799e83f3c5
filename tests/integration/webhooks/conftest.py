"""Fixtures of the webhook tests: an empty database with the indexes of webhooks and deliveries."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from app.store.deliveries import make_delivery_indexes
from app.store.driver import Database, connect
from app.store.in_memory import connect_in_memory
from app.store.webhooks import make_webhook_indexes


@asynccontextmanager
async def a_database_of(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """An empty database of a real server, with its indexes."""
    client = connect(mongod.uri, operation_seconds_max=30.0, selection_seconds_max=10.0, connections_max=20)
    database = client[f"test_{uuid.uuid4().hex[:16]}"]
    await make_webhook_indexes(database)
    await make_delivery_indexes(database)
    yield database
    await client.drop_database(database.name)
    client.close()


@pytest_asyncio.fixture
async def real_database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    """For what mongomock cannot show: races, plans."""
    async with a_database_of(mongod) as database:
        yield database


@pytest_asyncio.fixture(params=["mongomock", "mongod"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database of each kind in turn, with its indexes."""
    if request.param == "mongod":
        async with a_database_of(request.getfixturevalue("mongod")) as database:
            yield database
    else:
        database = connect_in_memory()["test"]
        await make_webhook_indexes(database)
        await make_delivery_indexes(database)
        yield database
