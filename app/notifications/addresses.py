"""Name resolution.

Belongs here: asking the system's resolver. Does not belong here: which addresses are public (`app/domain/hosts.py`), nor
connections (`http_transport.py`).
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

# Returns the addresses of a name, for connecting to a port. Raises OSError for a name that has none.
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class SystemResolver:
    """Asks the system for the addresses of a name, as a `Resolve`.

    It has as many threads of its own as there are concurrent sends: a name that is slow to resolve holds up no other.
    """

    def __init__(self, threads_max: int) -> None:
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="webhook-names")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses of `host`, best first. Raises OSError."""
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError as error:  # a label of more than 63 letters
            raise OSError(f"{host} is not a valid name") from error
        return [str(entry[4][0]) for entry in found]

    def close(self) -> None:
        """End the threads, without waiting for lookups in progress."""
        self._threads.shutdown(wait=False, cancel_futures=True)
