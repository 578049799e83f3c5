"""Streaming calls over the wire: guarded, bounded, observed and drained like any other call."""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.process.bootstrap import build_server, edge
from app.rpc.policies import POLICIES, RateClass
from app.store.in_memory import connect_in_memory
from app.telemetry.metrics.calls import CallMetrics
from app.telemetry.metrics.families import Metrics
from tests.support.clients import decoded, refusal
from tests.support.trial_stream import (
    ROWS,
    SECRET,
    SERVICE,
    SHORT_SECONDS,
    TRIAL_POLICIES,
    EndedCalls,
    TrialClient,
    TrialServicer,
    add_trial_service,
    serve_trial,
)
from tests.support.world import eventually, settings_for

OK, CANCELLED, EXCEEDED = grpc.StatusCode.OK, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED
UNAVAILABLE, INTERNAL = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL
JANE = (("x-seatline-user", "jane@example.com"),)
OPERATOR = (*JANE, ("x-seatline-roles", "operator"))
SOON_SECONDS = 5.0  # on a busy machine; what is waited for takes a fraction of it


async def _end_of(stream: Any) -> grpc.aio.AioRpcError:
    """Read a stream up to its refusal, and return it."""
    try:
        while await stream.read() is not grpc.aio.EOF:
            pass
    except grpc.aio.AioRpcError as error:
        return error
    pytest.fail("the stream was not refused")


async def _reason_of(stream: Any) -> str:
    return decoded(await _end_of(stream)).reason


async def test_a_stream_sends_all_its_messages_and_ends_with_ok() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        assert await TrialClient(trial.channel, OPERATOR).read_all("Count", 5) == [1, 2, 3, 4, 5]
        assert await TrialClient(trial.channel, OPERATOR).read_all("Count", 0) == []
        assert trial.servicer.callers == ["jane@example.com"] * 2
    assert observer.ended == [("Count", OK, None)] * 2


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [((), "CREDENTIALS_MISSING"), ((("x-seatline-user", "nobody"),), "CREDENTIALS_MISSING"), (JANE, "NOT_PERMITTED")],
)
async def test_a_stream_is_refused_to_whoever_may_not_call_it(metadata: Any, reason: str) -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        refused = await refusal(TrialClient(trial.channel, metadata).read_all("Count", 5))
        assert (refused.reason, refused.domain) == (reason, "seatline")
        assert trial.servicer.callers == []
    assert [reason for _, _, reason in observer.ended] == [Reason(reason)]


async def test_a_refusal_in_the_middle_of_a_stream_arrives_after_the_messages_before_it() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        stream = trial.client.stream("Refuse")
        assert (await stream.read()).value == 1
        refused = decoded(await _end_of(stream))
        assert (refused.code, refused.reason, refused.message) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "SEAT_TAKEN",
            "seat A-1 is taken",
        )
    assert observer.ended == [("Refuse", grpc.StatusCode.FAILED_PRECONDITION, Reason.SEAT_TAKEN)]


@pytest.mark.parametrize("method", ["Break", "CancelItself"])
async def test_a_fault_in_a_stream_is_internal_and_its_text_stays_in_the_log(method: str) -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        refused = decoded(await _end_of(trial.client.stream(method)))
        assert (refused.code, refused.reason) == (INTERNAL, "INTERNAL")
        assert "incident" in refused.message
        assert SECRET not in repr(refused)
    assert observer.ended == [(method, INTERNAL, Reason.INTERNAL)]


async def test_undecodable_bytes_are_refused() -> None:
    async with serve_trial() as trial:
        call: Any = trial.channel.unary_stream(f"/{SERVICE}/Wait")
        assert await _reason_of(call(b"\xff\xff", timeout=20)) == "MESSAGE_MALFORMED"
        assert trial.servicer.started == 0


async def test_a_client_that_cancels_ends_the_stream_and_what_it_holds() -> None:
    observer = EndedCalls()
    async with serve_trial(observer, calls_in_flight_max=1) as trial:
        stream = trial.client.stream("Wait")
        await stream.read()
        stream.cancel()
        await eventually(lambda: _holds(lambda: len(observer.ended) == 1))
        assert trial.servicer.ended == 1
        assert await trial.client.ask(7) == 7  # there is capacity again
    assert observer.ended[0] == ("Wait", CANCELLED, None)


async def test_a_clients_deadline_ends_the_stream() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        await trial.channel.channel_ready()  # connecting takes none of the stream's time
        error = await _end_of(TrialClient(trial.channel, seconds=1.0).stream("Wait"))
        assert error.code() is EXCEEDED
        await eventually(lambda: _holds(lambda: trial.servicer.ended == 1 and len(observer.ended) == 1))
    assert observer.ended == [("Wait", EXCEEDED, None)]


