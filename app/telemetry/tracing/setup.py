"""Whether this process traces.

Belongs here: the decision, from the environment. Does not belong here: OpenTelemetry's SDK, which processes without a collector
do not load (`exporter.py`).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.telemetry.tracing.exporter import Tracing

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class TracingUnusableError(Exception):
    """Traces cannot be exported as the environment says; the text says why in one line."""


def has_collector(environment: Mapping[str, str]) -> bool:
    """Return whether the environment names a trace collector, and does not switch traces off."""
    is_off = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    is_off = is_off or environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none"
    return not is_off and any(environment.get(name) for name in _ENDPOINTS)


def open_tracing(database: str) -> "Tracing | None":
    """Open the tracing of this process; return None without a collector. Raise TracingUnusableError."""
    if not has_collector(os.environ):
        return None
    from app.telemetry.tracing.exporter import Tracing  # noqa: PLC0415 - the SDK takes 3 MB and 0.3 seconds

    try:
        return Tracing(database)
    except Exception as error:  # whatever the exporter raises for a bad OTEL_EXPORTER_OTLP_*
        raise TracingUnusableError(f"traces cannot be exported as OTEL_* says: {error}") from error
