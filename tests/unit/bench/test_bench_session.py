"""A connection of the load generator: which frames it sends after which frames it receives."""

from collections.abc import Iterable

import pytest
from hpack import Encoder

from tests.bench.load import frames
from tests.bench.load.calls import STATUS_LOST, STATUS_RESET, Call, CallQueue, Record
from tests.bench.load.frames import Frame, ProtocolError, frame, split_frames
from tests.bench.load.headers import STATUS_MISSING
from tests.bench.load.session import Session, unframe_message
from tests.bench.load.worker import pause_seconds, share

MESSAGE = b"\0\0\0\0\x06answer"


class Server:
    """Stands for the server: encodes what a gRPC server sends."""

    def __init__(self) -> None:
        self._encoder = Encoder()

    def headers(self, stream: int, *fields: tuple[str, str], flags: int = frames.END_HEADERS) -> bytes:
        return frame(frames.HEADERS, flags, stream, self._encoder.encode(list(fields)))

    def answer(self, stream: int, status: int = 0) -> bytes:
        return self.headers(stream, (":status", "200")) + frame(frames.DATA, 0, stream, MESSAGE) + self.trailers(stream, status)

    def trailers(self, stream: int, status: int, message: str = "") -> bytes:
        fields = (("grpc-status", str(status)), ("grpc-message", message))
        return self.headers(stream, *fields, flags=frames.END_HEADERS | frames.END_STREAM)


def make_session(
    calls: int = 10, slots: int = 3, values: dict[int, int] | None = None, *, keep: bool = False
) -> tuple[Session, CallQueue, Record]:
    queue, record = CallQueue([Call(b"block", b"message")] * calls), Record()
    session = Session(queue, record, slots, keep_payloads=keep)
    session.take_output()
    session.receive(frames.settings(values or {}), 0)
    return session, queue, record


def sent(session: Session) -> list[Frame]:
    return split_frames(session.take_output())[0]


def opened(items: Iterable[Frame]) -> list[int]:
    return [item.stream_id for item in items if item.type == frames.HEADERS]


def test_no_call_is_sent_before_the_settings_of_the_server() -> None:
    session = Session(CallQueue([Call(b"block", b"")]), Record(), 1)
    session.open_calls(0)
    output = session.take_output()
    assert output.startswith(frames.PREFACE)
    assert opened(split_frames(output[len(frames.PREFACE) :])[0]) == []
    session.receive(frames.settings({}), 0)
    session.open_calls(0)
    assert opened(sent(session)) == [1]


def test_settings_and_pings_are_answered() -> None:
    session, _, _ = make_session()
    session.receive(frame(frames.PING, 0, 0, b"12345678"), 0)
    assert sent(session) == [(frames.SETTINGS, frames.ACK, 0, b""), (frames.PING, frames.ACK, 0, b"12345678")]


def test_as_many_calls_are_under_way_as_there_are_slots_and_a_finished_call_frees_its_slot() -> None:
    session, queue, record = make_session(calls=5, slots=2)
    server = Server()
    session.open_calls(100)
    assert opened(sent(session)) == [1, 3]
    session.receive(server.answer(3), 250)
    session.open_calls(300)
    assert opened(sent(session)) == [5]
    assert (list(record.index), list(record.latency_ns), list(record.status)) == ([1], [150], [0])
    assert len(queue) == 2


def test_the_server_may_allow_fewer_streams_than_there_are_slots() -> None:
    session, _, _ = make_session(slots=50, values={frames.SETTING_MAX_CONCURRENT_STREAMS: 2})
    session.open_calls(0)
    assert opened(sent(session)) == [1, 3]


def test_a_request_waits_until_it_fits_the_connection_window() -> None:
    session, queue, _ = make_session(calls=10_000, slots=10_000)
    session.open_calls(0)
    first = len(opened(sent(session)))
    assert first == frames.WINDOW_DEFAULT_BYTES // queue.ready[0].data_bytes
    session.open_calls(0)
    assert opened(sent(session)) == []
    session.receive(frames.window_update(0, queue.ready[0].data_bytes), 0)
    session.open_calls(0)
    assert opened(sent(session)) == [first * 2 + 1]


