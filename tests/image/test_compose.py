"""`deploy/compose.yaml` matches the service, and its containers have no unnecessary permissions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import ENVIRONMENT_PREFIX, Settings, load_settings
from app.process.payment_providers import setting_fields
from tests.image.dockerfile import Instruction, parse_dockerfile

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "deploy"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
OURS = ["api", "worker"]


def last_stage() -> list[Instruction]:
    return parse_dockerfile((REPOSITORY / "Dockerfile").read_text())[-1].instructions


def instruction_value(name: str) -> str:
    """Return the value of an instruction that the last stage has once."""
    (value,) = [instruction.value for instruction in last_stage() if instruction.name == name]
    return value


def image_environment() -> dict[str, str]:
    """Return the settings that the image's environment sets."""
    pairs: dict[str, str] = {}
    for instruction in last_stage():
        if instruction.name == "ENV":
            pairs |= instruction.pairs()
    return {name: value for name, value in pairs.items() if name.startswith(ENVIRONMENT_PREFIX)}


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Load the settings of a service's process."""
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in (image_environment() | SERVICES[service]["environment"]).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def published(service: str) -> list[list[str]]:
    """List address, host port and container port of each published port."""
    return [port.split(":") for port in SERVICES[service].get("ports", [])]


@pytest.mark.parametrize("service", OURS)
def test_the_service_knows_every_variable(service: str) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in setting_fields()}
    names = image_environment().keys() | SERVICES[service]["environment"].keys()
    assert {name for name in names if not name.startswith("OTEL_")} <= known


@pytest.mark.parametrize("service", OURS)
def test_the_services_settings_fit_the_database(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch)
    assert settings.mongodb_uri.startswith("mongodb://mongodb:27017/?replicaSet=rs0")
    assert SERVICES["mongodb"]["command"][:2] == ["--replSet", "rs0"]
    assert '_id: "rs0", members: [{_id: 0, host: "mongodb:27017"}]' in SERVICES["mongodb"]["healthcheck"]["test"][-1]


def test_published_ports_are_the_served_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("api", monkeypatch)
    served = [address.rpartition(":")[2] for address in (settings.listen, settings.metrics_listen)]
    assert instruction_value("EXPOSE").split() == served
    assert published("api") == [["127.0.0.1", served[0], served[0]]]
    (job,) = yaml.safe_load((FOLDER / "compose" / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{service}:{served[1]}" for service in OURS]
    for service in OURS:
        assert f"http://127.0.0.1:{served[1]}/readyz" in " ".join(SERVICES[service]["healthcheck"]["test"])


def test_server_and_worker_run_the_image_built_here() -> None:
    assert (FOLDER / SERVICES["api"]["build"]["context"]).resolve() == REPOSITORY
    assert "dockerfile" not in SERVICES["api"]["build"]
    assert SERVICES["api"]["image"] == SERVICES["worker"]["image"] == "seatline"
    for service in OURS:
        assert SERVICES[service]["user"] == instruction_value("USER")


@pytest.mark.parametrize("service", SERVICES)
def test_containers_have_no_unnecessary_permissions(service: str) -> None:
    definition = SERVICES[service]
    assert definition["read_only"] is True
    assert definition["cap_drop"] == ["ALL"]
    assert definition["security_opt"] == ["no-new-privileges:true"]
    assert int(definition["user"].split(":")[0]) > 0
    assert "/tmp" in definition["tmpfs"]  # noqa: S108  the container's own
    assert {address for address, *_ in published(service)} <= {"127.0.0.1"}
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "cap_add"} & definition.keys()


def test_every_mounted_file_exists_and_is_read_only() -> None:
    mounts = [mount.split(":") for definition in SERVICES.values() for mount in definition.get("volumes", [])]
    files = [mount for mount in mounts if mount[0].startswith(".")]
    assert len(files) == 5
    for source, _, mode in files:
        assert (FOLDER / source).exists(), source
        assert mode == "ro"
