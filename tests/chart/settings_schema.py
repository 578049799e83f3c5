"""Generator of the parts of the chart's schema that follow from the server's settings and payment providers.

Belongs here: generating them and writing them to values.schema.json (`python -m tests.chart.settings_schema`). Does not belong
here: checking that the file is current (`test_values.py`).
"""

from __future__ import annotations

import copy
import json
from typing import Any

from app.config import ENVIRONMENT_PREFIX, Settings
from app.payments.registry import ProviderRegistry
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
_FILE_SUFFIX = "_file"
# A key in a Secret. Without `secret`, it is in secrets.existingSecret.
_SECRET_REFERENCE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"secret": {"$ref": "#/definitions/name"}, "key": {"$ref": "#/definitions/secretKey"}},
    "required": ["key"],
}


def variable(setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"{ENVIRONMENT_PREFIX}{setting.upper()}"


def secret_files(providers: ProviderRegistry) -> list[str]:
    """List the settings of all providers that name a secret's file."""
    return [name for name in providers.setting_fields if name.endswith(_FILE_SUFFIX)]


def settings_schema(providers: ProviderRegistry) -> dict[str, Any]:
    """Return the schema of the value `settings`: all settings but secrets and those that the chart sets itself."""
    secrets = {secret for name in secret_files(providers) for secret in (name, name.removesuffix(_FILE_SUFFIX))}
    described = {**Settings.model_json_schema()["properties"], **providers.setting_schemas}
    properties = {
        variable(name): {key: schema[key] for key in _COPIED_KEYWORDS if key in schema}
        for name, schema in described.items()
        if name not in SET_BY_THE_CHART | NOT_FOR_PODS | secrets
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def payments_schema(providers: ProviderRegistry) -> dict[str, Any]:
    """Return the schema of the value `payments`: the providers' names, and the settings that name a secret's file."""
    names = "|".join(variable(name) for name in secret_files(providers))
    secrets = {"type": "object", "additionalProperties": False, "patternProperties": {f"^({names})$": _SECRET_REFERENCE}}
    properties = {"provider": {"enum": list(providers.names)}, "secrets": secrets}
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


def with_generated_parts(schema: dict[str, Any], providers: ProviderRegistry) -> dict[str, Any]:
    """Return a copy of the chart's schema with its generated parts replaced."""
    generated = copy.deepcopy(schema)
    generated["properties"]["settings"] = settings_schema(providers)
    generated["properties"]["payments"] = payments_schema(providers)
    return generated


def write() -> None:
    """Write the generated parts to the chart's schema."""
    schema = with_generated_parts(json.loads(SCHEMA.read_text(encoding="utf-8")), PAYMENT_PROVIDERS)
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
