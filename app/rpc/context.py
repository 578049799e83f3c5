"""What a servicer knows of a call besides its request.

Belongs here: the caller and the deadline of a call. Does not belong here: requests, nor how a caller proves who it is
(`authentication.py`).
"""

import time
from collections.abc import Awaitable, Coroutine
from typing import Any

from app.domain.people import Caller
from app.ports.call_observer import Context


class CallContext:
    """A call whose caller is authenticated and may make it. The guard makes one for each call."""

    __slots__ = ("_grpc_context", "_seconds_max", "caller")

    def __init__(self, caller: Caller, grpc_context: Context, seconds_max: float) -> None:
        self.caller, self._grpc_context, self._seconds_max = caller, grpc_context, seconds_max

    @property
    def deadline(self) -> float:
        """When the call ends at the latest, in `time.monotonic` seconds: the client's deadline or our time bound."""
        remaining = self._grpc_context.time_remaining()
        return time.monotonic() + (self._seconds_max if remaining is None else min(remaining, self._seconds_max))

    # -- for the streaming side of the guard

    def send_headers(self) -> Coroutine[Any, Any, None]:
        """Send the headers of a stream, before its first message."""
        return self._grpc_context.send_initial_metadata(())

    def write(self, message: bytes) -> Awaitable[None]:
        """Send one message of a stream. Waits until the client has room for it (flow control)."""
        return self._grpc_context.write(message)
