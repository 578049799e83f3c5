"""Traces in a collector: one booking from the caller to the webhook's receiver, and the cost of a dead collector."""

from __future__ import annotations

import asyncio
import json
import socket
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import grpc
import pytest
import pytest_asyncio

from app.embedded.mongod import EmbeddedMongod
from tests.support.clients import ApiClient, Run, booking_request, people, refusal
from tests.support.server_processes import ServerProcess, a_run, server_process
from tests.support.trace_collector import Collector, Seen, running_collector
from tests.support.webhook_client import WebhookClient
from tests.support.webhook_receiver import LOOPBACK, Received, Receiver, answering, running_receiver
from tests.support.world import eventually

CREATE = "seatline.v1.BookingService/CreateBooking"
CLIENT_SPAN = "00f067aa0ba902b7"
END_SECONDS_MORE = 5.0  # on a busy machine; a stop that waits for the collector takes ten


@asynccontextmanager
async def _serving(
    data_dir: Path, mongod: EmbeddedMongod, target: str, *options: str, **settings: str
) -> AsyncIterator[tuple[ServerProcess, grpc.aio.Channel]]:
    chosen = {
        "SEATLINE_MONGODB_URI": mongod.uri,
        "SEATLINE_MONGODB_DATABASE": f"test_{uuid.uuid4().hex[:16]}",
        "SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
        "OTEL_EXPORTER_OTLP_ENDPOINT": target,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        **settings,
    }
    async with (
        server_process(data_dir, *options, **chosen) as server,
        grpc.aio.insecure_channel(server.target) as channel,
    ):
        yield server, channel


def _trace_id() -> str:
    return uuid.uuid4().hex


def _one(spans: Sequence[Seen], name: str) -> Seen:
    (found,) = [span for span in spans if span.name == name]
    return found


@dataclass
class Traced:
    """A server with a worker, a run, a trace collector, and a webhook receiver."""

    server: ServerProcess
    channel: grpc.aio.Channel
    collector: Collector
    receiver: Receiver
    run: Run

    def api_client(self, name: str, trace_id: str, flags: str = "01") -> ApiClient:
        """Return a client whose calls are part of that trace."""
        trace = (("traceparent", f"00-{trace_id}-{CLIENT_SPAN}-{flags}"), ("tracestate", "vendor=t61rcWkgMzE"))
        api_client = ApiClient(self.channel, name)
        api_client._options["metadata"] += trace
        return api_client

    async def has(self, trace_id: str, *names: str) -> list[Seen]:
        """Return the spans of the trace, once these have arrived."""

        async def have_arrived() -> bool:
            return set(names) <= {span.name for span in self.collector.trace(trace_id)}

        await eventually(have_arrived)
        return self.collector.trace(trace_id)

    async def delivery(self, reference: str) -> Received:
        """Return the events of the booking that the receiver got."""

        async def has_come() -> bool:
            return bool(self._about(reference))

        await eventually(has_come)
        return self._about(reference)[0]

    def _about(self, reference: str) -> list[Received]:
        return [request for request in self.receiver.received if json.loads(request.body)["subject"] == reference]


@pytest_asyncio.fixture(scope="module")
async def traced(tmp_path_factory: pytest.TempPathFactory, mongod: EmbeddedMongod) -> AsyncIterator[Traced]:
    """Shared by the tests of this module: starting a process takes longer than any of them."""
    data_dir = tmp_path_factory.mktemp("traced") / "data"
    async with running_receiver(answering(204)) as receiver:
        with running_collector() as collector:
            async with _serving(data_dir, mongod, collector.target, "--with-worker") as (server, channel):
                desk = WebhookClient(channel, "desk", roles="operator")
                await desk.create(f"http://{LOOPBACK}:{receiver.port}/hook?token=s3cret", "booking.confirmed")
                yield Traced(server, channel, collector, receiver, await a_run(channel, "A99"))


async def test_a_booking_is_traced_from_the_caller_to_the_webhook_receiver(traced: Traced) -> None:
    trace_id = _trace_id()
    booking = await traced.api_client("jane", trace_id).book(traced.run)
    delivered = await traced.delivery(booking.reference)
    names = ("lane wait", "decide", "findAndModify train_runs", "settle payment", "capture payment", "POST webhook")
    spans = await traced.has(trace_id, *names, CREATE, "follow up booking.confirmed")
    call, followed = _one(spans, CREATE), _one(spans, "follow up booking.confirmed")
    wait, decide, commit, settle, capture, send = (_one(spans, name) for name in names)
    assert traced.collector.services == {"seatline"}
    assert (call.kind, call.parent_id, call.is_error) == ("SERVER", CLIENT_SPAN, False)
    assert {wait.parent_id, decide.parent_id, commit.parent_id, followed.parent_id, send.parent_id} == {call.span_id}
    assert (decide.links, commit.links) == ((commit.span_id,), (call.span_id,))
    assert (settle.parent_id, capture.parent_id) == (followed.span_id, settle.span_id)
    assert [span.kind for span in (commit, followed, settle, capture, send)] == [
        "CLIENT",
        "CONSUMER",
        "CONSUMER",
        "CLIENT",
        "CLIENT",
    ]
    assert call.start_ns <= wait.start_ns <= wait.end_ns <= decide.start_ns <= decide.end_ns == commit.start_ns < commit.end_ns
    # Passed on: the receiver continues below the delivery, and the event itself below the call.
    assert delivered.headers["traceparent"] == f"00-{trace_id}-{send.span_id}-01"
    assert json.loads(delivered.body)["traceparent"] == f"00-{trace_id}-{call.span_id}-01"
    assert not [span for span in spans if "s3cret" in repr(span) or "jane" in repr(span)]
    assert call.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": CREATE,
        "rpc.response.status_code": "OK",
        "server.address": LOOPBACK,
        "server.port": traced.server.port,
    }
    asked = {name: commit.attributes[f"db.{name}"] for name in ("system.name", "collection.name", "operation.name")}
    assert asked == {"system.name": "mongodb", "collection.name": "train_runs", "operation.name": "findAndModify"}
    assert "db.operation.batch.size" not in commit.attributes, "a batch of one is none"
    assert (send.attributes["http.response.status_code"], send.attributes["server.port"]) == (204, traced.receiver.port)


