"""The terminal's keys: whom Ctrl-C reaches.

Belongs here: taking the terminal for this process alone, and giving it back. Does not: what is done at Ctrl-C.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_TERMINAL = "/dev/tty"


@contextmanager
def own_terminal() -> Iterator[None]:
    """Make this process the only one that the terminal's Ctrl-C reaches, until the block ends.

    Whoever started it, such as `make`, would otherwise be interrupted as well, and call that an error. Nothing changes without
    a terminal, in the background, or where a shell started it, which has given it a group of its own. Ctrl-Z is ignored
    meanwhile: the starter could not be stopped with it.
    """
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        yield
        return
    with os.fdopen(terminal, "r+b", buffering=0):
        before = os.getpgrp()
        if before == os.getpid() or os.tcgetpgrp(terminal) != before:
            yield
            return
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # the terminal is changed from what is a background group by then
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        os.setpgid(0, 0)
        os.tcsetpgrp(terminal, os.getpgrp())
        try:
            yield
        finally:
            with suppress(OSError):  # the terminal is gone, or its group has ended
                os.tcsetpgrp(terminal, before)
