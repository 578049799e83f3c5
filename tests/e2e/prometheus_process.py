"""A real Prometheus process that scrapes processes of the service and evaluates the alerts.

Belongs here: starting and stopping it, and its HTTP API. Not here: what it should return.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.observability.generate import CHART_FILES, as_yaml
from tests.tools.prometheus import find_programs

LOOPBACK = "127.0.0.1"
JOB, NAMESPACE = "seatline", "prod"
SECOND = "1s"  # the interval of scrapes and evaluations; the shortest possible
END_SECONDS_MAX = 20.0
_HTTP_SECONDS_MAX = 20.0


def free_port() -> int:
    """Return a port that no program listens on."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        return int(listening.getsockname()[1])


class PrometheusProcess:
    """The running Prometheus, queried over HTTP."""

    def __init__(self, folder: Path, ports: Mapping[str, int]) -> None:
        self._client = httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{(port := free_port())}", timeout=_HTTP_SECONDS_MAX)
        folder.mkdir()
        (folder / "alerts.yaml").write_text(as_yaml(_often(yaml.safe_load((CHART_FILES / "alerts.yaml").read_text()))))
        (folder / "prometheus.yml").write_text(as_yaml(_configuration(ports)))
        self._log = folder / "prometheus.log"
        command = [
            str(find_programs().prometheus),
            *("--config.file", str(folder / "prometheus.yml"), "--storage.tsdb.path", str(folder / "data")),
            *("--web.listen-address", f"{LOOPBACK}:{port}", "--log.level", "warn"),
        ]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    async def is_ready(self) -> bool:
        """Return whether it answers; fail when it has ended."""
        assert self._process.poll() is None, self._log.read_text(errors="replace")
        try:
            return (await self._client.get("/-/ready")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    async def end(self) -> None:
        """End it. Its data is not needed any more."""
        await self._client.aclose()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(END_SECONDS_MAX)

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now, each with its labels and its value."""
        found: list[dict[str, Any]] = (await self._ask("query", query=expression))["result"]
        return found

    async def series(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of all series that it has stored, by metric."""
        found: dict[str, list[dict[str, str]]] = {}
        for series in await self._ask("series", **{"match[]": '{__name__=~".+"}'}, start="0", end=str(time.time())):
            found.setdefault(series["__name__"], []).append(series)
        return found

    async def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their state."""
        return [rule for group in (await self._ask("rules"))["groups"] for rule in group["rules"]]

    async def targets(self) -> list[dict[str, Any]]:
        """Return the scrape targets with their state."""
        found: list[dict[str, Any]] = (await self._ask("targets"))["activeTargets"]
        return found

    async def _ask(self, what: str, **asked: str) -> Any:
        answer = (await self._client.get(f"/api/v1/{what}", params=asked)).json()
        assert answer["status"] == "success", answer
        return answer["data"]


@asynccontextmanager
async def prometheus(folder: Path, ports: Mapping[str, int]) -> AsyncIterator[PrometheusProcess]:
    """Run Prometheus with the alerts; it may not be ready yet. `ports` are the metrics ports by pod name."""
    running = PrometheusProcess(folder, ports)
    try:
        yield running
    finally:
        await running.end()


def _configuration(ports: Mapping[str, int]) -> dict[str, Any]:
    """Return the configuration: targets with the labels that they have in a cluster."""
    targets = [
        {"targets": [f"{LOOPBACK}:{port}"], "labels": {"namespace": NAMESPACE, "pod": pod}} for pod, port in ports.items()
    ]
    return {
        "global": {"scrape_interval": SECOND, "scrape_timeout": SECOND, "evaluation_interval": SECOND},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [{"job_name": JOB, "static_configs": targets}],
    }


def _often(rules: dict[str, Any]) -> dict[str, Any]:
    """Return the rules, evaluated as often as possible."""
    return {"groups": [{**group, "interval": SECOND} for group in rules["groups"]]}
