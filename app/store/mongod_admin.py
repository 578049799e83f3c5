"""Commands to a single mongod.

Belongs here: a plain connection to one node, for the start of our own mongod. Does not belong here: the service's own
connections (`driver.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from app.ports.mongod_admin import Document, MongodAdmin, MongodNotAnsweringError

_SELECTION_MILLISECONDS_MAX = 1_000  # on loopback a connection comes at once or not at all


@contextmanager
def connect_admin(host: str, port: int, command_seconds_max: float) -> Iterator[MongodAdmin]:
    """Connect to the mongod at a port, for `app.embedded`. It connects with the first command."""
    with MongoClient[Document](
        host,
        port,
        directConnection=True,
        connect=False,
        serverSelectionTimeoutMS=_SELECTION_MILLISECONDS_MAX,
        socketTimeoutMS=int(command_seconds_max * 1000),
    ) as client:
        yield _MongodAdmin(client)


class _MongodAdmin:
    def __init__(self, client: MongoClient[Document]) -> None:
        self._client = client

    def command(self, database: str, command: Document) -> Document:
        try:
            return self._client[database].command(command)
        except PyMongoError as error:
            raise MongodNotAnsweringError(str(error)) from error
