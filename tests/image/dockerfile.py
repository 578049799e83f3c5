"""Parser of Dockerfiles: stages and instructions.

Belongs here: parsing. Does not belong here: executing the instructions (`stages.py`). Syntax that our Dockerfile does not use,
such as here-documents and parser directives, is rejected.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

_FROM = re.compile(r"(?P<base>\S+)(?:\s+AS\s+(?P<name>\S+))?", re.IGNORECASE)
_FLAG = re.compile(r"--(?P<name>[a-z]+)=(?P<value>\S+)\s+")
_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=")


class DockerfileError(Exception):
    """The Dockerfile uses unsupported syntax; the text names the line."""


@dataclass(frozen=True)
class Instruction:
    """One instruction: `value` is its text after the flags; `words` is the list of the exec form, None for the shell form."""

    line: int
    name: str
    value: str
    flags: list[tuple[str, str]] = field(default_factory=list)
    words: list[str] | None = None

    def pairs(self) -> dict[str, str]:
        """Return names and values of ENV or LABEL, without quotes. Variables are not expanded."""
        return dict(word.split("=", 1) for word in shlex.split(self.value))

    def command(self) -> list[str]:
        """Return the words of a command: the exec form, or a shell with the shell form."""
        return self.words if self.words is not None else ["/bin/sh", "-c", self.value]


@dataclass(frozen=True)
class Stage:
    """The instructions from one FROM to the next. The name is its number if it has no other."""

    name: str
    base: str
    instructions: list[Instruction]


def parse_dockerfile(text: str) -> list[Stage]:
    """Return the stages in order. Raises DockerfileError."""
    stages: list[Stage] = []
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            match = _FROM.fullmatch(instruction.value)
            if match is None or instruction.flags:
                raise DockerfileError(f"line {instruction.line}: FROM {instruction.value}")
            stages.append(Stage(match["name"] or str(len(stages)), match["base"], []))
        elif not stages:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} before the first FROM")
        else:
            stages[-1].instructions.append(instruction)
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    for number, line in _joined(text):
        name, _, rest = line.partition(" ")
        flags: list[tuple[str, str]] = []
        rest = rest.strip()
        while match := _FLAG.match(rest):
            flags.append((match["name"], match["value"]))
            rest = rest[match.end() :]
        if "<<" in rest:
            raise DockerfileError(f"line {number}: a here-document")
        yield Instruction(number, name.upper(), rest, flags, _exec_form(rest))


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield line number and text of each instruction, without comments and with continued lines joined."""
    begun, begin = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if _DIRECTIVE.match(stripped):
            raise DockerfileError(f"line {number}: a parser directive")
        if not stripped or stripped.startswith("#"):
            continue
        begin = begin if begun else number
        if stripped.endswith("\\"):
            begun += stripped[:-1].rstrip() + " "
        else:
            yield begin, begun + stripped
            begun = ""
    if begun:
        raise DockerfileError(f"line {begin}: continues after the end of the file")


def _exec_form(text: str) -> list[str] | None:
    if not text.startswith("["):
        return None
    words = json.loads(text)
    return [str(word) for word in words]
