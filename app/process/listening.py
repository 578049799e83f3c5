"""Whether a port can be listened on, and which process holds it.

Belongs here: trying the addresses that a setting names, and finding the process that listens there. Does not belong here:
listening (`server.py`), nor the connections of a server (`connections.py`).
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

_TABLES = ("tcp", "tcp6")
_LOCAL_ADDRESS, _STATE, _INODE, _LISTENS = 1, 3, 9, "0A"
_COMMAND_LENGTH_MAX = 100  # characters; enough to recognize a program
# How many ports above a port in use are tried.
_PORTS_TRIED_MAX = 50
_PORT_MAX = 65_535


def find_listen_problem(host: str, port: int) -> str | None:
    """Return why the port cannot be listened on, as a text for people; None where it can.

    A port that is in use on one of several addresses counts as in use: callers of that address would reach another program.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return f"the name {host} has no address"
    reasons = [_listen_errno(family, address) for family, _, _, _, address in found]
    if any(reason == errno.EADDRINUSE for reason in reasons):
        return f"port {port} is in use{_describe_listener(port)}"
    if None in reasons:
        return None
    if errno.EACCES in reasons:
        return f"this user may not listen on port {port}; take one of 1024 or above"
    return f"{host} is no address of this machine"


def find_free_port_above(host: str, port: int) -> int | None:
    """Return the next port that can be listened on now; None where none of the next 50 can."""
    ports = range(port + 1, min(port + _PORTS_TRIED_MAX, _PORT_MAX) + 1)
    return next((other for other in ports if find_listen_problem(host, other) is None), None)


def _listen_errno(family: int, address: tuple[Any, ...]) -> int | None:
    """Return the error number of listening on the address; None where it succeeds."""
    try:
        with closing(socket.socket(family, socket.SOCK_STREAM)) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(1)
    except OSError as error:
        return error.errno or errno.EIO
    return None


def _describe_listener(port: int) -> str:
    """Return " by process 12 (python -m http.server)", with less where the operating system does not say more."""
    inodes = {inode for table in _TABLES for inode in listening_inodes(_text_of(Path("/proc/net") / table), port)}
    for process in _processes_with(inodes):
        command = _text_of(process / "cmdline").replace("\0", " ").strip()
        printable = "".join(letter if letter.isprintable() else "?" for letter in command[:_COMMAND_LENGTH_MAX])
        return f" by process {process.name}{f' ({printable})' if printable else ''}"
    return " by another program" if inodes else ""


def listening_inodes(table: str, port: int) -> set[str]:
    """Return the inodes of the sockets that listen on a port, from the kernel's table of connections."""
    rows = [line.split() for line in table.splitlines()[1:]]
    return {row[_INODE] for row in rows if row[_STATE] == _LISTENS and int(row[_LOCAL_ADDRESS].rpartition(":")[2], 16) == port}


def _processes_with(inodes: set[str]) -> Iterator[Path]:
    """Yield the /proc folders of the processes that have one of these sockets open, as far as this user may see them."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir() if wanted else ():
        with suppress(OSError):  # another user's process, or one that has just ended
            if process.name.isdecimal() and any(str(file.readlink()) in wanted for file in (process / "fd").iterdir()):
                yield process


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
