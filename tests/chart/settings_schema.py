"""The part of the chart's schema that follows from the server's settings: which names `settings` may have, and their values.

Belongs here: making it, and writing it into values.schema.json (`python -m tests.chart.settings_schema`). Not here: looking
whether it stands there (`test_values.py`).
"""

from __future__ import annotations

import json
from typing import Any

from app.config import ENVIRONMENT_PREFIX, Settings
from tests.chart.rendering import CHART

SCHEMA = CHART / "values.schema.json"
# What the chart sets itself, out of values that have names of their own; a pod has no place for data, and one part.
SET_BY_THE_CHART = {
    "listen",
    "metrics_listen",
    "trust_caller_metadata",
    "mongodb_uri",
    "payments_provider",
    "payments_stripe_key",
    "payments_stripe_key_file",
    "drain_seconds",
    "drain_delay_seconds",
    "connection_seconds_max",
}
NOT_FOR_PODS = {"data_dir", "with_worker"}
_COPIED_KEYWORDS = (
    "type",
    "enum",
    "const",
    "pattern",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "description",
)


def settings_schema() -> dict[str, Any]:
    """The schema of the value `settings`."""
    described = Settings.model_json_schema()["properties"]
    properties = {
        f"{ENVIRONMENT_PREFIX}{name.upper()}": {key: one[key] for key in _COPIED_KEYWORDS if key in one}
        for name, one in described.items()
        if name not in SET_BY_THE_CHART | NOT_FOR_PODS
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def write() -> None:
    """Puts it into the chart's schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
