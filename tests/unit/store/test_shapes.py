"""Shapes: a document without a field, or with a field of another type, is refused, and the field is named."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from bson.int64 import Int64

from app.store.shapes import NULLABLE_TIME, ListOf, MapOf, OneOf, Row, Shape, UnreadableError

NOON = datetime(2026, 8, 1, 12, tzinfo=UTC)


class State(StrEnum):
    OPEN = "OPEN"


SHAPE = Shape(
    {
        "_id": str,
        "version": int,
        "is_open": bool,
        "time": datetime,
        "end": NULLABLE_TIME,
        "state": OneOf(State),
        "legs": ListOf(int),
        "tiers": ListOf(Row(int, str)),
        "freed": MapOf(ListOf(int), has_numbers=True),
        "person": Shape({"name": str}),
    },
    {"note": str},
)
GOOD: dict[str, Any] = {
    "_id": "a",
    "version": 1,
    "is_open": True,
    "time": NOON,
    "end": None,
    "state": "OPEN",
    "legs": [1, 2],
    "tiers": [[1, "x"]],
    "freed": {"1": [7]},
    "person": {"name": "Ann"},
}


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"end": NOON},
        {"note": "n"},
        {"of a newer version": 1},
        {"version": Int64(2**40)},
        {"legs": [Int64(2**40), 1]},
        {"legs": [], "tiers": [], "freed": {}},
    ],
    ids=str,
)
def test_a_document_of_the_shape_is_readable(changed: dict[str, Any]) -> None:
    SHAPE.check(GOOD | changed)


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field_is_named(name: str) -> None:
    with pytest.raises(UnreadableError, match=f"^{name} is missing$"):
        SHAPE.check({key: value for key, value in GOOD.items() if key != name})


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"_id": 1}, "_id is a whole number, not a text"),
        ({"version": "1"}, "version is a text, not a whole number"),
        ({"version": 1.0}, "version is a fraction, not a whole number"),
        ({"version": True}, "version is true or false, not a whole number"),
        ({"version": None}, "version is null, not a whole number"),
        ({"is_open": 1}, "is_open is a whole number, not true or false"),
        ({"time": "2026-08-01"}, "time is a text, not a time"),
        ({"end": 0}, "end is a whole number, not a time"),
        ({"state": "SHUT"}, "state is no value that this version knows"),
        ({"state": None}, "state is no value that this version knows"),
        ({"legs": {}}, "legs is a document, not a list"),
        ({"legs": [1, "2"]}, "legs.1 is a text, not a whole number"),
        ({"legs": [1, True]}, "legs.1 is true or false, not a whole number"),
        ({"tiers": [[1, "x"], [1]]}, "tiers.1 is no list of 2"),
        ({"tiers": [[1, 2]]}, "tiers.0.1 is a whole number, not a text"),
        ({"freed": []}, "freed is a list, not a document"),
        ({"freed": {"x": []}}, "freed has a key that is no number"),
        ({"freed": {"1": ["x"]}}, "freed.1.0 is a text, not a whole number"),
        ({"person": None}, "person is null, not a document"),
        ({"person": {}}, "person.name is missing"),
        ({"note": 1}, "note is a whole number, not a text"),
    ],
    ids=str,
)
def test_a_field_of_another_kind_is_named_and_its_value_is_not(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        SHAPE.check(GOOD | changed)
    assert str(caught.value) == says


@pytest.mark.parametrize("document", [None, [], "x", 1])
def test_a_value_that_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(UnreadableError, match="not a document"):
        SHAPE.check(document)


RENAMED = Shape({"end": NULLABLE_TIME}, earlier_names={"end": "finish"})


@pytest.mark.parametrize("document", [{"end": NOON}, {"finish": NOON}, {"finish": None}, {"end": None, "finish": "ignored"}])
def test_a_field_may_have_its_earlier_name(document: dict[str, object]) -> None:
    RENAMED.check(document)


@pytest.mark.parametrize(("document", "text"), [({}, "end is missing"), ({"finish": "noon"}, "finish is a text, not a time")])
def test_a_field_under_no_name_or_of_another_kind_is_named(document: dict[str, object], text: str) -> None:
    with pytest.raises(UnreadableError, match=text):
        RENAMED.check(document)
