"""An HTTP/2 client that sends frames by hand.

Belongs here: opening connections and streams to a gRPC server, and reading the answers. Does not belong here: a well-behaved
client does (`clients.py`).
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from hpack import Encoder

from tests.bench.load import frames
from tests.bench.load.frames import Frame

SOCKET_SECONDS_MAX = 20.0
CREATE = "/seatline.v1.BookingService/CreateBooking"
CANCEL = (8).to_bytes(4, "big")


class RawConnection:
    """A connection. A `silent` one does not even send the HTTP/2 preface."""

    def __init__(self, port: int, *, silent: bool = False) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=SOCKET_SECONDS_MAX)
        self._rest = b""
        self._next_stream_id = 1
        # Without a dynamic table of headers, so that each block is independent.
        headers = [(":method", "POST"), (":scheme", "http"), (":path", CREATE), (":authority", "x"), ("te", "trailers")]
        encoder = Encoder()
        encoder.header_table_size = 0
        self._block = encoder.encode([*headers, ("content-type", "application/grpc")])
        if not silent:
            self.socket.sendall(frames.PREFACE + frames.settings({}))

    def begin_calls(self, count: int, *, reset: bool = False) -> None:
        """Begin calls without sending their requests. With `reset`, reset each at once, as in HTTP/2's rapid reset attack."""
        pieces = []
        for _ in range(count):
            pieces.append(frames.frame(frames.HEADERS, frames.END_HEADERS, self._next_stream_id, self._block))
            if reset:
                pieces.append(frames.frame(frames.RST_STREAM, 0, self._next_stream_id, CANCEL))
            self._next_stream_id += 2
        self.socket.sendall(b"".join(pieces))

    def receive(self) -> list[Frame]:
        """Return the next frames, none once the server closed the connection. Acknowledge what has to be acknowledged."""
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            return []
        received, self._rest = frames.split_frames(self._rest + data)
        for frame in received:
            if frame.type in (frames.PING, frames.SETTINGS) and not frame.flags & frames.ACK:
                payload = frame.payload if frame.type == frames.PING else b""
                self.socket.sendall(frames.frame(frame.type, frames.ACK, 0, payload))
        return received if received or not data else self.receive()

    def is_closed(self) -> bool:
        """Read what the server sent, and return whether it closed the connection."""
        self.socket.settimeout(0.001)
        try:
            while self.socket.recv(1 << 16):
                pass
        except TimeoutError:
            return False
        except OSError:
            return True
        return True


@contextmanager
def raw_connections(port: int, count: int = 1, *, silent: bool = False) -> Iterator[list[RawConnection]]:
    """Open `count` connections until the block ends."""
    opened = [RawConnection(port, silent=silent) for _ in range(count)]
    try:
        yield opened
    finally:
        for connection in opened:
            connection.socket.close()
