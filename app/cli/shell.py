"""Outermost frame of the command line: every foreseeable failure becomes a line (or JSON object) on stderr and an exit code.

Does not belong here: the text of the failures (`app.cli.failures`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from app.cli.failures import EXIT_INTERRUPTED, EXIT_REFUSED, EXIT_USAGE, CommandError, Failure, UsageError

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


class ErrorReportingGroup(TyperGroup):
    """Root command that reports failures in this program's format, also under typer's test runner."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command line `args` (default: the program's) and exit."""
        words = list(sys.argv[1:] if args is None else args)

        def run() -> Any:
            if any(not _is_valid_utf8(argument) for argument in words):
                raise UsageError("an argument is not valid UTF-8 text")
            return super(ErrorReportingGroup, self).main(words, prog_name, complete_var, False, windows_expand_args, **extra)

        sys.exit(exit_code_of(run, as_json="--json" in words))


def _is_valid_utf8(argument: str) -> bool:
    """Whether `argument` was valid UTF-8: Python decodes invalid bytes to lone surrogates."""
    return not any("\ud800" <= character <= "\udfff" for character in argument)


def exit_code_of(run: Callable[[], Any], as_json: bool) -> int:
    """Call `run`, report its failure if it fails, and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal's encoding lacks becomes "?" instead of an error.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = run()
        sys.stdout.flush()
    except CommandError as failed:
        return _print_failure(failed.failure, as_json)
    except typer.TyperException as error:
        return _print_usage_error(error, as_json)
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _exit_on_closed_pipe()
    return code if isinstance(code, int) else 0


def _print_failure(failure: Failure, as_json: bool) -> int:
    text = failure.json_text() if as_json else f"Error: {failure.line()}"
    coloured = not as_json and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    typer.echo(f"{_RED}{text}{_PLAIN}" if coloured else text, err=True)
    return failure.exit_code


def _print_usage_error(error: typer.TyperException, as_json: bool) -> int:
    """Report a command line that typer could not parse. A group without a command shows its help instead."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message())
        return EXIT_USAGE
    message = " ".join(error.format_message().split())
    advice = f"See '{context.command_path} --help'." if context is not None else ""
    _print_failure(Failure(code="USAGE", message=message, advice=advice), as_json)
    return EXIT_USAGE


def _exit_on_closed_pipe() -> int:
    """End silently after the reader of stdout has gone away, as `head` does; the interpreter must not report it either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_REFUSED
