"""Pages: how much of a list one answer holds.

Belongs here: filling a page up to its count and its weight, and reading for it. Does not: how the place where it ended travels
(`paging.py`), nor what is listed (the use cases).

A client of gRPC takes messages of at most 4 MiB unless it was told otherwise. So a page ends where its next item would make the
answer larger than that, however many items were asked for, and its token goes on from there. A page has at least one item if
there is one; each item is far below the bound (a run of 60 stops with the longest names has 32 kB), so that a list always ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

# What clients take by default, less room for the token (at most 2 kB).
PAGE_BYTES_MAX = 4 * 2**20 - 16 * 2**10
# In front of each item: one byte of its field, and its length in at most four.
_FRAME_BYTES = 5
# Documents of runs and trains that are read at a time. A run with 5,000 seats and 10,000 waiting bookings has about a megabyte.
LARGE_ITEMS_READ_MAX = 20
# Making messages goes on for so long before other calls have their turn: far less than anybody notices.
_TURN_SECONDS = 0.005

ValueT = TypeVar("ValueT")
KeyT = TypeVar("KeyT")
MessageT = TypeVar("MessageT", bound=Message)


async def fill_page(
    read: Callable[[KeyT | None, int], Awaitable[tuple[list[ValueT], KeyT | None]]],
    message_of: Callable[[ValueT], MessageT],
    key_of: Callable[[ValueT], KeyT],
    *,
    after: KeyT | None,
    count_max: int,
    read_max: int | None = None,
) -> tuple[list[MessageT], KeyT | None]:
    """A page behind `after`, and the key behind which the next one begins; None on the last page.

    `read(after, limit)` looks at no more than `limit` items and gives those that the list shows, and the key behind which more
    may follow. It is asked for `read_max` at a time, all at once by default: what is large is not read long before it is known
    to fit. A page has at most `count_max` items and `PAGE_BYTES_MAX` bytes.
    """
    messages: list[MessageT] = []
    room, looked_at = PAGE_BYTES_MAX, 0
    clock = asyncio.get_running_loop().time
    while looked_at < count_max:
        limit = min(read_max or count_max, count_max - looked_at)
        values, rest = await read(after, limit)
        turn_ends = clock() + _TURN_SECONDS
        for index, value in enumerate(values):
            message = message_of(value)
            room -= message.ByteSize() + _FRAME_BYTES
            if room < 0 and messages:
                return messages, key_of(values[index - 1]) if index else after
            messages.append(message)
            if clock() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = clock() + _TURN_SECONDS
        if rest is None:
            return messages, None
        looked_at, after = looked_at + limit, rest
    return messages, after
