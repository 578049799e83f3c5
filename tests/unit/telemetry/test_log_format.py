"""The format of log lines, and what is kept out of them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace

from app.telemetry.logs.format import configure_logging, line_formatter
from app.telemetry.tracing.context import parse_trace_parent

SECRET = "jane.doe@example.com"  # noqa: S105 - an address
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


def _line(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line_formatter(as_json=True).format(record))
    return found


def _record(event: str, *arguments: object, name: str = "app.test", error: BaseException | None = None) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    return logging.LogRecord(name, logging.ERROR, __file__, 1, event, arguments, exc_info)


def _raised() -> BaseException:
    class DatabaseError(Exception):
        code = 11_000

    try:
        try:
            raise DatabaseError(SECRET)
        except DatabaseError as error:
            raise ValueError(SECRET) from error
    except ValueError as error:
        return error


def test_a_line_is_a_json_object_with_time_level_logger_and_event() -> None:
    line = _line(_record("lane %s failed", "é1"))
    assert line["timestamp"].endswith("Z")
    del line["timestamp"]
    assert line == {"level": "error", "logger": "app.test", "event": "lane é1 failed"}


def test_a_line_has_the_ids_of_the_current_span() -> None:
    context = parse_trace_parent(f"00-{TRACE_ID}-00f067aa0ba902b7-00")
    with trace.use_span(trace.get_current_span(context)):
        line = _line(_record("refused"))
    assert (line["trace_id"], line["span_id"]) == (TRACE_ID, "00f067aa0ba902b7")
    assert "trace_id" not in _line(_record("refused"))


def test_an_exception_is_logged_with_types_codes_and_places_without_its_text() -> None:
    line = _line(_record("failed", error=_raised()))
    error, cause = line["exception"]
    assert error["type"] == "builtins.ValueError"
    assert cause["type"].endswith("DatabaseError")
    assert cause["code"] == 11_000
    assert error["frames"][0].endswith("in _raised")
    assert SECRET not in repr(line)


def test_an_exception_without_a_traceback_is_logged_with_its_type() -> None:
    assert _line(_record("failed", error=ValueError(SECRET)))["exception"] == [{"type": "builtins.ValueError", "frames": []}]


def test_only_the_first_line_of_a_librarys_message_is_logged() -> None:
    text = f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{SECRET}')>"
    assert _line(_record(text, name="asyncio"))["event"] == "Task exception was never retrieved"


def test_lines_on_a_terminal_have_colours() -> None:
    text = line_formatter(as_json=False, has_colours=True).format(_record("lane failed", error=_raised()))
    assert "\x1b[" in text
    assert "lane failed" in text
    assert "in _raised" in text
    assert SECRET not in text
    assert "\x1b[" not in line_formatter(as_json=False).format(_record("lane failed"))


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def _logging_as_it_was() -> Iterator[None]:
    root, app = logging.getLogger(), logging.getLogger("app")
    before = root.handlers[:], root.level, app.level
    yield
    root.handlers[:], root.level, app.level = before
    root.manager._clear_cache()  # type: ignore[attr-defined]  # the test has set levels without logging's cache
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging_as_it_was")
@pytest.mark.parametrize(
    ("log_format", "stream", "is_json"),
    [
        ("auto", io.StringIO(), True),
        ("auto", _Terminal(), False),
        ("json", _Terminal(), True),
        ("console", io.StringIO(), False),
    ],
)
def test_the_format_follows_the_setting_and_the_terminal(log_format: Any, stream: io.StringIO, is_json: bool) -> None:
    configure_logging("INFO", log_format, stream)
    logging.getLogger("app.test").info("serving")
    assert stream.getvalue().startswith("{") is is_json


@pytest.mark.usefixtures("_logging_as_it_was")
def test_structlog_and_logging_give_the_same_lines_and_libraries_log_warnings_only() -> None:
    stream = io.StringIO()
    configure_logging("DEBUG", "json", stream)
    structlog.get_logger("app.test").info("seats sold", count=3)
    logging.getLogger("app.test").info("seats sold", extra={"count": 3})
    logging.getLogger("pymongo.command").debug("insert %s", SECRET)
    logging.getLogger("httpx").info("POST %s", SECRET)
    one, other = (json.loads(line) for line in stream.getvalue().splitlines())
    assert {**one, "timestamp": ""} == {**other, "timestamp": ""}
    assert one["count"] == 3
