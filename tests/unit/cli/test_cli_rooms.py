"""The room `app/cli/render` makes no calls and reads no options: it turns messages into text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from app.cli import render

FORBIDDEN = {"grpc", "app.cli.answers", "app.cli.calls", "app.cli.options", "app.cli.station_clocks"}


def imported(source: str) -> set[str]:
    """List the modules that a source imports, also inside functions."""
    nodes = list(ast.walk(ast.parse(source)))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("module", sorted(Path(render.__path__[0]).glob("*.py")), ids=lambda path: path.stem)
def test_a_module_of_render_makes_no_calls(module: Path) -> None:
    assert not imported(module.read_text(encoding="utf-8")) & FORBIDDEN


def test_a_call_in_render_would_be_found() -> None:
    assert imported("def page():\n    from app.cli.calls import Calls\n") & FORBIDDEN
