"""The stages of a Dockerfile, gone through without Docker: each in an empty folder, by a user who owns nothing.

Belongs here: what FROM, COPY, RUN, ENV and the rest do to a folder that stands for the image's root. Not here: reading the file
(`dockerfile.py`), what may be copied (`context.py`), who runs it (`unprivileged.py`).

What this shows: that the steps work as they are written, from the locked files alone, and that what they leave serves. What it
does not: the base image. Its layers are not here; an environment of this machine's Python, with pip, stands for its /usr/local,
and this machine's programs stand for its own. Nor is the root changed: every absolute path that a step names, but those of the
machine's programs and devices, is moved below the folder instead. All stages stand at the same place, one after the other, so
that paths written into scripts by one hold in the next.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.context import Context
from tests.image.dockerfile import DockerfileError, Instruction, Stage
from tests.image.unprivileged import User

STEP_SECONDS_MAX = 300.0  # a step takes seconds; fetching what is locked may take longer over a slow line
BUILDER = User(65534, 65534)
# What an image of Python has: its Python comes first.
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TMPDIR": "/tmp"}  # noqa: S108  moved
# How this machine gets at packages; Docker has files and predefined arguments for the same.
_NETWORK = re.compile(r"(PIP|UV)_\w*(INDEX|LINKS|CERT|TIMEOUT)\w*|SSL_CERT_\w+|(https?|no|all)_proxy", re.IGNORECASE)
_MACHINE = re.compile(r"/(bin|sbin|usr/bin|usr/sbin|dev|proc)(/|$)")
_ABSOLUTE = re.compile(r"(?<![\w/.:$}*-])/(?:[\w.*+-]+(?:/[\w.*+-]+)*/?)?(?![\w:])")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_CACHE = re.compile(r"type=cache,target=(?P<target>/[^,]+)")
_RECORDED = ("LABEL", "EXPOSE", "STOPSIGNAL", "USER", "ENTRYPOINT", "CMD")


class StepError(Exception):
    """A step has failed; the text has its line and the end of what it printed."""


@dataclass
class Image:
    """What a stage comes to: the root's folder, and how a container starts from it."""

    root: Path
    environment: dict[str, str]
    workdir: str = "/"
    labels: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    said: dict[str, Instruction] = field(default_factory=dict)
    copied_bytes: int = 0

    def moved(self, text: str) -> str:
        """The text with every absolute path of the image's below the root's folder."""
        return _ABSOLUTE.sub(lambda match: self._moved_path(match[0]), text)

    def moved_environment(self) -> dict[str, str]:
        """The environment's values, each path in them moved; addresses stay."""
        return {name: ":".join(map(self.moved, value.split(":"))) for name, value in self.environment.items()}

    def command(self) -> list[str]:
        """What a container runs: the words of ENTRYPOINT and CMD."""
        return [*(self.said["ENTRYPOINT"].words or []), *(self.said["CMD"].words or [])]

    def user(self) -> User:
        """Whom it runs as. Raises ValueError where that is no number: Kubernetes cannot tell then that it is not root."""
        uid, gid = self.said["USER"].value.split(":")
        return User(int(uid), int(gid))

    def _moved_path(self, path: str) -> str:
        return path if _MACHINE.match(path) else f"{self.root}{path}"


