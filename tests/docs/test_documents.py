"""The documents: every link leads somewhere, every file, setting, metric and command that they name exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.config import ENVIRONMENT_PREFIX
from app.process.payment_providers import setting_fields
from app.telemetry.metrics.families import metric_names
from tests.docs.markdown import ROOT, anchors, links, name_of, pages, without_code

README_BYTES_MAX = 8_000
# Variables that are read beside the settings.
CLIENT_VARIABLES = {"SEATLINE_TARGET", "SEATLINE_USER", "SEATLINE_ROLES"}
TEST_VARIABLES = {"SEATLINE_TEST_LONG"}
_PATH = re.compile(r"(?<![\w/.-])(?:app|tests|deploy|proto|docs)/[\w./*-]*\w")
_EACH_PAGE = pytest.mark.parametrize("page", pages(), ids=name_of)


def broken_links(page: Path, text: str) -> list[str]:
    """Return the relative links of a page that lead nowhere."""
    broken = []
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        content = text if there == page else there.read_text(encoding="utf-8") if there.is_file() else ""
        if not there.exists() or (anchor and anchor not in anchors(content)):
            broken.append(link)
    return broken


def missing_paths(text: str) -> list[str]:
    """Return the paths of the project that a text names and that do not exist."""
    return [path for path in _PATH.findall(text) if not any(ROOT.glob(path))]


def unknown_variables(text: str) -> set[str]:
    """Return the environment variables that a text names and that nothing reads."""
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in setting_fields()}
    named = set(re.findall(rf"\b{ENVIRONMENT_PREFIX}[A-Z_]+[A-Z]\b", text))
    return named - known - CLIENT_VARIABLES - TEST_VARIABLES


@_EACH_PAGE
def test_every_link_leads_to_something_that_exists(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


@_EACH_PAGE
def test_every_file_that_is_named_exists(page: Path) -> None:
    assert missing_paths(page.read_text(encoding="utf-8")) == []


@_EACH_PAGE
def test_every_name_that_is_said_to_be_in_a_file_is_there(page: Path) -> None:
    placed = re.findall(r"`(\w+)` in \[?`([\w/-]+\.[a-z]+)`", page.read_text(encoding="utf-8"))
    assert [(name, path) for name, path in placed if name not in (ROOT / path).read_text(encoding="utf-8")] == []


@_EACH_PAGE
def test_every_variable_and_metric_that_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert unknown_variables(text) == set()
    metrics = set(re.findall(r"`((?:seatline|grpc_server)_[a-z_]+[a-z])`", text))
    assert metrics <= metric_names() | {name.removesuffix("_bucket") for name in metric_names()}


@_EACH_PAGE
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)) <= targets


@_EACH_PAGE
def test_every_page_begins_with_one_title(page: Path) -> None:
    text = without_code(page.read_text(encoding="utf-8"))
    assert text.startswith("# ")
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES_MAX


def test_the_index_of_the_documents_has_every_page() -> None:
    index = ROOT / "docs" / "README.md"
    named = set(links(index.read_text(encoding="utf-8")))
    assert {page.name for page in index.parent.glob("*.md")} - {"README.md"} <= named


# -- each check can fail


@pytest.mark.parametrize("link", ["no-such-page.md", "README.md#no-such-heading", "#no-such-heading", "docs/no/"])
def test_a_link_that_leads_nowhere_is_noticed(link: str) -> None:
    assert broken_links(ROOT / "README.md", f"# Title\n\n[a page]({link})\n") == [link]


@pytest.mark.parametrize("link", ["docs/README.md", "#a-title-with-code", "https://example.com/x", "docs/"])
def test_a_link_that_leads_somewhere_is_accepted(link: str) -> None:
    assert broken_links(ROOT / "README.md", f"# A title, with `code`\n\n[a page]({link})\n") == []


def test_a_file_that_does_not_exist_is_noticed() -> None:
    assert missing_paths("see `app/no_such_file.py` and app/domain/booking.py") == ["app/no_such_file.py"]


def test_a_variable_that_nothing_reads_is_noticed() -> None:
    assert unknown_variables("SEATLINE_LISTEN and SEATLINE_LISTENS") == {"SEATLINE_LISTENS"}
