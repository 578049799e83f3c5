"""The port of a single mongod's administration.

Belongs here: the commands that our own mongod needs to become a primary. Does not belong here: the driver (`app/store`), nor
the mongod (`app/embedded`).
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Protocol

Document = dict[str, Any]


class MongodNotAnsweringError(Exception):
    """A mongod did not answer a command, or answered with an error; the text is the driver's."""


class MongodAdmin(Protocol):
    """A connection to one mongod, whatever its state in a replica set."""

    def command(self, database: str, command: Document) -> Document:
        """Return the reply to a command. Raise MongodNotAnsweringError."""


# Connects to a mongod by its host, its port and the longest time for one command in seconds.
ConnectAdmin = Callable[[str, int, float], AbstractContextManager[MongodAdmin]]
