"""The application keeps its layers and the other rules of the repository, and each check finds what it looks for."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import layer_checks
from tests.support.layer_checks import (
    check_cli,
    check_docstring,
    check_drivers,
    check_layers,
    check_names,
    check_no_hidden_imports,
    check_pure,
    check_sizes,
    imports,
)

ROOT = Path(__file__).parents[1]
STUBS = ROOT / "app" / "pb"
# Leftovers of tools, and installed files.
NOT_OURS = {"__pycache__", "build", "dist", "node_modules"}
OUR_DOT_FOLDERS = {".ci", ".github"}

Check = Callable[[str, str], list[str]]
CODE_CHECKS: list[Check] = [
    check_layers,
    check_pure,
    check_drivers,
    check_cli,
    check_no_hidden_imports,
    check_docstring,
]


def our_files() -> Iterator[Path]:
    """Yield every file of the repository that people write or read."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir() and path.name not in NOT_OURS and not path.name.endswith(".egg-info"):
                if not path.name.startswith(".") or path.name in OUR_DOT_FOLDERS:
                    folders.append(path)
            elif path.is_file():
                yield path


def our_code() -> Iterator[tuple[str, str]]:
    """Yield the path and the source of each module of the application, except generated ones."""
    for path in sorted((ROOT / "app").rglob("*.py")):
        if STUBS not in path.parents:
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def name_of(check: Check) -> str:
    return getattr(check, "__name__", "check")


# -- the rules hold


@pytest.mark.parametrize("check", CODE_CHECKS, ids=name_of)
def test_the_application_keeps_the_rules(check: Check) -> None:
    wrong = [complaint for path, source in our_code() for complaint in check(path, source)]
    assert not wrong, "\n".join(wrong)


def test_no_hand_written_python_file_or_function_is_too_long() -> None:
    wrong: list[str] = []
    for path in our_files():
        if path.suffix == ".py" and STUBS not in path.parents:
            wrong += check_sizes(path.relative_to(ROOT).as_posix(), path.read_text())
    assert not wrong, "\n".join(wrong)


def test_every_room_of_the_application_has_a_layer() -> None:
    parts = {layer_checks.part_of(layer_checks.module_of(path)) for path, _ in our_code()}
    assert parts == {*layer_checks.LAYERS, "app"}


def test_no_name_in_the_repository_is_empty_of_meaning() -> None:
    wrong: list[str] = []
    for path in our_files():
        readable = path.suffix in (".py", ".proto") or path.name == "Makefile"
        wrong += check_names(path.relative_to(ROOT).as_posix(), path.read_text() if readable else "")
    assert not wrong, "\n".join(wrong)


def test_the_generated_stubs_are_up_to_date(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "proto" / "generate.py"), "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    stale = differences(tmp_path, STUBS)
    assert not stale, f"run `python proto/generate.py`; these files differ: {', '.join(stale)}"


