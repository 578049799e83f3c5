"""Failures of commands: their text, as one line or one JSON object, and their exit codes.

Belongs here: the types of failures, their texts and exit codes. Does not belong here: reading a gRPC error
(`app.cli.call_failures`), and catching what ends a command (`app.cli.shell`).

Every foreseeable failure of a command is a `CommandError`:

    CommandError
    ├── UsageError     the command line, or a file that it names, is invalid
    └── CallError      the service refused, failed, or was not reached
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass, field
from typing import Any

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_TRY_AGAIN = 3
EXIT_SERVICE_FAULT = 4
EXIT_INTERRUPTED = 130  # as shells report a program that Ctrl-C ended

_TRY_AGAIN_CODES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
_SERVICE_FAULT_CODES = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNIMPLEMENTED"})
# A hostile or broken answer must not flood the terminal. A real refusal names only a few fields.
_FIELDS_SHOWN_MAX = 20
# Characters that change the text direction: in a name they would make a line read differently.
_DIRECTION_MARKS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """Return `text` on one line without control characters, so that a stored text cannot control the reader's terminal."""
    return "".join(" " if character.isspace() else "\ufffd" if _is_unsafe(character) else character for character in text)


def _is_unsafe(character: str) -> bool:
    return unicodedata.category(character) == "Cc" or character in _DIRECTION_MARKS


@dataclass(frozen=True)
class FieldProblem:
    """A field of a request or of a file, by path, and what is wrong with it."""

    path: str
    description: str


@dataclass(frozen=True)
class Failure:
    """Description of a failure: status code, reason, message, fields, time to wait before a retry, advice."""

    code: str
    message: str
    reason: str = ""
    fields: tuple[FieldProblem, ...] = ()
    retry_after_seconds: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    advice: str = ""
    was_sent: bool = True

    @property
    def is_outcome_unknown(self) -> bool:
        """Whether the call may have succeeded although it failed for the caller."""
        return self.was_sent and (self.code in _TRY_AGAIN_CODES or self.code in _SERVICE_FAULT_CODES)

    @property
    def exit_code(self) -> int:
        """1 refused, 2 usage, 3 retry later, 4 fault of the service."""
        if self.code == "USAGE":
            return EXIT_USAGE
        if self.code in _TRY_AGAIN_CODES or self.retry_after_seconds is not None:
            return EXIT_TRY_AGAIN
        return EXIT_SERVICE_FAULT if self.code in _SERVICE_FAULT_CODES else EXIT_REFUSED

    def line(self) -> str:
        """Return the failure as one line of text; each problem of a file or of the settings has a line of its own."""
        problems = [f"{problem.path}: {problem.description}" for problem in self.fields[:_FIELDS_SHOWN_MAX]]
        if self.code == "USAGE" and not self.advice:
            return "\n".join(printable(line) for line in problems or self.message.splitlines())
        text = printable("; ".join(problems) or self.message or self.code).rstrip(" .")
        if self.reason:
            text += f" ({printable(self.reason)})"
        if self.retry_after_seconds is not None:
            text += f"; try again in {self.retry_after_seconds:g} s"
        return f"{text}{'' if text.endswith('?') else '.'} {self.advice}" if self.advice else text

    def json_text(self) -> str:
        """Return the failure as one JSON object."""
        error: dict[str, Any] = {
            "code": self.code,
            "reason": self.reason,
            "message": self.message,
            "field_violations": [{"field": problem.path, "description": problem.description} for problem in self.fields],
            "retry_after_seconds": self.retry_after_seconds,
            "metadata": self.metadata,
        }
        if self.advice:
            error["advice"] = self.advice
        return json.dumps({"error": error}, ensure_ascii=False)


class CommandError(Exception):
    """Error that ends a command, with a text and an exit code."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class UsageError(CommandError):
    """The command line, or a file that it names, is invalid."""

    def __init__(self, message: str, fields: tuple[FieldProblem, ...] = ()) -> None:
        super().__init__(Failure(code="USAGE", message=message, fields=fields))


class CallError(CommandError):
    """The service refused, failed, or was not reached."""
