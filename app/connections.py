"""The connections to the server's port, as the operating system knows them.

Belongs here: taking no more of them, and how many there are. Does not: when that is asked for (`server.py`).

When gRPC ends, calls that have arrived and are not begun are lost, and their clients are told CANCELLED. So all clients have to
have left by then. Each connection has an age at which gRPC asks its client for another one, and loses nothing; once no more are
taken here, clients go elsewhere.
"""

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

_OPEN_FILES = Path("/dev/fd")
_TABLES = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
_LOCAL_ADDRESS, _STATE, _ESTABLISHED = 1, 3, "01"


def take_no_more(port: int) -> None:
    """Closes what listens on the port in this process; the connections that there are stay. Whoever tries is refused at once.

    gRPC keeps its file descriptors, which lead to a socket that nobody knows from now on. It has no call for this.
    """
    with socket.socket(socket.AF_UNIX) as nowhere:
        for descriptor in _listening_on(port):
            os.dup2(nowhere.fileno(), descriptor, inheritable=False)


def connections_to(port: int) -> int | None:
    """How many connections to the port are open; None where the operating system does not tell."""
    try:
        tables = [table.read_text(encoding="ascii") for table in _TABLES if table.exists()]
    except OSError:
        return None
    return sum(established(table, port) for table in tables) if tables else None


def established(table: str, port: int) -> int:
    """How many connections to a local port the kernel's table of them has that are open on both sides."""
    rows = (line.split() for line in table.splitlines()[1:])
    return sum(row[_STATE] == _ESTABLISHED and int(row[_LOCAL_ADDRESS].rpartition(":")[2], 16) == port for row in rows)


def _listening_on(port: int) -> list[int]:
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
