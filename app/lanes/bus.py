"""The command bus: how a use case has a command decided and committed.

Belongs here: what use cases know of lanes. Does not belong here: lanes (`lane.py`), nor which server decides (`local_bus.py`).

A bus that forwards commands to the server that owns a run is one more class that is given a `CommandBus` and is one.
"""

from collections.abc import Awaitable
from typing import Protocol

from app.domain.commands import Command, ResultT


class CommandBus(Protocol):
    """Decides commands on their runs and commits what they change."""

    def submit(self, command: Command[ResultT], deadline: float) -> Awaitable[ResultT]:
        """Queue a command. The call queues it; the awaitable gives its result once it is committed.

        `deadline` is in `time.monotonic` seconds: a command that is not decided by then is dropped. The call raises RUN_BUSY.
        The awaitable raises the rule's Refusal, DEADLINE_EXCEEDED, COMMIT_ATTEMPTS_SPENT or DATABASE_UNAVAILABLE. After
        DATABASE_UNAVAILABLE the command may have been committed: only the same request_id tells.
        """
