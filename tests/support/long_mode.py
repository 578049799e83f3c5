"""The long mode of the tests: full counts and real waits.

Belongs here: whether this is a long test run, and scaling counts and waits by it. Does not belong here: the counts of a test.

`make test` proves each thing in seconds; `make test-long` does it as often as the promise says, and waits as long as
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
    """Return whether this is a long test run. Raise ValueError for a value other than 1, 0 and none."""
    value = os.environ.get(VARIABLE, "0")
    if value not in ("0", "1", ""):
        raise ValueError(f"{VARIABLE} is 1 for full counts and real waits, or 0; not {value!r}")
    return value == "1"


def full(number: Number, *, short: Number) -> Number:
    """Return `number` in a long test run, `short` in any other: a count or a number of seconds."""
    return number if is_long() else short
