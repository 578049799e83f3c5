"""The server's port: closing it for new connections, and counting the open ones."""

from __future__ import annotations

import socket

import grpc
import pytest

from app.process.connections import count_connections, count_established, stop_accepting

# Linux's table: a listening port, a client's side of a connection to it, the server's side, and one that its client has closed.
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5034 1 0000000000000000 100 0 0 10 0
   1: 0100007F:9C40 0100007F:C383 01 00000000:00000000 00:00000000 00000000     0        0 5040 1 0000000000000000 20 4 30 10 -1
   2: 0100007F:C383 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 5041 1 0000000000000000 20 4 30 10 -1
   3: 0100007F:C383 0100007F:9C42 08 00000000:00000000 00:00000000 00000000     0        0 5042 1 0000000000000000 20 4 30 10 -1
"""


@pytest.mark.parametrize(("port", "count"), [(0xC383, 1), (0x9C40, 1), (0x9C42, 0), (443, 0)])
def test_only_connections_that_are_open_on_both_sides_count(port: int, count: int) -> None:
    assert count_established(TABLE, port) == count


def test_a_closed_port_refuses_new_connections_and_keeps_open_ones() -> None:
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


@pytest.mark.parametrize("way", ["plain", "fast"])
async def test_both_ways_of_closing_the_port_refuse_new_connections(way: str) -> None:
    """The plain way is gRPC's own stop, which also ends the open connections."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    if way == "plain":
        await server.stop(None)
    else:
        stop_accepting(port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    await server.stop(None)
