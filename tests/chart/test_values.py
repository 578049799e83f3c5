"""The chart documents its values, and refuses wrong and contradictory ones.

Belongs here: values and their schema. Does not belong here: the objects that the chart renders from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

import helm_python as helm
import pytest
import yaml

from app.process.payment_providers import PAYMENT_PROVIDERS
from tests.chart.rendering import (
    CHART,
    NOTES,
    Values,
    default_values,
    objects,
    only,
    rendered,
    values_of,
    with_values,
)
from tests.chart.settings_schema import SCHEMA, with_generated_parts

_SCHEMA: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
_HELM_RESERVED = "global"

STRIPE_KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"
MAIL_FILE = "SEATLINE_SMTP_PASSWORD_FILE"
# Typing mistakes that the schema must refuse, by the pattern of the values' names.
BAD_VALUES: list[tuple[str, list[Any]]] = [
    ("nameOverride", ["Seatline", "-a", "a" * 49, 1]),
    ("fullnameOverride", ["a_b", "1a", "a" * 49]),
    ("*image.repository", ["", "Seatline:1", "seatline:1", "https://seatline", None]),
    ("*image.tag", ["a b", ":1", 1.0]),
    ("*image.digest", ["sha256:abc", "0" * 64]),
    ("*image.pullPolicy", ["always", ""]),
    ("image.pullSecrets", ["registry", [""], ["a", "a"], [{"name": "a"}]]),
    ("callers.trustMetadata", ["true", 1, None]),
    ("secrets.existingSecret", ["Not_A_Name", {"name": "a"}]),
    ("secrets.filesSecret", ["a/b", []]),
    ("secrets.*UriKey", ["", "a/b", "a b"]),
    ("secrets.stripeKeyKey", ["", "a/b", "a b"]),
    ("secrets.stripeKey", ["pk_test_1", "sk test", "sk_1", "sk_live_"]),
    ("secrets.mongodbUri", ["localhost:27017", "mongo://db", "mongodb://"]),
    ("payments.provider", ["cash", "", None]),
    (
        "payments.secrets",
        [
            {STRIPE_KEY_FILE: "stripe-key"},
            {STRIPE_KEY_FILE: {"secret": "payments"}},
            {STRIPE_KEY_FILE: {"key": "a/b"}},
            {STRIPE_KEY_FILE: {"secret": "Not_A_Name", "key": "k"}},
            {"SEATLINE_PAYMENTS_STRIPE_KEY": {"key": "k"}},
            {"SEATLINE_MONGODB_URI": {"key": "k"}},
        ],
    ),
    ("notices.channels", [["pigeon"], "email", ["log", "log"], [""]]),
    (
        "notices.files",
        [
            {MAIL_FILE: "password"},
            {MAIL_FILE: {"secret": "mail"}},
            {MAIL_FILE: {"key": "a/b"}},
            {"SEATLINE_SMTP_PASSWORD": {"key": "k"}},
            {"SEATLINE_NOTICE_LOG_DIR": {"key": "k"}},
        ],
    ),
    ("notices.fontsClaim", ["Fonts", "a b", 1]),
    ("listenHost", ["127.0.0.1", "::", ""]),
    ("shutdown.preStopSeconds", [0, 601, 1.5, "5"]),
    ("shutdown.drainDelaySeconds", [-1, 61, "2"]),
    ("shutdown.connectionSeconds", [-1, 3601, 1.5]),
    ("shutdown.drainSeconds", [-1, 601, "30s"]),
    ("shutdown.marginSeconds", [5, 121]),
    ("*.replicas", [0, 101, "2", 1.5]),
    ("*.enabled", ["yes", 1, None]),
    ("api.autoscaling.minReplicas", [0, 101]),
    ("api.autoscaling.maxReplicas", [0, 101]),
    ("api.autoscaling.cpuUtilizationPercent", [9, 101, "60%"]),
    ("api.autoscaling.inFlightCalls.averageValue", [0, "200"]),
    ("*.resources.*.cpu", ["lots", "-1", "1.5.5", "", 1, "1 "]),
    ("*.resources.*.memory", ["0Mi", "512", "512MB", "1.5Gi", 512]),
    ("*.resources.*.ephemeral-storage", ["0Mi", "64", 64]),
    ("*nnotations", [{"a": 1}, {"a b": "c"}, ["a"]]),
    ("*abels", [{"a": "b c"}, {"a/b/c": "d"}, {"a": True}]),
    ("*.nodeSelector", [{"a": 1}, "a=b"]),
    ("*.tolerations", [{}, [{"operator": "exists"}], [{"effect": "Evict"}], [{"keys": "a"}]]),
    ("*.priorityClassName", ["High Priority", 1]),
    ("topologySpread.*", ["Always", True, None]),
    ("service.port", [0, 65536, "50051"]),
    ("serviceAccount.create", ["yes"]),
    ("serviceAccount.name", ["Me", "a_b"]),
    ("podDisruptionBudget.maxUnavailable", [0, "1", "50%"]),
    ("networkPolicy.callers", [[{}], [{"pods": {}}], {"podSelector": {}}, [{"podSelector": {"app": "a"}}]]),
    ("networkPolicy.scrapers", [[{}], [{"ipBlock": {}}], [{"ipBlock": {"cidr": "10.0.0.1"}}]]),
    ("networkPolicy.egress.*Peers", [[{}], [{"podSelector": {"matchExpressions": [{"key": "a", "operator": "is"}]}}]]),
    ("networkPolicy.egress.*Ports", [[], [0], ["443"], [443, 443], 443]),
    ("tracing.endpoint", ["collector:4317", "grpc://collector", "http://collector/v1/traces", "http://a b"]),
    ("tracing.samplerRatio", [-0.1, 1.1, "0.01"]),
    ("serviceMonitor.interval", ["30", 30, "0s", ""]),
    ("serviceMonitor.scrapeTimeout", ["10", "soon"]),
    ("test.booksASeat", ["no"]),
    ("test.trainId", ["", "Helm", "a" * 33]),
    ("mongodb.image.tag", [""]),
    ("mongodb.storage.size", ["8", "8GB", 8]),
    ("mongodb.storage.className", ["Fast SSD"]),
]
# Examples; another test checks that all settings have the server's bounds.
BAD_SETTINGS = [
    ("SEATLINE_LANE_BATCH_MAX", 0),
    ("SEATLINE_LANE_BATCH_MAX", "256"),
    ("SEATLINE_LANE_BATCH", 256),
    ("SEATLINE_LOG_LEVEL", "LOUD"),
    ("SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES", "false"),
    ("SEATLINE_LISTEN", "0.0.0.0:50051"),
    ("SEATLINE_MONGODB_URI", "mongodb://db"),
    ("SEATLINE_WITH_WORKER", True),
    ("SEATLINE_NOTICE_CHANNELS", "email"),
    ("SEATLINE_SMTP_PORT", "587"),
    ("SEATLINE_SMTP_SECURITY", "ssl"),
    ("SEATLINE_SMTP_PASSWORD_FILE", "/etc/password"),
    ("SEATLINE_TICKET_FONTS_DIR", 1),
]
KEY = {"SEATLINE_TICKET_KEY_FILE": {"key": "ticket-key"}}
# Values that are valid alone and contradict each other.
CONTRADICTIONS = [
    ("minimal", {"callers.trustMetadata": False}, "callers.trustMetadata: Seatline does not verify callers"),
    ("minimal", {"secrets.existingSecret": ""}, "secrets: set existingSecret or mongodbUri"),
    (
        "minimal",
        {"secrets.mongodbUri": "mongodb://db"},
        "secrets: existingSecret is set, so put mongodbUri and stripeKey into that Secret",
    ),
    ("minimal", {"mongodb.enabled": True}, "mongodb.enabled: secrets already name another database"),
    ("trial", {"secrets.mongodbUri": "mongodb://db"}, "mongodb.enabled: secrets already name another database"),
    ("trial", {"payments.provider": "stripe"}, "payments.provider: stripe needs"),
    (
        "trial",
        {"payments.provider": "stripe", "payments.secrets": {STRIPE_KEY_FILE: {"key": "k"}}},
        f"payments.secrets.{STRIPE_KEY_FILE}: name its Secret",
    ),
    ("trial", {"secrets.stripeKey": "sk_test_1"}, "secrets.stripeKey: a key is set, but"),
    ("minimal", {"notices.channels": ["log"]}, "notices.channels: notices need notices.files.SEATLINE_TICKET_KEY_FILE"),
    (
        "minimal",
        {"notices.channels": ["email"], "notices.files": KEY},
        "notices.channels: email needs settings.SEATLINE_NOTICE",
    ),
    (
        "minimal",
        {"notices.channels": ["sms"], "notices.files": KEY},
        "notices.channels: sms needs settings.SEATLINE_SMS_ACCOUNT",
    ),
    (
        "full",
        {"notices.channels": ["sms"], "notices.files": KEY},
        "notices.channels: sms needs notices.files.SEATLINE_SMS_TOKEN",
    ),
    (
        "full",
        {"settings.SEATLINE_SMTP_USERNAME": ""},
        f"notices.files.{MAIL_FILE} and settings.SEATLINE_SMTP_USERNAME need",
    ),
    ("minimal", {"settings": {"SEATLINE_SMTP_USERNAME": "a"}}, "settings.SEATLINE_SMTP_USERNAME need each other"),
    ("full", {"settings.SEATLINE_TICKET_FONTS_DIR": "/fonts"}, "notices.fontsClaim: settings.SEATLINE_TICKET_FONTS_DIR names"),
    ("trial", {"notices.files": KEY}, "notices.files.SEATLINE_TICKET_KEY_FILE: name its Secret"),
    ("minimal", {"serviceMonitor.enabled": True}, "serviceMonitor.enabled: networkPolicy.scrapers is empty"),
    ("full", {"networkPolicy.scrapers": []}, "serviceMonitor.enabled: networkPolicy.scrapers is empty"),
    ("full", {"api.autoscaling.minReplicas": 21}, "api.autoscaling: minReplicas is greater than maxReplicas"),
]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """Follow the schema's `$ref`, if it has one."""
    reference = schema.get("$ref", "")
    return _SCHEMA["definitions"][reference.removeprefix("#/definitions/")] if reference else schema


