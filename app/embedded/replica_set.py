"""The replica set of our own mongod.

Belongs here: making the single node a primary. Does not belong here: the process (`supervisor.py`).

It is a replica set, since transactions, change streams and reads of one moment need one.
"""

import socket
import subprocess
import time
from pathlib import Path

from app.embedded.data_directory import running_process_id
from app.embedded.error import EmbeddedMongodError
from app.ports.mongod_admin import ConnectAdmin, MongodAdmin, MongodNotAnsweringError

REPLICA_SET, LOOPBACK = "rs0", "127.0.0.1"

_CONNECT_SECONDS_MAX = 1.0  # on loopback a connection comes at once or not at all
_POLL_SECONDS = 0.02  # short against the second that a start takes, long against the cost of a look


def await_primary(
    supervisor: subprocess.Popen[bytes], home: Path, port: int, deadline: float, connect_admin: ConnectAdmin
) -> int:
    """Lead the node to primary; return mongod's process id. Raise EmbeddedMongodError after `deadline`."""
    state = "it does not listen"
    with connect_admin(LOOPBACK, port, max(_CONNECT_SECONDS_MAX, deadline - time.monotonic())) as admin:
        while time.monotonic() < deadline:
            _check_alive(supervisor)
            try:
                process_id = running_process_id(home)
                # The port is tried before the driver uses it: the driver would wait half a second after each refusal.
                if process_id is not None and _listens(port) and _lead(admin, f"{LOOPBACK}:{port}", process_id):
                    return process_id
            except MongodNotAnsweringError as error:
                state = str(error)
            time.sleep(_POLL_SECONDS)
    raise EmbeddedMongodError(f"mongod did not get ready in time: {state}")


def _check_alive(supervisor: subprocess.Popen[bytes]) -> None:
    code = supervisor.poll()
    if code is not None:
        raise EmbeddedMongodError(f"mongod ended while starting, with exit code {code}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), _CONNECT_SECONDS_MAX).close()
    except OSError:
        return False
    return True


def _lead(admin: MongodAdmin, host: str, process_id: int) -> bool:
    """Take one step towards primary; return True once it is one. Change nothing when another program answers on the port."""
    if int(admin.command("admin", {"serverStatus": 1})["pid"]) != process_id:
        return False
    hello = admin.command("admin", {"hello": 1})
    if hello.get("isWritablePrimary"):
        return bool(hello.get("me") == host)
    members = [{"_id": 0, "host": host}]
    stored = admin.command("local", {"find": "system.replset", "limit": 1})["cursor"]["firstBatch"]
    if not stored:
        admin.command("admin", {"replSetInitiate": {"_id": REPLICA_SET, "members": members}})
    elif stored[0]["members"][0]["host"] != host:
        # The stored port is that of the last start. A node that does not find itself in its own configuration needs force.
        newer = {**stored[0], "version": stored[0]["version"] + 1, "members": members}
        admin.command("admin", {"replSetReconfig": newer, "force": True})
    return False
