"""Documents joined from encoded parts are the documents that the plain way makes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import decode, encode

from app.store.booking_documents import booking_document, booking_document_without_journey, journey_document
from app.store.packing import BsonPacker, PlainPacker
from tests.support.builders import a_run, book

OWN = {
    "_id": "ABC123",
    "revision": 7,
    "passengers": [{"name": "Zoë", "seat": None}],
    "created": datetime(2026, 1, 1, tzinfo=UTC),
}
PART = {"origin": "London", "destination": "Paris", "fare": {"minor": 2_000, "currency": "USD"}}


@pytest.mark.parametrize(
    ("own", "part"),
    [(OWN, PART), (OWN, {}), ({}, PART), ({}, {}), ({"_id": 1}, {"name": "x" * 100_000, "list": list(range(1_000))})],
    ids=["both", "no part", "no own fields", "nothing", "large"],
)
def test_both_packers_give_the_same_bytes(own: dict[str, Any], part: dict[str, Any]) -> None:
    plain, fast = PlainPacker(), BsonPacker()
    expected = encode(plain.join(own, plain.part(part)))
    assert encode(fast.join(own, fast.part(part))) == expected
    assert list(decode(expected)) == [*own, *part]


def test_one_part_serves_many_documents() -> None:
    fast = BsonPacker()
    part = fast.part(PART)
    joined = [decode(encode(fast.join({"_id": number}, part))) for number in range(3)]
    assert joined == [{"_id": number, **PART} for number in range(3)]


def test_a_booking_without_its_journey_joined_with_the_journey_is_the_whole_booking() -> None:
    booking = book(a_run("A4"), "joe@example.com")
    fast = BsonPacker()
    joined = fast.join(booking_document_without_journey(booking), fast.part(journey_document(booking.journey)))
    assert encode(joined) == encode(booking_document(booking))
