"""What goes on in the pods: their last moments, their environment, their probes and their rights, held against the real server.

Belongs here: pods. Not here: the objects around them (`test_objects.py`).
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
from app.process.server import disconnect_seconds_max
from app.store.driver import connect_in_memory
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

CLOSING_SECONDS_MIN = 6  # what a worker cuts off has five seconds to end (app/jobs/worker.py)
# Read by OpenTelemetry, or put together to what it reads.
THIRD_PARTY = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
    "OTEL_RESOURCE_ATTRIBUTES",
    "POD_NAME",
}
STRIPE_KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"
LIVENESS_SECONDS_MIN = 60  # a minute of answering nobody is no burst of work any more
OURS = ("api", "worker")


@pytest.fixture(params=values_files())
def values(request: pytest.FixtureRequest) -> Values:
    """The values of each file in turn."""
    return values_of(request.param)


def environment(found: list[KubernetesObject], component: str) -> dict[str, str]:
    """What a component's process finds in its environment; what is secret is a connection string."""
    one = container(pod_templates(found)[component])
    data: dict[str, str] = {}
    for source in one.get("envFrom", []):
        name = source["configMapRef"]["name"]
        data |= next(each["data"] for each in found if (each["kind"], each["metadata"]["name"]) == ("ConfigMap", name))
    return data | {each["name"]: each.get("value", "mongodb://db/?replicaSet=rs0") for each in one.get("env", [])}


