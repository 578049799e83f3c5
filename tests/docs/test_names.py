"""The names in the glossary and in the recipes are in the code, in stored documents or in the contract."""

import re
from collections import Counter
from functools import cache

import pytest

from tests.docs.markdown import ROOT, without_code


def rows() -> list[list[str]]:
    """Return the cells of each row of the glossary's tables."""
    lines = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] != "word"]


@cache
def source(*folders: str) -> str:
    """Return all text of these folders."""
    return "\n".join(
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".proto") and "pb" not in path.relative_to(ROOT).parts
    )


def begins_a_word(name: str, text: str) -> bool:
    r"""Return whether `\bname` is in the text. To find the name first takes a hundredth of a search for the boundary."""
    begins, at = re.compile(rf"\b{re.escape(name)}"), text.find(name)
    while at >= 0 and not begins.match(text, at):
        at = text.find(name, at + 1)
    return at >= 0


def unknown_names(cell: str, *folders: str) -> list[str]:
    """Return the names in a cell that are neither a word in these folders nor a file."""
    named: list[str] = re.findall(r"`([^`]+)`", cell)
    return [
        name
        for name in named
        if not (begins_a_word(name.rstrip("*"), source(*folders)) or ("/" in name and any(ROOT.glob(name))))
    ]


def test_every_name_in_code_is_in_the_code() -> None:
    assert [name for row in rows() for name in unknown_names(row[2], "app")] == []


def test_every_stored_name_is_in_the_store_or_the_contract() -> None:
    stored = [name for row in rows() for name in unknown_names(row[3], "app", "proto")]
    assert [name for name in stored if "<" not in name and not name.startswith("SEATLINE_")] == []


def test_every_word_stands_once_with_a_meaning() -> None:
    assert [len(row) for row in rows()] == [4] * len(rows())
    assert all(row[1] for row in rows())
    words = Counter(word for row in rows() for word in row[0].split(", "))
    assert [word for word, count in words.items() if count > 1] == []


@pytest.mark.parametrize("page", ["extending.md", "architecture.md", "states.md"])
def test_every_name_in_the_other_pages_is_somewhere(page: str) -> None:
    text = without_code((ROOT / "docs" / page).read_text(encoding="utf-8"))
    names = re.findall(r"`([A-Za-z]*[A-Z_]\w*)`", text)
    assert [name for name in names if unknown_names(f"`{name}`", "app", "proto", "tests")] == []


def test_a_name_that_is_nowhere_is_noticed() -> None:
    assert unknown_names("`Booking`, `NoSuchName`", "app") == ["NoSuchName"]


@pytest.mark.parametrize(("text", "begins"), [("a king", True), ("kings", True), ("booking", False), ("booking king", True)])
def test_a_name_is_known_where_it_begins_a_word(text: str, begins: bool) -> None:
    assert begins_a_word("king", text) == begins
