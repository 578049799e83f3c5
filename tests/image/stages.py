"""Builder of the image without Docker: executes a Dockerfile's stages in a folder, as an unprivileged user.

Belongs here: the effect of FROM, COPY, RUN, ENV and the other instructions on a folder that replaces the image's root. Does not
belong here: parsing (`dockerfile.py`), the build context (`context.py`), the user (`unprivileged.py`).

It proves that the steps work from the locked files alone, and that the result serves. It does not cover the base image: a
virtual environment of this machine's Python, with pip, replaces its /usr/local, and this machine's programs replace its own.
There is no chroot: every absolute path in a step, except the machine's programs and devices, is moved below the folder. All
stages use the same path one after the other, so that paths that one stage writes into scripts are valid in the next.
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

STEP_SECONDS_MAX = 300.0  # a step takes seconds; downloading the locked packages may take longer on a slow line
BUILDER = User(65534, 65534)
# Environment of a Python image: its own Python comes first in PATH.
BASE_ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "TMPDIR": "/tmp"}  # noqa: S108  moved
# Network settings of this machine for package downloads. Docker passes them by files and predefined arguments.
_NETWORK = re.compile(r"(PIP|UV)_\w*(INDEX|LINKS|CERT|TIMEOUT)\w*|SSL_CERT_\w+|(https?|no|all)_proxy", re.IGNORECASE)
_MACHINE = re.compile(r"/(bin|sbin|usr/bin|usr/sbin|dev|proc)(/|$)")
_ABSOLUTE = re.compile(r"(?<![\w/.:$}*-])/(?:[\w.*+-]+(?:/[\w.*+-]+)*/?)?(?![\w:])")
_VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
_CACHE = re.compile(r"type=cache,target=(?P<target>/[^,]+)")
_RECORDED = ("LABEL", "EXPOSE", "STOPSIGNAL", "USER", "ENTRYPOINT", "CMD")


class StepError(Exception):
    """A step failed; the text has its line and the end of its output."""


@dataclass
class Image:
    """Result of a stage: the root folder, and how a container starts from it."""

    root: Path
    environment: dict[str, str]
    workdir: str = "/"
    labels: dict[str, str] = field(default_factory=dict)
    ports: list[int] = field(default_factory=list)
    instructions: dict[str, Instruction] = field(default_factory=dict)
    copied_bytes: int = 0

    def moved(self, text: str) -> str:
        """Return `text` with every absolute path of the image moved below the root folder."""
        return _ABSOLUTE.sub(lambda match: self._moved_path(match[0]), text)

    def moved_environment(self) -> dict[str, str]:
        """Return the environment with all paths moved; network addresses stay unchanged."""
        return {name: ":".join(map(self.moved, value.split(":"))) for name, value in self.environment.items()}

    def command(self) -> list[str]:
        """Return a container's command: the words of ENTRYPOINT and CMD."""
        return [*(self.instructions["ENTRYPOINT"].words or []), *(self.instructions["CMD"].words or [])]

    def user(self) -> User:
        """Return a container's user. Raises ValueError unless it is numeric: Kubernetes could not check that it is not root."""
        uid, gid = self.instructions["USER"].value.split(":")
        return User(int(uid), int(gid))

    def _moved_path(self, path: str) -> str:
        return path if _MACHINE.match(path) else f"{self.root}{path}"


class Builder:
    """Executes stages in its own folder. The steps' caches survive between builds."""

    def __init__(self, folder: Path, cache: Path, context: Context, make_base: Callable[[Path], None] | None = None) -> None:
        """Set up the folders. `make_base` creates the root of an external base image; by default a Python one."""
        self._root, self._finished, self._cache, self._context = folder / "root", folder / "stages", cache, context
        self._make_base = make_base or make_python_base
        self._stages: dict[str, Image] = {}
        for made in (self._finished, self._cache):
            made.mkdir(parents=True, exist_ok=True)

    def build(self, stages: list[Stage]) -> Image:
        """Execute all stages and return the last one's image. Raises StepError, DockerfileError."""
        for stage in stages:
            image = self._begin(stage)
            for instruction in stage.instructions:
                self._take(image, instruction)
            if stage is not stages[-1]:
                image.root = self._root.rename(self._finished / stage.name)
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
            image.instructions[instruction.name] = instruction
            if instruction.name == "LABEL":
                image.labels |= instruction.pairs()
            if instruction.name == "EXPOSE":
                image.ports += map(int, instruction.value.split())
        else:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} is not supported here")

    def _copy(self, image: Image, instruction: Instruction) -> None:
        flags = dict(instruction.flags)
        stage = flags.pop("from", None)
        if flags:
            raise DockerfileError(f"line {instruction.line}: COPY with {', '.join(flags)} is not supported here")
        *sources, target = shlex.split(instruction.value)
        destination = Path(os.path.normpath(Path(image.moved(image.workdir)) / image.moved(target)))
        for source in sources:
            if stage is not None:
                image.copied_bytes += self._copy_tree(Path(f"{self._stages[stage].root}{source}"), destination)
            else:
                image.copied_bytes += self._copy_files(
                    image, source, destination / source if target.endswith("/") else destination
                )

    def _copy_files(self, image: Image, source: str, destination: Path) -> int:
        """Copy the context's files of the source to `destination`. Return the number of bytes."""
        copied = 0
        for path, below in self._context.files(source):
            to = destination / below if below else destination
            _make_folders(image.root, to.parent)
            shutil.copy2(path, to)
            BUILDER.own(to)
            copied += path.stat().st_size
        if not copied:
            raise StepError(f"COPY {source}: there is no such file in the context")
        return copied

    def _copy_tree(self, source: Path, destination: Path) -> int:
        """Copy a folder of a finished stage, with times, modes and links. Return the number of bytes.

        Uses hard links, because copying thousands of files would take seconds and nothing reads the originals any more.
        """
        _make_folders(self._root, destination.parent)
        shutil.copytree(source, destination, symlinks=True, dirs_exist_ok=True, copy_function=os.link)
        for folder in (destination, *destination.rglob("*/")):
            BUILDER.own(folder)
        return sum(path.stat().st_size for path in destination.rglob("*") if path.is_file() and not path.is_symlink())

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
            raise DockerfileError(f"line {line}: RUN --{name}={value} is not supported here")
        cache_folder = self._cache / match["target"].strip("/").replace("/", "-")
        cache_folder.mkdir(exist_ok=True)
        BUILDER.own(cache_folder)
        mount = Path(image.moved(match["target"]))
        _make_folders(image.root, mount.parent)
        mount.symlink_to(cache_folder)
        return mount


def make_python_base(root: Path) -> None:
    """Create a root that replaces the Python base image: folders, and a Python with pip."""
    for folder in ("root", "tmp", "usr/local"):
        _make_folders(root, root / folder)
    python = str(Path(getattr(sys, "_base_executable", sys.executable)).resolve())
    _run_step([python, "-m", "venv", str(root / "usr/local")], root, {"PATH": os.defpath}, "base image")


def _make_folders(root: Path, folder: Path) -> None:
    """Create the folder and its parents up to the root, owned by the builder."""
    for path in reversed([folder, *folder.parents]):
        if path.is_relative_to(root) and not path.exists():
            path.mkdir()
            BUILDER.own(path)


def _run_step(command: list[str], folder: Path, environment: dict[str, str], step: str) -> None:
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
        raise StepError(f"{step}: exit {ended.returncode}\n{ended.stdout[-4000:]}")


def _expanded(value: str, environment: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: environment.get(match[1] or match[2], ""), value)
