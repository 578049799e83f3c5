"""Command lines that are run against a real server.

Belongs here: their type. Does not belong here: the fixture (`tests/integration/cli/conftest.py`).
"""

from collections.abc import Awaitable, Callable

from typer.testing import Result

ServedSeatline = Callable[..., Awaitable[Result]]
