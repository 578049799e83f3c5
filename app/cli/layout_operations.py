"""Layout operations as typed on the command line: options in the order given, and messages of the contract.

Belongs here: the options, their syntax, and the words of errors about them. Does not belong here: whether a coach, section or
seat exists, which the service decides; the calls (`app.cli.layouts`). The contract's messages are imported inside functions, so
that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside functions, for the reason above
from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, NamedTuple, ParamSpec

import typer

from app.cli.failures import FieldProblem, UsageError
from app.cli.option_order import in_typed_order
from app.cli.options import CallerOptions

if TYPE_CHECKING:
    from app.pb.seatline.v1 import layout_pb2

Parameters = ParamSpec("Parameters")

# The most seats that a run has, so that a mistyped range does not become a request of millions.
SEAT_NUMBERS_MAX = 5_000
_PANEL = "Operations, made together and in the order given"
_NANOS_DIGITS = 9
_NAME = r"[A-Za-z0-9]{1,8}"
# Nine digits fit the contract's int32; a longer number is a mistake.
_COUNT = r"[0-9]{1,9}"
# Twelve digits fit the int64 of Money; its nanos hold nine decimals.
_FARE = r"(?P<fare>(?:[A-Za-z]{3}\s*)?[0-9]{1,12}(?:\.[0-9]{1,9})?)"
_SEATS = rf"(?P<seat_numbers>{_COUNT}(?:-{_COUNT})?(?:\s*,\s*{_COUNT}(?:-{_COUNT})?)*)"
_FIELD_PATH = re.compile(r"operations\[(?P<index>[0-9]{1,4})\](?P<rest>.*)", re.ASCII)


class OperationOption(NamedTuple):
    """An option that adds operations of one kind.

    `field` is the field of LayoutOperation. The groups of `pattern` are the fields of that message. `form` and `example` are
    what errors show.
    """

    flag: str
    field: str
    form: str
    example: str
    help: str
    pattern: str


OPERATION_OPTIONS = (
    OperationOption(
        "--add-section",
        "add_section",
        "NAME=FARE",
        "C=35.00",
        "Add a section without coaches. The fare is in the currency of the train.",
        rf"(?P<name>{_NAME})\s*=\s*{_FARE}",
    ),
    OperationOption(
        "--remove-section",
        "remove_section",
        "NAME",
        "B",
        "Remove a section with its coaches and seats.",
        rf"(?P<name>{_NAME})",
    ),
    OperationOption(
        "--fare",
        "set_fare",
        "SECTION=FARE",
        "A=25.00",
        "Set the fare of a section for later sales.",
        rf"(?P<section>{_NAME})\s*=\s*{_FARE}",
    ),
    OperationOption(
        "--add-coach",
        "add_coach",
        "NAME:SECTION:SEATS",
        "9:A:60",
        "Add a coach behind all others.",
        rf"(?P<name>{_NAME}):(?P<section>{_NAME}):(?P<seat_count>{_COUNT})",
    ),
    OperationOption("--remove-coach", "remove_coach", "NAME", "3", "Remove a coach with its seats.", rf"(?P<name>{_NAME})"),
    OperationOption(
        "--seat-count",
        "set_seat_count",
        "COACH=SEATS",
        "2=48",
        "Add or remove seats of a coach until it has so many. Removes empty seats first.",
        rf"(?P<coach>{_NAME})\s*=\s*(?P<seat_count>{_COUNT})",
    ),
    OperationOption(
        "--remove-seats",
        "remove_seats",
        "SECTION:NUMBERS",
        "A:17,18,21-24",
        "Remove seats by number. Only for a run.",
        rf"(?P<section>{_NAME}):\s*{_SEATS}",
    ),
)
# Nobody types a flag that typer does not know, so this is a total mapping.
_OPTIONS_BY_PARAMETER = {option.flag.removeprefix("--").replace("-", "_"): option for option in OPERATION_OPTIONS}


class TypedOperation(NamedTuple):
    """One operation as typed: its option, its text, and the parts of the text by field of the contract."""

    option: OperationOption
    text: str
    parts: dict[str, str]

    @property
    def typed(self) -> str:
        """Return it as typed, such as "--add-coach 9:A:60"."""
        return f"{self.option.flag} {self.text}"

    @property
    def needs_currency(self) -> bool:
        """Whether it has a fare without a currency."""
        return self.parts.get("fare", "A")[0].isdecimal()

    def message(self, currency: str) -> layout_pb2.LayoutOperation:
        """Return it as a message. A fare without a currency is in `currency`."""
        from app.pb.seatline.v1 import layout_pb2

        values: dict[str, Any] = {field: _value(field, text, currency) for field, text in self.parts.items()}
        operation: dict[str, Any] = {self.option.field: values}
        return layout_pb2.LayoutOperation(**operation)


def parse_operation(option: OperationOption, text: str) -> TypedOperation:
    """Parse one value of an option. Raises `UsageError` that names the form."""
    match = re.fullmatch(option.pattern, text.strip(), re.ASCII)
    if match is None:
        raise UsageError(f"{option.flag}: cannot parse {text!r}; write {option.form}, such as {option.flag} {option.example}")
    if "seat_numbers" in match.groupdict():
        _seat_numbers(match["seat_numbers"])
    return TypedOperation(option, text.strip(), match.groupdict())


def _value(field: str, text: str, currency: str) -> Any:
    """Return the value of one field of an operation: a count, seat numbers, a fare, or a name."""
    if field == "seat_count":
        return int(text)
    if field == "seat_numbers":
        return _seat_numbers(text)
    if field == "fare":
        letters = text if text[0].isalpha() else currency + text
        units, _, decimals = letters[3:].strip().partition(".")
        return {"currency_code": letters[:3].upper(), "units": int(units), "nanos": int(decimals.ljust(_NANOS_DIGITS, "0"))}
    return text.upper()


def _seat_numbers(text: str) -> list[int]:
    """Return the numbers in a text such as "17,18,21-24". Raises `UsageError` for a range that runs backwards or too far."""
    numbers: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        span = range(int(first), int(last or first) + 1)
        if not span:
            raise UsageError(f"--remove-seats: {part.strip()} runs backwards; write {last}-{first}")
        if len(numbers) + len(span) > SEAT_NUMBERS_MAX:
            raise UsageError(f"--remove-seats: more than {SEAT_NUMBERS_MAX:,} seats")
        numbers.extend(span)
    return numbers


def naming_operations(problems: Sequence[FieldProblem], operations: Sequence[TypedOperation]) -> tuple[FieldProblem, ...]:
    """Replace paths such as "operations[1].remove_coach.name" by the operation as typed."""
    named: list[FieldProblem] = []
    for problem in problems:
        match = _FIELD_PATH.fullmatch(problem.path)
        is_typed = match is not None and int(match["index"]) < len(operations)
        path = operations[int(match["index"])].typed if match is not None and is_typed else problem.path
        named.append(FieldProblem(path, problem.description))
    return tuple(named)


def takes_operations(
    command: Callable[Concatenate[CallerOptions, list[TypedOperation], Parameters], None],
) -> Callable[..., None]:
    """Add the options of operations to those of `command`, which receives the operations as its second argument.

    The command has to be an `OrderedOptionsCommand`. A command line without an operation is a `UsageError`.
    """
    own = list(inspect.signature(command, eval_str=True).parameters.values())[2:]

    @functools.wraps(command)
    def with_operations(options: CallerOptions, context: typer.Context, **given: Any) -> None:
        texts = {name: list(given.pop(name) or ()) for name in _OPTIONS_BY_PARAMETER}
        typed = in_typed_order(context, texts)
        if not typed:
            flags = ", ".join(option.flag for option in OPERATION_OPTIONS)
            raise UsageError(f"nothing to change: give at least one of {flags}")
        operations = [parse_operation(_OPTIONS_BY_PARAMETER[name], text) for name, text in typed]
        command(options, operations, **given)  # type: ignore[call-arg]

    keyword = inspect.Parameter.KEYWORD_ONLY
    added = [
        inspect.Parameter(name, keyword, default=None, annotation=_annotation(option))
        for name, option in _OPTIONS_BY_PARAMETER.items()
    ]
    lead = [
        inspect.Parameter("options", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=CallerOptions),
        inspect.Parameter("context", keyword, annotation=typer.Context),
    ]
    parameters = [*lead, *(parameter.replace(kind=keyword) for parameter in own), *added]
    with_operations.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_operations.__dict__.pop("__wrapped__", None)
    return with_operations


def _annotation(option: OperationOption) -> Any:
    # The help has no example: rich would print the ":A:" of a coach as an emoji.
    declaration = typer.Option(option.flag, metavar=option.form, rich_help_panel=_PANEL, help=option.help)
    return Annotated[list[str] | None, declaration]
