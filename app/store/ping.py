"""Whether the database answers.

Belongs here: asking it, apart from the event loop. Does not: what follows from the answer (`app/process/server.py`).
"""

import asyncio
import time

from pymongo import MongoClient, timeout
from pymongo.errors import AutoReconnect

from app.store.driver import Database, Document


async def ping_primary(database: Database, seconds_max: float) -> float:
    """When the primary answered, in `time.monotonic` seconds. Raises what the driver raises where it does not in time.

    Asked and judged in a thread of its own: neither a busy event loop nor a queue of statements before those threads of the
    driver that serve it says anything about the database. A connection that has broken while nobody used it says as little, so
    that another one is asked.
    """
    client: MongoClient[Document] = database.client.delegate
    return await asyncio.to_thread(_ping, client, seconds_max)


def _ping(client: MongoClient[Document], seconds_max: float) -> float:
    with timeout(seconds_max):
        try:
            client.admin.command("ping")
        except AutoReconnect as error:
            if error.timeout:
                raise
            client.admin.command("ping")
    return time.monotonic()
