"""Dashboards and alerts name what a real Prometheus finds at a real server and a real worker, label by label."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx

from app.pb.seatline.v1 import booking_pb2
from deploy.observability.generate import GROUPS, ROWS
from deploy.observability.objective import FAILURE_CODES
from deploy.observability.rules import alerts
from tests.alerts.dashboard_file import expressions, substituted
from tests.alerts.promql import selectors, unknown
from tests.e2e.prometheus_process import LOOPBACK, PrometheusProcess, free_port, prometheus
from tests.support.clients import ApiClient, Run, held_seats, people, refusal
from tests.support.server_processes import a_run, server_process, worker_process
from tests.support.webhook_desk import WebhookClient
from tests.support.webhook_receiver import answering, running_receiver
from tests.support.world import eventually
from tests.tools.promtool import promtool

SETTINGS = {
    "SEATLINE_SURVEY_SECONDS": "1",
    "SEATLINE_JOB_POLL_SECONDS": "0.1",
    "SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
    "SEATLINE_DRAIN_SECONDS": "2",
}
# Scrapes are a second apart; a rate needs two of them.
RATE_INTERVAL = "15s"
QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries]
ALERTS = alerts(GROUPS)
# Codes have series from their first call on, and nothing fails here.
ONLY_IN_TROUBLE = {("grpc_server_handled_total", "grpc_code")}
# Shown only where something goes wrong.
FAILED_CALLS = f'grpc_code=~"{FAILURE_CODES}"'
_LEGEND = re.compile(r"\{\{(\w+)\}\}")


async def _some_of_everything(channel: grpc.aio.Channel, run: Run, round_number: int) -> None:
    """Bookings, holds, a waiting list, money back and refusals; the train is as empty afterwards as before."""
    jane, joe, ann = (ApiClient(channel, f"{name}{round_number}") for name in ("jane", "joe", "ann"))
    crowd = people(f"crowd{round_number}-", 3)
    booked = await jane.book(run, *crowd)
    hold = await joe.hold(run)
    assert len(held_seats(hold)) == 1
    assert (await refusal(ann.book(run))).reason == "SECTION_FULL"
    waiting = await ann.wait(run)
    await joe.release(hold.hold_id)
    assert (await ann.booking(waiting.reference)).state == booking_pb2.BOOKING_STATE_CONFIRMED
    await jane.cancel(booked.reference)
    held = await joe.hold(run)
    used = await joe.book(run, hold_id=held.hold_id)
    await joe.move(used.reference, section="A")
    for api_client, reference in ((joe, used.reference), (ann, waiting.reference)):
        await api_client.cancel(reference)


@asynccontextmanager
async def _observed(folder: Path) -> AsyncIterator[tuple[PrometheusProcess, grpc.aio.Channel, dict[str, int]]]:
    """A server and a worker of its database, and Prometheus, which scrapes both."""
    ports = {"server-0": free_port(), "worker-0": free_port()}
    listen = {pod: f"{LOOPBACK}:{port}" for pod, port in ports.items()}
    async with (
        prometheus(folder / "prometheus", ports) as running,  # it begins while they do, and so has seen them sooner
        server_process(folder / "server", SEATLINE_METRICS_LISTEN=listen["server-0"], **SETTINGS) as server,
    ):
        uri = f"mongodb://{LOOPBACK}:{_port_of(server.mongod().cmdline())}/?directConnection=true"
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": uri, "SEATLINE_METRICS_LISTEN": listen["worker-0"]}
        async with (
            worker_process(folder / "worker", **settings),
            grpc.aio.insecure_channel(server.target) as channel,
        ):
            await eventually(running.is_ready)
            yield running, channel, ports


def _port_of(command: list[str]) -> str:
    return command[command.index("--port") + 1]


async def test_all_that_dashboards_and_alerts_ask_for_is_there(tmp_path: Path) -> None:
    async with _observed(tmp_path) as (running, channel, ports), running_receiver(answering(204)) as receiver:
        await WebhookClient(channel, "desk", roles="operator").create(f"http://{LOOPBACK}:{receiver.port}/", "booking.*")
        run = await a_run(channel, "A4")
        traffic = asyncio.create_task(_calls_go_on(channel, run))
        try:
            await _every_metric_has_its_labels(running)
            await _every_panel_shows_something(running)
            await _all_is_well(running)
            # By this, the alert on servers tells them from workers.
            assert [one["metric"]["pod"] for one in await running.query("group by (pod) (grpc_server_started_total)")] == [
                "server-0"
            ]
            await _promtool_finds_nothing_wrong(ports)
        finally:
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
        assert receiver.received


async def _calls_go_on(channel: grpc.aio.Channel, run: Run) -> None:
    round_number = 0
    while True:
        round_number += 1
        await _some_of_everything(channel, run, round_number)
        await asyncio.sleep(0.1)


async def _every_metric_has_its_labels(running: PrometheusProcess) -> None:
    named = [*(substituted(expression) for expression in expressions()), *(alert.expression for alert in ALERTS)]
    named += [one.expression for group in GROUPS for one in group.recordings]
    asked = {selector for expression in named for selector in selectors(expression)}
    missing: list[str] = []

    async def are_there() -> bool:
        missing[:] = unknown(asked, await running.series(), ONLY_IN_TROUBLE)
        return not missing

    try:
        await eventually(are_there)
    except AssertionError:
        raise AssertionError(f"Prometheus knows nothing of: {', '.join(missing)}") from None


async def _every_panel_shows_something(running: PrometheusProcess) -> None:
    empty: list[str] = []

    async def show_something() -> bool:
        empty.clear()
        for query in QUERIES:
            found = await running.query(substituted(query.expression, RATE_INTERVAL))
            numbers = [one for one in found if one["value"][1] != "NaN"]
            if not numbers and FAILED_CALLS not in query.expression:
                empty.append(query.expression)
            nameless = {label for label in _LEGEND.findall(query.legend) for one in found if label not in one["metric"]}
            assert not nameless, (query, nameless)
        return not empty

    try:
        await eventually(show_something)
    except AssertionError:
        raise AssertionError("nothing is shown by: " + "\n".join(empty)) from None


async def _all_is_well(running: PrometheusProcess) -> None:
    """Both are scraped, all rules can be evaluated, and no alert is about to fire."""
    wrong: list[str] = []

    async def is_well() -> bool:
        rules = await running.rules()
        wrong[:] = [f"{one['name']}: {one['health']} {one.get('lastError', '')}" for one in rules if one["health"] != "ok"]
        wrong.extend(f"{one['name']} is {one['state']}" for one in rules if one.get("state", "inactive") != "inactive")
        targets = await running.targets()
        wrong.extend(f"{one['scrapeUrl']}: {one['lastError']}" for one in targets if one["health"] != "up")
        assert len(targets) == 2
        assert len(rules) == sum(len(group.recordings) + len(group.alerts) for group in GROUPS)
        return not wrong

    try:
        await eventually(is_well)
    except AssertionError:
        raise AssertionError("\n".join(wrong)) from None


async def _promtool_finds_nothing_wrong(ports: dict[str, int]) -> None:
    """With the page as a whole: names, units, types and texts."""
    async with httpx.AsyncClient() as client:
        for port in ports.values():
            page = (await client.get(f"http://{LOOPBACK}:{port}/metrics")).text
            assert await asyncio.to_thread(promtool, "check", "metrics", stdin=page) == (0, "")
