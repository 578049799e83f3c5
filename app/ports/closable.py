"""What holds connections, files or threads until it is closed.

Belongs here: the protocol. Does not belong here: anything that implements it.
"""

from typing import Protocol


class Closable(Protocol):
    """Something that is closed once, when nobody uses it any more."""

    async def close(self) -> None:
        """Close all connections, files and threads."""
