"""Parser of timetable files in YAML. It reports each problem with its path in the file.

Belongs here: the syntax of the file: keys, texts, whole numbers, times of day, durations, fares. Does not belong here: the
rules of a timetable, such as the number of stops; the service checks them, and its error paths are converted to paths in the
file.

    train_id: es9014
    number: ES 9014
    stops:                       # name, time_zone; optional: code, arrive, depart, arrive_day, depart_day
      - {name: London St Pancras, code: STP, time_zone: Europe/London, depart: "10:24"}
    sections:
      - {name: A, fare: USD 20.00}
    coaches:
      - {name: 1, section: A, seats: 56}
    refund_tiers:                # this and the following keys are optional
      - {hours_before: 24, percent: 100}
    waitlist_closes_before: 4h
    waitlist_max: 500
    hold_percent_max: 25
    passengers_per_booker_max: 9
    sales_window: {opens: 90d 09:00, closes: 30m}    # also of a section
    schedule_horizon_days: 60
    departure_reminder_minutes: 180
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
from app.cli.sales_window_syntax import set_closing, set_opening
from app.cli.times import parse_minutes
from app.pb.seatline.v1 import sales_window_pb2, train_pb2

# The largest allowed train takes about 15 KB; parsing YAML of this size takes one or two seconds.
FILE_BYTES_MAX = 100_000

_TIME_OF_DAY = re.compile(r"(?P<hour>[01]?[0-9]|2[0-3]):(?P<minute>[0-5][0-9])", re.ASCII)
# Twelve digits fit the int64 of Money; its nanos hold nine decimals.
_FARE = re.compile(r"(?P<currency>[A-Z]{3})\s+(?P<units>[0-9]{1,12})(?:\.(?P<decimals>[0-9]{1,9}))?", re.ASCII)
_WHOLE_NUMBER = re.compile(r"[0-9]{1,9}", re.ASCII)
# YAML's spellings of null; the loader returns every scalar as text.
_NULL_SPELLINGS = frozenset({"", "~", "null", "Null", "NULL"})
# Keys of a train that a file may leave out. They have the names of the fields of UpdateTrain.
OPTIONAL_KEYS = (
    "refund_tiers",
    "waitlist_closes_before",
    "waitlist_max",
    "hold_percent_max",
    "passengers_per_booker_max",
    "sales_window",
    "schedule_horizon_days",
    "departure_reminder_minutes",
)
# Contract fields that have shorter names in the file.
_FILE_FIELD_NAMES = {
    "arrive_time": "arrive",
    "depart_time": "depart",
    "arrive_day_offset": "arrive_day",
    "depart_day_offset": "depart_day",
    "seat_count": "seats",
    "open_time": "opens",
    "opens_before": "opens",
    "closes_before": "closes",
}

Value = TypeVar("Value")


class _TextLoader(yaml.BaseLoader):
    """YAML loader that returns every scalar as the text in the file.

    YAML's own types would turn 10:45 into the number 645, coach 1 into an integer and the code NO into False.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Construct a mapping; a duplicate key is an error instead of a silent loss of the first value."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(problem=f"{key.value} is a duplicate key", problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def read_train_file(path: Path) -> train_pb2.Train:
    """Read the train in the file at `path`. Raises `UsageError` that names every invalid field."""
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise UsageError(f"{path}: larger than {FILE_BYTES_MAX:,} bytes; not a timetable file")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text (byte {error.start})") from error
    return parse_train(text, source=str(path))


def parse_train(text: str, source: str) -> train_pb2.Train:
    """Parse the train in the YAML `text`; `source` names it in messages. Raises `UsageError` like `read_train_file`."""
    try:
        document = yaml.load(text, Loader=_TextLoader)  # noqa: S506  a BaseLoader constructs only text, lists and mappings
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "unknown position"
        raise UsageError(f"{source}: {at}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{source}: not YAML: {printable(str(error))}") from error
    except RecursionError as error:
        raise UsageError(f"{source}: nested too deeply; not a timetable file") from error
    parser = _TimetableParser()
    train = parser.train(document)
    if parser.problems:
        problems = tuple(FieldProblem(f"{source}: {found.path}", found.description) for found in parser.problems)
        raise UsageError(f"{source}: {len(problems)} invalid field(s)", problems)
    return train


def request_id_for(train: train_pb2.Train) -> str:
    """Derive the request_id from the train's content, so that creating the same train again creates no second one."""
    content = json.dumps(json_format.MessageToDict(train), sort_keys=True)
    return "train-" + hashlib.sha256(content.encode()).hexdigest()[:40]


def file_path_of_field(contract_path: str) -> str:
    """Convert a field path of CreateTrain to the path in the file: "train.stops[2].arrive_time" is "stops[2].arrive"."""
    path = contract_path.removeprefix("train.")
    # The file has both parts of this opening in one text.
    parts = re.sub(r"(?<=\.opens_before)\.\w+", "", path).split(".")
    return ".".join(_FILE_FIELD_NAMES.get(part, part) for part in parts)