class Builder:
    """Goes through stages in a folder of its own; what steps cache is kept between builds."""

    def __init__(self, folder: Path, cache: Path, context: Context, make_base: Callable[[Path], None] | None = None) -> None:
        """`make_base` makes what stands for an image from outside; by default one of Python."""
        self._root, self._kept, self._cache, self._context = folder / "root", folder / "stages", cache, context
        self._make_base = make_base or make_python_base
        self._stages: dict[str, Image] = {}
        for made in (self._kept, self._cache):
            made.mkdir(parents=True, exist_ok=True)

    def build(self, stages: list[Stage]) -> Image:
        """What the last stage comes to. Raises StepError, DockerfileError."""
        for stage in stages:
            image = self._begin(stage)
            for instruction in stage.instructions:
                self._take(image, instruction)
            if stage is not stages[-1]:
                image.root = self._root.rename(self._kept / stage.name)
                self._stages[stage.name] = image
        return image

    def _begin(self, stage: Stage) -> Image:
        base = self._stages.get(stage.base)
        if base is None:
            self._make_base(self._root)
            return Image(self._root, dict(BASE_ENVIRONMENT))
        shutil.copytree(base.root, self._root, symlinks=True)
        for path in (self._root, *self._root.rglob("*")):
            BUILDER.own(path)
        return Image(self._root, dict(base.environment), base.workdir)

    def _take(self, image: Image, instruction: Instruction) -> None:
        if instruction.name == "COPY":
            self._copy(image, instruction)
        elif instruction.name == "RUN":
            self._run(image, instruction)
        elif instruction.name == "WORKDIR":
            image.workdir = instruction.value
            _make_folders(image.root, Path(image.moved(image.workdir)))
        elif instruction.name == "ENV":
            image.environment |= {name: _expanded(value, image.environment) for name, value in instruction.pairs().items()}
        elif instruction.name in _RECORDED:
            image.said[instruction.name] = instruction
            if instruction.name == "LABEL":
                image.labels |= instruction.pairs()
            if instruction.name == "EXPOSE":
                image.ports += map(int, instruction.value.split())
        else:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} is not understood here")

    def _copy(self, image: Image, instruction: Instruction) -> None:
        flags = dict(instruction.flags)
        stage = flags.pop("from", None)
        if flags:
            raise DockerfileError(f"line {instruction.line}: COPY with {', '.join(flags)} is not understood here")
        *sources, target = shlex.split(instruction.value)
        place = Path(os.path.normpath(Path(image.moved(image.workdir)) / image.moved(target)))
        for source in sources:
            if stage is not None:
                image.copied_bytes += self._copy_tree(Path(f"{self._stages[stage].root}{source}"), place)
            else:
                image.copied_bytes += self._copy_files(image, source, place / source if target.endswith("/") else place)

    def _copy_files(self, image: Image, source: str, place: Path) -> int:
        """Copies what the context has of the source to its place; the bytes."""
        copied = 0
        for path, below in self._context.files(source):
            to = place / below if below else place
            _make_folders(image.root, to.parent)
            shutil.copy2(path, to)
            BUILDER.own(to)
            copied += path.stat().st_size
        if not copied:
            raise StepError(f"COPY {source}: there is no such file in the context")
        return copied

    def _copy_tree(self, source: Path, place: Path) -> int:
        """Copies a folder of a stage that is over, times, modes and links as they are; the bytes of its files.

        The copies share their bytes with the originals, which nothing reads any more: thousands of files would take seconds.
        """
        _make_folders(self._root, place.parent)
        shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True, copy_function=os.link)
        for folder in (place, *place.rglob("*/")):
            BUILDER.own(folder)
        return sum(path.stat().st_size for path in place.rglob("*") if path.is_file() and not path.is_symlink())

    def _run(self, image: Image, instruction: Instruction) -> None:
        mounts = [self._mount(image, instruction.line, *flag) for flag in instruction.flags]
        try:
            _run_step(
                [image.moved(word) for word in instruction.command()],
                Path(image.moved(image.workdir)),
                image.moved_environment(),
                f"line {instruction.line}",
            )
        finally:
            for mount in mounts:
                mount.unlink()

    def _mount(self, image: Image, line: int, name: str, value: str) -> Path:
        match = _CACHE.fullmatch(value)
        if name != "mount" or match is None:
            raise DockerfileError(f"line {line}: RUN --{name}={value} is not understood here")
        kept = self._cache / match["target"].strip("/").replace("/", "-")
        kept.mkdir(exist_ok=True)
        BUILDER.own(kept)
        mount = Path(image.moved(match["target"]))
        _make_folders(image.root, mount.parent)
        mount.symlink_to(kept)
        return mount


def make_python_base(root: Path) -> None:
    """An empty root with what stands for the base image: folders, and a Python with pip."""
    for folder in ("root", "tmp", "usr/local"):
        _make_folders(root, root / folder)
    python = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    _run_step([python, "-m", "venv", str(root / "usr/local")], root, {"PATH": os.defpath}, "the base image's stand-in")


def _make_folders(root: Path, folder: Path) -> None:
    """Makes the folder and what it is in, up to the root, as the builder's own."""
    for path in reversed([folder, *folder.parents]):
        if path.is_relative_to(root) and not path.exists():
            path.mkdir()
            BUILDER.own(path)


def _run_step(command: list[str], folder: Path, environment: dict[str, str], place: str) -> None:
    network = {name: value for name, value in os.environ.items() if _NETWORK.fullmatch(name)}
    ended = subprocess.run(
        BUILDER.command(command),
        cwd=folder,
        env={**network, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=STEP_SECONDS_MAX,
        check=False,
    )
    if ended.returncode != 0:
        raise StepError(f"{place}: exit {ended.returncode}\n{ended.stdout[-4000:]}")


def _expanded(value: str, environment: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], ""), value)
