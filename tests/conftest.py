"""What holds for all tests, wherever and by however many processes they are run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_terminal_width() -> Iterator[None]:
    """The width of the terminal that the tests are run from does not count. What reads lines hands it down to its children."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("COLUMNS", "LINES"):
            patched.delenv(name, raising=False)
        yield
