"""Whether the database answers, and what time it is there.

Belongs here: asking it without the event loop. Does not belong here: what follows from the answer
(`app/process/database_monitor.py`).
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC

from pymongo import MongoClient, timeout
from pymongo.errors import AutoReconnect, PyMongoError

from app.ports.clock import ClockMeasurement
from app.store.driver import Database, Document

# A slow answer says little of the time: the first question waits for a new connection. So the primary is asked again.
_QUICK_NS = 5_000_000
_ASKED_AGAIN_MAX = 3
_ASKED_AGAIN_SECONDS_MAX = 0.25  # the check of the database waits for it


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
            answer = _ask(client)
        except AutoReconnect as error:
            if error.timeout:
                raise
            answer = _ask(client)
    with timeout(_ASKED_AGAIN_SECONDS_MAX), suppress(PyMongoError):  # the database has answered, whatever comes now
        for _ in range(_ASKED_AGAIN_MAX):
            if answer.round_trip_ns <= _QUICK_NS:
                break
            answer = min(answer, _ask(client), key=lambda each: each.round_trip_ns)
    return answer


def _ask(client: MongoClient[Document]) -> ClockMeasurement:
    sent_ns = time.monotonic_ns()
    answer = client.admin.command("hello")
    received_ns = time.monotonic_ns()
    return ClockMeasurement(sent_ns, received_ns, answer["localTime"].replace(tzinfo=UTC), str(answer.get("me", "")))
