"""Kinds of stored run fields: how a field is encoded, decoded, and written by a commit.

Belongs here: the kinds, and the update that they add to. Does not belong here: the fields themselves (`run_fields.py`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from app.domain.run.train_run import TrainRun
from app.store.driver import Document
from app.store.shapes import Kind, MapOf


@dataclass(slots=True)
class Update:
    """The paths that a commit sets, and those that it removes."""

    values: Document = field(default_factory=dict)
    gone: Document = field(default_factory=dict)

    def put(self, path: str, value: Any) -> None:
        """Set a path, or remove it where the value is None."""
        if value is None:
            self.gone[path] = ""
        else:
            self.values[path] = value


_NO_DEFAULT = object()


def as_it_is(value: Any) -> Any:
    """Return a value that is stored as it is."""
    return value


class StoredField:
    """A run field and how it is stored. `name` is the field's name in the domain, `path` the one on disk."""

    is_optional = False

    def __init__(self, name: str, shape: Kind | type, path: str = "") -> None:
        self.name, self.shape, self.path = name, shape, path or name

    def encode(self, run: TrainRun) -> Any:
        """Encode the field for a whole document."""
        raise NotImplementedError

    def decode(self, document: Document) -> Any:
        """Decode the field of a run's document, whose shape was checked."""
        raise NotImplementedError

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Add what changed under these keys to the update."""
        raise NotImplementedError


class StoredWhole(StoredField):
    """A field that is written as a whole. With a `default`, documents lack it where the field has that value."""

    def __init__(
        self,
        name: str,
        shape: Kind | type,
        path: str = "",
        encode: Callable[[Any], Any] = as_it_is,
        decode: Callable[[Any], Any] = as_it_is,
        default: Any = _NO_DEFAULT,
    ) -> None:
        super().__init__(name, shape, path)
        self._encode, self._decode, self._default = encode, decode, default
        self.is_optional = default is not _NO_DEFAULT

    def encode(self, run: TrainRun) -> Any:
        """Encode the attribute; None where it has the default."""
        current = getattr(run, self.name)
        return None if self.is_optional and current == self._default else self._encode(current)

    def decode(self, document: Document) -> Any:
        """Decode the attribute, or return the default where the document lacks it."""
        if self.is_optional and self.path not in document:
            return self._default
        return self._decode(document[self.path])

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write the attribute."""
        update.put(self.path, self.encode(run))


class StoredEntries(StoredField):
    """A dictionary of which each entry is written by itself. `decode` gets the key and the stored entry."""

    def __init__(
        self,
        name: str,
        entry: Kind,
        encode: Callable[[Any], Any],
        decode: Callable[[Any, Any], Any],
        *,
        path: str = "",
        has_numbers: bool = False,
        allows_negative: bool = False,
        is_optional: bool = False,
    ) -> None:
        super().__init__(name, MapOf(entry, has_numbers=has_numbers, allows_negative=allows_negative), path)
        self._encode, self._decode = encode, decode
        self._key: Callable[[str], Any] = int if has_numbers else str
        self.is_optional = is_optional

    def encode(self, run: TrainRun) -> Document:
        """Encode all entries."""
        return {str(key): self._encode(entry) for key, entry in getattr(run, self.name).items()}

    def decode(self, document: Document) -> dict[Any, Any]:
        """Decode all entries. Older documents may lack an optional field."""
        stored = document.get(self.path, {}) if self.is_optional else document[self.path]
        return {self._key(key): self._decode(self._key(key), entry) for key, entry in stored.items()}

    def write(self, run: TrainRun, keys: Iterable[Any], update: Update) -> None:
        """Write the entries that changed, and remove those that are gone."""
        entries = getattr(run, self.name)
        for key in keys:
            entry = entries.get(key)
            update.put(f"{self.path}.{key}", None if entry is None else self._encode(entry))
