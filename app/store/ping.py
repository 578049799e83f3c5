"""Whether the database answers.

Belongs here: asking it without the event loop. Does not belong here: what follows from the answer
(`app/process/database_monitor.py`).
"""

import asyncio
import time

from pymongo import MongoClient, timeout
from pymongo.errors import AutoReconnect

from app.store.driver import Database, Document


async def ping_primary(database: Database, seconds_max: float) -> float:
    """Return when the primary answered, in `time.monotonic` seconds. Raise the driver's error when it does not in time.

    The ping is sent and timed in a thread of its own: neither a busy event loop nor a queue of statements for the driver's
    threads says anything about the database. A broken connection says as little, so the ping is sent again on another one.
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
