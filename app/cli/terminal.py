"""The process group that the terminal's Ctrl-C reaches.

Belongs here: taking the terminal for this process alone, and giving it back. Does not belong here: handling Ctrl-C.
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
    """Make this process the only one that the terminal's Ctrl-C reaches, until it exits. Return a function that undoes it.

    Otherwise a parent such as `make` would be interrupted as well, and report an error. Changes nothing without a terminal, in
    the background, or if a shell started the process, because a shell gives it a process group of its own. Ctrl-Z is ignored,
    because it would not stop the parent.
    """
    try:
        terminal = os.open(_TERMINAL, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return _keep_terminal
    before = os.getpgrp()
    if before == os.getpid() or os.tcgetpgrp(terminal) != before:
        os.close(terminal)
        return _keep_terminal
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # by then this is a background group, and it changes the terminal
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    # Registered first, so that it runs last: a Ctrl-C while the interpreter exits must not reach the parent either.
    give_back = partial(_give_back, terminal, before)
    atexit.register(give_back)
    os.setpgid(0, 0)
    os.tcsetpgrp(terminal, os.getpgrp())
    return give_back


def _keep_terminal() -> None:
    """Do nothing: the terminal was not taken."""


def _give_back(terminal: int, group: int) -> None:
    with suppress(OSError):  # the terminal is gone, or its group has ended
        os.tcsetpgrp(terminal, group)
