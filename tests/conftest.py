"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Iterator

import pytest


def pytest_configure() -> None:
    """Prepare this process and those that tests start."""
    _take_interrupts()
    _keep_bytecode()


def _take_interrupts() -> None:
    """Take SIGINT as a foreground command does. A shell has its background commands, and all that they start, ignore it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _keep_bytecode() -> None:
    """Keep compiled modules, as Python does by default.

    Images of CI machines often set PYTHONDONTWRITEBYTECODE. Then each of the hundreds of processes that tests start compiles
    all of its modules, which is half of its processor time.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, and let it skip the modules and tests ever after: they stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _no_terminal_width() -> Iterator[None]:
    """Hide the width of the terminal, so that tests that read lines do not depend on it."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("COLUMNS", "LINES"):
            patched.delenv(name, raising=False)
        yield
