"""A real Prometheus finds every metric and label of dashboards and alerts at a real server and worker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import httpx

from app.pb.seatline.v1 import booking_pb2
from app.tickets.signing import make_key_file
from deploy.observability.generate import GROUPS, ROWS
from deploy.observability.objective import FAILURE_CODES
from deploy.observability.rules import alerts
from tests.alerts.dashboard_file import expressions, substituted
from tests.alerts.promql import selectors, unknown
from tests.e2e.prometheus_process import LOOPBACK, PrometheusProcess, free_port, prometheus
from tests.support.clients import ApiClient, Run, held_seats, people, refusal
from tests.support.server_processes import a_run, server_process, worker_process
from tests.support.webhook_client import WebhookClient
from tests.support.webhook_receiver import answering, running_receiver
from tests.support.world import eventually
from tests.tools.promtool import promtool

SETTINGS = {
    "SEATLINE_SURVEY_SECONDS": "1",
    "SEATLINE_JOB_POLL_SECONDS": "0.1",
    "SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
    "SEATLINE_DRAIN_SECONDS": "2",
}
# Scrapes are one second apart; a rate needs two of them.
RATE_INTERVAL = "15s"
QUERIES = [query for row in ROWS for panel in row.panels for query in panel.queries]
ALERTS = alerts(GROUPS)
# Codes have series from their first call on, and no call fails here.
ONLY_IN_TROUBLE = {("grpc_server_handled_total", "grpc_code")}
# Shown only after an error.
FAILED_CALLS = f'grpc_code=~"{FAILURE_CODES}"'
_LEGEND = re.compile(r"\{\{(\w+)\}\}")


async def _call_every_kind(channel: grpc.aio.Channel, run: Run, round_number: int) -> None:
    """Make bookings, holds, a waitlist, refunds and refusals; leave the train empty."""
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
    """Run a server, a worker on its database, and Prometheus, which scrapes both."""
    ports = {"server-0": free_port(), "worker-0": free_port()}
    listen = {pod: f"{LOOPBACK}:{port}" for pod, port in ports.items()}
    async with (
        prometheus(folder / "prometheus", ports) as running,  # started together with them, so that it scrapes them sooner
        server_process(folder / "server", SEATLINE_METRICS_LISTEN=listen["server-0"], **SETTINGS) as server,
    ):
        uri = f"mongodb://{LOOPBACK}:{_port_of(server.mongod().cmdline())}/?directConnection=true"
        make_key_file(folder / "ticket-key.pem")
        settings = {
            **SETTINGS,
            "SEATLINE_MONGODB_URI": uri,
            "SEATLINE_METRICS_LISTEN": listen["worker-0"],
            "SEATLINE_NOTICE_CHANNELS": "log",
            "SEATLINE_TICKET_KEY_FILE": str(folder / "ticket-key.pem"),
        }
        async with (
            worker_process(folder / "worker", **settings),
            grpc.aio.insecure_channel(server.target) as channel,
        ):
            await eventually(running.is_ready)
            yield running, channel, ports


def _port_of(command: list[str]) -> str:
    return command[command.index("--port") + 1]


async def test_every_query_of_dashboards_and_alerts_finds_its_series(tmp_path: Path) -> None:
    async with _observed(tmp_path) as (running, channel, ports), running_receiver(answering(204)) as receiver:
        await WebhookClient(channel, "desk", roles="operator").create(f"http://{LOOPBACK}:{receiver.port}/", "booking.*")
        run = await a_run(channel, "A4")
        traffic = asyncio.create_task(_keep_calling(channel, run))
        try:
            await _every_metric_has_its_labels(running)
            await _every_panel_shows_something(running)
            await _no_alert_fires(running)
            # The alerts tell servers from workers by this metric.
            assert [
                series["metric"]["pod"] for series in await running.query("group by (pod) (grpc_server_started_total)")
            ] == ["server-0"]
            await _promtool_finds_nothing_wrong(ports)
        finally:
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
        assert receiver.received


async def _keep_calling(channel: grpc.aio.Channel, run: Run) -> None:
    round_number = 0
    while True:
        round_number += 1
        await _call_every_kind(channel, run, round_number)
        await asyncio.sleep(0.1)


async def _every_metric_has_its_labels(running: PrometheusProcess) -> None:
    named = [*(substituted(expression) for expression in expressions()), *(alert.expression for alert in ALERTS)]
    named += [rule.expression for group in GROUPS for rule in group.recordings]
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
            numbers = [series for series in found if series["value"][1] != "NaN"]
            if not numbers and FAILED_CALLS not in query.expression:
                empty.append(query.expression)
            nameless = {label for label in _LEGEND.findall(query.legend) for series in found if label not in series["metric"]}
            assert not nameless, (query, nameless)
        return not empty

    try:
        await eventually(show_something)
    except AssertionError:
        raise AssertionError("nothing is shown by: " + "\n".join(empty)) from None


async def _no_alert_fires(running: PrometheusProcess) -> None:
    """Both processes are scraped, all rules can be evaluated, and no alert is pending or firing."""
    wrong: list[str] = []

    async def is_well() -> bool:
        rules = await running.rules()
        wrong[:] = [f"{rule['name']}: {rule['health']} {rule.get('lastError', '')}" for rule in rules if rule["health"] != "ok"]
        wrong.extend(f"{rule['name']} is {rule['state']}" for rule in rules if rule.get("state", "inactive") != "inactive")
        targets = await running.targets()
        wrong.extend(f"{target['scrapeUrl']}: {target['lastError']}" for target in targets if target["health"] != "up")
        assert len(targets) == 2
        assert len(rules) == sum(len(group.recordings) + len(group.alerts) for group in GROUPS)
        return not wrong

    try:
        await eventually(is_well)
    except AssertionError:
        raise AssertionError("\n".join(wrong)) from None


async def _promtool_finds_nothing_wrong(ports: dict[str, int]) -> None:
    """Have promtool check the whole page: names, units, types and texts."""
    async with httpx.AsyncClient() as client:
        for port in ports.values():
            page = (await client.get(f"http://{LOOPBACK}:{port}/metrics")).text
            assert await asyncio.to_thread(promtool, "check", "metrics", stdin=page) == (0, "")
