"""The generated parts of the documents are fresh, and a stale one is noticed."""

import subprocess
import sys
from enum import StrEnum

import pytest

from docs.generate import PARTS, pages, state_diagram, with_part
from tests.docs.markdown import ROOT


def test_the_generated_parts_are_those_of_the_code() -> None:
    stale = [path.name for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run `make docs`; these pages are stale: {', '.join(stale)}"


def test_the_command_finds_nothing_to_write() -> None:
    command = [sys.executable, "docs/generate.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_a_part_is_written_between_its_comments(part: tuple[str, str, object]) -> None:
    _, name, _ = part
    page = f"# Title\n\n<!-- {name} -->\nold\n<!-- /{name} -->\n\nAfter.\n"
    assert with_part(page, name, "new") == page.replace("old", "new")
    with pytest.raises(ValueError, match="substring not found"):
        with_part("# Title\n", name, "new")


def test_a_diagram_shows_where_a_thing_begins_and_ends() -> None:
    class Light(StrEnum):
        RED = "RED"
        GREEN = "GREEN"

    diagram = state_diagram({(None, Light.RED): "switched on", (Light.RED, Light.GREEN): "all clear"})
    assert diagram.splitlines()[2:-1] == ["    [*] --> RED: switched on", "    RED --> GREEN: all clear", "    GREEN --> [*]"]
