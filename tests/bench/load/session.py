"""One HTTP/2 connection as a state machine.

Belongs here: bytes received go in, bytes to send come out; no sockets, no clock (`now_ns` is an argument). Does not belong
here: how bytes look (`frames.py`, `headers.py`).

The rules it keeps, as a client of unary gRPC calls:
- preface and SETTINGS first; no call before the server's SETTINGS; SETTINGS and PING are answered;
- stream ids are odd and rise; never more streams than slots and MAX_CONCURRENT_STREAMS allow;
- a request is sent only when it fits the connection's send window (it always fits the stream's: one frame);
- after GOAWAY no new stream; streams above its last id go back to the queue, as does a refused one;
- every stream that ends is recorded once, with its grpc-status or with what stood in for one.
"""

from __future__ import annotations

from tests.bench.load import frames
from tests.bench.load.calls import STATUS_LOST, STATUS_OK, STATUS_RESET, CallQueue, Record
from tests.bench.load.frames import Frame, ProtocolError
from tests.bench.load.headers import STATUS_MISSING, HeaderReader

WINDOW_GIVE_BACK_BYTES = 2**29
"""The flow-control window is extended in steps of this size: one frame for half a gigabyte."""


class Session:
    """The calls of one connection."""

    def __init__(self, queue: CallQueue, record: Record, slots: int, keep_payloads: bool = False) -> None:
        self.slots = slots
        self.is_ready = False
        self.is_draining = False
        self.streams_max = frames.STREAM_ID_MAX
        self._queue = queue
        self._record = record
        self._keep_payloads = keep_payloads
        self._headers = HeaderReader()
        self._open: dict[int, tuple[int, int]] = {}
        self._pieces: dict[int, list[bytes]] = {}
        self._partial: Frame | None = None
        self._rest = b""
        self._next_stream_id = 1
        self._send_window_bytes = frames.WINDOW_DEFAULT_BYTES
        self._consumed_bytes = 0
        self._output: list[bytes] = [
            frames.PREFACE,
            frames.settings({frames.SETTING_ENABLE_PUSH: 0, frames.SETTING_INITIAL_WINDOW_SIZE: frames.WINDOW_MAX_BYTES}),
            frames.window_update(0, frames.WINDOW_MAX_BYTES - frames.WINDOW_DEFAULT_BYTES),
        ]

    @property
    def open_count(self) -> int:
        """How many calls are under way."""
        return len(self._open)

    def take_output(self) -> bytes:
        """Return the bytes to be sent, and forget them."""
        output = b"".join(self._output)
        self._output.clear()
        return output

    def open_calls(self, now_ns: int) -> None:
        """Send calls until every slot is taken, the queue is empty, or a limit is reached."""
        if not self.is_ready or self.is_draining:
            return
        free = min(self.slots, self.streams_max) - len(self._open)
        queue, output = self._queue, self._output
        while free > 0 and len(queue):
            index = queue.take()
            head, middle, tail, data_bytes = queue.ready[index]
            if data_bytes > self._send_window_bytes:
                queue.give_back(index)
                return
            stream_id = self._next_stream_id
            stream_bytes = stream_id.to_bytes(4, "big")
            output += (head, stream_bytes, middle, stream_bytes, tail)
            self._open[stream_id] = (index, now_ns)
            self._send_window_bytes -= data_bytes
            self._next_stream_id = stream_id + 2
            free -= 1
        if self._next_stream_id > frames.STREAM_ID_MAX:
            self.is_draining = True

    def receive(self, chunk: bytes, now_ns: int) -> None:
        """Process bytes from the server."""
        received, self._rest = frames.split_frames(self._rest + chunk if self._rest else chunk)
        self._record.received_bytes += len(chunk)
        for item in received:
            if self._partial is not None or item.type == frames.CONTINUATION:
                self._continue_headers(item, now_ns)
            elif item.type == frames.DATA:
                self._receive_data(item, now_ns)
            elif item.type == frames.HEADERS:
                if item.flags & frames.END_HEADERS:
                    self._receive_headers(item, now_ns)
                else:
                    self._partial = item._replace(payload=frames.bare_payload(item), flags=item.flags & frames.END_STREAM)
            else:
                self._receive_control(item, now_ns)

    def lose(self, now_ns: int) -> None:
        """Record all calls under way as lost."""
        for index, start_ns in self._open.values():
            self._record.finish(index, start_ns, now_ns, STATUS_LOST, "connection lost")
        self._open.clear()
        self.is_draining = True

    def _receive_data(self, item: Frame, now_ns: int) -> None:
        self._consumed_bytes += len(item.payload)
        if self._consumed_bytes >= WINDOW_GIVE_BACK_BYTES:
            self._output.append(frames.window_update(0, self._consumed_bytes))
            self._consumed_bytes = 0
        if self._keep_payloads and item.stream_id in self._open:
            self._pieces.setdefault(item.stream_id, []).append(frames.bare_payload(item))
        if item.flags & frames.END_STREAM:
            self._finish(item.stream_id, now_ns, STATUS_MISSING, "the stream ended without trailers")

    def _receive_headers(self, item: Frame, now_ns: int) -> None:
        block = item.payload
        if item.flags & (frames.PADDED | frames.PRIORITY):
            block = frames.bare_payload(item)
        read = self._headers.read(block)
        if item.flags & frames.END_STREAM:
            message = read.grpc_message
            if read.grpc_status == STATUS_MISSING:
                message = f"trailers without grpc-status, HTTP status {read.http_status or 'not repeated'}"
            self._finish(item.stream_id, now_ns, read.grpc_status, message)

    def _continue_headers(self, item: Frame, now_ns: int) -> None:
        begun = self._partial
        if begun is None or item.type != frames.CONTINUATION or item.stream_id != begun.stream_id:
            raise ProtocolError("a header block was interrupted, or went on without a beginning")
        whole = begun._replace(payload=begun.payload + item.payload)
        self._partial = whole
        if item.flags & frames.END_HEADERS:
            self._partial = None
            self._receive_headers(whole, now_ns)

    def _receive_control(self, item: Frame, now_ns: int) -> None:
        if item.type == frames.SETTINGS and not item.flags & frames.ACK:
            self._apply_settings(frames.read_settings(item.payload))
        elif item.type == frames.PING and not item.flags & frames.ACK:
            self._output.append(frames.frame(frames.PING, frames.ACK, 0, item.payload))
        elif item.type == frames.WINDOW_UPDATE and item.stream_id == 0:
            self._send_window_bytes += frames.read_u32(item.payload)
        elif item.type == frames.RST_STREAM:
            self._receive_reset(item.stream_id, frames.read_u32(item.payload), now_ns)
        elif item.type == frames.GOAWAY:
            self._receive_goaway(item.payload)
        elif item.type == frames.PUSH_PROMISE:
            raise ProtocolError("PUSH_PROMISE, though push is disabled")

    def _apply_settings(self, values: dict[int, int]) -> None:
        window_bytes = values.get(frames.SETTING_INITIAL_WINDOW_SIZE, frames.WINDOW_DEFAULT_BYTES)
        if window_bytes < frames.FRAME_PAYLOAD_BYTES_MAX:
            raise ProtocolError(f"the server's stream window of {window_bytes} bytes may not hold a request")
        self.streams_max = values.get(frames.SETTING_MAX_CONCURRENT_STREAMS, self.streams_max)
        self._output.append(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        self.is_ready = True

    def _receive_reset(self, stream_id: int, code: int, now_ns: int) -> None:
        if code == frames.REFUSED_STREAM:
            self._give_back(stream_id)
        else:
            self._finish(stream_id, now_ns, STATUS_RESET, f"RST_STREAM {code}")

    def _receive_goaway(self, payload: bytes) -> None:
        last_stream_id, code = frames.read_u32(payload), frames.read_u32(payload, 4)
        self.is_draining = True
        self._record.note(f"GOAWAY {code} {payload[8:].decode('utf-8', 'replace')}")
        for stream_id in [stream_id for stream_id in self._open if stream_id > last_stream_id]:
            self._give_back(stream_id)

    def _give_back(self, stream_id: int) -> None:
        under_way = self._open.pop(stream_id, None)
        self._pieces.pop(stream_id, None)
        if under_way is not None:
            self._queue.give_back(under_way[0])
            self._record.given_back += 1

    def _finish(self, stream_id: int, now_ns: int, status: int, message: str) -> None:
        under_way = self._open.pop(stream_id, None)
        if under_way is None:
            return
        index, start_ns = under_way
        self._record.finish(index, start_ns, now_ns, status, message)
        if self._keep_payloads:
            pieces = self._pieces.pop(stream_id, None)
            if status == STATUS_OK and pieces:
                self._record.payloads[index] = unframe_message(b"".join(pieces))


def unframe_message(body: bytes) -> bytes:
    """Return the one message of a unary answer, without gRPC's five bytes before it."""
    if len(body) < 5 or body[0] != 0 or int.from_bytes(body[1:5], "big") != len(body) - 5:
        raise ProtocolError("the answer is not exactly one uncompressed message")
    return body[5:]
