"""The pods fit the real server: shutdown, environment, probes and permissions.

Belongs here: the contents of pods. Does not belong here: the objects around them (`test_objects.py`).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from app.cli import app
from app.config import ENVIRONMENT_PREFIX, Settings, load_settings
from app.process.bootstrap import build_worker_process
from app.process.payment_providers import setting_fields
from app.process.server import disconnect_seconds_max
from app.store.in_memory import connect_in_memory
from tests.chart.rendering import (
    CHART,
    KubernetesObject,
    Values,
    container,
    default_values,
    objects,
    only,
    pod_templates,
    values_at,
    values_files,
    values_of,
)
from tests.chart.settings_schema import SET_BY_THE_CHART
from tests.support.health_checks import health
from tests.support.world import running_server, settings_for

CLOSING_SECONDS_MIN = 6  # a worker gives cancelled jobs five seconds to end (app/jobs/worker.py)
# Variables that OpenTelemetry reads, or that are part of one.
THIRD_PARTY = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
    "POD_NAME",
}
STRIPE_KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"
LIVENESS_SECONDS_MIN = 60  # a process that answers nothing for a minute is not merely busy
OURS = ("api", "worker")


@pytest.fixture(params=values_files())
def values(request: pytest.FixtureRequest) -> Values:
    """Each values file of the chart in turn."""
    return values_of(request.param)


def environment(found: list[KubernetesObject], component: str) -> dict[str, str]:
    """Return the environment of a component's process. Each secret is a placeholder connection string."""
    spec = container(pod_templates(found)[component])
    data: dict[str, str] = {}
    for source in spec.get("envFrom", []):
        name = source["configMapRef"]["name"]
        data |= next(each["data"] for each in found if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", name))
    return data | {each["name"]: each.get("value", "mongodb://db/?replicaSet=rs0") for each in spec.get("env", [])}


def loaded(found: list[KubernetesObject], component: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load the settings as the component's process does."""
    for name in setting_fields():
        monkeypatch.delenv(f"{ENVIRONMENT_PREFIX}{name.upper()}", raising=False)
    for name, value in environment(found, component).items():
        monkeypatch.setenv(name, value)
    return load_settings()


# -- shutdown


@pytest.mark.parametrize(
    "shutdown",
    [
        {},
        {"preStopSeconds": 20, "drainDelaySeconds": 0, "connectionSeconds": 0, "drainSeconds": 1, "marginSeconds": 6},
        {"preStopSeconds": 1, "drainDelaySeconds": 60, "connectionSeconds": 3, "drainSeconds": 600, "marginSeconds": 120},
        {"connectionSeconds": 60},
    ],
)
def test_the_grace_period_covers_the_whole_shutdown(shutdown: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    found = objects(values_of("minimal", shutdown=shutdown))
    pods = pod_templates(found)
    sleep_seconds = container(pods["api"])["lifecycle"]["preStop"]["sleep"]["seconds"]
    settings = loaded(found, "api", monkeypatch)
    leaving_seconds = disconnect_seconds_max(settings)
    needed_seconds = sleep_seconds + settings.drain_delay_seconds + leaving_seconds + settings.drain_seconds
    given_seconds = pods["api"]["spec"]["terminationGracePeriodSeconds"]
    assert needed_seconds + CLOSING_SECONDS_MIN <= given_seconds
    assert (
        given_seconds <= needed_seconds + default_values()["shutdown"]["marginSeconds"] + shutdown.get("marginSeconds", 0) + 1
    )
    worker = loaded(found, "worker", monkeypatch)
    assert pods["worker"]["spec"]["terminationGracePeriodSeconds"] >= worker.drain_seconds + CLOSING_SECONDS_MIN


def test_calls_keep_their_full_time_limit_while_a_server_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(objects(values_of("minimal")), "api", monkeypatch)
    assert settings.drain_seconds >= settings.call_seconds_max


def test_an_update_removes_no_server_before_its_replacement_is_ready() -> None:
    for component in OURS:
        strategy = only(objects(values_of("minimal")), "Deployment", f"-{component}")["spec"]["strategy"]
        assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


# -- environment


def test_the_server_knows_every_variable_that_its_pods_set(values: Values) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in setting_fields()} | THIRD_PARTY
    for component in OURS:
        assert set(environment(objects(values), component)) <= known


@pytest.mark.parametrize("component", OURS)
def test_the_server_accepts_every_value_that_its_pods_set(
    values: Values, component: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = objects(values)
    mounted = tmp_path / "key"
    mounted.write_text("sk_test_0123456789")
    for config in (each["data"] for each in found if each["kind"] == "ConfigMap"):
        if STRIPE_KEY_FILE in config:
            config[STRIPE_KEY_FILE] = str(mounted)
    settings = loaded(found, component, monkeypatch)
    for name, value in values.get("settings", {}).items():
        assert getattr(settings, name.removeprefix(ENVIRONMENT_PREFIX).lower()) == value
    assert not settings.listens_on_loopback
    assert settings.payments_provider == values.get("payments", {}).get("provider", "ledger")


def test_the_chart_sets_only_settings_that_the_server_has() -> None:
    assert set(setting_fields()) >= SET_BY_THE_CHART


def test_services_add_nothing_to_the_environment() -> None:
    for pod in pod_templates(objects(values_of("trial"))).values():
        assert pod["spec"]["enableServiceLinks"] is False


def test_pods_restart_when_their_settings_or_secrets_change() -> None:
    def checksums(**more: Any) -> set[str]:
        pods = pod_templates(objects(values_of("plain", **more)))
        return {str(sorted(pods[component]["metadata"]["annotations"].items())) for component in OURS}

    assert checksums() == checksums()
    assert checksums().isdisjoint(checksums(settings={"SEATLINE_LANE_BATCH_MAX": 128}))
    assert checksums().isdisjoint(checksums(**{"secrets.mongodbUri": "mongodb://other"}))


# -- ports and probes


def test_the_pods_ports_are_those_that_the_server_listens_on(values: Values) -> None:
    found = objects(values)
    env = environment(found, "api")
    listens = {"grpc": env["SEATLINE_LISTEN"], "metrics": env["SEATLINE_METRICS_LISTEN"]}
    for component, names in (("api", {"grpc", "metrics"}), ("worker", {"metrics"})):
        ports = {port["name"]: port["containerPort"] for port in container(pod_templates(found)[component])["ports"]}
        assert set(ports) == names
        for name, port in ports.items():
            assert listens[name].endswith(f":{port}")
    default: str = Settings.model_fields["listen"].default
    assert listens["grpc"].rpartition(":")[2] == default.rpartition(":")[2]


def probes(component: str) -> dict[str, dict[str, Any]]:
    spec = container(pod_templates(objects(values_of("minimal")))[component])
    return {name: spec[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}


async def test_the_server_answers_its_probes() -> None:
    found = probes("api")
    asked = {name: found[name]["grpc"]["service"] for name in ("startupProbe", "readinessProbe")}
    alive = found["livenessProbe"]["httpGet"]
    async with (
        running_server(settings_for(metrics_listen="127.0.0.1:0"), connect_in_memory()) as world,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{world.server.metrics_port}") as browser,
    ):
        assert {await health(world.channel, name) for name in asked.values()} == {"SERVING"}
        await world.server.health.drain()
        assert await health(world.channel, asked["readinessProbe"]) == "NOT_SERVING"
        assert await health(world.channel, asked["startupProbe"]) == "SERVING"
        assert (await browser.get(alive["path"])).status_code == 200
        assert await health(world.channel, "seatline.v1.Bookings") == "SERVICE_UNKNOWN"


def test_the_servers_probes_use_its_ports() -> None:
    api = container(pod_templates(objects(values_of("minimal")))["api"])
    port = next(each["containerPort"] for each in api["ports"] if each["name"] == "grpc")
    found = probes("api")
    assert {found[name]["grpc"]["port"] for name in ("startupProbe", "readinessProbe")} == {port}


def test_many_connections_at_the_grpc_port_do_not_restart_the_server() -> None:
    """The server limits connections at the gRPC port; the metrics port has a limit of its own."""
    assert probes("api")["livenessProbe"]["httpGet"]["port"] == "metrics"


async def test_the_worker_answers_its_probes() -> None:
    asked = {name: probe["httpGet"] for name, probe in probes("worker").items()}
    assert {each["port"] for each in asked.values()} == {"metrics"}
    worker = await build_worker_process(settings_for(metrics_listen="127.0.0.1:0"), connect_in_memory())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.application.metrics_port}") as browser:
        assert (await browser.get(asked["readinessProbe"]["path"])).status_code == 503
        assert (await browser.get(asked["startupProbe"]["path"])).status_code == 200
        await worker.start()
        for each in asked.values():
            assert (await browser.get(each["path"])).status_code == 200
        assert (await browser.get("/nothing")).status_code == 404
    await worker.stop()


def test_a_probe_times_out_before_the_next_one() -> None:
    for component in OURS:
        for probe in probes(component).values():
            assert probe["timeoutSeconds"] <= probe["periodSeconds"]


def test_a_process_that_is_busy_for_a_minute_is_not_restarted() -> None:
    for component in OURS:
        probe = probes(component)["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= LIVENESS_SECONDS_MIN


# -- commands


@pytest.mark.parametrize("component", [*OURS, "test"])
@pytest.mark.parametrize("name", values_files())
def test_the_command_line_knows_the_pods_commands(name: str, component: str) -> None:
    arguments = container(pod_templates(objects(values_of(name)))[component])["args"]
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", ["trial", "full"])
async def test_helm_test_passes_on_a_real_server_and_can_be_repeated(name: str) -> None:
    test = container(pod_templates(objects(values_of(name)))["test"])
    arguments, (target,) = (
        test["args"],
        [variable["value"] for variable in test["env"] if variable["name"] == "SEATLINE_TARGET"],
    )
    service = only(objects(values_of(name)), "Service", "seatline")
    assert target == f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    async with running_server(settings_for(), connect_in_memory()) as world:
        here = {"SEATLINE_TARGET": f"127.0.0.1:{world.server.port}"}
        for _ in range(2):
            result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=here)
            assert result.exit_code == 0, result.stderr
        await world.wait_until_archived()
        trains = {each["train_id"] for each in await world.database["bookings"].find({}).to_list(10)}
    assert trains == ({"helm-test"} if name == "trial" else set())


# -- permissions


def test_pods_meet_the_restricted_pod_security_standard(values: Values) -> None:
    for component, pod in pod_templates(objects(values)).items():
        spec, main = pod["spec"], container(pod)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, component
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert main["securityContext"]["allowPrivilegeEscalation"] is False
        assert main["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert not list(values_at(spec, "hostPort"))
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= {"emptyDir", "secret", "configMap", "projected", "persistentVolumeClaim"}


def test_pods_have_no_token_a_read_only_root_and_bounded_resources(values: Values) -> None:
    found = objects(values)
    for component, pod in pod_templates(found).items():
        spec, main = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, component
        assert main["securityContext"]["readOnlyRootFilesystem"] is True
        assert main["resources"]["limits"].keys() >= {"cpu", "memory"}
        assert main["resources"]["requests"].keys() >= {"cpu", "memory"}
    for account in (each for each in found if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_pods_run_as_the_images_user() -> None:
    image = (CHART.parents[2] / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert 'ENTRYPOINT ["seatline"]' in image
    for component in (*OURS, "test"):
        security = pod_templates(objects(values_of("minimal")))[component]["spec"]["securityContext"]
        assert f"USER {security['runAsUser']}:{security['runAsGroup']}" in image


def test_a_digest_takes_precedence_over_the_tag() -> None:
    def images(name: str) -> set[str]:
        return {container(pod)["image"] for pod in pod_templates(objects(values_of(name))).values()}

    assert images("full") == {f"registry.example.com/seatline@sha256:{'0123456789abcdef' * 4}"}
    assert images("trial") == {"seatline:0.1.0", "docker.io/library/mongo:8.0"}


def test_pods_are_spread_by_their_own_labels() -> None:
    pods = pod_templates(objects(values_of("full")))
    for component in OURS:
        spread = pods[component]["spec"]["topologySpreadConstraints"]
        assert {(constraint["topologyKey"], constraint["whenUnsatisfiable"]) for constraint in spread} == {
            ("topology.kubernetes.io/zone", "DoNotSchedule"),
            ("kubernetes.io/hostname", "ScheduleAnyway"),
        }
        for constraint in spread:
            assert constraint["labelSelector"]["matchLabels"].items() <= pods[component]["metadata"]["labels"].items()
            assert constraint["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    assert "topologySpreadConstraints" not in pod_templates(objects(values_of("plain")))["api"]["spec"]
