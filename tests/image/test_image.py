"""The Dockerfile builds a working server from the locked files alone, and the image has the declared properties."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.util import cache_from_source
from pathlib import Path

import grpc
import pytest
import yaml

from app.embedded.mongod import EmbeddedMongod
from tests.image.container import Container, ServerContainer, WorkerContainer, read_only
from tests.image.context import Context
from tests.image.dockerfile import parse_dockerfile
from tests.image.stages import BUILDER, Builder, Image
from tests.support.clients import ApiClient, seats_of
from tests.support.own_mongod import start_mongod
from tests.support.server_processes import END_SECONDS_MAX, REPOSITORY, a_run, running
from tests.support.world import eventually

# The first test waits for the whole build, which takes half a minute, and longer without caches on a slow line.
pytestmark = pytest.mark.timeout(600)
COPIED_BYTES_MAX = 260_000_000  # typst, which draws tickets, takes 81 MB of them
BUILD_TOOLS = {"cc", "gcc", "g++", "c++", "clang", "ld", "make", "pip", "pip3", "uv", "uvx", "wheel", "setuptools", "ensurepip"}


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The image that the Dockerfile builds, with a read-only root."""
    context = Context(REPOSITORY, (REPOSITORY / ".dockerignore").read_text())
    with tempfile.TemporaryDirectory(prefix="seatline-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the steps run as another user
        BUILDER.own(folder)
        made = Builder(folder, REPOSITORY / "build" / "image-cache", context).build(
            parse_dockerfile((REPOSITORY / "Dockerfile").read_text())
        )
        with read_only(made.root):
            yield made


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMongod]:
    mongod = start_mongod(tmp_path_factory.mktemp("mongod"))
    yield mongod
    mongod.stop()


def settings(database: EmbeddedMongod) -> dict[str, str]:
    """Return the settings of a deployment, with a free port, because the image's port may be taken here."""
    return {
        "SEATLINE_MONGODB_URI": database.uri,
        "SEATLINE_MONGODB_DATABASE": "image",
        "SEATLINE_TRUST_CALLER_METADATA": "true",
        "SEATLINE_LISTEN": "0.0.0.0:0",
    }


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changes_of(image: Image) -> dict[str, int]:
    """Return the modification time of every path below the root."""
    return {str(path): path.lstat().st_mtime_ns for path in image.root.rglob("*")}


async def test_a_server_container_sells_a_ticket_writes_nothing_and_stops_cleanly(
    image: Image, database: EmbeddedMongod, tmp_path: Path
) -> None:
    before = changes_of(image)
    container = ServerContainer(image, tmp_path / "server.log", image.command(), **settings(database))
    async with running(container) as server, grpc.aio.insecure_channel(server.target) as channel:
        run = await a_run(channel, "A4")
        booking = await ApiClient(channel, "jane").book(run, "jane")
        server.process.send_signal(signal.Signals[image.instructions["STOPSIGNAL"].value])
        assert await server.ended() == 0
    assert len(seats_of(booking)) == 1
    assert changes_of(image) == before


async def test_a_worker_container_becomes_ready_by_the_health_check_of_compose(
    image: Image, database: EmbeddedMongod, tmp_path: Path
) -> None:
    compose = yaml.safe_load((REPOSITORY / "deploy" / "compose.yaml").read_text())["services"]["worker"]
    command, port = [*(image.instructions["ENTRYPOINT"].words or []), *compose["command"]], free_port()
    chosen = {**settings(database), "SEATLINE_METRICS_LISTEN": f"127.0.0.1:{port}"}
    health_check = [word.replace(":9464/", f":{port}/") for word in compose["healthcheck"]["test"][1:]]

    async def is_ready() -> bool:
        return Container(image, tmp_path / "asked.log", health_check).process.wait(END_SECONDS_MAX) == 0

    assert not await is_ready()
    async with running(WorkerContainer(image, tmp_path / "worker.log", command, **chosen)) as worker:
        await eventually(is_ready)
        worker.terminate()
        assert await worker.ended() == 0


async def test_a_container_without_settings_names_the_required_setting(image: Image, tmp_path: Path) -> None:
    container = ServerContainer(image, tmp_path / "server.log", image.command())
    assert await container.ended() != 0
    assert "SEATLINE_TRUST_CALLER_METADATA" in container.log.read_text()


# Loads what notices and tickets need of the image: packages, texts in each language, fonts.
NOTICES_LOADED = """
from datetime import date
from babel.dates import format_date
from app.config import Settings
from app.domain.notices.preferences import Language
from app.notifications.mail_message import MailSender
from app.notifications.notice_writer import open_notice_writer
from app.process.bootstrap.notices import make_channels
from app.tickets import calendar, documents, qr
from app.tickets.fonts import load_fonts

open_notice_writer(MailSender("tickets@rail.example", "Rail"))
channels = make_channels(Settings(notice_channels="email,log", notice_sender="tickets@rail.example", smtp_host="mail"))
print(*load_fonts(None).families, *(channel.name for channel in channels))
print(*(format_date(date(2026, 3, 1), "MMMM", locale=language.value) for language in Language))
"""


async def test_the_image_has_the_packages_fonts_and_texts_of_notices_and_tickets(image: Image, tmp_path: Path) -> None:
    container = Container(image, tmp_path / "asked.log", ["python", "-c", NOTICES_LOADED])
    assert await container.ended() == 0, container.log.read_text()
    assert container.log.read_text().split() == ["Roboto", "email", "log", "March", "mars"]


def test_the_image_is_small_and_contains_no_build_tools(image: Image) -> None:
    assert 0 < image.copied_bytes < COPIED_BYTES_MAX
    names = {path.name for path in image.root.rglob("*")}
    assert not names & BUILD_TOOLS
    assert "seatline" in names


def test_every_module_has_unchecked_bytecode(image: Image) -> None:
    sources = list((image.root / "opt/seatline/lib").rglob("*.py"))
    assert len(sources) > 1_000
    for source in sources:
        header = Path(cache_from_source(str(source))).read_bytes()[:8]
        assert header[4:] == b"\x01\0\0\0", source  # an unchecked hash: PEP 552


def test_the_containers_user_can_write_nothing(image: Image) -> None:
    user = image.user()
    assert user.uid >= 10_000
    assert user.gid >= 10_000
    for folder in ("", "/opt", "/opt/seatline/bin", "/root"):
        ended = subprocess.run(
            user.command(["touch", f"{image.root}{folder}/mark"]), capture_output=True, text=True, check=False
        )
        assert ended.returncode != 0
        assert "denied" in ended.stderr


def test_labels_and_ports_match_the_project(image: Image) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    prefix = "org.opencontainers.image."
    assert image.labels == {
        f"{prefix}title": project["name"],
        f"{prefix}description": project["description"],
        f"{prefix}version": project["version"],
        f"{prefix}licenses": project["license"],
    }
    assert image.ports == [50051, 9464]
    assert image.environment["SEATLINE_LISTEN"] == "0.0.0.0:50051"
