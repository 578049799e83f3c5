"""Reads a train from a timetable file in YAML and names what is wrong by its path in the file.

Here belongs the shape of the file: keys, texts, whole numbers, times of day, spans of time, fares. Not here: the rules of a
timetable, such as how many stops a train may have or that time runs forward; the service judges those, and its answer is
translated back into paths of the file.

    train_id: es9014
    number: ES 9014
    stops:                       # name and time_zone; code, arrive, depart, arrive_day, depart_day where they apply
      - {name: London St Pancras, code: STP, time_zone: Europe/London, depart: "10:24"}
    sections:
      - {name: A, fare: USD 20.00}
    coaches:
      - {name: 1, section: A, seats: 56}
    refund_tiers:                # these five may be left out
      - {hours_before: 24, percent: 100}
    waitlist_closes_before: 4h
    waitlist_max: 500
    hold_percent_max: 25
    passengers_per_booker_max: 9
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from app.cli.failures import FieldProblem, UsageError, printable
from app.cli.render.text import NANOS_PER_UNIT
from app.pb.seatline.v1 import train_pb2

# The largest train the contract allows takes about 15 KB; YAML of this size is still read in a second or two.
FILE_BYTES_MAX = 100_000

_TIME_OF_DAY = re.compile(r"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])", re.ASCII)
# Twelve digits fit the int64 of Money with room; nine decimals are what its nanos can hold.
_FARE = re.compile(r"(?P<currency>[A-Z]{3})\s+(?P<units>[0-9]{1,12})(?:\.(?P<decimals>[0-9]{1,9}))?", re.ASCII)
# Six digits are more hours or minutes than the service takes.
_SPAN = re.compile(r"(?=[0-9])(?:(?P<hours>[0-9]{1,6})h)? ?(?:(?P<minutes>[0-9]{1,6})m)?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
# As written in YAML for "nothing"; the loader hands over every scalar as its text.
_NULL_SPELLINGS = frozenset({"", "~", "null", "Null", "NULL"})
# What the contract calls the fields that people know by shorter names in the file.
_FILE_FIELD_NAMES = {
    "arrive_time": "arrive",
    "depart_time": "depart",
    "arrive_day_offset": "arrive_day",
    "depart_day_offset": "depart_day",
    "seat_count": "seats",
}

Value = TypeVar("Value")


class _TextLoader(yaml.BaseLoader):
    """Gives every scalar as the text that stands in the file.

    YAML's own types would turn 10:45 into the number 645, the coach 1 into an integer and the code NO into False.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping as usual, except that a key given twice is an error instead of a silent loss of the first."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"{key.value} is given twice", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def read_train_file(path: Path) -> train_pb2.Train:
    """The train in the file at `path`. Raises `UsageError` that names every field that cannot be read."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path}: larger than {FILE_BYTES_MAX:,} bytes; this is no timetable")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return parse_train(text, source=str(path))


def parse_train(text: str, source: str) -> train_pb2.Train:
    """The train in the YAML `text`; `source` names it in messages. Raises `UsageError` as `read_train_file` does."""
    try:
        document = yaml.load(text, Loader=_TextLoader)  # noqa: S506  a BaseLoader makes nothing but text, lists and mappings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise UsageError(f"{source}: {at}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{source}: not YAML: {printable(str(error))}") from error
    except RecursionError as error:
        raise UsageError(f"{source}: nested too deeply; this is no timetable") from error
    reading = _TimetableParser()
    train = reading.train(document)
    if reading.problems:
        problems = tuple(FieldProblem(f"{source}: {found.path}", found.description) for found in reading.problems)
        raise UsageError(f"{source}: {len(problems)} field(s) cannot be read", problems)
    return train


def request_id_for(train: train_pb2.Train) -> str:
    """A request_id that is the same for the same train and another for any other, so that a repeated creation is one."""
    content = json.dumps(json_format.MessageToDict(train), sort_keys=True)
    return "train-" + hashlib.sha256(content.encode()).hexdigest()[:40]


def file_path_of_field(contract_path: str) -> str:
    """The path in a timetable file for a field path of CreateTrain: "train.stops[2].arrive_time" is "stops[2].arrive"."""
    parts = contract_path.removeprefix("train.").split(".")
    return ".".join(_FILE_FIELD_NAMES.get(part, part) for part in parts)


class _TimetableParser:
    """One pass over a document that goes on after a problem, so that all of them are told at once."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def train(self, document: object) -> train_pb2.Train:
        known = ("train_id", "number", "stops", "sections", "coaches")
        optional = ("refund_tiers", "waitlist_closes_before", "waitlist_max", "hold_percent_max", "passengers_per_booker_max")
        top = self._mapping("train", document, known, optional)
        return train_pb2.Train(
            train_id=self._text("", top, "train_id"),
            number=self._text("", top, "number"),
            stops=self._list(top, "stops", self._stop),
            sections=self._list(top, "sections", self._section),
            coaches=self._list(top, "coaches", self._coach),
            refund_tiers=self._list(top, "refund_tiers", self._refund_tier, needed=False),
            waitlist_closes_before=self._span(top, "waitlist_closes_before"),
            waitlist_max=self._optional_number(top, "waitlist_max"),
            hold_percent_max=self._optional_number(top, "hold_percent_max"),
            passengers_per_booker_max=self._optional_number(top, "passengers_per_booker_max"),
        )

    def _optional_number(self, top: dict[str, object] | None, key: str) -> int | None:
        return self._whole_number("", top, key, needed=False) if self._states(top, key) else None

    def _stop(self, path: str, item: object) -> train_pb2.TrainStop:
        known = ("name", "code", "time_zone", "arrive", "depart", "arrive_day", "depart_day")
        stop = self._mapping(path, item, known)
        return train_pb2.TrainStop(
            name=self._text(path, stop, "name"),
            code=self._text(path, stop, "code", needed=False),
            time_zone=self._text(path, stop, "time_zone"),
            arrive_time=self._time_of_day(path, stop, "arrive"),
            arrive_day_offset=self._whole_number(path, stop, "arrive_day", needed=False),
            depart_time=self._time_of_day(path, stop, "depart"),
            depart_day_offset=self._whole_number(path, stop, "depart_day", needed=False),
        )

    def _section(self, path: str, item: object) -> train_pb2.Section:
        section = self._mapping(path, item, ("name", "fare"))
        return train_pb2.Section(name=self._text(path, section, "name"), fare=self._fare(path, section))

    def _coach(self, path: str, item: object) -> train_pb2.Coach:
        coach = self._mapping(path, item, ("name", "section", "seats"))
        return train_pb2.Coach(
            name=self._text(path, coach, "name"),
            section=self._text(path, coach, "section"),
            seat_count=self._whole_number(path, coach, "seats"),
        )

    def _refund_tier(self, path: str, item: object) -> train_pb2.RefundTier:
        tier = self._mapping(path, item, ("hours_before", "percent"))
        return train_pb2.RefundTier(
            hours_before=self._whole_number(path, tier, "hours_before"), percent=self._whole_number(path, tier, "percent")
        )

    def _problem(self, path: str, key: str, description: str) -> None:
        self.problems.append(FieldProblem(f"{path}.{key}" if path and key else path or key, description))

    def _mapping(
        self, path: str, item: object, known: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> dict[str, object] | None:
        """`item` where it is a mapping with known keys, some of them `optional`; None, after telling, where it is none."""
        if not isinstance(item, dict):
            self._problem(path, "", f"must be a mapping with {', '.join(known)}")
            return None
        for key in item:
            if key not in (*known, *optional):
                near = get_close_matches(str(key), (*known, *optional), n=1)
                told = f"did you mean {near[0]}?" if near else f"known are {', '.join((*known, *optional))}"
                self._problem("" if path == "train" else path, str(key), f"unknown key; {told}")
        return item

    def _states(self, item: dict[str, object] | None, key: str) -> bool:
        """Whether anything stands under `key`; zero does, and is another wish than nothing."""
        value = None if item is None else item.get(key, "")
        return value is not None and not (isinstance(value, str) and value.strip() in _NULL_SPELLINGS)

    def _list(
        self, top: dict[str, object] | None, key: str, read: Callable[[str, object], Value], needed: bool = True
    ) -> list[Value]:
        if top is None or not (needed or self._states(top, key)):
            return []
        items = top.get(key)
        if not isinstance(items, list) or not items:
            self._problem("", key, "must be a list with at least one entry" if key in top else "is missing")
            return []
        return [read(f"{key}[{index}]", item) for index, item in enumerate(items)]

    def _text(self, path: str, item: dict[str, object] | None, key: str, needed: bool = True) -> str:
        """The text under `key`; empty where there is none, which is told if it is `needed`."""
        if item is None:
            return ""
        value = item.get(key, "")
        if not isinstance(value, str):
            self._problem(path, key, "must be a single value, not a list or a mapping")
            return ""
        if value.strip() in _NULL_SPELLINGS:
            if needed:
                self._problem(path, key, "is missing")
            return ""
        if any("\ud800" <= character <= "\udfff" for character in value):
            self._problem(path, key, "holds half of a character pair (\\ud800 to \\udfff)")
            return ""
        return value.strip()

    def _time_of_day(self, path: str, item: dict[str, object] | None, key: str) -> str:
        text = self._text(path, item, key, needed=False)
        if not text:
            return ""
        read = _TIME_OF_DAY.fullmatch(text)
        if read is None:
            self._problem(path, key, f'"{text}" is no time of day; write it as 10:45')
            return ""
        return f"{int(read['hour']):02d}:{read['minute']}"

    def _whole_number(self, path: str, item: dict[str, object] | None, key: str, needed: bool = True) -> int:
        text = self._text(path, item, key, needed)
        if not text:
            return 0
        if not _WHOLE_NUMBER.fullmatch(text):
            self._problem(path, key, f'"{text}" is no whole number')
            return 0
        return int(text)

    def _span(self, item: dict[str, object] | None, key: str) -> Duration | None:
        """The span of time under `key`; None where there is none, which leaves it to the service."""
        text = self._text("", item, key, needed=False)
        read = _SPAN.fullmatch(text)
        if read is None:
            if text:
                self._problem("", key, f'"{text}" is no span of time; write it as 4h, 90m or 1h 30m')
            return None
        return Duration(seconds=3600 * int(read["hours"] or 0) + 60 * int(read["minutes"] or 0))

    def _fare(self, path: str, item: dict[str, object] | None) -> Money:
        text = self._text(path, item, "fare")
        read = _FARE.fullmatch(text)
        if read is None:
            if text:
                self._problem(path, "fare", f'"{text}" is no fare; write it as USD 20.00')
            return Money()
        nanos = int((read["decimals"] or "").ljust(len(str(NANOS_PER_UNIT)) - 1, "0"))
        return Money(currency_code=read["currency"], units=int(read["units"]), nanos=nanos)
