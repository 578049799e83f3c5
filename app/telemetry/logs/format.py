"""Log lines: JSON for machines, colours for a terminal.

Belongs here: the form of a line, and what is kept out of it. Does not: what is told (whoever tells it), nor calls
(`calls.py`).

The application logs with `logging`, as its libraries do; structlog gives all lines one form, with the trace they are part of.
No line may hold what people sent. So the text of an exception, which may quote it, is left out: the line has its type, the code
of a database error, and the places in our code. Of what a library says there is the first line, since the rest prints objects.
Libraries also never log below WARNING: at DEBUG the database's driver would print whole statements.
"""

import logging
import sys
from collections.abc import Sequence
from typing import Any, Literal, TextIO

import structlog
from opentelemetry import trace
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor

LogFormat = Literal["auto", "json", "console"]

_FRAMES_MAX = 20
_EXCEPTIONS_MAX = 5  # of a chain
# They warn of whatever traceparent a stranger makes up, and of a malformed header for the collector, and quote them.
_LOGGERS_THAT_QUOTE_INPUT = ("opentelemetry.trace", "opentelemetry.util")

_stacks_of = ExceptionDictTransformer(show_locals=False, max_frames=_FRAMES_MAX)


def configure_logging(level: str, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Has everything that this process logs written to `stream`, stderr unless it is given."""
    stream = stream or sys.stderr
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(line_formatter(as_json=as_json, has_colours=stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("app").setLevel(level)
    for name in _LOGGERS_THAT_QUOTE_INPUT:
        logging.getLogger(name).setLevel(logging.ERROR)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *_processors(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def line_formatter(*, as_json: bool, has_colours: bool = False) -> logging.Formatter:
    """The form of lines, for any handler."""
    form: list[Processor] = [exception_as_text, structlog.dev.ConsoleRenderer(colors=has_colours)]
    if as_json:
        form = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *form], foreign_pre_chain=_processors()
    )


def _processors() -> list[Processor]:
    """What every line goes through, whoever tells it."""
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_trace,
        shorten_foreign,
        describe_exception,
    ]


def add_trace(_: object, __: str, line: EventDict) -> EventDict:
    """Adds the ids of the span that the line was written in, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
        line["span_id"] = trace.format_span_id(context.span_id)
    return line


def shorten_foreign(_: object, __: str, line: EventDict) -> EventDict:
    """Leaves of what libraries say the first line."""
    if str(line.get("logger", "")).partition(".")[0] != "app":
        line["event"] = str(line["event"]).partition("\n")[0]
    return line


def describe_exception(_: object, __: str, line: EventDict) -> EventDict:
    """Puts the types and places of an exception in its place."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if error and error[0] is not None:
        line["exception"] = describe_error(error[1])
    return line


def describe_error(error: BaseException) -> list[dict[str, Any]]:
    """An exception and those that it came from, the last one first: type, code where it is a number, and places."""
    chain = [error]
    while len(chain) < _EXCEPTIONS_MAX:
        last = chain[-1]
        earlier = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if earlier is None:
            break
        chain.append(earlier)
    return [_describe_single_error(one) for one in chain]


def _describe_single_error(error: BaseException) -> dict[str, Any]:
    (stack, *_) = _stacks_of((type(error), error, error.__traceback__))
    told: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    code = getattr(error, "code", None)
    if isinstance(code, int):
        told["code"] = code
    told["frames"] = [f"{one['filename']}:{one['lineno']} in {one['name']}" for one in stack["frames"]]
    return told


def exception_as_text(_: object, __: str, line: EventDict) -> EventDict:
    """For people: a described exception in lines."""
    if "exception" in line:
        line["exception"] = "\n".join(_lines_of(line["exception"]))
    return line


def _lines_of(exceptions: Sequence[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for one in exceptions:
        code = f" (code {one['code']})" if "code" in one else ""
        lines += [f"{'because of ' if lines else ''}{one['type']}{code}", *(f"    {place}" for place in one["frames"])]
    return lines
