"""The long mode of the tests: full counts and real waits.

Belongs here: whether this is a long test run, and how a test scales its counts and waits by it. Not here: what any test counts.

`make test` shows each thing in seconds; `make test-long` shows it as often as its promise is stated, and waits as long as
production waits. A test is the same in both modes but for its numbers, so that none is skipped in either.

    ANSWERS = full(20_000, short=400)

    @pytest.mark.timeout(full(1_800, short=120))
    async def test_...
"""

from __future__ import annotations

import os
from typing import TypeVar

# The one switch. `make test-long` sets it to 1.
VARIABLE = "SEATLINE_TEST_LONG"

Number = TypeVar("Number", int, float)


def is_long() -> bool:
    """Whether this test run is a long one. Raises ValueError for a value other than 1, 0 and none."""
    value = os.environ.get(VARIABLE, "0")
    if value not in ("0", "1", ""):
        raise ValueError(f"{VARIABLE} is 1 for full counts and real waits, or 0; not {value!r}")
    return value == "1"


def full(number: Number, *, short: Number) -> Number:
    """The count or the seconds of a test: `number` in a long test run, `short` in any other."""
    return number if is_long() else short
