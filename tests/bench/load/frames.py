"""HTTP/2 frames as bytes (RFC 9113), with gRPC's message prefix.

Belongs here: cutting a byte stream into frames and making those that a client sends; no I/O. Does not belong here: which frame
may come when (`session.py`).
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20

SETTING_ENABLE_PUSH, SETTING_MAX_CONCURRENT_STREAMS, SETTING_INITIAL_WINDOW_SIZE = 2, 3, 4
SETTING_MAX_FRAME_SIZE = 5
REFUSED_STREAM = 7

WINDOW_DEFAULT_BYTES = 65_535
WINDOW_MAX_BYTES = 2**31 - 1
FRAME_PAYLOAD_BYTES_MAX = 16_384
"""The size that every peer accepts. This generator refuses larger requests."""
STREAM_ID_MAX = 2**31 - 1

HEADER = struct.Struct(">HBBBI")
"""Length (24 bits as 16 + 8), type, flags, stream id."""
HEADER_BYTES = HEADER.size
_SETTING = struct.Struct(">HI")
_U32 = struct.Struct(">I")


class Frame(NamedTuple):
    """A received frame; the payload without the nine bytes before it."""

    type: int
    flags: int
    stream_id: int
    payload: bytes


class ProtocolError(Exception):
    """The peer sent what HTTP/2 or gRPC does not allow, or what this client does not support."""


def split_frames(data: bytes) -> tuple[list[Frame], bytes]:
    """Split `data` into whole frames. Return them, and the rest of the bytes."""
    frames: list[Frame] = []
    position, end = 0, len(data)
    unpack = HEADER.unpack_from
    while position + HEADER_BYTES <= end:
        high, low, kind, flags, stream_id = unpack(data, position)
        start = position + HEADER_BYTES
        stop = start + (high << 8 | low)
        if stop > end:
            break
        frames.append(Frame(kind, flags, stream_id & STREAM_ID_MAX, data[start:stop]))
        position = stop
    return frames, data[position:]


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Return a frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def settings(values: dict[int, int]) -> bytes:
    """Return a SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(key, value) for key, value in values.items()))


def read_settings(payload: bytes) -> dict[int, int]:
    """Return the values of a SETTINGS frame."""
    if len(payload) % _SETTING.size:
        raise ProtocolError(f"SETTINGS of {len(payload)} bytes")
    return dict(_SETTING.iter_unpack(payload))


def window_update(stream_id: int, increment_bytes: int) -> bytes:
    """Return a WINDOW_UPDATE frame; stream 0 stands for the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _U32.pack(increment_bytes))


def read_u32(payload: bytes, offset: int = 0) -> int:
    """Read a 31-bit number, as in WINDOW_UPDATE and GOAWAY."""
    if len(payload) < offset + _U32.size:
        raise ProtocolError(f"a frame of {len(payload)} bytes where {offset + _U32.size} are needed")
    value: int = _U32.unpack_from(payload, offset)[0]
    return value & STREAM_ID_MAX


def bare_payload(received: Frame) -> bytes:
    """Return the payload of a DATA or HEADERS frame without padding and priority."""
    payload, flags = received.payload, received.flags
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise ProtocolError("padding longer than its frame")
        payload = payload[1 : len(payload) - payload[0]]
    if received.type == HEADERS and flags & PRIORITY:
        payload = payload[5:]
    return payload


class CallBytes(NamedTuple):
    """A unary request without its stream id: `head id middle id tail`."""

    head: bytes
    middle: bytes
    tail: bytes
    data_bytes: int
    """The bytes that it takes from the flow-control windows."""


def call_bytes(header_block: bytes, message: bytes) -> CallBytes:
    """Return the HEADERS frame and the one DATA frame of a unary call, prepared so that sending is one join."""
    data_size = 5 + len(message)
    if len(header_block) > FRAME_PAYLOAD_BYTES_MAX or data_size > FRAME_PAYLOAD_BYTES_MAX:
        raise ValueError(f"a request must fit into one frame of {FRAME_PAYLOAD_BYTES_MAX} bytes")
    head = frame_start(HEADERS, END_HEADERS, len(header_block))
    middle = header_block + frame_start(DATA, END_STREAM, data_size)
    return CallBytes(head, middle, b"\0" + _U32.pack(len(message)) + message, data_size)


def frame_start(kind: int, flags: int, size: int) -> bytes:
    """Return the five bytes of a frame before its stream id."""
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, 0)[:5]
