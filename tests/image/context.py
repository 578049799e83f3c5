"""What a build may copy from this repository.

Belongs here: reading `.dockerignore`, with the patterns that ours has: names, `*`, `?`, a leading `**/`, and `!`. Not here:
who copies it where.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


class Context:
    """The folder that is sent to a build, without what `.dockerignore` leaves out."""

    def __init__(self, folder: Path, ignored: str) -> None:
        self._folder = folder
        lines = [line.strip() for line in ignored.splitlines()]
        self._rules = [
            (line.startswith("!"), _matcher(line.removeprefix("!"))) for line in lines if line and not line.startswith("#")
        ]

    def holds(self, path: str) -> bool:
        """Whether the file is sent: the last rule that names it, or a folder that it is in, decides."""
        sent = True
        for keeps, matcher in self._rules:
            if matcher.match(path):
                sent = keeps
        return sent

    def files(self, source: str) -> Iterator[tuple[Path, str]]:
        """The files of a source of COPY, each with its path below that source; "" where the source is a file itself."""
        origin = self._folder / source
        for path in sorted(origin.rglob("*")) if origin.is_dir() else [origin]:
            if path.is_file() and self.holds(path.relative_to(self._folder).as_posix()):
                yield path, "" if path == origin else path.relative_to(origin).as_posix()


def _matcher(pattern: str) -> re.Pattern[str]:
    """Matches a path that the pattern names, and whatever is below it."""
    anywhere = "(?:.*/)?" if pattern.startswith("**/") else ""
    parts = re.escape(pattern.removeprefix("**/")).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(f"{anywhere}{parts}(?:/.*)?$")
