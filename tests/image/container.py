"""Containers of the image, run as plain processes: its ENTRYPOINT and CMD, as its user, with a read-only root.

Belongs here: starting them, and making the root read-only. Does not belong here: building the image (`stages.py`).
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.image.stages import Image
from tests.support.server_processes import SeatlineProcess, ServerProcess, WorkerProcess


class Container(SeatlineProcess):
    """A running container: only the image's environment, no home folder, no writable folder."""

    def __init__(self, image: Image, log: Path, command: list[str], **settings: str) -> None:
        self.begin, self.log = time.monotonic(), log
        environment = {name: value for name, value in image.moved_environment().items() if name != "HOME"}
        with log.open("wb") as written:
            self.process = subprocess.Popen(
                image.user().command(["env", "--", *command]),
                cwd=image.moved(image.workdir),
                env={**environment, **settings},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )


class ServerContainer(Container, ServerProcess):
    """A server in a container."""


class WorkerContainer(Container, WorkerProcess):
    """A worker in a container."""


@contextmanager
def read_only(root: Path) -> Iterator[None]:
    """Make everything below the root read-only until the block ends."""
    paths = [path for path in (root, *root.rglob("*")) if not path.is_symlink()]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        yield
    finally:
        for path in paths:
            path.chmod(path.stat().st_mode | 0o200)
