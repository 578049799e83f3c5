"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_terminal_width() -> Iterator[None]:
    """Hide the width of the terminal, so that tests that read lines do not depend on it."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("COLUMNS", "LINES"):
            patched.delenv(name, raising=False)
        yield