class _TimetableParser:
    """Parser of one document. It continues after a problem, so that all problems are reported at once."""

    def __init__(self) -> None:
        self.problems: list[FieldProblem] = []

    def train(self, document: object) -> train_pb2.Train:
        known = ("train_id", "number", "stops", "sections", "coaches")
        top = self._mapping("train", document, known, OPTIONAL_KEYS)
        return train_pb2.Train(
            train_id=self._text("", top, "train_id"),
            number=self._text("", top, "number"),
            stops=self._list(top, "stops", self._stop),
            sections=self._list(top, "sections", self._section),
            coaches=self._list(top, "coaches", self._coach),
            refund_tiers=self._list(top, "refund_tiers", self._refund_tier, needed=False),
            waitlist_closes_before=self._duration(top, "waitlist_closes_before"),
            waitlist_max=self._optional_number(top, "waitlist_max"),
            hold_percent_max=self._optional_number(top, "hold_percent_max"),
            passengers_per_booker_max=self._optional_number(top, "passengers_per_booker_max"),
            sales_window=self._sales_window("", top),
            schedule_horizon_days=self._optional_number(top, "schedule_horizon_days"),
            departure_reminder_minutes=self._optional_number(top, "departure_reminder_minutes"),
        )

    def _optional_number(self, top: dict[str, object] | None, key: str) -> int | None:
        return self._whole_number("", top, key, needed=False) if self._has_value(top, key) else None

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
        section = self._mapping(path, item, ("name", "fare"), ("sales_window",))
        return train_pb2.Section(
            name=self._text(path, section, "name"),
            fare=self._fare(path, section),
            sales_window=self._sales_window(path, section),
        )

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
        """Return `item` if it is a mapping, otherwise record a problem and return None. Unknown keys are problems too."""
        if not isinstance(item, dict):
            self._problem(path, "", f"must be a mapping with {', '.join(known)}")
            return None
        for key in item:
            if key not in (*known, *optional):
                near = get_close_matches(str(key), (*known, *optional), n=1)
                hint = f"did you mean {near[0]}?" if near else f"known keys are {', '.join((*known, *optional))}"
                self._problem("" if path == "train" else path, str(key), f"unknown key; {hint}")
        return item

    def _has_value(self, item: dict[str, object] | None, key: str) -> bool:
        """Whether `key` has a value. Zero is a value, unlike null."""
        value = None if item is None else item.get(key, "")
        return value is not None and not (isinstance(value, str) and value.strip() in _NULL_SPELLINGS)

    def _list(
        self, top: dict[str, object] | None, key: str, parse: Callable[[str, object], Value], needed: bool = True
    ) -> list[Value]:
        if top is None or not (needed or self._has_value(top, key)):
            return []
        items = top.get(key)
        if not isinstance(items, list) or not items:
            self._problem("", key, "must be a list with at least one entry" if key in top else "is missing")
            return []
        return [parse(f"{key}[{index}]", item) for index, item in enumerate(items)]

    def _text(self, path: str, item: dict[str, object] | None, key: str, needed: bool = True) -> str:
        """Return the text under `key`, or an empty text. A missing text is a problem if `needed`."""
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
            self._problem(path, key, "contains half of a surrogate pair (\\ud800 to \\udfff)")
            return ""
        return value.strip()

    def _time_of_day(self, path: str, item: dict[str, object] | None, key: str) -> str:
        text = self._text(path, item, key, needed=False)
        if not text:
            return ""
        match = _TIME_OF_DAY.fullmatch(text)
        if match is None:
            self._problem(path, key, f'"{text}" is not a time of day; write it like 10:45')
            return ""
        return f"{int(match['hour']):02d}:{match['minute']}"

    def _whole_number(self, path: str, item: dict[str, object] | None, key: str, needed: bool = True) -> int:
        text = self._text(path, item, key, needed)
        if not text:
            return 0
        if not _WHOLE_NUMBER.fullmatch(text):
            self._problem(path, key, f'"{text}" is not a whole number')
            return 0
        return int(text)

    def _duration(self, item: dict[str, object] | None, key: str) -> Duration | None:
        """Return the duration under `key`, or None, which means the service's default."""
        text = self._text("", item, key, needed=False)
        try:
            return Duration(seconds=60 * parse_minutes(text)) if text else None
        except ValueError as error:
            self._problem("", key, str(error))
            return None

    def _sales_window(self, path: str, item: dict[str, object] | None) -> sales_window_pb2.SalesWindow | None:
        """Return the sales window of a train or section, or None without the key. An empty mapping is always open."""
        if not self._has_value(item, "sales_window"):
            return None
        path = f"{path}.sales_window".removeprefix(".")
        written = self._mapping(path, (item or {})["sales_window"], ("opens", "closes"))
        window = sales_window_pb2.SalesWindow(closes_before=Duration())  # as the service answers it, for comparisons
        for key, set_it in (("opens", set_opening), ("closes", set_closing)):
            text = self._text(path, written, key, needed=False)
            try:
                if text:
                    set_it(window, text)
            except ValueError as error:
                self._problem(path, key, str(error))
        return window

    def _fare(self, path: str, item: dict[str, object] | None) -> Money:
        text = self._text(path, item, "fare")
        match = _FARE.fullmatch(text)
        if match is None:
            if text:
                self._problem(path, "fare", f'"{text}" is not a fare; write it like USD 20.00')
            return Money()
        nanos = int((match["decimals"] or "").ljust(len(str(NANOS_PER_UNIT)) - 1, "0"))
        return Money(currency_code=match["currency"], units=int(match["units"]), nanos=nanos)
