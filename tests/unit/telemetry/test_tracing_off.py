"""Whether a process traces, and what a process without tracing loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.telemetry.tracing.setup import TracingUnusableError, has_collector, open_tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"}, True),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "True"}, False),
        ({**ENDPOINT, "OTEL_SDK_DISABLED": "false"}, True),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ENDPOINT, "OTEL_TRACES_EXPORTER": "otlp"}, True),
    ],
)
def test_a_process_with_a_collector_traces(environment: dict[str, str], expected: bool) -> None:
    assert has_collector(environment) is expected


def test_a_process_without_a_collector_does_not_load_the_sdk() -> None:
    program = (
        "import sys, app.process.run, app.process.worker\n"
        "from app.telemetry.tracing.setup import open_tracing\n"
        "assert open_tracing('seatline') is None\n"
        "loaded = [name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))]\n"
        "sys.exit(', '.join(loaded) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zip"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
    ],
)
def test_an_unusable_collector_is_an_error_in_one_line(variable: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {**ENDPOINT, variable: value}.items():
        monkeypatch.setenv(name, text)
    with pytest.raises(TracingUnusableError, match=value) as raised:
        open_tracing("seatline")
    assert "\n" not in str(raised.value)
