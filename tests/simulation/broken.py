"""Replace a part of the service by a faulty one, and prove that the histories came to it.

Belongs here: the replacement of functions, rules, attributes and constants, each with its proof. Does not belong here: which
parts are broken (`breakages.py`, `layout_breakages.py`, `disruption_breakages.py`).

A function that is replaced in its own module stays whole in the modules that imported it before, and rules are refactored: what
nobody calls any more breaks nothing. So each replacement fails at its end where nothing has called it. It fails too where it
was called with arguments that it does not take: such an error breaks the service, and not the rule.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from app.domain.rules import decisions


class _Faulty:
    """Count the calls of a faulty function. `misfit` is the error of a call with arguments that it does not take."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.calls = 0
        self.misfit = ""
        self._function = function

    def function(self) -> Callable[..., Any]:
        """Return the function that is called instead. It is a plain one, so that a class binds it as a method."""

        def call(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            try:
                return self._function(*arguments, **options)
            except TypeError as error:
                if error.__traceback__ is not None and error.__traceback__.tb_next is None:  # the call itself failed
                    self.misfit = str(error)
                raise

        return call


def broken(owner: object, name: str, faulty: Callable[..., Any]) -> AbstractContextManager[None]:
    """Replace a function of a module, or a method of a class. Fails at the end where nothing has called it."""
    return broken_in((owner,), name, faulty)


@contextmanager
def broken_in(owners: Iterable[object], name: str, faulty: Callable[..., Any]) -> Iterator[None]:
    """Replace a function in each of these modules. Fails at the end where none of them has called it."""
    counted = _Faulty(faulty)
    with ExitStack() as changes:
        for owner in owners:
            changes.enter_context(patch.object(owner, name, counted.function()))
        yield
    _require_fit(counted, name)


@contextmanager
def broken_rule(command: type, faulty: Callable[..., Any]) -> Iterator[None]:
    """Replace the rule of a kind of command. Fails at the end where it has decided nothing."""
    counted = _Faulty(faulty)
    with patch.dict(decisions.RULES, {command: counted.function()}):
        yield
    _require_fit(counted, f"the rule of {command.__name__}")


@contextmanager
def broken_attribute(owner: type, name: str, value: object) -> Iterator[None]:
    """Replace a constant attribute of a class. Fails at the end where nothing has read it of an instance."""
    counted = _Faulty(lambda instance: value)
    with patch.object(owner, name, property(counted.function())):
        yield
    _require_fit(counted, name)


@contextmanager
def broken_constant(owner: ModuleType, name: str, value: int, *, whole_in: Iterable[str] = ()) -> Iterator[None]:
    """Replace a constant of a module. Fails where another module has imported it by name, but for those `whole_in`."""
    importers = {other for other, module in sys.modules.items() if other.startswith("app.") and name in vars(module)}
    others = importers - {owner.__name__, *whole_in}
    assert not others, f"{name} is replaced in {owner.__name__}, and stays as it is in {', '.join(sorted(others))}"
    with patch.object(owner, name, value):
        yield


def _require_fit(faulty: _Faulty, name: str) -> None:
    assert faulty.calls, f"nothing has called what replaces {name}: this breaks nothing; replace what the service calls now"
    assert not faulty.misfit, f"what replaces {name} is called with other arguments: {faulty.misfit}"
