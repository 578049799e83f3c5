"""One process of the generator.

Belongs here: non-blocking sockets around sessions, driven by `fleet.py` over stdin and stdout. Does not belong here: what the
bytes mean (`session.py`).
"""

from __future__ import annotations

import gc
import pickle
import selectors
import socket
import sys
import time
from contextlib import suppress
from typing import IO

from tests.bench.load.calls import CallQueue, Orders, Record
from tests.bench.load.frames import ProtocolError
from tests.bench.load.session import Session

HANDSHAKE_SECONDS_MAX = 10.0
DRAIN_SECONDS_MAX = 30.0
"""How long calls under way may still be answered once time is up."""
CONNECTIONS_MAX = 64
RECONNECTS_MAX = 16
RECEIVE_BYTES = 1 << 18
PAUSE_SECONDS_PER_CALL = 30e-6
PAUSE_SECONDS_MAX = 0.002
PAUSE_IN_FLIGHT_MIN = 8


def pause_seconds(in_flight: int) -> float:
    """Return the shortest time between the starts of two turns, so that one turn handles several answers.

    A process that wakes for each answer takes twice the CPU time, away from the measured server. A call is delayed by less than
    a fifth of its queueing time; with few calls under way there is no delay.
    """
    if in_flight < PAUSE_IN_FLIGHT_MIN:
        return 0.0
    return min(PAUSE_SECONDS_MAX, in_flight * PAUSE_SECONDS_PER_CALL)


