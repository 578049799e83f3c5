"""A page ends at its number of items or at its size, and the next page continues from there."""

import asyncio
from collections.abc import Sequence

import pytest

from app.pb.seatline.v1 import train_pb2
from app.rpc import page_filling
from app.rpc.page_filling import PAGE_BYTES_MAX

KILOBYTE = 1_000


class Shelf:
    """A list of items of given sizes in kilobytes, from item 1. It records how many items were read."""

    def __init__(self, *kilobytes: int, hidden: Sequence[int] = ()) -> None:
        self.kilobytes = dict(enumerate(kilobytes, 1))
        self.hidden = hidden
        self.asked: list[int] = []

    async def read(self, after: int | None, limit: int) -> tuple[list[int], int | None]:
        self.asked.append(limit)
        behind = [number for number in self.kilobytes if number > (after or 0)]
        page = behind[:limit]
        return [number for number in page if number not in self.hidden], page[-1] if len(behind) > limit else None

    def message(self, number: int) -> train_pb2.Train:
        return train_pb2.Train(train_id=str(number), number="x" * KILOBYTE * self.kilobytes[number])

    async def page(
        self, after: int | None = None, count_max: int = 200, read_max: int | None = None
    ) -> tuple[list[int], int | None]:
        """Return the numbers on a page, and the key of the next page. Asserts the page's size."""
        messages, rest = await page_filling.fill_page(
            self.read, self.message, lambda number: number, after=after, count_max=count_max, read_max=read_max
        )
        answer = train_pb2.ListTrainsResponse(trains=messages, next_page_token="x" * 2_048)
        assert len(messages) <= 1 or answer.ByteSize() <= 4 * 2**20
        return [int(message.train_id) for message in messages], rest

    async def pages(self, count_max: int = 200, read_max: int | None = None) -> list[list[int]]:
        """Return all pages."""
        found: list[list[int]] = []
        after: int | None = None
        while not found or after is not None:
            numbers, after = await self.page(after, count_max, read_max)
            found.append(numbers)
        return found


async def test_small_items_fill_a_page_up_to_its_count() -> None:
    assert await Shelf(1, 1, 1, 1, 1).pages(count_max=2) == [[1, 2], [3, 4], [5]]


async def test_large_items_end_a_page_before_its_count() -> None:
    assert await Shelf(1_500, 1_500, 1_500, 1_500, 1_500).pages() == [[1, 2], [3, 4], [5]]


async def test_a_page_is_full_to_the_last_byte_that_fits() -> None:
    shelf = Shelf(1_000, 1_000)
    messages = [shelf.message(number) for number in (1, 2)]
    room = PAGE_BYTES_MAX - sum(message.ByteSize() + 5 for message in messages)
    third = train_pb2.Train(train_id="3", number="")
    third.number = "x" * (room - 5 - third.ByteSize() - 5)  # five bytes around the text as around the item
    assert PAGE_BYTES_MAX - 8 <= sum(message.ByteSize() + 5 for message in (*messages, third)) <= PAGE_BYTES_MAX
    shelf.kilobytes[3] = 0
    plain = shelf.message
    shelf.message = lambda number: third if number == 3 else plain(number)  # type: ignore[method-assign]
    assert await shelf.pages() == [[1, 2, 3]]
    third.number += "x" * 8
    assert await shelf.pages() == [[1, 2], [3]]


async def test_an_item_that_is_too_large_for_any_page_has_a_page_of_its_own() -> None:
    assert await Shelf(1, 5_000, 1).pages() == [[1], [2], [3]]


async def test_an_empty_list_is_one_empty_page() -> None:
    assert await Shelf().pages() == [[]]


@pytest.mark.parametrize("read_max", [1, 2, 3, 7, None])
async def test_the_pages_do_not_depend_on_how_many_items_are_read_at_a_time(read_max: int | None) -> None:
    shelf = Shelf(*[900, 100, 1_700] * 7, hidden=(1, 2, 9))
    found = await shelf.pages(count_max=5, read_max=read_max)
    assert [number for page in found for number in page] == [number for number in range(1, 22) if number not in (1, 2, 9)]
    assert all(len(page) <= 5 for page in found)


async def test_large_items_are_not_read_long_before_they_are_known_to_fit() -> None:
    shelf = Shelf(*[1_500] * 100)
    assert await shelf.page(count_max=100, read_max=10) == ([1, 2], 2)
    assert shelf.asked == [10]


async def test_a_page_reads_no_more_items_than_its_count_even_where_few_are_shown() -> None:
    shelf = Shelf(*[1] * 100, hidden=range(1, 90))
    assert await shelf.page(count_max=50, read_max=20) == ([], 50)
    assert shelf.asked == [20, 20, 10]


async def test_other_calls_run_while_a_long_page_is_filled() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await Shelf(*[40] * 100).page(count_max=100)
    few = turns
    pages_of_large_items = Shelf(*[40] * 100)
    plain = pages_of_large_items.message

    def slowly(number: int) -> train_pb2.Train:
        ends = asyncio.get_running_loop().time() + 0.006
        while asyncio.get_running_loop().time() < ends:
            pass
        return plain(number)

    pages_of_large_items.message = slowly  # type: ignore[method-assign]
    await pages_of_large_items.page(count_max=20)
    task.cancel()
    assert turns - few >= 20
