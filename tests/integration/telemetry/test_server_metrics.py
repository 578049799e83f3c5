"""Metrics of a server at work, as Prometheus scrapes them: codes, outcomes, lanes, the database, the worker's part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import pytest
import pytest_asyncio
from opentelemetry import trace
from opentelemetry.context import attach
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.webhooks import Webhook
from app.embedded.mongod import EmbeddedMongod
from app.store.in_memory import connect_in_memory
from app.telemetry.metrics.families import metric_names
from tests.support.clients import booking_request, people, refusal
from tests.support.health_checks import calls_under_way, health, slow_commits
from tests.support.metrics_scrapes import SERIES_MAX, Scrape, scrape, scrape_open_metrics, shows
from tests.support.webhook_client import WebhookClient
from tests.support.world import NEXT_DATE, TRAVEL_DATE, Clock, World, eventually, running_server, settings_for

HANDLED, STARTED, IN_FLIGHT = "grpc_server_handled_total", "grpc_server_started_total", "grpc_server_in_flight_calls"
MEASURED: dict[str, Any] = {"metrics_listen": "127.0.0.1:0", "survey_seconds": 1.0}


@pytest_asyncio.fixture
async def measured() -> AsyncIterator[World]:
    """A measured server over a database in memory."""
    async with running_server(settings_for(**MEASURED), connect_in_memory()) as made:
        yield made


@pytest_asyncio.fixture
async def measured_mongod(mongod: EmbeddedMongod) -> AsyncIterator[World]:
    """A measured server over a real database of its own."""
    async with running_server(settings_for(mongod.uri, **MEASURED)) as made:
        yield made
        await made.database.client.drop_database(made.database.name)


async def scraped(world: World) -> Scrape:
    return await scrape(world.server.metrics_port)


def codes(found: Scrape, method: str) -> dict[str, float]:
    return found.by("grpc_code", HANDLED, grpc_method=method)


# -- codes


async def test_answers_and_refusals_are_counted_by_code_and_reason(measured: World) -> None:
    run = await measured.run("A1")
    jane = measured.api_client("jane")
    await jane.book(run)
    assert (await refusal(measured.api_client("joe").book(run))).reason == "SECTION_FULL"
    assert (await refusal(measured.desk.booking("ZZZZZZ"))).reason == "BOOKING_NOT_FOUND"
    assert (await refusal(jane.booking("no reference"))).reason == "INVALID_FIELD"
    found = await scraped(measured)
    assert codes(found, "CreateBooking") == {"OK": 1, "FailedPrecondition": 1}
    assert codes(found, "GetBooking") == {"NotFound": 1, "InvalidArgument": 1}
    assert found.by("reason", "seatline_refusals_total") == {"SECTION_FULL": 1, "BOOKING_NOT_FOUND": 1, "INVALID_FIELD": 1}
    labels = {"grpc_type": "unary", "grpc_service": "seatline.v1.BookingService", "grpc_method": "CreateBooking"}
    assert found.value(STARTED, **labels) == found.value("grpc_server_handling_seconds_count", **labels) == 2
    assert found.value(IN_FLIGHT) == 0


async def test_an_exception_counts_as_internal(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: str) -> None:
        raise RuntimeError

    monkeypatch.setattr(measured.server.store.bookings, "find", broken)
    await refusal(measured.api_client("jane").booking("ZZZZZZ"))
    assert codes(await scraped(measured), "GetBooking") == {"Internal": 1}


async def test_passed_deadlines_and_cancelled_calls_are_counted_apart(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await measured.run("A9")
    async with slow_commits(measured.server, monkeypatch) as (begun, _):
        first = asyncio.ensure_future(measured.api_client("first").book(run))
        await begun.wait()
        late = [refusal(measured.api_client(name).book(run, seconds=0.3)) for name in people("late", 3)]
        assert {error.code for error in await asyncio.gather(*late)} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        await eventually(shows(measured.server.metrics_port, lambda found: found.value(IN_FLIGHT) == 1))
        first.cancel()
        await eventually(shows(measured.server.metrics_port, lambda found: found.value(IN_FLIGHT) == 0))
        found = await scraped(measured)
        assert codes(found, "CreateBooking") == {"DeadlineExceeded": 3, "Canceled": 1}
        assert found.by("reason", "seatline_refusals_total") == {}


async def test_the_limits_of_the_server_count_as_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(call_seconds_max=1.0, calls_in_flight_max=2, **MEASURED)
    async with running_server(settings, connect_in_memory()) as world:
        run = await world.run("A9")
        async with slow_commits(world.server, monkeypatch) as (begun, _):
            first = asyncio.ensure_future(refusal(world.api_client("first").book(run)))
            await begun.wait()
            (second,) = await calls_under_way(world.channel, [partial(world.api_client("second").book, run)])
            refused = [(await first).reason, (await refusal(second)).reason]
        assert refused == ["DEADLINE_EXCEEDED"] * 2
        found = await scraped(world)
        assert found.value(HANDLED, grpc_method="CreateBooking", grpc_code="DeadlineExceeded") == 2
        assert found.value("seatline_refusals_total", reason="DEADLINE_EXCEEDED") == 2
        assert found.value(HANDLED, grpc_code="ResourceExhausted") >= 1


async def test_health_checks_and_unknown_methods_are_not_counted(measured: World) -> None:
    before = await scraped(measured)
    assert await health(measured.channel) == "SERVING"
    call: Any = measured.channel.unary_unary("/seatline.v1.BookingService/StealSeat")
    assert (await refusal(call(b"", timeout=5))).code == grpc.StatusCode.UNIMPLEMENTED
    found = await scraped(measured)
    assert found.value(STARTED) == found.value(HANDLED) == 0
    assert len(found.samples) == len(before.samples)


async def test_a_sampled_trace_is_an_exemplar_of_its_call(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    span = NonRecordingSpan(SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED)))

    async def traced(*_: object) -> None:
        attach(trace.set_span_in_context(span))  # for the rest of the call's task

    monkeypatch.setattr(measured.server.store.bookings, "find", traced)
    await refusal(measured.api_client("jane").booking("ZZZZZZ"))
    found = await scrape_open_metrics(measured.server.metrics_port)
    exemplars = [bucket.exemplar.labels for bucket in found.named("grpc_server_handling_seconds_bucket") if bucket.exemplar]
    assert exemplars == [{"trace_id": f"{0xABC:032x}"}]


# -- bookings and holds


async def test_committed_changes_of_bookings_and_holds_are_counted(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await measured.run("A3")
    jane, joe = measured.api_client("jane"), measured.api_client("joe")
    booked = await jane.book(run)
    released, used = await joe.hold(run), await joe.hold(run)
    await joe.release(released.hold_id)
    await joe.book(run, hold_id=used.hold_id)
    await measured.api_client("jim").book(run)
    await measured.api_client("waiter").wait(run)
    await jane.cancel(booked.reference)
    await refusal(measured.api_client("late").book(run))
    found = await scraped(measured)
    bookings = {"confirmed": 3, "waitlisted": 1, "cancelled": 1, "promoted": 1}
    assert found.by("outcome", "seatline_bookings_total") == bookings
    assert found.by("outcome", "seatline_holds_total") == {"placed": 2, "released": 1, "used": 1}


async def test_an_expired_hold_is_counted_by_the_process_that_commits_it(clock: Clock) -> None:
    async with running_server(settings_for(**MEASURED), connect_in_memory()) as world:
        run = await world.run("A3")
        held = await world.api_client("jane").hold(run)
        clock.ahead = held.expire_time.ToDatetime(clock.now().tzinfo) - clock.now() + clock.ahead
        await world.api_client("joe").book(run)
        assert (await scraped(world)).by("outcome", "seatline_holds_total") == {"placed": 1, "expired": 1}


async def test_lanes_show_waiting_callers_and_batch_sizes(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = await measured.run("A9")
    async with slow_commits(measured.server, monkeypatch) as (begun, go_on):
        first = asyncio.ensure_future(measured.api_client("first").send(booking_request(run, "first")))
        await begun.wait()
        waiting = [asyncio.ensure_future(measured.api_client(name).book(run)) for name in people("p", 3)]
        queue = "seatline_lane_queue_callers"
        await eventually(shows(measured.server.metrics_port, lambda found: found.value(queue) == 3))
        go_on.set()
        await asyncio.gather(first, *waiting)
    found = await scraped(measured)
    assert found.value("seatline_lanes") == 1
    counts = ("batch_callers_count", "batch_callers_sum", "wait_seconds_count", "commit_seconds_count", "swaps_lost_total")
    assert [found.value(f"seatline_lane_{count}") for count in counts] == [2, 4, 4, 2, 0]


async def test_a_swap_lost_to_another_server_is_counted(measured_mongod: World, mongod: EmbeddedMongod) -> None:
    world = measured_mongod
    run = await world.run("A9")
    await world.api_client("p1").book(run)
    async with running_server(settings_for(mongod.uri, world.database.name)) as other:
        await other.api_client("p2").book(run)
    await world.api_client("p3").book(run)
    assert (await scraped(world)).value("seatline_lane_swaps_lost_total") == 1


# -- the database


async def test_commands_and_connections_to_mongodb_are_shown(measured_mongod: World) -> None:
    run = await measured_mongod.run("A9")
    await measured_mongod.api_client("jane").book(run)
    with pytest.raises(Exception, match="odd"):
        await measured_mongod.database.command("odd")
    found = await scraped(measured_mongod)
    assert found.value("seatline_mongodb_command_seconds_count", command="findAndModify") == 1
    assert found.value("seatline_mongodb_commands_failed_total", command="findAndModify") == 0
    assert found.value("seatline_mongodb_commands_failed_total", command="other") == 1
    assert found.value("seatline_database_available") == 1
    port, connections = measured_mongod.server.metrics_port, "seatline_mongodb_connections"
    await eventually(shows(port, lambda found: found.value("seatline_mongodb_primary_known") == 1))
    # No connection stays in use: all are idle while no command runs.
    await eventually(shows(port, lambda found: found.by("state", connections).keys() == {"idle"}))


# -- the worker


async def test_a_worker_shows_statistics_of_seats_waitlists_and_payments(measured: World) -> None:
    before = await scraped(measured)
    assert not before.named("seatline_refunds_pending")
    run, _ = await measured.runs("A2", TRAVEL_DATE, NEXT_DATE)
    jane = measured.api_client("jane")
    booked = await jane.send(booking_request(run, "jane", payment_token="tok_refund_fails"))
    await measured.api_client("joe").hold(run)
    await measured.api_client("jim").wait(run)
    measured.server.start_worker()
    port = measured.server.metrics_port
    captured = partial(Scrape.value, name="seatline_payment_requests_total", operation="capture", outcome="ok")
    await eventually(shows(port, lambda found: captured(found) >= 1))
    await eventually(shows(port, lambda found: found.value("seatline_waitlist_bookings") == 1))
    await jane.cancel(booked.reference)
    await eventually(shows(port, lambda found: found.value("seatline_refunds_pending") == 1))
    await eventually(shows(port, lambda found: found.value("seatline_waitlist_bookings") == 0))
    found = await scraped(measured)
    assert found.by("run_status", "seatline_train_runs") == {"scheduled": 2}
    assert found.by("state", "seatline_seats", run_status="scheduled") == {"sold": 2, "free": 2}
    assert found.value("seatline_payment_requests_total", operation="refund", outcome="rejected") >= 1
    assert found.value("seatline_survey_last_success_timestamp_seconds") > 0
    assert found.names <= metric_names()


async def test_webhook_deliveries_are_counted(measured: World, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = {
        "https://well.example.com/": SendOutcome(OutcomeKind.DELIVERED, 204),
        "https://ill.example.com/": SendOutcome(OutcomeKind.FAILED, 503, "out of order"),
        "https://gone.example.com/": SendOutcome(OutcomeKind.GONE, 410, "gone"),
    }

    async def send(_: object, webhook: Webhook, *__: object) -> SendOutcome:
        return outcomes[webhook.url]

    monkeypatch.setattr("app.notifications.webhook_sender.WebhookSender.send", send)
    desk = WebhookClient(measured.channel, "desk", roles="operator")
    for url in outcomes:
        await desk.create(url, "booking.confirmed")
    measured.server.start_worker()
    await measured.api_client("jane").book(await measured.run("A9"))
    counted = partial(Scrape.by, label="outcome", name="seatline_webhook_deliveries_total")
    expected = {"delivered": 1.0, "retried": 1.0, "given_up": 1.0}
    await eventually(shows(measured.server.metrics_port, lambda found: counted(found) == expected))


async def test_the_series_of_a_busy_server_are_bounded(measured: World) -> None:
    measured.server.start_worker()
    for number in range(10):
        run = await measured.run("A9", train_id=f"train{number}")
        await measured.api_client(f"user{number}").book(run)
        await refusal(measured.api_client(f"user{number}").booking(f"{number:06}"))
    await eventually(shows(measured.server.metrics_port, lambda found: found.value("seatline_train_runs") == 10))
    found = await scraped(measured)
    assert len(found.samples) <= SERIES_MAX
    assert not [
        sample for sample in found.samples if any("train1" in text or "user1" in text for text in sample.labels.values())
    ]
