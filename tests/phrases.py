"""Phrases that are not accepted in code, tests and documents, each with its reason.

Belongs here: words of our own for things that have a name in the trade, and sentences that have to be read twice. Does not
belong here: grammar, spelling, taste. CONTRIBUTING.md has the rules for sentences.

    python -m tests.phrases [FILE ...]    list what is wrong in these files, or in all; exit with 1 if there is anything
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("app", "tests", "deploy", "proto", "docs")
PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "Dockerfile", "pyproject.toml")
SUFFIXES = frozenset({".py", ".md", ".proto", ".yaml", ".tpl", ".txt", ".json", ".js"})
# Generated from the contract, taken from Google, or the list itself and its test.
NOT_READ = ("app/pb/", "proto/google/", "tests/phrases.py", "tests/test_phrases.py")


class Phrase(NamedTuple):
    """What is not accepted (`pattern`), what to write (`instead`), and why."""

    pattern: str
    instead: str
    reason: str


PHRASES = (
    Phrase(r"(?<![a-z])at.hand\b", "loaded, in memory, given", "does not say where a thing is"),
    Phrase(r"\bat rest\b|\brests\b|\brest on\b|at_rest\b", "stored, archived; is based on", "a booking is stored or archived"),
    Phrase(r"\b(?:comes?|came) to nothing\b", "fails, is cancelled", "does not say what happens"),
    Phrase(r"\b(?:is|are|was|were|be) told\b(?! apart)", "gets, receives, is refused with", "hides who sends what"),
    Phrase(r"(?<![a-z])rival", "other server, contention", "servers are not enemies"),
    Phrase(r"(?<![a-z])tidy|(?<![a-z])tidie[sd]", "expire_due, periodic task", "does not say what is done"),
    Phrase(r"(?<![a-z])elsewhere", "the place itself: another run, another server", "does not say where"),
    Phrase(r"^\W*Has (?:exactly|a|the)\b", "an imperative: Set, Add, Remove", "an inversion hides who acts"),
    Phrase(r"(?-i:\bWhat is not\b)", "the thing itself as the subject", "a riddle of negations"),
    Phrase(r"\bThe other way\.", "Decode ... from a document", "says nothing without the function above"),
    Phrase(r"\b_tell\b", "emit, observe, report, log, print", "seven functions had this name"),
    Phrase(r"\bfor one in\b|\blambda one\b", "the noun: booking, document, reference", "says nothing of the item"),
    Phrase(r"\bset aside\b|\bsets aside\b", "authorize; quarantine", "the card trade says authorize"),
    Phrase(r"\blets? go of\b|\blet.go\b", "void; evict; leave", "the card trade says void"),
    Phrase(r"(?<![a-z])census", "snapshot, audit", "nobody counts people here"),
    Phrase(r"\bwho waits?\b", "a waitlisted booking", "bookings are on the waitlist"),
    Phrase(r"(?:join|leave|change)_line\b|\bplace in the line\b", "waitlist entry", "a line is also a line of text"),
    Phrase(r"(?<![a-z])hopeless", "permanent (an error that no retry mends)", "the trade says permanent"),
    Phrase(r"\b(?:becomes?|became) of\b", "the result, how it ended", "does not say what happens"),
    Phrase(r"\bnobody looks\b|\blooks? on at\b", "no observer; observe", "observers have a name"),
)
# Ids of stored jobs, which stay.
STORED_NAMES = re.compile(r"tidy runs|let go of payments")
# Searched in a whole text first: most texts have none of them, and need not be searched line by line.
_COMPILED = tuple((phrase, re.compile(phrase.pattern, re.IGNORECASE | re.MULTILINE)) for phrase in PHRASES)


def check_text(path: str, text: str) -> list[str]:
    """Return a line for each phrase in the text that is not accepted."""
    checked = STORED_NAMES.sub("", text)
    in_text = [(phrase, pattern) for phrase, pattern in _COMPILED if pattern.search(checked)]
    return [
        f"{path}:{number} {match[0].strip()!r}: {phrase.reason}. Write: {phrase.instead}"
        for number, line in enumerate(checked.splitlines() if in_text else (), 1)
        for phrase, pattern in in_text
        for match in pattern.finditer(line)
    ]


def checked_files() -> Iterator[Path]:
    """Yield every file that people write and read."""
    for path in (
        *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*"))),
        *(ROOT / page for page in PAGES),
    ):
        if is_checked(path):
            yield path


def is_checked(path: Path) -> bool:
    """Tell whether a file of the repository is one that people write and read."""
    name = path.relative_to(ROOT).as_posix()
    known = name in PAGES or (name.split("/")[0] in FOLDERS and path.suffix in SUFFIXES)
    return known and path.is_file() and "__pycache__" not in name and not name.startswith(NOT_READ)


def problems(paths: Iterable[Path]) -> list[str]:
    """Return what is wrong in these files."""
    return [line for path in paths for line in check_text(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))]


def main() -> None:
    """Run the command line above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    named = [path.resolve() for path in parser.parse_args().files]
    found = problems(filter(is_checked, named) if named else checked_files())
    sys.exit("\n".join(found) if found else 0)


if __name__ == "__main__":
    main()
