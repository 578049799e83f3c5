"""Scrapes of a metrics port, read as Prometheus reads them.

Belongs here: HTTP requests, and reading the answers. Does not belong here: what they should contain.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics_families
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
# All methods with all codes, all kinds of notices with all outcomes, and all histograms. Prometheus accepts millions; a scrape
# of these takes some ms.
SERIES_MAX = 2_400
_HTTP_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Scrape:
    """One scrape, as samples."""

    samples: list[Sample]

    def value(self, name: str, **labels: str) -> float:
        """Return the sum of all series of that name with these labels, 0 if there is none."""
        return sum(sample.value for sample in self.named(name, **labels))

    def named(self, name: str, **labels: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.name == name and labels.items() <= sample.labels.items()]

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """Return the nonzero values of the series of that name with these labels, by another label."""
        return {sample.labels[label]: sample.value for sample in self.named(name, **labels) if sample.value}

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}


async def get(port: int, path: str, accept: str = "") -> httpx.Response:
    """Send a GET request to the metrics port."""
    async with httpx.AsyncClient(timeout=_HTTP_SECONDS_MAX) as client:
        return await client.get(f"http://127.0.0.1:{port}{path}", headers={"accept": accept} if accept else {})


async def scrape(port: int) -> Scrape:
    """Scrape in Prometheus's text format."""
    answer = await get(port, "/metrics")
    assert answer.status_code == 200
    return Scrape([sample for family in text_string_to_metric_families(answer.text) for sample in family.samples])


async def scrape_open_metrics(port: int) -> Scrape:
    """Scrape in the OpenMetrics format, which has exemplars."""
    answer = await get(port, "/metrics", OPEN_METRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = open_metrics_families(answer.text)  # type: ignore[no-untyped-call]  # it has no types
    return Scrape([sample for family in families for sample in family.samples])


def shows(port: int, holds: Callable[[Scrape], bool]) -> Callable[[], Awaitable[bool]]:
    """Return a condition on a scrape, for `eventually`."""

    async def looks() -> bool:
        return holds(await scrape(port))

    return looks