def differences(first: Path, second: Path) -> list[str]:
    """Return the files that differ between the folders."""
    kept = [
        {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py*") if path.suffix != ".pyc"}
        for folder in (first, second)
    ]
    return sorted(name for name in kept[0].keys() | kept[1].keys() if kept[0].get(name) != kept[1].get(name))


# -- each check can fail


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/domain/run/train_run.py", "from app.store.runs import TrainRuns"),
        ("app/domain/run/train_run.py", "import app.rpc.fields"),
        ("app/domain/run/train_run.py", "from app import config"),
        ("app/domain/run/train_run.py", "from ...store import runs"),
        ("app/domain/run/train_run.py", "from app.pb.seatline.v1 import seat_pb2"),
        ("app/domain/run/train_run.py", "def f():\n    from app.usecases import bookings"),
        ("app/domain/run/train_run.py", "if TYPE_CHECKING:\n    from app.process.server import run"),
        ("app/domain/run/train_run.py", "from tests.support.builders import a_run"),
        ("app/store/runs.py", "from app.config import Settings"),
        ("app/config.py", "from app.store.users import Users"),
        ("app/store/runs.py", "from app.usecases.bookings import BookingUseCases"),
        ("app/store/runs.py", "from app.pb.seatline.v1 import seat_pb2"),
        ("app/usecases/trains.py", "from app.rpc import fields"),
        ("app/usecases/trains.py", "from app.pb.seatline.v1 import seat_pb2"),
        ("app/rpc/services.py", "from app.process.server import run"),
        ("app/process/server.py", "from app.cli import main"),
        ("app/cli/calls.py", "import app.__main__"),
        ("app/parcels/card.py", ""),
        ("app/payments/card.py", "from app.store import runs"),
        ("app/jobs/worker.py", "from app.store.jobs import Jobs"),
        ("app/store/runs.py", "from app.telemetry.metrics.families import FAMILIES"),
        ("app/store/runs.py", "from app.lanes.bus import CommandBus"),
        ("app/telemetry/metrics/work.py", "from app.notifications.webhook import WebhookChannel"),
        ("app/embedded/mongod.py", "from app.store.mongod_admin import connect_admin"),
        ("app/ports/clock.py", "from app.process.clock import utc_now"),
        ("app/rpc/context.py", "from app.parcels import card"),
        ("app/__init__.py", "import app.domain"),
    ],
)
def test_an_import_of_a_higher_layer_or_another_room_of_the_layer_is_found(path: str, source: str) -> None:
    assert check_layers(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (
            "app/domain/run/train_run.py",
            "from app.domain.run.seats import SectionSeats\nfrom .seats import CoachSeats\nimport re",
        ),
        ("app/store/runs.py", "from app.domain.run.train_run import TrainRun\nfrom app.store.driver import Document"),
        ("app/usecases/trains.py", "from app.domain.run.train_run import TrainRun\nfrom app.store.store import Store"),
        ("app/rpc/services.py", "from app.pb.seatline.v1 import seat_pb2\nfrom app.rpc.authentication import caller_from"),
        ("app/process/server.py", "from app.pb.seatline.v1 import seat_pb2\nfrom app.config import Settings"),
        ("app/__main__.py", "from app.cli import main"),
        ("app/cli/serve.py", "def serve():\n    from app.process.server import run"),
        ("app/__init__.py", '"""Seatline."""'),
    ],
)
def test_an_import_of_a_lower_layer_or_the_own_room_is_allowed(path: str, source: str) -> None:
    assert check_layers(path, source) == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "import random",
        "from uuid import uuid4",
        "import secrets",
        "import os.path",
        "import asyncio",
        "import pydantic",
        "from google.type.money_pb2 import Money",
        "def f():\n    import logging",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import datetime\nx = datetime.utcnow()",
        "from datetime import date\nx = date.today()",
        "x = open('file')",
        "print('x')",
        "x = hash('x')",
        "async def f() -> None: ...",
    ],
)
def test_an_impure_domain_is_found(source: str) -> None:
    assert check_pure("app/domain/run/train_run.py", source)
    assert check_pure("app/store/runs.py", source) == []


def test_a_pure_domain_is_allowed() -> None:
    assert (
        check_pure(
            "app/domain/run/train_run.py", "from datetime import datetime, time\nfrom app.domain import limits\nx = time(10)"
        )
        == []
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/store/runs.py", "from motor.motor_asyncio import AsyncIOMotorClient"),
        ("app/store/in_memory.py", "import motor"),
        ("app/store/driver.py", "import mongomock_motor"),
        ("app/embedded/mongod.py", "def f():\n    import pymongo"),
        ("app/process/server.py", "import motor"),
        ("app/usecases/trains.py", "from pymongo.errors import PyMongoError"),
        ("app/domain/run/train_run.py", "import bson"),
    ],
)
def test_a_driver_outside_its_module_is_found(path: str, source: str) -> None:
    assert check_drivers(path, source)


def test_a_driver_in_its_module_is_allowed() -> None:
    assert check_drivers("app/store/driver.py", "import motor\nimport pymongo") == []
    assert check_drivers("app/store/in_memory.py", "def f():\n    import mongomock_motor") == []
    assert check_drivers("app/store/mongod_admin.py", "from pymongo import MongoClient") == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/cli/render/bookings.py", "from app.domain.money import Money"),
        ("app/cli/render/bookings.py", "def f():\n    from app.process.server import run"),
        ("app/cli/serve.py", "from app.process.server import run"),
        ("app/cli/serve.py", "import app.config"),
        ("app/cli/serve.py", "def f():\n    from app.store.store import open_store"),
        ("app/cli/verify.py", "from app.process.verification import run_verification"),
        ("app/cli/verify.py", "def verify():\n    from app.store.store import open_store"),
        ("app/cli/ticket_verification.py", "from app.domain.ticket.code import read_code"),
        ("app/cli/ticket_verification.py", "def verify():\n    from app.domain.booking import Booking"),
        ("app/cli/tickets.py", "def get():\n    from app.tickets.signing import TicketKeys"),
    ],
)
def test_a_command_that_bypasses_the_service_is_found(path: str, source: str) -> None:
    assert check_cli(path, source)


