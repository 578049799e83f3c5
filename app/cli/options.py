"""Connection and output options of all commands that call the service: target, user, roles, timeout, JSON.

They may be given before the sub-command, after it, or in the environment. Belongs here: their declarations and precedence. Does
not belong here: their use (`app.cli.calls`, `app.cli.render.screen`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from app.cli.failures import UsageError

DEFAULT_TARGET = "127.0.0.1:50051"
DEFAULT_TIMEOUT_SECONDS = 10.0
# Longer than any call takes; a larger value is a mistake, such as milliseconds.
TIMEOUT_SECONDS_MAX = 3600.0

_PANEL = "Connection and output"

TargetOption = Annotated[
    str,
    typer.Option(
        "--target", envvar="SEATLINE_TARGET", metavar="HOST:PORT", rich_help_panel=_PANEL, help="Address of the service."
    ),
]
UserOption = Annotated[
    str,
    typer.Option(
        "--user", envvar="SEATLINE_USER", metavar="EMAIL", rich_help_panel=_PANEL, help="Your address; identifies you."
    ),
]
RoleOption = Annotated[
    str,
    typer.Option(
        "--role", envvar="SEATLINE_ROLES", metavar="ROLE,...", rich_help_panel=_PANEL, help="Your roles, such as operator."
    ),
]
TimeoutOption = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.001,
        max=TIMEOUT_SECONDS_MAX,
        metavar="SECONDS",
        rich_help_panel=_PANEL,
        help="Time limit of each call.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", rich_help_panel=_PANEL, help="Print one JSON document.")]

_SHARED_OPTIONS = (
    ("target", TargetOption, DEFAULT_TARGET),
    ("user", UserOption, ""),
    ("role", RoleOption, ""),
    ("timeout_seconds", TimeoutOption, DEFAULT_TIMEOUT_SECONDS),
    ("as_json", JsonOption, False),
)

Parameters = ParamSpec("Parameters")


@dataclass(frozen=True)
class CallerOptions:
    """Address of the service, user and roles of the caller, time limit of a call, and whether to print JSON."""

    target: str = DEFAULT_TARGET
    user: str = ""
    roles: tuple[str, ...] = ()
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    as_json: bool = False

    def as_operator(self, default_user: str) -> CallerOptions:
        """Return the same options with the role operator, and with `default_user` if no user is given."""
        roles = tuple(dict.fromkeys((*self.roles, "operator")))
        return replace(self, user=self.user or default_user, roles=roles)

    def as_passenger(self, user: str) -> CallerOptions:
        """Return the same options for `user` without roles."""
        return replace(self, user=user, roles=())


def caller_options(context: typer.Context) -> CallerOptions:
    """Return the options: those after the sub-command win over those before it, then the environment, then the defaults.

    Raises `UsageError` for a value that gRPC cannot transmit.
    """
    target, user = _option_value(context, "target").strip(), _option_value(context, "user").strip()
    roles = tuple(role.strip() for role in _option_value(context, "role").split(",") if role.strip())
    if not target or target.startswith(("http://", "https://")):
        raise UsageError(f"--target: {target!r} is not a host and port; write it like {DEFAULT_TARGET}")
    if not user.isprintable():
        raise UsageError("--user: only printable characters are allowed")
    if not (",".join(roles).isascii() and ",".join(roles).isprintable()):
        raise UsageError("--role: only printable ASCII characters are allowed")
    return CallerOptions(target, user, roles, _option_value(context, "timeout_seconds"), _option_value(context, "as_json"))


def _option_value(context: typer.Context, name: str) -> Any:
    """Return an option's value: typed values win over the environment and the default, later typed ones over earlier ones."""
    level: Any = context
    while level is not None:  # bounded by the depth of the command tree
        source = level.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            return level.params[name]
        level = level.parent
    return context.params[name]


def takes_caller_options(command: Callable[Concatenate[CallerOptions, Parameters], None]) -> Callable[..., None]:
    """Add the shared options to those of `command`, which receives them as its first argument.

    A parameter `context` of `command` receives typer's context.
    """
    parameters = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    own = [parameter for parameter in parameters if parameter.annotation is not typer.Context]

    @functools.wraps(command)
    def with_options(context: typer.Context, **given: Any) -> None:
        for name, _, _ in _SHARED_OPTIONS:
            given.pop(name)
        if len(own) < len(parameters):
            given["context"] = context
        command(caller_options(context), **given)  # type: ignore[call-arg]

    return _with_parameters(with_options, own)


def group_callback(doc: str) -> Callable[..., None]:
    """Return a callback for a group of commands that accepts the shared options. `doc` is the group's help."""

    def callback(context: typer.Context, **given: Any) -> None:
        """Do nothing: `caller_options` finds the values."""

    callback.__doc__ = doc
    return _with_parameters(callback, [])


def _with_parameters(function: Callable[..., None], own: list[inspect.Parameter]) -> Callable[..., None]:
    """Give `function` the signature that typer reads: context, its own parameters, shared options."""
    keyword = inspect.Parameter.KEYWORD_ONLY
    shared = [inspect.Parameter(name, keyword, default=default, annotation=kind) for name, kind, default in _SHARED_OPTIONS]
    own = [parameter.replace(kind=keyword) for parameter in own]
    context = inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    parameters = [context, *own, *shared]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # typer also reads the annotations; functools.wraps copied those of the undecorated function.
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__dict__.pop("__wrapped__", None)
    return function
