"""The connections to the server's port, as the operating system knows them.

Belongs here: taking no more of them, how many there are, and how many file descriptors there may be for them. Does not: when
that is asked for (`server.py`).

When gRPC ends, calls that have arrived and are not begun are lost, and their clients are told CANCELLED. So all clients have to
have left by then. Each connection has an age at which gRPC asks its client for another one, and loses nothing; once no more are
taken here, clients go elsewhere.
"""

import os
import resource
import socket
import stat
import sys
from contextlib import suppress
from errno import EMFILE, ENFILE
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
# What this process has open besides connections: files, sockets that are listened on, event loops, and what gRPC polls with.
_OTHER_DESCRIPTORS = 100
_LOCAL_ADDRESS, _STATE, _ESTABLISHED = 1, 3, "01"


def raise_descriptor_limit() -> None:
    """Has this process open as many files as the system allows it at most; the usual limit is for programs that open few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a system that names a limit which it does not allow
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors_max() -> int:
    """How many files, connections among them, this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def limit_connections(wanted: int, own: int) -> int:
    """How many connections clients may have: as many as are wanted and have descriptors, beside `own` ones of this process."""
    return max(1, min(wanted, descriptors_max() - own - _OTHER_DESCRIPTORS))


def is_at_connection_limit(port: int, connections_max: int) -> bool:
    """Whether there are so many connections to the port that no more are taken; not where the system does not tell."""
    try:
        open_files = len(os.listdir(_OPEN_FILES))
    except OSError as error:
        return error.errno in (EMFILE, ENFILE)
    if open_files < connections_max:  # counting them is far cheaper than the kernel's table, and as a rule enough
        return False
    return (count_connections(port) or 0) >= connections_max


def stop_accepting(port: int) -> None:
    """Closes what listens on the port in this process; the connections that there are stay. Whoever tries is refused at once.

    gRPC keeps its file descriptors, which lead to a socket that nobody knows from now on. It has no call for this.
    """
    with socket.socket(socket.AF_UNIX) as nowhere:
        for descriptor in _listening_descriptors(port):
            os.dup2(nowhere.fileno(), descriptor, inheritable=False)


def count_connections(port: int) -> int | None:
    """How many connections to the port are open; None where the operating system does not tell."""
    try:
        tables = [table.read_text(encoding="ascii") for table in _TABLES if table.exists()]
    except OSError:
        return None
    return sum(count_established(table, port) for table in tables) if tables else None


def count_established(table: str, port: int) -> int:
    """How many connections to a local port the kernel's table of them has that are open on both sides."""
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(row[_STATE] == _ESTABLISHED and int(row[_LOCAL_ADDRESS].rpartition(":")[2], 16) == port for row in rows)


def _listening_descriptors(port: int) -> list[int]:
    """The file descriptors of this process's sockets that listen on the port."""
    found = []
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError):  # the folder itself was open while it was read
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode) and _listens(int(name), port):
                found.append(int(name))
    return found


def _listens(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as one:
        address = one.getsockname() if one.family in (socket.AF_INET, socket.AF_INET6) else None
        return address is not None and address[1] == port and one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
