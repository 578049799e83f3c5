"""Whether the database answers, and what time it is there.

Belongs here: asking it without the event loop. Does not belong here: what follows from the answer
(`app/process/database_monitor.py`).
"""

import asyncio
import time
from datetime import UTC

from pymongo import MongoClient, timeout
from pymongo.errors import AutoReconnect

from app.ports.clock import ClockMeasurement
from app.store.driver import Database, Document


async def ping_primary(database: Database, seconds_max: float) -> ClockMeasurement:
    """Return what the primary's clock showed when it answered. Raise the driver's error when it does not in time.

    The question is sent and timed in a thread of its own: neither a busy event loop nor a queue of statements for the driver's
    threads says anything about the database. A broken connection says as little, so it is sent again on another one.
    """
    client: MongoClient[Document] = database.client.delegate
    return await asyncio.to_thread(_ping, client, seconds_max)


def _ping(client: MongoClient[Document], seconds_max: float) -> ClockMeasurement:
    with timeout(seconds_max):
        try:
            return _ask(client)
        except AutoReconnect as error:
            if error.timeout:
                raise
            return _ask(client)


def _ask(client: MongoClient[Document]) -> ClockMeasurement:
    sent_ns = time.monotonic_ns()
    answer = client.admin.command("hello")
    received_ns = time.monotonic_ns()
    return ClockMeasurement(sent_ns, received_ns, answer["localTime"].replace(tzinfo=UTC), str(answer.get("me", "")))
