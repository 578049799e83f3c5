"""Listening problems: the process on a used port is named, and a free port is found."""

import os
import socket
from pathlib import Path

from app.process.listening import find_free_port_above, find_listen_problem, listening_inodes

LOOPBACK = "127.0.0.1"


def test_the_process_on_a_used_port_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        problem = find_listen_problem(LOOPBACK, port)
        assert problem is not None
        assert problem.startswith(f"port {port} is in use by process {os.getpid()} (")
        free = find_free_port_above(LOOPBACK, port)
        assert free is not None
        assert free > port
    assert find_listen_problem(LOOPBACK, port) is None


def test_a_port_used_on_one_address_is_used_on_all() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        problem = find_listen_problem("0.0.0.0", taken.getsockname()[1])  # noqa: S104 - nothing listens there
    assert problem is not None
    assert "is in use" in problem


def test_an_address_of_another_machine_is_named() -> None:
    assert find_listen_problem("192.0.2.1", 50051) == "192.0.2.1 is no address of this machine"
    assert find_listen_problem("no-such-host.invalid", 50051) == "the name no-such-host.invalid has no address"


def test_a_connection_to_a_port_does_not_count_as_listening() -> None:
    table = Path("/proc/net/tcp").read_text().splitlines()[0] + (
        "\n0: 0100007F:C383 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n1: 0100007F:C383 0100007F:9999 01 0:0 0:0 0 0 0 78 1\n"
    )
    assert listening_inodes(table, 0xC383) == {"77"}
    assert listening_inodes(table, 0x9999) == set()
