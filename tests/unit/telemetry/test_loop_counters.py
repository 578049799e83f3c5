"""Counters and histograms of the event loop have the format of the library's own."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import Exemplar
from prometheus_client.openmetrics.exposition import generate_latest as generate_open_metrics

from app.telemetry.metrics.loop_counters import LoopFamily

BOUNDS = (0.25, 1, 2.5)
VALUES = (0.1, 0.25, 0.3, 1.0, 2.0, 2.5, 9.0)


def test_a_counter_has_the_format_of_the_librarys() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    family = LoopFamily("tickets_total", "Tickets.", ("outcome", "kind"))
    ours.register(family)
    their_family = Counter("tickets_total", "Tickets.", ("outcome", "kind"), registry=theirs)
    for outcome, number in (("sold", 3), ('a "b"\\\n', 1), ("none", 0)):
        family.count(outcome, "x").value += number
        their_family.labels(outcome, "x").inc(number)
    assert _shown(ours) == _shown(theirs)


def test_a_histogram_has_the_format_of_the_librarys() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    family = LoopFamily("wait_seconds", "Waits.", ("kind",), BOUNDS)
    ours.register(family)
    their_family = Histogram("wait_seconds", "Waits.", ("kind",), registry=theirs, buckets=BOUNDS)
    for value in VALUES:
        family.histogram("x").observe(value)
        their_family.labels("x").observe(value)
    assert _shown(ours) == _shown(theirs)


def _shown(registry: CollectorRegistry) -> set[str]:
    return {line for line in generate_latest(registry).decode().splitlines() if "_created" not in line}


def test_an_exemplar_is_shown_with_its_bucket() -> None:
    registry, family = CollectorRegistry(), LoopFamily("wait_seconds", "Waits.", (), BOUNDS)
    registry.register(family)
    histogram = family.histogram()
    histogram.exemplars[histogram.observe(0.5)] = Exemplar({"trace_id": "abc"}, 0.5, 1.0)
    lines = generate_open_metrics(registry).decode().splitlines()  # type: ignore[no-untyped-call]  # it is not annotated
    assert [line for line in lines if "trace_id" in line] == ['wait_seconds_bucket{le="1.0"} 1.0 # {trace_id="abc"} 0.5 1.0']


def test_the_same_labels_are_the_same_series() -> None:
    family = LoopFamily("tickets_total", "Tickets.", ("outcome",))
    assert family.count("sold") is family.count("sold")
    with pytest.raises(ValueError, match="outcome"):
        family.count("sold", "twice")