async def test_a_stream_ends_at_the_time_bound_of_its_policy_and_others_go_on() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        long = trial.client.stream("Wait")
        await long.read()
        begin = time.monotonic()
        refused = decoded(await _end_of(trial.client.stream("WaitShortly")))
        assert SHORT_SECONDS * 0.9 < time.monotonic() - begin < SOON_SECONDS
        assert (refused.code, refused.reason) == (EXCEEDED, "DEADLINE_EXCEEDED")
        assert (trial.servicer.started, trial.servicer.ended) == (2, 1)
        assert not long.done()
        long.cancel()
    assert observer.ended[0] == ("WaitShortly", EXCEEDED, Reason.DEADLINE_EXCEEDED)


async def test_a_client_that_reads_nothing_holds_a_stream_no_longer_than_its_time_bound() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        observer.when_ended = lambda: trial.servicer.ended
        stream = trial.client.stream("Flood")
        await eventually(lambda: _holds(lambda: len(observer.ended) == 1))
        assert observer.noted == [1], "the servicer has closed what it holds before the call counts as ended"
        assert trial.servicer.started < 100, "flow control stops the servicer while nobody reads"
        stream.cancel()
    assert observer.ended == [("Flood", EXCEEDED, Reason.DEADLINE_EXCEEDED)]


async def test_streams_count_among_the_calls_in_flight() -> None:
    async with serve_trial(calls_in_flight_max=2) as trial:
        streams = [trial.client.stream("Wait") for _ in range(2)]
        for stream in streams:
            await stream.read()
        for refused in (await refusal(trial.client.ask(1)), await refusal(trial.client.read_all("Wait"))):
            assert (refused.code, refused.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
            assert refused.retry_seconds > 0
        streams[0].cancel()
        await eventually(lambda: _answers(trial.client))
        streams[1].cancel()


async def test_a_stream_whose_request_never_arrives_ends_soon() -> None:
    observer = EndedCalls()
    async with serve_trial(observer, request_seconds_max=0.3) as trial:
        call: Any = trial.channel.stream_stream(f"/{SERVICE}/Wait")
        begin = time.monotonic()
        assert await _reason_of(call(_nothing(), timeout=20)) == "MESSAGE_INCOMPLETE"
        assert time.monotonic() - begin < SOON_SECONDS
        assert trial.servicer.started == 0
    assert [reason for _, _, reason in observer.ended] == [Reason.MESSAGE_INCOMPLETE]


async def test_streams_whose_requests_never_arrive_keep_no_other_out() -> None:
    async with serve_trial(calls_in_flight_max=3) as trial:
        call: Any = trial.channel.stream_stream(f"/{SERVICE}/Wait")
        half_sent = [asyncio.ensure_future(_reason_of(call(_nothing(), timeout=20))) for _ in range(9)]
        done, waiting = await asyncio.wait(half_sent, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result() for task in done} == {"TOO_MANY_CALLS"}
        assert await trial.client.ask(7) == 7
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_database_that_is_away_ends_streams_and_refuses_new_ones() -> None:
    async with serve_trial() as trial:
        stream = trial.client.stream("Wait")
        await stream.read()
        trial.is_available = False
        trial.guard.abort_all()
        assert await _reason_of(stream) == "DATABASE_UNAVAILABLE"
        assert (await refusal(trial.client.read_all("Wait"))).reason == "DATABASE_UNAVAILABLE"
        assert (trial.servicer.started, trial.servicer.ended) == (1, 1)


async def test_a_stream_that_is_aborted_while_its_first_message_is_sent_ends_with_the_reason() -> None:
    async with serve_trial() as trial:
        trial.servicer.before_first_message = lambda: asyncio.get_running_loop().call_soon(trial.guard.abort_all)
        for _ in range(20):
            assert await _reason_of(TrialClient(trial.channel, seconds=SOON_SECONDS).stream("Wait")) == "DATABASE_UNAVAILABLE"


async def test_a_stream_that_is_aborted_while_its_headers_are_sent_ends_with_the_reason() -> None:
    class AbortSoon:
        def admit(self, caller: Caller, rate_class: RateClass) -> None:
            asyncio.get_running_loop().call_soon(trial.guard.abort_all)

    async with serve_trial(rate_limiter=AbortSoon()) as trial:
        for _ in range(20):
            assert await _reason_of(TrialClient(trial.channel, seconds=SOON_SECONDS).stream("Wait")) == "DATABASE_UNAVAILABLE"
        assert trial.servicer.started == 0


async def test_a_server_that_stops_ends_its_streams_and_finishes_its_other_calls() -> None:
    observer = EndedCalls()
    async with serve_trial(observer) as trial:
        stream = trial.client.stream("Wait")
        await stream.read()
        trial.guard.abort_streams()
        ended = decoded(await _end_of(stream))
        assert (ended.code, ended.reason) == (UNAVAILABLE, "SERVER_STOPPING")
        assert ended.retry_seconds > 0
        assert (await refusal(trial.client.read_all("Wait"))).reason == "SERVER_STOPPING"
        assert await trial.client.ask(7) == 7
        assert (trial.servicer.started, trial.servicer.ended) == (1, 1)
    assert observer.ended[0] == ("Wait", UNAVAILABLE, Reason.SERVER_STOPPING)


async def test_stopping_a_whole_server_waits_for_no_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "POLICIES", {**POLICIES, **TRIAL_POLICIES})
    server = await build_server(settings_for(drain_seconds=60.0), connect_in_memory())
    servicer = TrialServicer()
    add_trial_service(server._edge.grpc, server._edge.guard, servicer)
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        stream = TrialClient(channel, seconds=None).stream("Wait")
        await stream.read()
        begin = time.monotonic()
        reason, _ = await asyncio.gather(_reason_of(stream), server.stop())
        assert reason == "SERVER_STOPPING"
        assert time.monotonic() - begin < SOON_SECONDS
    assert servicer.ended == 1


