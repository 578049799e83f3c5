"""The signals that end a process.

Belongs here: SIGTERM and SIGINT. Does not belong here: what a process does before it ends (`server.py`, `worker_process.py`).
"""

import asyncio
import signal

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Listens for SIGTERM and SIGINT in the running event loop.

    `stop_requested` is set by either signal. `hurry_requested` is set by SIGINT, where a person waits, and by a second signal.
    """

    def __init__(self) -> None:
        self.stop_requested, self.hurry_requested = asyncio.Event(), asyncio.Event()
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._receive, number)

    def _receive(self, number: signal.Signals) -> None:
        if number == signal.SIGINT or self.stop_requested.is_set():
            self.hurry_requested.set()
        self.stop_requested.set()

    def ignore_from_now_on(self) -> None:
        """Ignore both signals: the process is ending. A second Ctrl-C would interrupt the interpreter's own shutdown."""
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
