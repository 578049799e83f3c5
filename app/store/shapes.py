"""Shapes: which fields a stored document has, and of which kind.

Belongs here: the kinds, and checking a document against a shape. Does not belong here: the shapes, which are beside the code
that reads each document, nor what happens to a document with another shape (`unreadable.py`).

A document with another shape was written by another version of the service, or by hand. It is found before anything is decoded
from it. A value of a wrong kind does no harm where it is read, and much where it is used: a counter that is a text ends the
arithmetic of a whole batch. Fields that a shape does not name are ignored: a newer version may have them.

A shape is checked for each document that is read. So the plain fields are compared all at once, which takes about a microsecond
for a booking. Only where that fails, each field is checked to find the wrong one.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from operator import itemgetter
from typing import Any

Document = Mapping[str, Any]


class UnreadableError(ValueError):
    """A document has another shape. The text names the field and the wrong kind, and never quotes a value."""


class Kind:
    """What a value may be."""

    def check(self, value: object, path: str) -> None:
        """Raise UnreadableError with the value's path where the value is of another kind."""
        raise NotImplementedError


class Plain(Kind):
    """Exactly one Python type. A bool is not an int; BSON's 64-bit integers are."""

    def __init__(self, plain_type: type) -> None:
        self._type = plain_type

    def check(self, value: object, path: str) -> None:
        """Refuse a value of another type."""
        if not isinstance(value, self._type) or (isinstance(value, bool) and self._type is not bool):
            raise UnreadableError(f"{path} is {_kind_name(value)}, not {_TYPE_NAMES.get(self._type, self._type.__name__)}")


class Nullable(Kind):
    """A value of a kind, or null."""

    def __init__(self, kind: "Kind | type") -> None:
        self._kind = as_kind(kind)

    def check(self, value: object, path: str) -> None:
        """Refuse a value of another kind."""
        if value is not None:
            self._kind.check(value, path)


class OneOf(Kind):
    """A text that is a value of an enum. A value of a newer version is unreadable."""

    def __init__(self, values: type[StrEnum]) -> None:
        self._values = frozenset(member.value for member in values)

    def check(self, value: object, path: str) -> None:
        """Refuse anything but a known value."""
        if not isinstance(value, str) or value not in self._values:
            raise UnreadableError(f"{path} is no value that this version knows")


class OneOfNumbers(Kind):
    """One of a few whole numbers, such as the known versions."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = frozenset(numbers)

    def check(self, value: object, path: str) -> None:
        """Refuse anything but a known number."""
        if isinstance(value, bool) or not isinstance(value, int) or value not in self._numbers:
            raise UnreadableError(f"{path} is no number that this version knows")


class ListOf(Kind):
    """A list of values of one kind."""

    def __init__(self, kind: "Kind | type") -> None:
        self._kind = as_kind(kind)
        self._type = kind if isinstance(kind, type) else None

    def check(self, value: object, path: str) -> None:
        """Refuse anything but a list, and the first value of another kind in it."""
        if not isinstance(value, list):
            raise UnreadableError(f"{path} is {_kind_name(value)}, not a list")
        if self._type is not None and set(map(type, value)) <= {self._type}:
            return
        for index, part in enumerate(value):
            self._kind.check(part, f"{path}.{index}")


class Row(Kind):
    """A list with a kind for each value. It may end before the `optional` ones."""

    def __init__(self, *kinds: "Kind | type", optional: "tuple[Kind | type, ...]" = ()) -> None:
        self._kinds = tuple(map(as_kind, (*kinds, *optional)))
        self._length_min = len(kinds)

    def check(self, value: object, path: str) -> None:
        """Refuse a list of another length, and the first value in it of another kind."""
        if not isinstance(value, list) or not self._length_min <= len(value) <= len(self._kinds):
            raise UnreadableError(f"{path} is no list of {self._length_min}")
        for index, (kind, part) in enumerate(zip(self._kinds, value, strict=False)):
            kind.check(part, f"{path}.{index}")


class MapOf(Kind):
    """A document whose keys are data: texts, or the digits of numbers, with a sign only where they may be negative."""

    def __init__(self, kind: "Kind | type", *, has_numbers: bool = False, allows_negative: bool = False) -> None:
        self._kind, self._has_numbers, self._sign = as_kind(kind), has_numbers, "-" if allows_negative else ""

    def check(self, value: object, path: str) -> None:
        """Refuse anything but a document, a key that is not a number, and the first value of another kind."""
        if not isinstance(value, Mapping):
            raise UnreadableError(f"{path} is {_kind_name(value)}, not a document")
        for key, part in value.items():
            if self._has_numbers and not (key.isascii() and key.removeprefix(self._sign).isdecimal()):
                raise UnreadableError(f"{path} has a key that is no number")
            self._kind.check(part, f"{path}.{key}")


class Anything(Kind):
    """Any value."""

    def check(self, value: object, path: str) -> None:
        """Refuse nothing."""


class Shape(Kind):
    """A document: `fields` that it has, `optional` ones that it may have. A Python type stands for exactly that type.

    `earlier_names` are names that earlier versions gave to fields which are no Python types: such a field may be missing where
    the document has it under the earlier name.
    """

    def __init__(
        self,
        fields: Mapping[str, "Kind | type"],
        optional: Mapping[str, "Kind | type"] | None = None,
        *,
        earlier_names: Mapping[str, str] | None = None,
    ) -> None:
        self.fields = {name: as_kind(kind) for name, kind in fields.items()}
        self.optional = {name: as_kind(kind) for name, kind in (optional or {}).items()}
        plain = {name: kind for name, kind in fields.items() if isinstance(kind, type)}
        self._types = tuple(plain.values())
        self._values = _getter(tuple(plain))
        self._nested = [(name, kind) for name, kind in fields.items() if isinstance(kind, Kind)]
        self._plain = {name: as_kind(kind) for name, kind in plain.items()}
        self._earlier_names = dict(earlier_names or {})

    def check(self, value: object, path: str = "") -> None:
        """Refuse a document that lacks a field or has one of another kind."""
        if not isinstance(value, Mapping):
            raise UnreadableError(f"{path or 'the document'} is {_kind_name(value)}, not a document")
        prefix = f"{path}." if path else ""
        try:
            is_plain = tuple(map(type, self._values(value))) == self._types
        except KeyError:
            is_plain = False
        if not is_plain:
            self._check_each(value, prefix)
        for name, kind in self._nested:
            stored_name = name if name in value else self._earlier_names.get(name, name)
            if stored_name not in value:
                raise UnreadableError(f"{prefix}{name} is missing")
            kind.check(value[stored_name], prefix + stored_name)
        for name, kind in self.optional.items():
            if name in value:
                kind.check(value[name], prefix + name)

    def _check_each(self, document: Document, prefix: str) -> None:
        for name, kind in self._plain.items():
            if name not in document:
                raise UnreadableError(f"{prefix}{name} is missing")
            kind.check(document[name], prefix + name)


def as_kind(kind: Kind | type) -> Kind:
    """Return a Python type as a kind."""
    return kind if isinstance(kind, Kind) else Plain(kind)


NULLABLE_TIME = Nullable(datetime)
ANYTHING = Anything()

_TYPE_NAMES = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    datetime: "a time",
    list: "a list",
    dict: "a document",
    float: "a fraction",
    bytes: "binary data",
    type(None): "null",
}


def _kind_name(value: object) -> str:
    return next((name for kind, name in _TYPE_NAMES.items() if type(value) is kind), f"a {type(value).__name__}")


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[object, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return lambda document: tuple(document[name] for name in names)
