"""The build context: files that a build may copy from this repository.

Belongs here: parsing `.dockerignore`, with the patterns that ours uses: names, `*`, `?`, a leading `**/`, and `!`. Does not
belong here: copying (`stages.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path


class Context:
    """The folder that is sent to a build, without the files that `.dockerignore` excludes."""

    def __init__(self, folder: Path, ignored: str) -> None:
        self._folder = folder
        lines = [line.strip() for line in ignored.splitlines()]
        self._rules = [
            (line.startswith("!"), _matcher(line.removeprefix("!"))) for line in lines if line and not line.startswith("#")
        ]

    def holds(self, path: str) -> bool:
        """Whether the file is sent: the last rule that matches it, or one of its folders, decides."""
        sent = True
        for includes, matcher in self._rules:
            if matcher.match(path):
                sent = includes
        return sent

    def files(self, source: str) -> Iterator[tuple[Path, str]]:
        """Yield the files of a COPY source with their paths below it; the path is "" if the source is a file."""
        origin = self._folder / source
        for path in sorted(origin.rglob("*")) if origin.is_dir() else [origin]:
            if path.is_file() and self.holds(path.relative_to(self._folder).as_posix()):
                yield path, "" if path == origin else path.relative_to(origin).as_posix()


def _matcher(pattern: str) -> re.Pattern[str]:
    """Return an expression that matches a path of the pattern, and everything below it."""
    anywhere = "(?:.*/)?" if pattern.startswith("**/") else ""
    parts = re.escape(pattern.removeprefix("**/")).replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(f"{anywhere}{parts}(?:/.*)?$")
