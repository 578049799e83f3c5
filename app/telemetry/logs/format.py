"""The format of log lines: JSON for machines, colours for a terminal.

Belongs here: the format, and what is kept out of lines. Does not belong here: what is logged, nor lines about calls
(`calls.py`).

The application logs with `logging`, as its libraries do; structlog gives all lines one format, with the ids of their trace. No
line may contain what people sent. So the text of an exception, which may quote it, is left out: the line has its type, the code
of a database error, and the places in our code. Of a library's message only the first line is logged, since the rest prints
objects. Libraries never log below WARNING: at DEBUG the database driver would print whole statements.
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
# They warn of malformed trace headers, and quote them.
_LOGGERS_THAT_QUOTE_INPUT = ("opentelemetry.trace", "opentelemetry.util")

_stacks_of = ExceptionDictTransformer(show_locals=False, max_frames=_FRAMES_MAX)


def configure_logging(level: str, log_format: LogFormat, stream: TextIO | None = None) -> None:
    """Write everything that this process logs to `stream`, by default stderr."""
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
    """Return the formatter of lines, for any handler."""
    form: list[Processor] = [exception_as_text, structlog.dev.ConsoleRenderer(colors=has_colours)]
    if as_json:
        form = [structlog.processors.JSONRenderer(ensure_ascii=False)]
    return structlog.stdlib.ProcessorFormatter(
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *form], foreign_pre_chain=_processors()
    )


def _processors() -> list[Processor]:
    """Return the processors of every line, from the application and its libraries."""
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
    """Add the ids of the current span, if there is one."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        line["trace_id"] = trace.format_trace_id(context.trace_id)
        line["span_id"] = trace.format_span_id(context.span_id)
    return line


def shorten_foreign(_: object, __: str, line: EventDict) -> EventDict:
    """Reduce the message of a library to its first line."""
    if str(line.get("logger", "")).partition(".")[0] != "app":
        line["event"] = str(line["event"]).partition("\n")[0]
    return line


def describe_exception(_: object, __: str, line: EventDict) -> EventDict:
    """Replace an exception by its types and places."""
    error = line.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()
    if isinstance(error, BaseException):
        error = (type(error), error, error.__traceback__)
    if error and error[0] is not None:
        line["exception"] = describe_error(error[1])
    return line


def describe_error(error: BaseException) -> list[dict[str, Any]]:
    """Describe an exception and its causes, the exception first: type, code if it is a number, and places."""
    chain = [error]
    while len(chain) < _EXCEPTIONS_MAX:
        last = chain[-1]
        earlier = last.__cause__ or (None if last.__suppress_context__ else last.__context__)
        if earlier is None:
            break
        chain.append(earlier)
    return [_describe_single_error(cause) for cause in chain]


def _describe_single_error(error: BaseException) -> dict[str, Any]:
    (stack, *_) = _stacks_of((type(error), error, error.__traceback__))
    described: dict[str, Any] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    code = getattr(error, "code", None)
    if isinstance(code, int):
        described["code"] = code
    described["frames"] = [f"{frame['filename']}:{frame['lineno']} in {frame['name']}" for frame in stack["frames"]]
    return described


def exception_as_text(_: object, __: str, line: EventDict) -> EventDict:
    """Turn a described exception into lines of text, for people."""
    if "exception" in line:
        line["exception"] = "\n".join(_lines_of(line["exception"]))
    return line


def _lines_of(exceptions: Sequence[dict[str, Any]]) -> list[str]:
    lines: list[str] = []
    for exception in exceptions:
        code = f" (code {exception['code']})" if "code" in exception else ""
        lines += [
            f"{'because of ' if lines else ''}{exception['type']}{code}",
            *(f"    {place}" for place in exception["frames"]),
        ]
    return lines
