"""The chart renders valid objects for every supported Kubernetes version, and the objects refer to each other correctly.

Belongs here: objects and their references. Does not belong here: the values (`test_values.py`), and the contents of pods
(`test_pods.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import jsonschema
import kubernetes_validate.utils
import pytest
import yaml

from tests.chart.rendering import (
    CHART,
    NAMESPACE,
    NOTES,
    RELEASE,
    KubernetesObject,
    container,
    objects,
    only,
    pod_templates,
    rendered,
    values_at,
    values_files,
    values_of,
)

SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = ("1.30", "1.33", kubernetes_validate.utils.major_minor(kubernetes_validate.latest_version()))
LINT_WARNING = 2
# Kubernetes' limit for names of Services and labels; Helm's limit for names of releases.
NAME_LENGTH_MAX, RELEASE_LENGTH_MAX = 63, 53

Labels = dict[str, str]


@pytest.fixture(scope="module", autouse=True)
def _schemas_are_read_once() -> Iterator[None]:
    """Cache the Kubernetes schemas: each version has a megabyte, and would be read again for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kubernetes_validate.utils.schema_contents", cache(kubernetes_validate.utils.schema_contents))
        yield


@pytest.fixture(params=values_files())
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each values file of the chart in turn."""
    return values_of(request.param)


def check(found: KubernetesObject, version: str) -> None:
    """Raise ValidationError unless this version of Kubernetes, or the Prometheus operator, accepts the object."""
    if found["apiVersion"].startswith("monitoring.coreos.com/"):
        schema = json.loads((SCHEMAS / f"{found['kind'].lower()}.json").read_text(encoding="utf-8"))
        jsonschema.validate(found, schema)
    else:
        kubernetes_validate.validate(found, version, strict=True)


def selects(selector: Labels, labels: Labels) -> bool:
    return selector.items() <= labels.items()


def test_helm_lint_reports_nothing(values: dict[str, Any]) -> None:
    for version in KUBERNETES:
        report = helm.lint(CHART, values, strict=True, kube_version=f"v{version}.0")
        assert report["errors"] == []
        assert [message for message in report["messages"] if message["severity"] >= LINT_WARNING] == []


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_accepts_every_object(values: dict[str, Any], version: str) -> None:
    for found in objects(values):
        check(found, version)


@pytest.mark.parametrize(
    ("kind", "path", "wrong_name"),
    [
        ("Deployment", ("spec", "template", "spec"), "terminationGraceSeconds"),
        ("Service", ("spec",), "port"),
        ("ServiceMonitor", ("spec",), "endpoint"),
        ("PrometheusRule", ("spec", "groups", 0, "rules", 0), "expression"),
    ],
)
def test_the_schemas_reject_a_misspelled_field(kind: str, path: tuple[str | int, ...], wrong_name: str) -> None:
    found: Any = next(each for each in objects(values_of("full")) if each["kind"] == kind)
    at = found
    for step in path:
        at = at[step]
    at[wrong_name] = 1
    with pytest.raises(jsonschema.ValidationError):
        check(found, KUBERNETES[0])


def test_each_enabled_part_is_rendered() -> None:
    kinds = [found["kind"] for found in objects(values_of("full"))]
    assert sorted(kinds) == sorted(
        [
            *(
                "ConfigMap",
                "ConfigMap",
                "Deployment",
                "Deployment",
                "HorizontalPodAutoscaler",
                "NetworkPolicy",
                "NetworkPolicy",
            ),
            *("NetworkPolicy", "Pod", "PodDisruptionBudget", "PodDisruptionBudget", "PrometheusRule", "Service", "Service"),
            *("Service", "ServiceAccount", "ServiceMonitor"),
        ]
    )
    trial = [found["kind"] for found in objects(values_of("trial"))]
    assert trial.count("StatefulSet") == 1
    plain = {found["kind"] for found in objects(values_of("plain"))}
    assert plain == {"ConfigMap", "Secret", "Deployment", "Service", "Pod"}


def test_each_template_renders_at_most_one_object(values: dict[str, Any]) -> None:
    for path, text in rendered(values).items():
        if path != NOTES:
            assert len([document for document in yaml.safe_load_all(text) if document]) <= 1, path


def test_objects_have_unique_names_and_the_labels_of_the_release(values: dict[str, Any]) -> None:
    found = objects(values)
    assert len({(each["kind"], each["metadata"]["name"]) for each in found}) == len(found)
    for each in found:
        assert each["metadata"]["namespace"] == NAMESPACE
        assert each["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE
        assert each["metadata"]["labels"]["app.kubernetes.io/part-of"] == "seatline"


def test_names_fit_with_the_longest_release_name() -> None:
    release = "r" * RELEASE_LENGTH_MAX
    for found in objects(values_of("trial"), release=release):
        assert len(found["metadata"]["name"]) <= NAME_LENGTH_MAX
        for label in values_at(found, "matchLabels"):
            assert all(len(value) <= NAME_LENGTH_MAX for value in label.values())


def test_selectors_match_exactly_their_components(values: dict[str, Any]) -> None:
    found = objects(values)
    pods = {component: pod["metadata"]["labels"] for component, pod in pod_templates(found).items()}

    def selected(selector: Labels) -> set[str]:
        return {component for component, labels in pods.items() if selects(selector, labels)}

    for each in found:
        component = each["metadata"]["labels"]["app.kubernetes.io/component"]
        if each["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
            assert selected(each["spec"]["selector"]["matchLabels"]) == {component}
        elif each["kind"] == "NetworkPolicy":
            assert selected(each["spec"]["podSelector"]["matchLabels"]) == {component}
        elif each["kind"] == "Service":
            is_for = {"api", "worker"} if component == "metrics" else {component}
            assert selected(each["spec"]["selector"]) == is_for


def test_every_pod_of_the_release_has_a_network_policy() -> None:
    found = objects(values_of("trial"))
    policies = [each["spec"]["podSelector"]["matchLabels"] for each in found if each["kind"] == "NetworkPolicy"]
    for component, pod in pod_templates(found).items():
        assert any(selects(policy, pod["metadata"]["labels"]) for policy in policies), component


def test_services_target_ports_of_their_pods(values: dict[str, Any]) -> None:
    found = objects(values)
    for service in (each for each in found if each["kind"] == "Service"):
        for pod in pod_templates(found).values():
            if selects(service["spec"]["selector"], pod["metadata"]["labels"]):
                named = {port["name"] for port in container(pod)["ports"]}
                assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


def test_the_service_monitor_selects_only_the_metrics_service() -> None:
    found = objects(values_of("full"))
    monitor, service = only(found, "ServiceMonitor"), only(found, "Service", "-metrics")
    assert selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])
    assert {end["port"] for end in monitor["spec"]["endpoints"]} == {port["name"] for port in service["spec"]["ports"]}
    others = [each for each in found if each["kind"] == "Service" and each is not service]
    assert not any(selects(monitor["spec"]["selector"]["matchLabels"], each["metadata"]["labels"]) for each in others)


def test_every_referenced_configmap_secret_and_account_exists(values: dict[str, Any]) -> None:
    found = objects(values)
    made = {(each["kind"], each["metadata"]["name"]) for each in found}
    secrets = values.get("secrets", {})
    brought = {("Secret", secrets.get(key)) for key in ("existingSecret", "filesSecret")} | {("ServiceAccount", "default")}
    files = values.get("payments", {}).get("secrets", {}) | values.get("notices", {}).get("files", {})
    brought |= {("Secret", reference.get("secret")) for reference in files.values()}
    for pod in pod_templates(found).values():
        named = {("ConfigMap", reference["name"]) for reference in values_at(pod, "configMapRef")}
        named |= {("Secret", reference["name"]) for reference in values_at(pod, "secretKeyRef")}
        named |= {("Secret", name) for name in values_at(pod, "secretName")}
        named |= {("Secret", source["secret"]["name"]) for sources in values_at(pod, "sources") for source in sources}
        named |= {("ServiceAccount", name) for name in values_at(pod, "serviceAccountName")}
        assert named <= made | brought


def test_the_charts_secret_has_the_keys_that_pods_read() -> None:
    found = objects(values_of("plain", **{"secrets.mongodbUriKey": "uri", "secrets.stripeKeyKey": "stripe"}))
    secret = only(found, "Secret")["stringData"]
    assert secret["uri"].startswith("mongodb://seatline:s3cret@db-0.db")
    assert secret["stripe"] == "sk_test_0123456789"
    api = pod_templates(found)["api"]
    assert {reference["key"] for reference in values_at(api, "secretKeyRef")} == {"uri"}
    assert [item["key"] for items in values_at(api, "items") for item in items] == ["stripe"]


def test_the_trials_host_name_is_the_one_of_its_replica_set() -> None:
    found = objects(values_of("trial"))
    mongodb, service = only(found, "StatefulSet"), only(found, "Service", "-mongodb")
    host = f"{mongodb['metadata']['name']}-0.{service['metadata']['name']}.tickets.svc:27017"
    assert mongodb["spec"]["serviceName"] == service["metadata"]["name"]
    assert only(found, "Secret")["stringData"]["mongodb-uri"] == f"mongodb://{host}/?replicaSet=rs0"
    assert f'"{host}"' in container(pod_templates(found)["mongodb"])["lifecycle"]["postStart"]["exec"]["command"][-1]


def test_only_listed_peers_may_call_and_scrape() -> None:
    def peers(name: str, port: int, component: str = "-api") -> list[Any]:
        policy = only(objects(values_of(name)), "NetworkPolicy", component)
        rules = [rule for rule in policy["spec"]["ingress"] if rule["ports"][0]["port"] == port]
        assert all(rule["from"] for rule in rules), "a rule without peers admits everybody"
        return [peer for rule in rules for peer in rule["from"]]

    test = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": "test"}}}
    (first,) = peers("minimal", 50051)
    assert first["podSelector"]["matchLabels"].items() >= test["podSelector"]["matchLabels"].items()
    assert peers("minimal", 9464) == []
    assert peers("full", 50051)[1:] == values_of("full")["networkPolicy"]["callers"]
    for component in ("-api", "-worker"):
        assert peers("full", 9464, component) == values_of("full")["networkPolicy"]["scrapers"]
    assert peers("full", 50051, "-worker") == []


def test_no_network_policy_allows_all_ports(values: dict[str, Any]) -> None:
    for policy in (each for each in objects(values) if each["kind"] == "NetworkPolicy"):
        for rule in policy["spec"].get("egress", []):
            assert rule["ports"]
        assert "Ingress" in policy["spec"]["policyTypes"]


def test_with_autoscaling_the_deployment_sets_no_replicas() -> None:
    scaled, fixed = objects(values_of("full")), objects(values_of("minimal"))
    assert "replicas" not in only(scaled, "Deployment", "-api")["spec"]
    scaler = only(scaled, "HorizontalPodAutoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == only(scaled, "Deployment", "-api")["metadata"]["name"]
    assert scaler["metrics"][1]["pods"]["metric"]["name"] == "grpc_server_in_flight_calls"
    assert only(fixed, "Deployment", "-api")["spec"]["replicas"] == 2


def test_disruption_budgets_allow_one_unavailable_pod() -> None:
    budgets = [each for each in objects(values_of("minimal")) if each["kind"] == "PodDisruptionBudget"]
    assert [budget["spec"]["maxUnavailable"] for budget in budgets] == [1, 1]


def test_dashboard_and_alerts_are_rendered_unchanged() -> None:
    found = objects(values_of("full"))
    shown = json.loads(only(found, "ConfigMap", "-dashboard")["data"]["seatline.json"])
    assert shown == json.loads((CHART / "files" / "dashboard.json").read_text(encoding="utf-8"))
    rules = only(found, "PrometheusRule")["spec"]
    assert rules == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))


def test_a_packaged_chart_renders_the_same_objects(tmp_path: Path) -> None:
    archive = Path(helm.package(CHART, destination=tmp_path))
    with helm.Chart.load_archive(archive.read_bytes()) as packed:
        assert packed.render(values_of("full"), name=RELEASE, namespace=NAMESPACE) == rendered(values_of("full"))
        assert not [file["name"] for file in packed.files if file["name"].startswith("ci/")]


def test_the_charts_app_version_is_the_projects_version() -> None:
    project = (CHART.parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"]
    assert f'\nversion = "{version}"\n' in project


@pytest.mark.parametrize(
    ("name", "warning"),
    [
        ("minimal", "SEATLINE DOES NOT VERIFY CALLERS"),
        ("minimal", "so only the test pod may connect"),
        ("minimal", "NOBODY IS CHARGED"),
        ("minimal", "no alert tells you when something fails"),
        ("minimal", "NO TICKETS AND NO NOTICES"),
        ("minimal", "dns:///sales-seatline-headless.tickets.svc.cluster.local:50051"),
        ("minimal", "round_robin"),
        ("plain", "EVERYBODY IN THE CLUSTER CAN CONNECT"),
        ("plain", "Helm's record of this release contains"),
        ("trial", "ONE NODE WITHOUT REPLICA, BACKUP OR PASSWORD"),
        ("minimal", "A pod that shuts down keeps serving for 75 s"),
        ("minimal", "caches may keep an answer for 30 s"),
        ("full", "CALLS FAIL DURING UPDATES AND NODE DRAINS"),  # preStopSeconds is 10 there
    ],
)
def test_the_notes_warn(name: str, warning: str) -> None:
    assert warning in rendered(values_of(name))[NOTES]


def test_the_notes_do_not_warn_of_failing_updates_if_pods_wait_long_enough() -> None:
    assert "CALLS FAIL" not in rendered(values_of("minimal"))[NOTES]


def test_the_notes_warn_only_of_what_applies() -> None:
    notes = rendered(values_of("full"))[NOTES]
    for warning in (
        "only the test pod",
        "NOBODY IS CHARGED",
        "no alert tells",
        "ONE NODE",
        "EVERYBODY",
        "record of",
        "NOTICES",
    ):
        assert warning not in notes
