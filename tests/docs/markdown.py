"""The project's Markdown pages, and what stands in them.

Belongs here: the pages, their links, their anchors, and their text without code. Does not belong here: rules for them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_NOT_OURS = {"build", "node_modules"}
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


def pages() -> list[Path]:
    """Return every Markdown page of the project."""
    return sorted(
        path
        for path in ROOT.rglob("*.md")
        if not any(part.startswith(".") or part in _NOT_OURS for part in path.relative_to(ROOT).parts)
    )


def name_of(page: Path) -> str:
    """Return a page's path within the project."""
    return page.relative_to(ROOT).as_posix()


def without_code(text: str) -> str:
    """Return the text without its fenced blocks."""
    return _FENCE.sub("", text)


def links(text: str) -> Iterator[str]:
    """Yield the target of each link and image."""
    for match in _LINK.finditer(without_code(text)):
        yield match[1]


def anchors(text: str) -> set[str]:
    """Return the anchors of all headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in _HEADING.findall(without_code(text)):
        words = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()).replace(" ", "-")
        anchor, repeated = words, 0
        while anchor in found:
            repeated += 1
            anchor = f"{words}-{repeated}"
        found.add(anchor)
    return found
