"""What a batch changed on a run: the values before, and the fields that can change.

Belongs here: the kinds of run fields, and the record of replaced values. Does not belong here: which fields a run has
(`train_run.py` declares them), nor how a field is stored (`app/store/run_fields.py`).

A field that commands change is declared once, as an annotation of its attribute:

    freed_sequence: Annotated[int, Whole()] = 0
    holds: Annotated[dict[str, Hold], Entries(...)]

From the declaration follow recording, undo, refresh, and the emptiness of a change set. The store has one row for each declared
field (`RUN_FIELDS` in `app/store/run_fields.py`); a test holds the two lists against each other.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_type_hints

from app.domain.booking import Booking
from app.domain.events import Event

if TYPE_CHECKING:
    from app.domain.run.seats import SectionSeats
    from app.domain.run.train_run import TrainRun


class RunField:
    """A field of a run that commands change. `name` is the attribute's name, set where the declarations are read.

    `is_refreshed` is False for a field that a server does not take over as a whole from a run that was read again.
    """

    name: str = ""
    is_refreshed: bool = False

    def get(self, run: "TrainRun", key: Any) -> Any:
        """Return the value under `key`."""
        raise NotImplementedError

    def put(self, run: "TrainRun", key: Any, value: Any) -> None:
        """Set the value under `key`, and update what is derived from it. Records nothing."""
        raise NotImplementedError


class Whole(RunField):
    """A field that is replaced as a whole. Its only key is None. `after` updates what is derived from it."""

    is_refreshed = True

    def __init__(self, after: "Callable[[TrainRun], None] | None" = None) -> None:
        self._after = after

    def get(self, run: "TrainRun", key: None) -> Any:
        """Return the attribute."""
        return getattr(run, self.name)

    def put(self, run: "TrainRun", key: None, value: Any) -> None:
        """Set the attribute."""
        setattr(run, self.name, value)
        if self._after is not None:
            self._after(run)


class Entries(RunField):
    """A dictionary whose entries are added, replaced and removed. None stands for no entry.

    `reindex` gets the run and the entry before and after each change.
    """

    def __init__(self, reindex: "Callable[[TrainRun, Any, Any], None]", *, is_refreshed: bool = True) -> None:
        self._reindex = reindex
        self.is_refreshed = is_refreshed

    def get(self, run: "TrainRun", key: Any) -> Any:
        """Return the entry with this key, or None."""
        return getattr(run, self.name).get(key)

    def put(self, run: "TrainRun", key: Any, value: Any) -> None:
        """Set the entry, or remove it where the value is None."""
        entries = getattr(run, self.name)
        self._reindex(run, entries.get(key), value)
        if value is None:
            entries.pop(key, None)
        else:
            entries[key] = value


class OfSections(RunField):
    """A field of each section. The key is the index of the section."""

    def get(self, run: "TrainRun", key: int) -> Any:
        """Return the section's attribute."""
        return getattr(run.sections[key], self.name)

    def put(self, run: "TrainRun", key: int, value: Any) -> None:
        """Set the section's attribute."""
        setattr(run.sections[key], self.name, value)


class OfSeats(RunField):
    """A value of each seat. The key is (index of the section, seat number)."""

    def __init__(self, read: "Callable[[SectionSeats, int], Any]", write: "Callable[[SectionSeats, int, Any], None]") -> None:
        self._read, self._write = read, write

    def get(self, run: "TrainRun", key: tuple[int, int]) -> Any:
        """Return the seat's value."""
        return self._read(run.sections[key[0]], key[1])

    def put(self, run: "TrainRun", key: tuple[int, int], value: Any) -> None:
        """Set the seat's value."""
        self._write(run.sections[key[0]], key[1], value)


@dataclass(slots=True)
class ChangeSet:
    """What changed on a run since its last commit.

    `replaced` has for each run field the values before the first change, by key. `events` are those of the next commit.
    `holds_used` counts holds that became bookings; they have no event of their own.
    """

    replaced: dict[str, dict[Any, Any]]
    events: list[Event] = field(default_factory=list)
    holds_used: int = 0

    def __bool__(self) -> bool:
        return bool(self.events) or any(self.replaced.values())

    @property
    def bookings(self) -> dict[str, Booking | None]:
        """The bookings before their first change, by reference; None for a new one."""
        return self.replaced["bookings"]


def declared_fields(owner: type) -> Iterable[RunField]:
    """Yield the fields that a class declares in its annotations, in their order, each with its name."""
    for name, hint in get_type_hints(owner, include_extras=True).items():
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, RunField):
                mark.name = name
                yield mark