def test_every_status_is_counted_with_its_message() -> None:
    session, _, record = make_session()
    server = Server()
    session.open_calls(0)
    session.receive(server.answer(1) + server.answer(3, 9), 5)
    session.receive(server.headers(5, (":status", "200"), ("grpc-status", "8"), ("grpc-message", "full"), flags=5), 6)
    assert list(record.status) == [0, 9, 8]
    assert dict(record.refusals) == {(9, ""): 1, (8, "full"): 1}


def test_a_stream_that_ends_without_a_status_is_not_counted_as_success() -> None:
    session, _, record = make_session()
    server = Server()
    session.open_calls(0)
    session.receive(server.headers(1, (":status", "502"), flags=frames.END_HEADERS | frames.END_STREAM), 1)
    session.receive(frame(frames.DATA, frames.END_STREAM, 3, MESSAGE), 1)
    session.receive(frame(frames.RST_STREAM, 0, 5, (2).to_bytes(4, "big")), 1)
    assert list(record.status) == [STATUS_MISSING, STATUS_MISSING, STATUS_RESET]
    assert any("502" in message for _, message in record.refusals)


def test_a_refused_stream_is_sent_again() -> None:
    session, queue, record = make_session(calls=3)
    session.open_calls(0)
    session.receive(frame(frames.RST_STREAM, 0, 1, frames.REFUSED_STREAM.to_bytes(4, "big")), 1)
    assert (len(queue), record.given_back, len(record.index)) == (1, 1, 0)


def test_after_goaway_no_call_is_started_and_those_that_it_did_not_process_are_sent_again() -> None:
    session, queue, record = make_session(calls=4)
    server = Server()
    session.open_calls(0)
    session.take_output()
    session.receive(frame(frames.GOAWAY, 0, 0, (1).to_bytes(4, "big") + bytes(4) + b"bye"), 1)
    session.open_calls(2)
    assert opened(sent(session)) == []
    assert (session.is_draining, session.open_count, len(queue)) == (True, 1, 3)
    session.receive(server.answer(1), 3)
    assert (session.open_count, list(record.status)) == (0, [0])


def test_calls_on_a_lost_connection_are_recorded_as_lost() -> None:
    session, _, record = make_session()
    session.open_calls(0)
    session.lose(7)
    assert list(record.status) == [STATUS_LOST] * 3
    assert session.is_draining


def test_a_header_block_may_come_in_pieces() -> None:
    session, _, record = make_session()
    session.open_calls(0)
    block = Server().trailers(1, 0)[frames.HEADER_BYTES :]
    session.receive(frame(frames.HEADERS, frames.END_STREAM, 1, block[:4]), 1)
    session.receive(frame(frames.CONTINUATION, frames.END_HEADERS, 1, block[4:]), 1)
    assert list(record.status) == [0]


def test_a_header_block_must_not_be_interrupted() -> None:
    session, _, _ = make_session()
    session.open_calls(0)
    session.receive(frame(frames.HEADERS, frames.END_STREAM, 1, b"\x88"), 1)
    with pytest.raises(ProtocolError):
        session.receive(frame(frames.DATA, 0, 1, b""), 1)


def test_answers_are_kept_on_request_without_the_prefix_of_the_message() -> None:
    session, _, record = make_session(keep=True)
    server = Server()
    session.open_calls(0)
    session.receive(server.headers(3, (":status", "200")) + frame(frames.DATA, 0, 3, MESSAGE[:7]), 1)
    session.receive(frame(frames.DATA, 0, 3, MESSAGE[7:]) + server.trailers(3, 0), 1)
    assert record.payloads == {1: b"answer"}


def test_an_answer_must_be_one_message() -> None:
    with pytest.raises(ProtocolError):
        unframe_message(MESSAGE + MESSAGE)


def test_callers_are_split_evenly_over_processes() -> None:
    assert [share(64, 3, position) for position in range(3)] == [22, 21, 21]
    assert sum(share(257, 4, position) for position in range(4)) == 257


def test_a_lone_caller_is_never_delayed() -> None:
    assert pause_seconds(1) == 0
    assert 0 < pause_seconds(32) < pause_seconds(128) <= 0.002
