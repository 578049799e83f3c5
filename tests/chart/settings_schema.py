"""Generator of the parts of the chart's schema that follow from the server's settings, payment providers and channels.

Belongs here: generating them and writing them to values.schema.json (`python -m tests.chart.settings_schema`). Does not belong
here: checking that the file is current (`test_values.py`).
"""

from __future__ import annotations

import copy
import json
from typing import Any

from app.config import ENVIRONMENT_PREFIX, Settings
from app.config.notices import NOTICE_CHANNELS, NoticeSettings
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
    "notice_channels",
    "notice_log_dir",
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


def notice_files() -> list[str]:
    """List the settings of notices and tickets that name a file, all of which may be a key in a Secret."""
    return [name for name in NoticeSettings.model_fields if name.endswith(_FILE_SUFFIX)]


def _typed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a setting that may be missing as that of its present value."""
    return {**schema, **schema["anyOf"][0]} if "anyOf" in schema else schema


def settings_schema(providers: ProviderRegistry) -> dict[str, Any]:
    """Return the schema of the value `settings`: all settings but secrets and those that the chart sets itself."""
    secrets = {secret for name in secret_files(providers) for secret in (name, name.removesuffix(_FILE_SUFFIX))}
    files = set(notice_files())
    described = {**Settings.model_json_schema()["properties"], **providers.setting_schemas}
    properties = {
        variable(name): {key: typed[key] for key in _COPIED_KEYWORDS if key in typed}
        for name, typed in ((name, _typed(schema)) for name, schema in described.items())
        if name not in SET_BY_THE_CHART | NOT_FOR_PODS | secrets | files
    }
    return {"type": "object", "additionalProperties": False, "properties": properties}


def payments_schema(providers: ProviderRegistry) -> dict[str, Any]:
    """Return the schema of the value `payments`: the providers' names, and the settings that name a secret's file."""
    names = "|".join(variable(name) for name in secret_files(providers))
    secrets = {"type": "object", "additionalProperties": False, "patternProperties": {f"^({names})$": _SECRET_REFERENCE}}
    properties = {"provider": {"enum": list(providers.names)}, "secrets": secrets}
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


def notices_schema() -> dict[str, Any]:
    """Return the schema of the value `notices`: the channels' names, and the settings that name a file."""
    channels = {"type": "array", "items": {"enum": list(NOTICE_CHANNELS)}, "uniqueItems": True}
    names = "|".join(variable(name) for name in notice_files())
    files = {"type": "object", "additionalProperties": False, "patternProperties": {f"^({names})$": _SECRET_REFERENCE}}
    claim = {"anyOf": [{"const": ""}, {"$ref": "#/definitions/name"}]}
    properties = {"channels": channels, "files": files, "fontsClaim": claim}
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


def with_generated_parts(schema: dict[str, Any], providers: ProviderRegistry) -> dict[str, Any]:
    """Return a copy of the chart's schema with its generated parts replaced."""
    generated = copy.deepcopy(schema)
    generated["properties"]["settings"] = settings_schema(providers)
    generated["properties"]["payments"] = payments_schema(providers)
    generated["properties"]["notices"] = notices_schema()
    return generated


def write() -> None:
    """Write the generated parts to the chart's schema."""
    schema = with_generated_parts(json.loads(SCHEMA.read_text(encoding="utf-8")), PAYMENT_PROVIDERS)
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
