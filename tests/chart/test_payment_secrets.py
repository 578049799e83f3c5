"""Secrets of payment providers reach the pods as files, for any provider in the registry.

Belongs here: the value `payments.secrets`. Does not belong here: other values and secrets (`test_values.py`, `test_pods.py`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from pydantic import Field, SecretStr

from app.payments.ledger import LEDGER
from app.payments.registry import ProviderEntry, ProviderParts, ProviderRegistry, ProviderSettings
from app.payments.stripe.entry import STRIPE
from app.ports.payment_provider import Provider
from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    NOTES,
    RELEASE,
    KubernetesObject,
    Values,
    container,
    objects,
    only,
    pod_templates,
    values_of,
)
from tests.chart.settings_schema import with_generated_parts

STRIPE_KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"
ACME_KEY_FILE, ACME_REGION = "SEATLINE_PAYMENTS_ACME_KEY_FILE", "SEATLINE_PAYMENTS_ACME_REGION"


class AcmeSettings(ProviderSettings):
    """Settings of a provider that the chart has never heard of."""

    payments_acme_key: SecretStr = Field(SecretStr(""), description="Key.")
    payments_acme_key_file: str = Field("", description="File with the key.")
    payments_acme_region: str = Field("eu", description="Region.")


def _not_made(_settings: AcmeSettings, _parts: ProviderParts) -> Provider:
    raise NotImplementedError


def mounted_secrets(found: list[KubernetesObject], component: str) -> dict[str, tuple[str, str]]:
    """Return Secret and key of each mounted file of the payment provider, by path."""
    pod = pod_templates(found)[component]
    (mount,) = [each for each in container(pod)["volumeMounts"] if each["name"] == "payments"]
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "payments"]
    assert mount["readOnly"] is True
    return {
        f"{mount['mountPath']}/{item['path']}": (source["secret"]["name"], item["key"])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


@pytest.mark.parametrize(
    ("values", "secret"),
    [
        (values_of("full"), ("payments", "api-key")),
        (values_of("full", **{"payments.secrets": {STRIPE_KEY_FILE: {"key": "k"}}}), ("seatline", "k")),
        (values_of("full", **{"payments.secrets": {}}), ("seatline", "stripe-key")),
        (values_of("plain"), ("tickets", "stripe-key")),
    ],
    ids=["named Secret", "existing Secret", "existing Secret by stripeKeyKey", "Secret of the chart"],
)
@pytest.mark.parametrize("component", ["api", "worker"])
def test_stripes_key_is_mounted_where_the_server_reads_it(values: Values, secret: tuple[str, str], component: str) -> None:
    found = objects(values)
    settings = only([each for each in found if "SEATLINE_LISTEN" in each.get("data", {})], "ConfigMap")["data"]
    assert mounted_secrets(found, component) == {settings[STRIPE_KEY_FILE]: secret}


def test_without_secrets_nothing_is_mounted() -> None:
    api = pod_templates(objects(values_of("minimal")))["api"]
    assert "payments" not in {volume["name"] for volume in api["spec"]["volumes"]}


def test_a_new_provider_in_the_registry_needs_no_change_of_the_chart(tmp_path: Path) -> None:
    acme = ProviderEntry("acme", AcmeSettings, _not_made)
    chart = shutil.copytree(CHART, tmp_path / "seatline")
    schema = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    providers = ProviderRegistry((LEDGER, STRIPE, acme))
    (chart / "values.schema.json").write_text(json.dumps(with_generated_parts(schema, providers)))
    payments = {"provider": "acme", "secrets": {ACME_KEY_FILE: {"secret": "acme", "key": "key"}}}
    values = values_of("trial", payments=payments, settings={ACME_REGION: "us"})
    with helm.Chart.load(chart) as loaded:
        texts = loaded.render(values, name=RELEASE, namespace=NAMESPACE)
    found: list[Any] = [document for path, text in texts.items() if path != NOTES and (document := yaml.safe_load(text))]
    data = only([each for each in found if "SEATLINE_LISTEN" in each.get("data", {})], "ConfigMap")["data"]
    assert (data["SEATLINE_PAYMENTS_PROVIDER"], data[ACME_REGION]) == ("acme", "us")
    for component in ("api", "worker"):
        assert mounted_secrets(found, component) == {data[ACME_KEY_FILE]: ("acme", "key")}
