"""Changes of every field of every stored document.

Belongs here: enumerating fields and changes. Does not belong here: which of them `verify` finds
(`tests/integration/audit/test_tampering.py`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Document = dict[str, Any]
Path = tuple[str | int, ...]

# Maps of a document whose keys are data, by collection and path.
KEYED_BY_DATA = {"holds", "ended_holds", "waiting", "freed"}
GONE = object()


@dataclass(frozen=True)
class Tampering:
    """One change of one field. `name` is the path, with `*` for positions in lists and for keys that are data."""

    collection: str
    record: Any
    path: Path
    name: str
    kind: str
    value: Any

    @property
    def key(self) -> tuple[str, str, str]:
        return self.collection, self.name, self.kind

    def apply(self, document: Document) -> Document:
        """Return the document after the change."""
        changed = copy.deepcopy(document)
        parent: Any = changed
        for step in self.path[:-1]:
            parent = parent[step]
        if self.value is GONE:
            del parent[self.path[-1]]
        else:
            parent[self.path[-1]] = self.value
        return changed


def tamperings(documents: dict[str, list[Document]]) -> Iterator[Tampering]:
    """Yield the changes of each field, once for each state of a record."""
    for collection, stored in sorted(documents.items()):
        others = _values_by_name(stored)
        done: set[tuple[str, str]] = set()
        for document in stored:
            state = str(document.get("state", ""))
            for path, value in _fields(document):
                name = name_of(path)
                if name == "_id" or (state, name) in done:
                    continue
                done.add((state, name))
                for kind, changed in _changes(value, others[name]):
                    if kind == "removed" and isinstance(path[-1], int):
                        continue
                    yield Tampering(collection, document["_id"], path, name, kind, changed)


def name_of(path: Path) -> str:
    """Return `freed.*.*.0` for `freed.17.2.0`: rows of fixed length keep the positions of their values."""
    words: list[str] = []
    for index, step in enumerate(path):
        before = path[index - 1] if index else ""
        words.append("*" if isinstance(step, int) or before in KEYED_BY_DATA else str(step))
    return ".".join(words)


def _fields(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _fields(part, (*path, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _fields(part, (*path, index))


def _values_by_name(stored: list[Document]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {}
    for document in stored:
        for path, value in _fields(document):
            values.setdefault(name_of(path), []).append(value)
    return values


def _changes(value: Any, others: list[Any]) -> Iterator[tuple[str, Any]]:
    yield "removed", GONE
    yield "another type", 7 if isinstance(value, str | list | dict | datetime) else "seven"
    yield "another value", _other(value, others)


def _other(value: Any, others: list[Any]) -> Any:
    match value:
        case bool():
            changed: Any = not value
        case int():
            changed = value + 1
        case datetime():
            changed = value + timedelta(seconds=1)
        case list():
            changed = value[:-1] if value else others_or(others, value, [1])
        case dict():
            changed = {} if value else others_or(others, value, {"1": 1})
        case None:
            changed = others_or(others, value, datetime(2026, 1, 1, tzinfo=UTC))
        case _:
            changed = others_or(others, value, f"{value[:-1]}{'y' if value[-1:] != 'y' else 'z'}")
    return changed


def others_or(others: list[Any], value: Any, made: Any) -> Any:
    """Return another record's value of the same field, which is the most plausible one; else an invented value."""
    return next((other for other in others if type(other) is type(value) and other != value and other), made)
