"""Generator of the part of the chart's schema that follows from the server's settings.

Belongs here: generating it and writing it to values.schema.json (`python -m tests.chart.settings_schema`). Does not belong
here: checking that the file is current (`test_values.py`).
"""

from __future__ import annotations

import json
from typing import Any

from app.config import ENVIRONMENT_PREFIX, Settings
from app.process.payment_providers import PAYMENT_PROVIDERS
from tests.chart.rendering import CHART

SCHEMA = CHART / "values.schema.json"
# Settings that the chart derives from other values, and settings that make no sense in a pod (no data directory, one role).
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
    """Return the schema of the value `settings`."""
    described = {**Settings.model_json_schema()["properties"], **PAYMENT_PROVIDERS.setting_schemas}
    properties = {
        f"{ENVIRONMENT_PREFIX}{name.upper()}": {key: schema[key] for key in _COPIED_KEYWORDS if key in schema}
        for name, schema in described.items()
        if name not in SET_BY_THE_CHART | NOT_FOR_PODS
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def write() -> None:
    """Write the generated part to the chart's schema."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