async def test_callers_of_a_shared_commit_are_linked_with_it(traced: Traced) -> None:
    traces = {_trace_id(): name for name in people("p", 12)}
    await asyncio.gather(*(traced.api_client(name, trace_id).book(traced.run) for trace_id, name in traces.items()))
    spans = [span for trace_id in traces for span in await traced.has(trace_id, "lane wait", "decide", CREATE)]
    commits = {span.span_id: span for span in spans if span.name == "findAndModify train_runs"}
    calls = {span.span_id for span in spans if span.name == CREATE}
    decisions = [span for span in spans if span.name == "decide"]
    assert len(calls) == len(decisions) == len(traces)
    assert len(commits) < len(traces), "nobody shared a commit"
    assert sorted(link for commit in commits.values() for link in commit.links) == sorted(calls)
    for decision in decisions:
        (commit_id,) = decision.links
        assert decision.parent_id in commits[commit_id].links
    shared = [span for span in commits.values() if len(span.links) > 1]
    assert all(span.attributes["db.operation.batch.size"] >= len(span.links) for span in shared)


async def test_an_unsampled_trace_is_not_recorded_and_is_passed_on(traced: Traced) -> None:
    trace_id, recorded = _trace_id(), _trace_id()
    booking = await traced.api_client("una", trace_id, "00").book(traced.run)
    delivered = await traced.delivery(booking.reference)
    await traced.api_client("ada", recorded).book(traced.run)
    await traced.has(recorded, "POST webhook")  # all earlier spans have arrived, too
    assert traced.collector.trace(trace_id) == []
    assert delivered.headers["traceparent"] == f"00-{trace_id}-{CLIENT_SPAN}-00"


async def test_a_refusal_is_no_error_of_the_server_and_its_log_line_has_the_trace(traced: Traced) -> None:
    trace_id = _trace_id()
    request = booking_request(Run(train_id="none", travel_date="2030-01-01"), "jane")
    await refusal(traced.api_client("jane", trace_id).send(request))
    call = _one(await traced.has(trace_id, CREATE), CREATE)
    assert (call.is_error, call.attributes["rpc.response.status_code"]) == (False, "NOT_FOUND")
    assert call.attributes["seatline.reason"] == "TRAIN_RUN_NOT_FOUND"
    lines = [json.loads(line) for line in traced.server.output().splitlines()]
    (told,) = [line for line in lines if line.get("code") == "NOT_FOUND"]
    assert (told["trace_id"], told["span_id"]) == (trace_id, call.span_id)


@contextmanager
def _dead_targets() -> Iterator[dict[str, str]]:
    """No collector, for comparison; one that accepts connections and never answers; one that does not listen."""
    with socket.create_server((LOOPBACK, 0)) as silent, socket.create_server((LOOPBACK, 0)) as closed:
        ports = {"silent": silent.getsockname()[1], "closed": closed.getsockname()[1]}
        closed.close()
        yield {"none": "", **{name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()}}


async def test_a_dead_collector_delays_no_call_and_no_shutdown(tmp_path: Path, mongod: EmbeddedMongod) -> None:
    """Compare by turns with a server without a collector, so that all share the load of the machine."""
    settings = {"OTEL_TRACES_SAMPLER": "always_on", "OTEL_BSP_MAX_QUEUE_SIZE": "64", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "16"}
    seconds: dict[str, list[float]] = defaultdict(list)
    with _dead_targets() as targets:
        async with AsyncExitStack() as stack:
            start = [_serving(tmp_path / name, mongod, target, **settings) for name, target in targets.items()]
            started = await asyncio.gather(*(stack.enter_async_context(process) for process in start))
            served = dict(zip(targets, started, strict=True))
            runs = {name: await a_run(channel, "A200") for name, (_, channel) in served.items()}
            for number in range(8):
                for name, (_, channel) in served.items():
                    api_clients = [ApiClient(channel, f"p{number}x{caller}") for caller in range(20)]
                    begin = time.monotonic()
                    await asyncio.gather(*(api_client.book(runs[name]) for api_client in api_clients))
                    seconds[name].append(time.monotonic() - begin)
            ends = {name: await _end_seconds(server) for name, (server, _) in served.items()}
    for name in ("silent", "closed"):
        assert median(seconds[name]) < 3 * median(seconds["none"]), seconds
        assert ends[name] < ends["none"] + END_SECONDS_MORE, ends
        lines = [json.loads(line) for line in served[name][0].log.read_text().splitlines()]
        assert len([line for line in lines if "collector" in line["event"]]) == 1, lines
        assert {line["logger"].split(".")[0] for line in lines} == {"app"}


async def _end_seconds(server: ServerProcess) -> float:
    begin = time.monotonic()
    server.terminate()
    assert await server.ended() == 0
    return time.monotonic() - begin
