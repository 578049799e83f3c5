"""Filling pages: how much of a list one answer holds.

Belongs here: filling a page up to its number of items and its size, and reading the items. Does not belong here: page tokens
(`paging.py`), nor what is listed (`app/usecases`).

A gRPC client accepts messages of at most 4 MiB by default. So a page ends before an item that would make the answer larger,
whatever page_size was requested, and its token continues from there. A page has at least one item if there is one. Each item is
far below the bound (a run of 60 stops with the longest names has 32 kB), so every list ends.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from google.protobuf.message import Message

# What clients accept by default, less the size of the token (at most 2 kB).
PAGE_BYTES_MAX = 4 * 2**20 - 16 * 2**10
# Each item is preceded by one byte for its field, and by its length in at most four bytes.
_FRAME_BYTES = 5
# Documents of runs and trains that are read at a time. A run with 5,000 seats and a waitlist of 10,000 has about a megabyte.
LARGE_ITEMS_READ_MAX = 20
# How long a page is filled before other calls get a turn of the event loop: far less than callers notice.
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
    """Return the page after the key `after`, and the key after which the next page begins; None on the last page.

    `read(after, limit)` reads at most `limit` items; it returns those that the list shows, and the key after which more may
    follow. It reads `read_max` items at a time, by default all at once: large items are not read long before they are known to
    fit. A page has at most `count_max` items and `PAGE_BYTES_MAX` bytes.
    """
    messages: list[MessageT] = []
    bytes_left, read_count = PAGE_BYTES_MAX, 0
    clock = asyncio.get_running_loop().time
    while read_count < count_max:
        limit = min(read_max or count_max, count_max - read_count)
        values, rest = await read(after, limit)
        turn_ends = clock() + _TURN_SECONDS
        for index, value in enumerate(values):
            message = message_of(value)
            bytes_left -= message.ByteSize() + _FRAME_BYTES
            if bytes_left < 0 and messages:
                return messages, key_of(values[index - 1]) if index else after
            messages.append(message)
            if clock() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = clock() + _TURN_SECONDS
        if rest is None:
            return messages, None
        read_count, after = read_count + limit, rest
    return messages, after