def test_a_command_that_calls_the_service_is_allowed() -> None:
    source = "from app.cli.render.bookings import receipt_page\nfrom app.pb.seatline.v1 import booking_pb2\nimport grpc"
    assert check_cli("app/cli/train_runs.py", source) == []
    assert check_cli("app/cli/serve.py", "def serve():\n    from app.config import load_settings") == []
    assert check_cli("app/cli/verify.py", "def verify():\n    from app.process.verification import run_verification") == []
    offline = (
        "if TYPE_CHECKING:\n    from app.tickets.signing import TicketKeys\ndef f():\n    from app.domain.ticket.code import x"
    )
    assert check_cli("app/cli/ticket_verification.py", offline) == []


@pytest.mark.parametrize(
    "source", ["importlib.import_module('app.process.server')", "x = __import__('time')", "import_module('x')"]
)
def test_a_dynamic_import_is_found(source: str) -> None:
    assert check_no_hidden_imports("app/domain/run/train_run.py", source)


def test_a_long_function_and_a_long_file_are_found() -> None:
    body = "    x = 1\n"
    assert check_sizes("app/a.py", f"def f():\n{body * 70}")
    assert check_sizes("app/a.py", f"class C:\n    async def f(self):\n{f'    {body}' * 70}")
    assert check_sizes("app/a.py", "x = 1\n" * 401)
    assert check_sizes("app/a.py", f"def f():\n{body * 69}") == []
    assert check_sizes("app/a.py", "x = 1\n" * 400) == []


def test_a_module_that_does_not_say_what_belongs_in_it_is_found() -> None:
    assert check_docstring("app/a.py", "x = 1")
    assert check_docstring("app/a.py", '"""Things."""')
    assert check_docstring("app/a.py", '"""Things.\n\nBelongs here: things."""') == []
    assert check_docstring("app/__init__.py", '"""Things."""') == []
    assert check_docstring("app/__init__.py", "")


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/utils.py", ""),
        ("app/common/money.py", ""),
        ("tests/test_helpers.py", ""),
        ("deploy/helm/_helpers.tpl", ""),
        ("app/a.py", "class SeatManager: ..."),
        ("app/a.py", "class C:\n    def seat_helper(self): ..."),
        ("proto/a.proto", "message CommonFields {"),
        ("proto/a.proto", "  rpc GetUtil(A) returns (B);"),
        ("Makefile", "run-helper: x\n\techo"),
    ],
)
def test_a_name_without_meaning_is_found(path: str, source: str) -> None:
    assert check_names(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("app/a.py", "from contextlib import contextmanager\nclass Commonwealth: ..."),
        ("proto/a.proto", "// A common message\nmessage Seat {"),
        ("Makefile", "run:\n\tutils"),
        ("app/managed.py", ""),
    ],
)
def test_a_name_with_meaning_is_allowed(path: str, source: str) -> None:
    assert check_names(path, source) == []


def test_a_stale_stub_is_found(tmp_path: Path) -> None:
    for folder, files in (("a", {"x.py": "1", "y.pyi": "1"}), ("b", {"x.py": "2", "z.py": "1", "c.pyc": ""})):
        (tmp_path / folder).mkdir()
        for name, text in files.items():
            (tmp_path / folder / name).write_text(text)
    assert differences(tmp_path / "a", tmp_path / "b") == ["x.py", "y.pyi", "z.py"]
    assert differences(tmp_path / "a", tmp_path / "a") == []


def test_imports_are_found_everywhere_in_a_module() -> None:
    source = "import a.b\nif x:\n    from c import d\ndef f():\n    import e\nclass C:\n    from . import g\n"
    assert [(found.module, found.lazy) for found in imports("app/rpc/x.py", source)] == [
        ("a.b", False),
        ("c", False),
        ("e", True),
        ("app.rpc", False),
    ]
