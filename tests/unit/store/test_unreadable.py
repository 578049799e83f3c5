"""Unreadable records: left out and named in a batch, refused alone, counted always, logged within a budget."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from app.domain.refusals import Reason, Refusal
from app.store.shapes import UnreadableError
from app.store.unreadable import (
    NOUNS,
    UnreadableRecords,
    decode_all,
    decode_by_id,
    decode_in_turns,
    decode_one,
    read_page,
    reading,
)

Document = dict[str, Any]


def decode(document: Document) -> int:
    return int(document["number"]) + 0


def documents(*numbers: object) -> list[Document]:
    return [{"_id": f"d{index:05}", "number": number} for index, number in enumerate(numbers)]


def test_a_batch_skips_unreadable_records() -> None:
    assert decode_all("jobs", documents(1, "x", 3), decode) == ([1, 3], ["d00001"])


def test_a_look_up_names_the_unreadable_records() -> None:
    found = decode_by_id("payments", documents(1, None), decode)
    assert dict(found) == {"d00000": 1}
    assert found.unreadable == {"d00001"}


async def test_many_records_are_decoded_as_few_are_and_let_other_tasks_run_in_between() -> None:
    stored, turns = documents(*range(250), "x", *range(251, 260)), []

    async def note_turns() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    other = asyncio.create_task(note_turns())
    found = await decode_in_turns("bookings", stored, decode)
    other.cancel()
    assert (dict(found), found.unreadable) == (dict(decode_by_id("bookings", stored, decode)), frozenset(("d00250",)))
    assert len(turns) >= 2


def test_a_request_for_an_unreadable_record_is_refused_without_its_contents() -> None:
    with pytest.raises(Refusal) as caught:
        decode_one("bookings", {"_id": "7QK2MZ", "number": "secret"}, decode)
    assert caught.value.reason is Reason.RECORD_UNREADABLE
    assert caught.value.message.startswith("the booking cannot be read")
    assert "secret" not in caught.value.message


def test_a_refusal_while_a_record_is_decoded_is_one_of_that_record() -> None:
    with pytest.raises(Refusal) as caught, reading("trains", "es9014"):
        raise Refusal(Reason.TIMETABLE_IMPOSSIBLE, "the call at Lille")
    assert caught.value.reason is Reason.RECORD_UNREADABLE


async def page_of(stored: list[Document], limit: int, after: str = "") -> list[int]:
    async def fetch(behind: str, count: int) -> list[Document]:
        return [document for document in stored if document["_id"] > behind][:count]

    return await read_page("trains", fetch, lambda document: str(document["_id"]), decode, after, limit)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 100])
@pytest.mark.parametrize("unreadable", [set(), {0}, {5}, {0, 1, 2}, {2, 4, 6}, set(range(3, 10)), set(range(10))])
async def test_a_page_is_full_as_long_as_readable_records_follow(limit: int, unreadable: set[int]) -> None:
    stored = documents(*("x" if number in unreadable else number for number in range(10)))
    readable = [number for number in range(10) if number not in unreadable]
    assert await page_of(stored, limit) == readable[:limit]


async def test_a_page_skips_thousands_and_is_refused_if_nothing_else_follows() -> None:
    assert await page_of(documents(*["x"] * 3_000, 7), 2) == [7]
    with pytest.raises(Refusal) as caught:
        await page_of(documents(*["x"] * 20_000, 7), 2)
    assert caught.value.reason is Reason.RECORD_UNREADABLE


# -- counting and logging


def log_records(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(record) for record in caplog.records]


def test_each_is_counted_and_a_record_is_logged_once_in_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    clock, counted = Seconds(), list[str]()
    records = UnreadableRecords(clock)
    records.watch(counted.append)
    for _ in range(100):
        records.report("events", "es9014:2026-08-01:7", UnreadableError("version is a text"))
        clock.now += 1
    assert counted == ["events"] * 100
    (line,) = log_records(caplog)
    assert (line["levelno"], line["collection"], line["record"]) == (logging.ERROR, "events", "es9014:2026-08-01:7")
    assert line["what"] == "version is a text"
    clock.now += 600
    records.report("events", "es9014:2026-08-01:7", UnreadableError("version is a text"))
    assert len(caplog.records) == 2
    records.unwatch(counted.append)
    records.report("events", "another", KeyError("x"))
    assert len(counted) == 101


def test_of_thousands_a_few_are_logged_each_minute_with_the_number_suppressed(caplog: pytest.LogCaptureFixture) -> None:
    clock = Seconds()
    records = UnreadableRecords(clock)
    for number in range(5_000):
        records.report("jobs", f"job {number}", KeyError("kind"))
    assert len(caplog.records) == 20
    clock.now += 61
    records.report("jobs", "one more", KeyError("kind"))
    assert log_records(caplog)[-1]["suppressed"] == 4_980


def test_no_line_has_an_address_or_a_stored_value(caplog: pytest.LogCaptureFixture) -> None:
    records = UnreadableRecords(Seconds())
    records.report("users", "ann@example.com", ValueError("ann@example.com is no name"))
    records.report("trains", {"odd": "ann@example.com"}, ValueError("ann@example.com is no name"))
    assert not any("ann" in str(value) for line in log_records(caplog) for value in line.values())


def test_each_collection_has_a_noun() -> None:
    assert len(set(NOUNS.values())) == len(NOUNS)


class Seconds:
    """A timer that stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
