"""The supervisor: a small process between Seatline and mongod.

Belongs here: starting it, what it does, and ending it. Does not belong here: waiting for mongod to be ready (`replica_set.py`).

The supervisor ends the mongod when Seatline has ended in any way, also by `kill -9`. This file is its program. It runs without
site-packages, so it imports the standard library alone. It reads a pipe that only Seatline keeps open: when Seatline ends, the
pipe closes, and the supervisor sends SIGTERM to mongod. Seatline cannot use PR_SET_PDEATHSIG for that: it fires when the
*thread* that forked ends, and Seatline starts the supervisor from a thread pool. The supervisor forks from its main thread, so
it may use the same setting, which covers a kill of the supervisor itself.

A process forked from Seatline without exec would keep the pipe open: start processes with exec, never with a bare `fork`.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

# About 1 s is usual; the rest is for flushing a full cache to a slow disk before SIGKILL, which the journal survives.
STOP_SECONDS_MAX = 20.0
_KILL_SECONDS_MAX = 5.0  # after SIGKILL only the kernel's own work is left
_PR_SET_PDEATHSIG = 1


def spawn(command: list[str], home: Path, running_lock: int) -> subprocess.Popen[bytes]:
    """Start the supervisor, which starts mongod. Both write to mongod's log, so that the loader's errors are found there."""
    log_path = home / "mongod.log"
    # A fresh log bounds its size. One predecessor is kept: after a crash it is the only evidence.
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


def end(supervisor: subprocess.Popen[bytes], stop_seconds_max: float) -> int:
    """Have the supervisor end its mongod; return mongod's exit code. Send SIGKILL to both when that takes too long."""
    if supervisor.stdin is not None:
        supervisor.stdin.close()
    try:
        code = supervisor.wait(stop_seconds_max)
    except subprocess.TimeoutExpired:
        # The supervisor leads their process group, and as our unreaped child it keeps that number from being reused.
        os.killpg(supervisor.pid, signal.SIGKILL)
        code = -signal.SIGKILL
        with contextlib.suppress(subprocess.TimeoutExpired):
            supervisor.wait(_KILL_SECONDS_MAX)
    return _exit_code(code)


def write_process_id(descriptor: int, process_id: int) -> None:
    """Write the process id of a lock's holder into the lock file, for error messages."""
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, f"{process_id}\n".encode(), 0)


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code  # as a shell reports it: an end by signal has no exit code of its own


def _supervise(running_lock: int, command: list[str]) -> int:
    """Run `command` until it ends by itself or standard input closes; return its exit code."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)

    def end_with_supervisor() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))

    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=(running_lock,), preexec_fn=end_with_supervisor)
    except OSError as error:
        print(error, file=sys.stderr)
        return 127
    write_process_id(running_lock, child.pid)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: child.terminate())
    ended = threading.Event()
    threading.Thread(target=_end_with_parent, args=(child, ended), daemon=True).start()
    code = child.wait()
    ended.set()
    return _exit_code(code)


def _end_with_parent(child: subprocess.Popen[bytes], ended: threading.Event) -> None:
    # Nobody ever writes to the pipe: the read returns when the parent closes its end, or has ended.
    os.read(sys.stdin.fileno(), 1)
    child.terminate()
    if not ended.wait(STOP_SECONDS_MAX):
        child.kill()


if __name__ == "__main__":
    sys.exit(_supervise(int(sys.argv[1]), sys.argv[2:]))
