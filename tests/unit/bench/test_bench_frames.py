"""The load generator encodes and decodes HTTP/2 frames and header blocks."""

import pytest
from hpack import Decoder, Encoder

from tests.bench.load import frames
from tests.bench.load.frames import ProtocolError, bare_payload, call_bytes, frame, split_frames
from tests.bench.load.headers import (
    STATUS_MISSING,
    HeaderReader,
    encode_headers,
    encode_request_headers,
    keeps_dynamic_table,
)


def fields(decoder: Decoder, block: bytes) -> list[tuple[str, str]]:
    return [(str(field[0]), str(field[1])) for field in decoder.decode(block)]


def test_whole_frames_are_split_off_and_the_rest_is_returned() -> None:
    first, second = frame(frames.DATA, 1, 3, b"one"), frame(frames.PING, 0, 0, b"12345678")
    found, rest = split_frames(first + second[:-1])
    assert [(item.type, item.flags, item.stream_id, item.payload) for item in found] == [(0, 1, 3, b"one")]
    assert rest == second[:-1]


def test_a_stream_of_frames_reads_the_same_wherever_it_is_cut() -> None:
    whole = b"".join(frame(frames.DATA, 0, number, bytes(number)) for number in (1, 300, 70_000))
    expected, _ = split_frames(whole)
    for cut in (0, 5, 9, 10, 12, 320, len(whole)):
        before, rest = split_frames(whole[:cut])
        after, left = split_frames(rest + whole[cut:])
        assert before + after == expected
        assert left == b""


def test_the_reserved_bit_of_a_stream_id_is_ignored() -> None:
    found, _ = split_frames(frames.HEADER.pack(0, 0, frames.DATA, 0, 1 << 31 | 7))
    assert found[0].stream_id == 7


def test_padding_and_priority_are_not_part_of_the_payload() -> None:
    padded = frames.Frame(frames.DATA, frames.PADDED, 1, b"\x02body..")
    assert bare_payload(padded) == b"body"
    prioritised = frames.Frame(frames.HEADERS, frames.PADDED | frames.PRIORITY, 1, b"\x01" + bytes(5) + b"block.")
    assert bare_payload(prioritised) == b"block"


def test_padding_longer_than_the_frame_is_refused() -> None:
    with pytest.raises(ProtocolError):
        bare_payload(frames.Frame(frames.DATA, frames.PADDED, 1, b"\x09body"))


def test_a_call_is_a_headers_frame_and_a_data_frame_with_one_message() -> None:
    call = call_bytes(b"block", b"message")
    stream = (5).to_bytes(4, "big")
    found, rest = split_frames(call.head + stream + call.middle + stream + call.tail)
    assert rest == b""
    assert found[0] == (frames.HEADERS, frames.END_HEADERS, 5, b"block")
    assert found[1] == (frames.DATA, frames.END_STREAM, 5, b"\0\0\0\0\x07message")
    assert call.data_bytes == len(found[1].payload)


def test_a_request_that_needs_more_than_one_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="one frame"):
        call_bytes(b"block", bytes(frames.FRAME_PAYLOAD_BYTES_MAX))


def test_settings_are_decoded_as_they_were_encoded() -> None:
    values = {frames.SETTING_MAX_CONCURRENT_STREAMS: 100, frames.SETTING_INITIAL_WINDOW_SIZE: 1 << 20}
    found, _ = split_frames(frames.settings(values))
    assert frames.read_settings(found[0].payload) == values


def test_settings_of_an_odd_length_are_refused() -> None:
    with pytest.raises(ProtocolError):
        frames.read_settings(bytes(7))


def test_a_request_block_reads_the_same_however_often_it_is_sent() -> None:
    block = encode_request_headers("host", "/service/Method", {"x-user": "someone@example.com"})
    decoder = Decoder()
    first, second = fields(decoder, block), fields(decoder, block)
    assert first == second
    assert (":path", "/service/Method") in first
    assert ("x-user", "someone@example.com") in first
    assert keeps_dynamic_table(block)


def test_request_blocks_can_be_put_together_from_parts() -> None:
    parts = encode_headers([("x-first", "1")]) + encode_headers([("x-second", "2" * 300)])
    assert fields(Decoder(), parts) == [("x-first", "1"), ("x-second", "2" * 300)]


def test_only_blocks_without_indexed_literals_keep_the_dynamic_table() -> None:
    assert keeps_dynamic_table(b"\x88\xc0\xbf")
    assert keeps_dynamic_table(b"\xff\x80\x01\x88")
    assert keeps_dynamic_table(b"\xbe\x00\x0cgrpc-message\x00")
    assert not keeps_dynamic_table(b"\x88\x40\x01a\x01b")
    assert not keeps_dynamic_table(b"\x3f\xe1\x1f\x88")


def test_a_cached_block_is_decoded_again_once_the_dynamic_table_has_changed() -> None:
    server, reader = Encoder(), HeaderReader()
    refused = [("grpc-status", "8"), ("grpc-message", "lane%20full")]
    assert reader.read(server.encode(refused)).grpc_status == 8
    repeated = server.encode(refused)
    assert reader.read(repeated) == reader.read(repeated) == ("", 8, "lane full")
    # Two new entries push the old ones to other places: what the bytes mean has changed.
    reader.read(server.encode([("grpc-status", "0"), ("grpc-message", "fine")]))
    assert reader.read(repeated).grpc_status == 0
    assert reader.read(server.encode(refused)) == ("", 8, "lane full")


def test_a_block_without_a_grpc_status_says_so() -> None:
    assert HeaderReader().read(Encoder().encode([(":status", "200")])) == ("200", STATUS_MISSING, "")


def test_an_unreadable_block_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        HeaderReader().read(b"\xff\xff")
