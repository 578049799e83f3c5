"""The table of rules: every command has one rule, and that rule takes the command and returns its result."""

import inspect
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, get_args, get_type_hints

import pytest

from app.domain import commands, rules
from app.domain.commands import Command, ReleaseHold, TrainRunCommand
from app.domain.people import Caller
from app.domain.rules.decisions import RULES
from tests.support.builders import (
    TRAIN_ID,
    TRAVEL_DATE,
    a_run,
    asks_for_seats,
    asks_to_hold,
    asks_to_promote,
    asks_to_release,
    hold,
)

RUN_ID = f"{TRAIN_ID}:{TRAVEL_DATE}"


MODULES = [commands, *(import_module(f"{rules.__name__}.{module.name}") for module in iter_modules(rules.__path__))]
COMMANDS = {
    command
    for module in MODULES
    for command in vars(module).values()
    if isinstance(command, type) and issubclass(command, Command) and command not in (Command, TrainRunCommand)
}


def result_type(command: type[Command[Any]]) -> Any:
    """The type that a command declares as its result."""
    (base,) = command.__orig_bases__  # type: ignore[attr-defined]  # what Generic notes of the bases
    (result,) = get_args(base)
    return result


def rule_hints(command: type[Command[Any]]) -> dict[str, Any]:
    """The types of the parameters and the result of a command's rule."""
    rule = RULES[command]
    wrapped = inspect.getclosurevars(rule).nonlocals.get("rule", rule)  # a rule without other runs is called by a lambda
    return get_type_hints(wrapped)


def test_every_command_has_a_rule() -> None:
    assert set(RULES) == COMMANDS


@pytest.mark.parametrize("command", list(RULES), ids=lambda command: command.__name__)
def test_the_rule_takes_its_command_and_returns_its_result(command: type[Command[Any]]) -> None:
    hints = rule_hints(command)
    assert hints["command"] is command
    assert hints["return"] == result_type(command)


def test_a_command_about_a_train_and_a_date_is_decided_by_that_run() -> None:
    run = a_run()
    held = hold(run)
    for command in (asks_for_seats(), asks_to_hold(), asks_to_promote(), asks_to_release(run, held)):
        assert command.run_id == RUN_ID


def test_a_hold_id_that_is_none_leads_to_no_run() -> None:
    assert ReleaseHold(Caller("jane@example.com"), "no hold").run_id == ""
