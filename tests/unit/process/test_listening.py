"""Whether a port can be listened on: what is in the way is named, and the way round it exists."""

import os
import socket
from pathlib import Path

from app.process.listening import find_free_port_above, find_listen_problem, listening_inodes

LOOPBACK = "127.0.0.1"


def test_a_port_that_is_taken_is_said_to_be_with_the_process_that_has_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        said = find_listen_problem(LOOPBACK, port)
        assert said is not None
        assert said.startswith(f"port {port} is in use by process {os.getpid()} (")
        free = find_free_port_above(LOOPBACK, port)
        assert free is not None
        assert free > port
    assert find_listen_problem(LOOPBACK, port) is None


def test_a_port_of_all_addresses_is_taken_where_one_of_them_is() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        said = find_listen_problem("0.0.0.0", taken.getsockname()[1])  # noqa: S104 - it is not listened on
    assert said is not None
    assert "is in use" in said


def test_what_is_no_address_of_this_machine_is_said_to_be_none() -> None:
    assert find_listen_problem("192.0.2.1", 50051) == "192.0.2.1 is no address of this machine"
    assert find_listen_problem("no-such-host.invalid", 50051) == "the name no-such-host.invalid has no address"


def test_a_connection_to_a_port_is_not_taken_for_listening_on_it() -> None:
    table = Path("/proc/net/tcp").read_text().splitlines()[0] + (
        "\n0: 0100007F:C383 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n1: 0100007F:C383 0100007F:9999 01 0:0 0:0 0 0 0 78 1\n"
    )
    assert listening_inodes(table, 0xC383) == {"77"}
    assert listening_inodes(table, 0x9999) == set()
