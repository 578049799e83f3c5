"""The terminal's keys: whom Ctrl-C reaches.

Belongs here: taking the terminal for this process alone, and giving it back. Does not: what is done at Ctrl-C.
"""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial

_TERMINAL = "/dev/tty"


def take_terminal() -> Callable[[], None]:
    """Make this process the only one that the terminal's Ctrl-C reaches, until its end. Gives what gives the terminal back.

    Whoever started it, such as `make`, would otherwise be interrupted as well, and call that an error. Nothing changes without
    a terminal, in the background, or where a shell started it, which has given it a group of its own. Ctrl-Z is ignored: the
    starter could not be stopped with it.
    """
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return _keep_terminal
    before = os.getpgrp()
    if before == os.getpid() or os.tcgetpgrp(terminal) != before:
        os.close(terminal)
        return _keep_terminal
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # the terminal is changed from what is a background group by then
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    # Registered before anything else, so that it comes last: a Ctrl-C while the interpreter ends is nobody else's either.
    give_back = partial(_give_back, terminal, before)
    atexit.register(give_back)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    return give_back


def _keep_terminal() -> None:
    """The terminal was not taken."""


def _give_back(terminal: int, group: int) -> None:
    with suppress(OSError):  # the terminal is gone, or its group has ended
        os.tcsetpgrp(terminal, group)
