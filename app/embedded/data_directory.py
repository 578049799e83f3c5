"""The data directory of our own mongod.

Belongs here: making the directory, and the two locks in it. Does not belong here: what mongod stores in it.

The kernel releases both locks when their holders end. `owner.lock` belongs to the running Seatline. `running.lock` is inherited
by the supervisor and the mongod. When the owner's lock is free and the running lock is held, the mongod of an earlier Seatline
is still shutting down: wait for it.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from app.embedded.error import EmbeddedMongodError
from app.embedded.supervisor import write_process_id

_POLL_SECONDS = 0.02  # short against the second that a mongod needs to shut down, long against the cost of trying a lock


def make_home(data_dir: Path) -> Path:
    """Make the directory that holds everything of mongod; only its owner may read it."""
    # A directory of its own, so that mode 0700 is not forced on a directory that the user shares with something else.
    home = data_dir.resolve() / "mongod"
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    (home / "db").mkdir(mode=0o700, exist_ok=True)
    return home


@contextlib.contextmanager
def open_lock(path: Path) -> Iterator[int]:
    """Open a lock file, made if missing; yield its descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def own(owner_lock: int, data_dir: Path) -> None:
    """Take the owner's lock. Raise EmbeddedMongodError when another Seatline holds it."""
    if not _lock(owner_lock):
        owner = os.pread(owner_lock, 20, 0).decode(errors="replace").strip()
        raise EmbeddedMongodError(
            f"the data directory {data_dir.resolve()} is in use by another Seatline (process {owner}):"
            " stop that one, or set SEATLINE_DATA_DIR to another directory"
        )
    write_process_id(owner_lock, os.getpid())


def await_orphan(running_lock: int, home: Path, orphan_seconds_max: float) -> None:
    """Take the running lock once the mongod of a killed Seatline has ended; it has been sent SIGTERM already.

    Raise EmbeddedMongodError when that takes longer than `orphan_seconds_max`.
    """
    deadline = time.monotonic() + orphan_seconds_max
    while not _lock(running_lock):
        if time.monotonic() >= deadline:
            raise EmbeddedMongodError(
                f"the mongod of an earlier Seatline (process {running_process_id(home)}) still works in {home}"
                f" after {orphan_seconds_max:g} s: try again later, or end it by SIGTERM (not SIGKILL)"
            )
        time.sleep(_POLL_SECONDS)


def running_process_id(home: Path) -> int | None:
    """Return the process id of the mongod that the supervisor has started; None before it has."""
    text = (home / "running.lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdecimal() else None


def _lock(descriptor: int) -> bool:
    # flock, not lockf: it also keeps two starts inside one process apart, and children can inherit it.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