def entries(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every named value of the schema: its dotted path and its schema."""
    for name, value in schema.get("properties", {}).items():
        path = f"{above}{name}"
        yield path, resolved(value)
        yield from entries(resolved(value), f"{path}.")


def is_group(schema: dict[str, Any]) -> bool:
    return "properties" in schema


ENTRIES = dict(entries(_SCHEMA))
LEAVES = [
    path
    for path, schema in ENTRIES.items()
    if not is_group(schema) and path != _HELM_RESERVED and not path.startswith("settings.")
]
GROUPS = ["", *(f"{path}." for path, schema in ENTRIES.items() if is_group(schema))]


def keys_with_comments(node: yaml.Node, lines: list[str], above: str = "") -> Iterator[tuple[str, bool]]:
    """Yield every dotted name in values.yaml, and whether the line before it is a comment."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        path = f"{above}{key.value}"
        yield path, lines[key.start_mark.line - 1].strip().startswith("# ")
        if is_group(ENTRIES.get(path, {})):
            yield from keys_with_comments(value, lines, f"{path}.")


def commented() -> dict[str, bool]:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert node is not None
    return dict(keys_with_comments(node, text.splitlines()))


def test_every_value_has_a_comment() -> None:
    assert [path for path, has_one in commented().items() if not has_one] == []


def test_values_and_schema_have_the_same_names() -> None:
    known = {path for path in ENTRIES if not path.startswith("settings.")}
    assert set(commented()) == known


def test_the_schema_allows_no_unknown_names() -> None:
    def objects_in(schema: Any) -> Iterator[dict[str, Any]]:
        if isinstance(schema, dict):
            if schema.get("type") == "object":
                yield schema
            for nested in schema.values():
                yield from objects_in(nested)
        elif isinstance(schema, list):
            for nested in schema:
                yield from objects_in(nested)

    parents_own = _SCHEMA["properties"][_HELM_RESERVED]
    for schema in objects_in(_SCHEMA):
        if schema is not parents_own:
            assert schema["additionalProperties"] is False
            assert "properties" in schema or "patternProperties" in schema


@pytest.mark.parametrize("group", GROUPS)
def test_a_typo_is_an_error(group: str) -> None:
    with pytest.raises(helm.HelmError, match="'typpo' not allowed"):
        rendered(with_values(values_of("minimal"), {f"{group}typpo": "x"}))


@pytest.mark.parametrize(("pattern", "bad"), BAD_VALUES, ids=[pattern for pattern, _ in BAD_VALUES])
def test_a_bad_value_is_refused_with_its_name(pattern: str, bad: list[Any]) -> None:
    matched = [path for path in LEAVES if fnmatch(path, pattern)]
    assert matched
    for path in matched:
        for value in bad:
            if value == "" and path == "image.tag":
                continue  # means the chart's appVersion
            with pytest.raises(helm.HelmError, match="specifications of the schema") as raised:
                rendered(with_values(values_of("minimal"), {path: value}))
            # Helm treats null as a missing value.
            above, _, name = path.rpartition(".")
            said = f"missing property '{name}'" if value is None else f"at '/{path.replace('.', '/')}"
            assert said in str(raised.value), (path, value)
            assert f"at '/{above.replace('.', '/')}" in str(raised.value)


def test_every_value_has_a_bad_example() -> None:
    assert [path for path in LEAVES if not any(fnmatch(path, pattern) for pattern, _ in BAD_VALUES)] == []


def test_the_default_values_lack_only_the_required_ones() -> None:
    with pytest.raises(helm.HelmError, match=r"callers\.trustMetadata: Seatline does not verify callers"):
        rendered({})
    assert default_values()["callers"] == {"trustMetadata": False}


@pytest.mark.parametrize(("name", "more", "complaint"), CONTRADICTIONS)
def test_contradictory_values_are_refused_with_a_message(name: str, more: Values, complaint: str) -> None:
    rendered(values_of(name))
    with pytest.raises(helm.HelmError) as raised:
        rendered(values_of(name, **more))
    assert complaint in str(raised.value)


def test_without_network_policies_a_service_monitor_needs_no_scrapers() -> None:
    made = objects(values_of("plain", **{"serviceMonitor.enabled": True}))
    assert only(made, "ServiceMonitor")["metadata"]["name"] == "tickets"


@pytest.mark.parametrize(("setting", "value"), BAD_SETTINGS)
def test_the_chart_refuses_a_setting_that_the_server_would_refuse(setting: str, value: Any) -> None:
    with pytest.raises(helm.HelmError, match=setting):
        rendered(values_of("minimal", settings={setting: value}))


def test_the_schema_matches_the_servers_settings_and_payment_providers() -> None:
    if with_generated_parts(_SCHEMA, PAYMENT_PROVIDERS) != _SCHEMA:
        pytest.fail(
            "run `python -m tests.chart.settings_schema`: the settings or the payment providers have changed", pytrace=False
        )


@pytest.mark.parametrize(
    ("value", "shown"), [(2_097_152, "2097152"), (16_384, "16384"), (10_000_000, "10000000"), (1_048_576.0, "1048576")]
)
def test_large_numbers_are_written_without_an_exponent(value: float, shown: str) -> None:
    made = objects(values_of("minimal", settings={"SEATLINE_MESSAGE_BYTES_MAX": value}))
    assert only(made, "ConfigMap")["data"]["SEATLINE_MESSAGE_BYTES_MAX"] == shown


def test_custom_names_are_used() -> None:
    assert only(objects(values_of("plain")), "Deployment", "-api")["metadata"]["name"] == "tickets-api"
    named = objects(values_of("minimal", nameOverride="rail"))
    assert only(named, "Deployment", "-api")["metadata"]["name"] == "sales-rail-api"
    assert only(objects(values_of("minimal"), release="seatline"), "Deployment", "-api")["metadata"]["name"] == "seatline-api"
    assert "tickets-headless" in rendered(values_of("plain"))[NOTES]
