"""The server's port: taking no more connections, and counting those that there are."""

from __future__ import annotations

import socket

import pytest

from app.process.connections import count_connections, count_established, stop_accepting

# As Linux shows it: a port that is listened on, a client of it on this machine, the same, one that its client has closed.
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5034 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:C383 01 00000000:00000000 00:00000000 00000000     0        0 5040 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C383 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 5041 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C383 0100007F:9C42 08 00000000:00000000 00:00000000 00000000     0        0 5042 1 0000000000000000 20 4 30 10 -1
"""


@pytest.mark.parametrize(("port", "count"), [(0xC383, 1), (0x9C40, 1), (0x9C42, 0), (443, 0)])
def test_connections_count_that_are_open_on_both_sides(port: int, count: int) -> None:
    assert count_established(TABLE, port) == count


def test_once_no_more_are_taken_clients_are_refused_and_those_that_are_there_stay() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_server(("127.0.0.1", 0)) as other:
        port = listening.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client, listening.accept()[0] as served:
            assert count_connections(port) == 1
            stop_accepting(port)
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))
            assert count_connections(port) == 1
            client.sendall(b"still here")
            assert served.recv(100) == b"still here"
        assert count_connections(port) == 0
        socket.create_connection(other.getsockname()).close()
