"""Header blocks (RFC 7541), around the `hpack` library.

Belongs here: request blocks that do not change the peer's dynamic table, so that the same bytes serve every stream; response
blocks, read with a cache. Does not belong here: frames.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote

from hpack import Decoder, Encoder, HPACKError

from tests.bench.load.frames import ProtocolError

STATUS_MISSING = -1
"""The stream ended without a grpc-status."""
CACHE_ENTRIES_MAX = 4_096


class ResponseHeaders(NamedTuple):
    """The status fields of a response block."""

    http_status: str
    grpc_status: int
    grpc_message: str


def encode_headers(headers: list[tuple[str, str]]) -> bytes:
    """Encode a block in which every field is in the static table or a literal that is never indexed."""
    return bytes(Encoder().encode([(name, value, True) for name, value in headers], huffman=False))


def encode_request_headers(authority: str, path: str, metadata: dict[str, str], timeout_seconds: int = 60) -> bytes:
    """Encode the block of a gRPC request to the method `path`."""
    fixed = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "seatline-bench"),
        ("grpc-timeout", f"{timeout_seconds}S"),
    ]
    return encode_headers(fixed + list(metadata.items()))


class HeaderReader:
    """Decodes the response blocks of one connection, in the order in which they came."""

    def __init__(self) -> None:
        self._decoder = Decoder()
        self._cache: dict[bytes, ResponseHeaders] = {}

    def read(self, block: bytes) -> ResponseHeaders:
        """Decode a block. Blocks that do not change the dynamic table are cached until one changes it."""
        known = self._cache.get(block)
        if known is not None:
            return known
        read = self._decode(block)
        is_repeatable = keeps_dynamic_table(block)
        if not is_repeatable or len(self._cache) >= CACHE_ENTRIES_MAX:
            self._cache.clear()
        if is_repeatable:
            self._cache[block] = read
        return read

    def _decode(self, block: bytes) -> ResponseHeaders:
        try:
            fields = {bytes(field[0]): bytes(field[1]) for field in self._decoder.decode(block, raw=True)}
        except HPACKError as error:
            raise ProtocolError(f"unreadable header block: {error}") from error
        status = fields.get(b"grpc-status", b"")
        return ResponseHeaders(
            fields.get(b":status", b"").decode("ascii", "replace"),
            int(status) if status.isdigit() else STATUS_MISSING,
            unquote(fields.get(b"grpc-message", b"").decode("utf-8", "replace")),
        )


def keeps_dynamic_table(block: bytes) -> bool:
    """Whether a well-formed block has no literals for the dynamic table and no change of its size."""
    position = 0
    while position < len(block):
        first = block[position]
        if first & 0x80:
            _, position = _read_integer(block, position, 0x7F)
        elif first & 0x60:
            return False
        else:
            name_index, position = _read_integer(block, position, 0x0F)
            for _ in range(1 if name_index else 2):
                size, position = _read_integer(block, position, 0x7F)
                position += size
    return True


def _read_integer(block: bytes, position: int, prefix_mask: int) -> tuple[int, int]:
    """Read a number in the variable-length form of RFC 7541, section 5.1. Return it, and the position after it."""
    value = block[position] & prefix_mask
    position += 1
    if value < prefix_mask:
        return value, position
    shift = 0
    while True:
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position
