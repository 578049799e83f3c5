"""What `deploy/compose.yaml` says of the service is what the service is, and nothing in it is open wider than it needs."""

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


def said(name: str) -> str:
    """What the image says by an instruction that it has once."""
    (value,) = [instruction.value for instruction in last_stage() if instruction.name == name]
    return value


def image_environment() -> dict[str, str]:
    """The settings that the image has of itself."""
    pairs: dict[str, str] = {}
    for instruction in last_stage():
        if instruction.name == "ENV":
            pairs |= instruction.pairs()
    return {name: value for name, value in pairs.items() if name.startswith(ENVIRONMENT_PREFIX)}


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a service's process."""
    for name in [name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX)]:
        monkeypatch.delenv(name)
    for name, value in (image_environment() | SERVICES[service]["environment"]).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def published(service: str) -> list[list[str]]:
    """Address, port of this machine and port of the container, for each."""
    return [port.split(":") for port in SERVICES[service].get("ports", [])]


@pytest.mark.parametrize("service", OURS)
def test_every_variable_is_one_that_the_service_reads(service: str) -> None:
    known = {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in setting_fields()}
    names = image_environment().keys() | SERVICES[service]["environment"].keys()
    assert {name for name in names if not name.startswith("OTEL_")} <= known


@pytest.mark.parametrize("service", OURS)
def test_the_service_starts_with_what_it_is_given(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch)
    assert settings.mongodb_uri.startswith("mongodb://mongodb:27017/?replicaSet=rs0")
    assert SERVICES["mongodb"]["command"][:2] == ["--replSet", "rs0"]
    assert '_id: "rs0", members: [{_id: 0, host: "mongodb:27017"}]' in SERVICES["mongodb"]["healthcheck"]["test"][-1]


def test_ports_are_the_ones_that_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("api", monkeypatch)
    served = [address.rpartition(":")[2] for address in (settings.listen, settings.metrics_listen)]
    assert said("EXPOSE").split() == served
    assert published("api") == [["127.0.0.1", served[0], served[0]]]
    (job,) = yaml.safe_load((FOLDER / "compose" / "prometheus.yaml").read_text())["scrape_configs"]
    assert job["static_configs"][0]["targets"] == [f"{service}:{served[1]}" for service in OURS]
    for service in OURS:
        assert f"http://127.0.0.1:{served[1]}/readyz" in " ".join(SERVICES[service]["healthcheck"]["test"])


def test_both_run_the_image_that_is_built_here() -> None:
    assert (FOLDER / SERVICES["api"]["build"]["context"]).resolve() == REPOSITORY
    assert "dockerfile" not in SERVICES["api"]["build"]
    assert SERVICES["api"]["image"] == SERVICES["worker"]["image"] == "seatline"
    for service in OURS:
        assert SERVICES[service]["user"] == said("USER")


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_open_wider_than_it_needs(service: str) -> None:
    said_of = SERVICES[service]
    assert said_of["read_only"] is True
    assert said_of["cap_drop"] == ["ALL"]
    assert said_of["security_opt"] == ["no-new-privileges:true"]
    assert int(said_of["user"].split(":")[0]) > 0
    assert "/tmp" in said_of["tmpfs"]  # noqa: S108  the container's own
    assert {address for address, *_ in published(service)} <= {"127.0.0.1"}
    assert not {"privileged", "network_mode", "pid", "ipc", "devices", "cap_add"} & said_of.keys()


def test_every_mounted_file_is_here_and_none_can_be_changed() -> None:
    mounts = [mount.split(":") for said_of in SERVICES.values() for mount in said_of.get("volumes", [])]
    files = [mount for mount in mounts if mount[0].startswith(".")]
    assert len(files) == 5
    for source, _, mode in files:
        assert (FOLDER / source).exists(), source
        assert mode == "ro"