class Connection:
    """A socket with its session, and the bytes that the socket has not taken yet."""

    def __init__(self, orders: Orders, session: Session) -> None:
        self.session = session
        self.socket = socket.create_connection((orders.host, orders.port), timeout=HANDSHAKE_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.pending = b""
        self.events = selectors.EVENT_READ

    def flush(self) -> bool:
        """Send all pending bytes. Return whether the socket took all of them."""
        output = self.pending + self.session.take_output()
        if not output:
            return True
        try:
            sent = self.socket.send(output)
        except BlockingIOError:
            sent = 0
        self.pending = output[sent:]
        return not self.pending


class Volley:
    """All calls of one set of orders."""

    def __init__(self, orders: Orders) -> None:
        self.record = Record()
        self._orders = orders
        self._queue = CallQueue(orders.calls)
        self._selector = selectors.DefaultSelector()
        self._connections: list[Connection] = []
        self._reconnects = 0
        self._buffer = bytearray(RECEIVE_BYTES)
        self._view = memoryview(self._buffer)

    def connect(self) -> None:
        """Open the connections and wait for the server's settings. Open more where it allows few streams on each."""
        wanted = max(1, min(self._orders.connections, self._orders.in_flight))
        self._open_connections([0] * wanted)
        streams_max = min(connection.session.streams_max for connection in self._connections)
        needed = min(CONNECTIONS_MAX, -(-self._orders.in_flight // max(1, streams_max)))
        if needed > wanted:
            self._open_connections([0] * (needed - wanted))
        for position, connection in enumerate(self._connections):
            connection.session.slots = share(self._orders.in_flight, len(self._connections), position)

    def run(self) -> Record:
        """Send every call. Return the record."""
        record = self.record
        record.start_ns = time.monotonic_ns()
        cpu_start = time.process_time()
        end_ns = record.start_ns + int(self._orders.seconds_max * 1e9)
        pause_ns = int(pause_seconds(self._orders.in_flight) * 1e9)
        now_ns = record.start_ns
        self._refill(now_ns)
        while self._connections and (self._queue or any(connection.session.open_count for connection in self._connections)):
            wait_ns = now_ns + pause_ns - time.monotonic_ns()
            if wait_ns > 0:
                time.sleep(wait_ns / 1e9)
            self._turn(timeout=1.0)
            now_ns = time.monotonic_ns()
            if now_ns >= end_ns:
                record.unsent += self._queue.clear()
                if now_ns >= end_ns + int(DRAIN_SECONDS_MAX * 1e9):
                    record.note(f"calls unanswered {DRAIN_SECONDS_MAX:.0f} s after time was up")
                    break
            self._refill(now_ns)
        record.unsent += self._queue.clear()
        self.close()
        record.cpu_seconds = time.process_time() - cpu_start
        return record

    def close(self) -> None:
        """Close every connection; calls under way count as lost."""
        for connection in list(self._connections):
            self._close(connection)
        self._selector.close()

    def _open_connections(self, slots: list[int]) -> None:
        for slot_count in slots:
            session = Session(self._queue, self.record, slot_count, self._orders.keep_payloads)
            connection = Connection(self._orders, session)
            self._connections.append(connection)
            self._selector.register(connection.socket, selectors.EVENT_READ, connection)
            self._flush(connection)
        end = time.monotonic() + HANDSHAKE_SECONDS_MAX
        while not all(connection.session.is_ready for connection in self._connections):
            if time.monotonic() > end or not self._connections:
                raise ConnectionError(f"no HTTP/2 settings from {self._orders.host}:{self._orders.port}")
            self._turn(timeout=0.1)

    def _turn(self, timeout: float) -> None:
        """Wait until something can be read or written, and do so."""
        for key, mask in self._selector.select(timeout):
            connection: Connection = key.data
            if mask & selectors.EVENT_READ:
                self._receive(connection)
            elif mask & selectors.EVENT_WRITE:
                self._flush(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            size = connection.socket.recv_into(self._buffer)
        except BlockingIOError:
            return
        except OSError as error:
            self.record.note(f"connection lost: {error}")
            size = 0
        if size == 0:
            self._drop(connection)
            return
        try:
            connection.session.receive(bytes(self._view[:size]), time.monotonic_ns())
        except ProtocolError as error:
            self.record.note(f"protocol error: {error}")
            self._drop(connection)

    def _refill(self, now_ns: int) -> None:
        """Send calls in all free slots. Replace a connection that takes no more calls and has none under way."""
        for connection in list(self._connections):
            connection.session.open_calls(now_ns)
            self._flush(connection)
            if connection.session.is_draining and not connection.session.open_count and self._queue:
                self._close(connection)
                self._replace(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            is_done = connection.flush()
        except OSError as error:
            self.record.note(f"connection lost: {error}")
            self._drop(connection)
            return
        wanted = selectors.EVENT_READ if is_done else selectors.EVENT_READ | selectors.EVENT_WRITE
        if connection.events != wanted:
            connection.events = wanted
            self._selector.modify(connection.socket, wanted, connection)

    def _drop(self, connection: Connection) -> None:
        """Replace a connection that was closed by the server or lost."""
        if connection not in self._connections:
            return
        if connection.session.open_count or not connection.session.is_draining:
            self.record.connections_lost += 1
        self._close(connection)
        self._replace(connection)

    def _close(self, connection: Connection) -> None:
        connection.session.lose(time.monotonic_ns())
        self._connections.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _replace(self, connection: Connection) -> None:
        if not self._queue or self._reconnects >= RECONNECTS_MAX:
            return
        self._reconnects += 1
        try:
            self._open_connections([connection.session.slots])
        except OSError as error:
            self.record.note(f"no new connection: {error}")


def share(total: int, parts: int, position: int) -> int:
    """Return the part at `position` of `total`, split as evenly as whole numbers allow."""
    return total // parts + (position < total % parts)


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Carry out orders until the input ends.

    For each: read the orders, write an empty text or an error; read the start time (None: drop them), write the record.
    """
    while True:
        try:
            orders = pickle.load(source)  # noqa: S301 - from the process that started this one
        except EOFError:
            return
        try:
            volley = Volley(orders)
            volley.connect()
        except (OSError, ValueError, ProtocolError) as error:
            _send(sink, f"{type(error).__name__}: {error}")
            continue
        _send(sink, "")
        start_ns = pickle.load(source)  # noqa: S301 - as above
        if start_ns is None:
            volley.close()
            continue
        # A garbage collection during a volley would count as latency of the server.
        gc.disable()
        time.sleep(max(0.0, (start_ns - time.monotonic_ns()) / 1e9))
        record = volley.run()
        gc.enable()
        _send(sink, record)


def _send(sink: IO[bytes], value: object) -> None:
    pickle.dump(value, sink, protocol=pickle.HIGHEST_PROTOCOL)
    sink.flush()


if __name__ == "__main__":
    # The benchmark may have ended before the answer.
    with suppress(BrokenPipeError, KeyboardInterrupt):
        serve(sys.stdin.buffer, sys.stdout.buffer)