async def test_streams_are_counted_and_timed_under_their_own_type() -> None:
    metrics = Metrics("1")
    async with serve_trial(CallMetrics(metrics, {method: row.kind.value for method, row in TRIAL_POLICIES.items()})) as trial:
        await TrialClient(trial.channel, OPERATOR).read_all("Count", 3)
        waiting = trial.client.stream("Wait")
        await waiting.read()
        await refusal(trial.client.read_all("Refuse"))

        def value(name: str, method: str = "", **labels: str) -> float | None:
            if method:
                labels |= {"grpc_type": ROWS[method].kind.value, "grpc_service": SERVICE, "grpc_method": method}
            return metrics.registry.get_sample_value(name, labels)

        assert ROWS["Wait"].kind.value == "server_stream"
        assert value("grpc_server_started_total", "Count") == value("grpc_server_started_total", "Wait") == 1
        assert value("grpc_server_handled_total", "Count", grpc_code="OK") == 1
        assert value("grpc_server_handled_total", "Refuse", grpc_code="FailedPrecondition") == 1
        assert value("grpc_server_handling_seconds_count", "Count") == 1
        assert value("grpc_server_in_flight_calls") == 1
        assert value("seatline_refusals_total", reason="SEAT_TAKEN") == 1
        waiting.cancel()


async def test_a_rate_limiter_is_asked_with_the_class_of_the_method() -> None:
    class OneOnly:
        def __init__(self) -> None:
            self.seen: list[tuple[str | None, RateClass]] = []

        def admit(self, caller: Caller, rate_class: RateClass) -> None:
            self.seen.append((caller.email, rate_class))
            if len(self.seen) > 1:
                raise Refusal(Reason.TOO_MANY_CALLS, "one only")

    limiter = OneOnly()
    async with serve_trial(rate_limiter=limiter) as trial:
        assert await TrialClient(trial.channel, OPERATOR).read_all("Count", 1) == [1]
        assert (await refusal(trial.client.ask(1))).message == "one only"
    assert limiter.seen == [("jane@example.com", RateClass.READ), (None, RateClass.READ)]


@pytest.fixture
def _nothing_is_collected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nothing_is_collected")
async def test_streams_leave_nothing_behind_however_they_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "app")  # pytest keeps the records, which refer to the exceptions
    async with serve_trial() as trial:
        before = _contexts()
        for _ in range(20):
            await TrialClient(trial.channel, OPERATOR).read_all("Count", 2)
            for method in ("Refuse", "Break"):
                await _end_of(trial.client.stream(method))
            await refusal(trial.client.read_all("Count", 2))
            stream = trial.client.stream("Wait")
            await stream.read()
            stream.cancel()
            assert (await _end_of(TrialClient(trial.channel, seconds=0.05).stream("Wait"))).code() is EXCEEDED
        assert await _reason_of(trial.client.stream("WaitShortly")) == "DEADLINE_EXCEEDED"
        await eventually(lambda: _holds(lambda: _contexts() - before <= 1), SOON_SECONDS)  # gRPC refers to the last one


def _contexts() -> int:
    """Count the calls that the server's side of gRPC still refers to."""
    return sum(type(known).__name__ in ("_ServicerContext", "CallContext") for known in gc.get_objects())


async def _holds(condition: Any) -> bool:
    return bool(condition())


async def _answers(client: TrialClient) -> bool:
    try:
        return await client.ask(1) == 1
    except grpc.aio.AioRpcError:
        return False


async def _nothing() -> AsyncIterator[bytes]:
    """Send no request, as a client that only begins a call."""
    await asyncio.Event().wait()
    yield b""
