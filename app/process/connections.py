"""The connections to the server's port, as the operating system counts them.

Belongs here: closing the listening socket, counting connections, and the limit of file descriptors. Does not belong here: when
that is done (`server.py`).

When a gRPC server stops, calls that have arrived and are not started are answered CANCELLED. So all clients must have
disconnected by then. Each connection has a maximum age, at which gRPC asks its client to reconnect and loses no call. Once this
process accepts no more connections, clients reconnect to other servers.
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
# File descriptors besides connections: files, listening sockets, event loops, and what gRPC polls with.
_OTHER_DESCRIPTORS = 100
_LOCAL_ADDRESS, _STATE, _ESTABLISHED = 1, 3, "01"


def raise_descriptor_limit() -> None:
    """Raise the limit of open files to what the system allows; the usual limit is for programs that open few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a system that reports a hard limit which it does not allow
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def descriptors_max() -> int:
    """Return how many files, connections included, this process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def limit_connections(wanted: int, own: int) -> int:
    """Return how many connections clients may have: `wanted`, or fewer if `own` connections leave too few descriptors."""
    return max(1, min(wanted, descriptors_max() - own - _OTHER_DESCRIPTORS))


def is_at_connection_limit(port: int, connections_max: int) -> bool:
    """Return whether the connections to the port have reached their limit; False where the system cannot count them."""
    try:
        open_files = len(os.listdir(_OPEN_FILES))
    except OSError as error:
        return error.errno in (EMFILE, ENFILE)
    if open_files < connections_max:  # far cheaper than reading the kernel's table, and usually enough
        return False
    return (count_connections(port) or 0) >= connections_max


def stop_accepting(port: int) -> None:
    """Close this process's listening sockets of the port. Open connections stay; new ones are refused at once.

    The plain way is to let `grpc.aio.Server.stop` close them, together with everything else. Then clients reconnect here until
    the end, and calls that arrive at the end are answered CANCELLED: with 64 callers, 0 to 19 calls failed in each of 5 stops;
    with this, none (`python -m tests.bench.fast_paths`). gRPC has no call for it. It keeps its file descriptors, which refer to
    an unconnected socket from now on.
    """
    with socket.socket(socket.AF_UNIX) as nowhere:
        for descriptor in _listening_descriptors(port):
            os.dup2(nowhere.fileno(), descriptor, inheritable=False)


def count_connections(port: int) -> int | None:
    """Return the number of open connections to the port; None where the operating system cannot count them."""
    try:
        tables = [table.read_text(encoding="ascii") for table in _TABLES if table.exists()]
    except OSError:
        return None
    return sum(count_established(table, port) for table in tables) if tables else None


def count_established(table: str, port: int) -> int:
    """Count the connections to a local port that are open on both sides in the kernel's table."""
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(row[_STATE] == _ESTABLISHED and int(row[_LOCAL_ADDRESS].rpartition(":")[2], 16) == port for row in rows)


def _listening_descriptors(port: int) -> list[int]:
    """Return the file descriptors of this process's sockets that listen on the port."""
    found = []
    for name in os.listdir(_OPEN_FILES):
        with suppress(OSError):  # the folder itself was open while it was read
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode) and _listens(int(name), port):
                found.append(int(name))
    return found


def _listens(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as found:
        address = found.getsockname() if found.family in (socket.AF_INET, socket.AF_INET6) else None
        return address is not None and address[1] == port and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