def loaded(found: list[KubernetesObject], component: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings as the component's process reads them."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENVIRONMENT_PREFIX}{name.upper()}", raising=False)
    for name, value in environment(found, component).items():
        monkeypatch.setenv(name, value)
    return load_settings()


# -- going away


@pytest.mark.parametrize(
    "shutdown",
    [
        {},
        {"preStopSeconds": 20, "drainDelaySeconds": 0, "connectionSeconds": 0, "drainSeconds": 1, "marginSeconds": 6},
        {"preStopSeconds": 1, "drainDelaySeconds": 60, "connectionSeconds": 3, "drainSeconds": 600, "marginSeconds": 120},
        {"connectionSeconds": 60},
    ],
)
def test_pods_have_the_time_that_going_away_takes(shutdown: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_call_may_take_as_long_while_its_server_goes_away_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = loaded(objects(values_of("minimal")), "api", monkeypatch)
    assert settings.drain_seconds >= settings.call_seconds_max


def test_an_update_takes_no_server_away_before_the_new_one_is_ready() -> None:
    for component in OURS:
        strategy = only(objects(values_of("minimal")), "Deployment", f"-{component}")["spec"]["strategy"]
        assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


# -- environment


def test_the_server_reads_every_name_that_its_pods_set(values: Values) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields} | THIRD_PARTY
    for component in OURS:
        assert set(environment(objects(values), component)) <= known


@pytest.mark.parametrize("component", OURS)
def test_the_server_takes_every_value_that_its_pods_set(
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


def test_the_key_of_stripe_lies_where_the_server_looks_for_it() -> None:
    for component in OURS:
        found = objects(values_of("full"))
        pod = pod_templates(found)[component]
        (mount,) = [one for one in container(pod)["volumeMounts"] if one["name"] == "stripe"]
        (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "stripe"]
        (item,) = volume["secret"]["items"]
        assert f"{mount['mountPath']}/{item['path']}" == environment(found, component)[STRIPE_KEY_FILE]
        assert item["key"] == "stripe-key"


def test_what_the_chart_sets_itself_are_settings_of_the_server() -> None:
    assert set(Settings.model_fields) >= SET_BY_THE_CHART


def test_services_put_nothing_into_the_environment() -> None:
    for pod in pod_templates(objects(values_of("trial"))).values():
        assert pod["spec"]["enableServiceLinks"] is False


def test_pods_start_anew_when_what_they_read_has_changed() -> None:
    def checksums(**more: Any) -> set[str]:
        pods = pod_templates(objects(values_of("plain", **more)))
        return {str(sorted(pods[component]["metadata"]["annotations"].items())) for component in OURS}

    assert checksums() == checksums()
    assert checksums().isdisjoint(checksums(settings={"SEATLINE_LANE_BATCH_MAX": 128}))
    assert checksums().isdisjoint(checksums(**{"secrets.mongodbUri": "mongodb://other"}))


# -- ports and probes


def test_ports_are_those_that_the_server_listens_on(values: Values) -> None:
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
    one = container(pod_templates(objects(values_of("minimal")))[component])
    return {name: one[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}


async def test_the_servers_probes_ask_for_what_the_server_knows() -> None:
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


def test_the_servers_probes_ask_at_its_ports() -> None:
    api = container(pod_templates(objects(values_of("minimal")))["api"])
    port = next(each["containerPort"] for each in api["ports"] if each["name"] == "grpc")
    found = probes("api")
    assert {found[name]["grpc"]["port"] for name in ("startupProbe", "readinessProbe")} == {port}


def test_a_crowd_at_the_servers_port_does_not_restart_it() -> None:
    """The server bounds its connections at the port for calls; the one for metrics has its own."""
    assert probes("api")["livenessProbe"]["httpGet"]["port"] == "metrics"


async def test_the_workers_probes_ask_for_pages_that_the_worker_has() -> None:
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


def test_a_probe_gives_up_before_the_next_one() -> None:
    for component in OURS:
        for probe in probes(component).values():
            assert probe["timeoutSeconds"] <= probe["periodSeconds"]


def test_a_busy_process_is_not_taken_for_a_dead_one() -> None:
    for component in OURS:
        probe = probes(component)["livenessProbe"]
        assert probe["periodSeconds"] * probe["failureThreshold"] >= LIVENESS_SECONDS_MIN


# -- what is run


@pytest.mark.parametrize("component", [*OURS, "test"])
@pytest.mark.parametrize("name", values_files())
def test_the_command_line_has_what_the_pods_run(name: str, component: str) -> None:
    arguments = container(pod_templates(objects(values_of(name)))[component])["args"]
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0


@pytest.mark.parametrize("name", ["trial", "full"])
async def test_the_test_of_a_release_passes_on_a_server_again_and_again(name: str) -> None:
    test = container(pod_templates(objects(values_of(name)))["test"])
    arguments, (target,) = test["args"], [one["value"] for one in test["env"] if one["name"] == "SEATLINE_TARGET"]
    service = only(objects(values_of(name)), "Service", "seatline")
    assert target == f"{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    async with running_server(settings_for(), connect_in_memory()) as world:
        here = {"SEATLINE_TARGET": f"127.0.0.1:{world.server.port}"}
        for _ in range(2):
            result = await asyncio.to_thread(CliRunner().invoke, app, arguments, env=here)
            assert result.exit_code == 0, result.stderr
        await world.settled()
        trains = {each["train_id"] for each in await world.database["bookings"].find({}).to_list(10)}
    assert trains == ({"helm-test"} if name == "trial" else set())


# -- rights


def test_pods_keep_to_the_restricted_standard(values: Values) -> None:
    for component, pod in pod_templates(objects(values)).items():
        spec, one = pod["spec"], container(pod)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, component
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert not list(values_at(spec, "hostPort"))
        for volume in spec["volumes"]:
            assert volume.keys() - {"name"} <= {"emptyDir", "secret", "configMap"}


def test_pods_have_no_more_than_they_need(values: Values) -> None:
    found = objects(values)
    for component, pod in pod_templates(found).items():
        spec, one = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, component
        assert one["securityContext"]["readOnlyRootFilesystem"] is True
        assert one["resources"]["limits"].keys() >= {"cpu", "memory"}
        assert one["resources"]["requests"].keys() >= {"cpu", "memory"}
    for account in (each for each in found if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_pods_run_as_the_user_that_the_image_was_made_for() -> None:
    image = (CHART.parents[2] / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert 'ENTRYPOINT ["seatline"]' in image
    for component in (*OURS, "test"):
        security = pod_templates(objects(values_of("minimal")))[component]["spec"]["securityContext"]
        assert f"USER {security['runAsUser']}:{security['runAsGroup']}" in image


def test_an_image_is_named_by_its_digest_where_there_is_one() -> None:
    def images(name: str) -> set[str]:
        return {container(pod)["image"] for pod in pod_templates(objects(values_of(name))).values()}

    assert images("full") == {f"registry.example.com/seatline@sha256:{'0123456789abcdef' * 4}"}
    assert images("trial") == {"seatline:0.1.0", "docker.io/library/mongo:8.0"}


def test_pods_are_spread_by_what_is_their_own() -> None:
    pods = pod_templates(objects(values_of("full")))
    for component in OURS:
        spread = pods[component]["spec"]["topologySpreadConstraints"]
        assert {(one["topologyKey"], one["whenUnsatisfiable"]) for one in spread} == {
            ("topology.kubernetes.io/zone", "DoNotSchedule"),
            ("kubernetes.io/hostname", "ScheduleAnyway"),
        }
        for one in spread:
            assert one["labelSelector"]["matchLabels"].items() <= pods[component]["metadata"]["labels"].items()
            assert one["labelSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
    assert "topologySpreadConstraints" not in pod_templates(objects(values_of("plain")))["api"]["spec"]
