"""An outage of the trace collector is logged once, and its end once."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.telemetry.tracing.exporter import CollectorExporter

SPANS = [ReadableSpan("a"), ReadableSpan("b")]


class _Collector(SpanExporter):
    """Accepts spans, refuses them, or raises."""

    def __init__(self, *answers: SpanExportResult | Exception) -> None:
        self._answers = list(answers)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_outage_and_its_end_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    taken, away = SpanExportResult.SUCCESS, SpanExportResult.FAILURE
    exporter = CollectorExporter(_Collector(taken, away, ValueError("a span that cannot be encoded"), away, taken, taken))
    results = [exporter.export(SPANS) for _ in range(6)]
    assert results == [taken, away, away, away, taken, taken]
    assert [record.getMessage() for record in caplog.records] == [
        "the trace collector does not accept spans; they are lost until it does",
        "the trace collector accepts spans again; 6 were lost",
    ]
