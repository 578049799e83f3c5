"""Our own mongod with the real binary: restarts, kills, a second owner, and the errors of a failed start.

Belongs here: what only real processes, locks and files can show. Does not belong here: what the service stores.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from pymongo import MongoClient

from app.embedded import mongod as mongod_module
from app.embedded.mongod import EmbeddedMongod, EmbeddedMongodError, find_mongod
from tests.support.own_mongod import start_mongod

REPOSITORY = Path(__file__).resolve().parents[3]
WAIT_SECONDS_MAX = 30.0  # a busy machine; the conditions usually hold within a second
POLL_SECONDS = 0.02

PARENT = """
import signal, sys
from pathlib import Path
from pymongo import MongoClient
from tests.support.own_mongod import start_mongod
mongod = start_mongod(Path(sys.argv[1]))
with MongoClient(mongod.uri) as client:
    client.trial.notes.insert_one({"_id": "from the parent"})
print(mongod.process_id, mongod._supervisor.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A directory that does not exist yet: the service makes it."""
    return tmp_path / "deep" / "data"


@contextmanager
def running(data_dir: Path, binary: Path | None = None) -> Iterator[EmbeddedMongod]:
    mongod = start_mongod(data_dir, mongod=binary)
    try:
        yield mongod
    finally:
        mongod.stop()


@contextmanager
def parent_process(data_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    command = [sys.executable, "-c", PARENT, str(data_dir)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            mongod_id, supervisor_id = (int(word) for word in parent.stdout.readline().split())
            yield parent, mongod_id, supervisor_id
        finally:
            parent.kill()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, f"not within {WAIT_SECONDS_MAX:g} s: {what}"
        time.sleep(POLL_SECONDS)


def mongods_on(data_dir: Path) -> list[int]:
    path = str(data_dir.resolve() / "mongod" / "db")
    return [process.pid for process in psutil.process_iter(["cmdline"]) if path in (process.info["cmdline"] or [])]


def write_note(mongod: EmbeddedMongod, note: str) -> None:
    with MongoClient[dict[str, str]](mongod.uri) as client:
        client.trial.notes.insert_one({"_id": note})


def notes(mongod: EmbeddedMongod) -> list[str]:
    with MongoClient[dict[str, str]](mongod.uri) as client:
        return sorted(document["_id"] for document in client.trial.notes.find())


def executable(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def hide_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(name: str) -> importlib.metadata.Distribution:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", not_installed)


def test_data_survives_a_restart_on_another_port(data_dir: Path) -> None:
    with running(data_dir) as first:
        write_note(first, "kept")
    # Bound but not listening: the second start cannot get the former port again.
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", first.port))
        second = start_mongod(data_dir)
    try:
        assert second.port != first.port
        assert notes(second) == ["kept"]
    finally:
        second.stop()


def test_the_uri_has_retried_majority_writes_to_a_replica_set(data_dir: Path) -> None:
    with running(data_dir) as mongod, MongoClient[dict[str, str]](mongod.uri) as client:
        assert client.trial.notes.write_concern.document == {"w": "majority"}
        assert client.options.retry_writes
        with client.start_session() as session, session.start_transaction():
            client.trial.notes.insert_one({"_id": "in a transaction"}, session=session)
        assert notes(mongod) == ["in a transaction"]


def test_a_stop_is_clean_and_a_second_stop_returns_the_same_code(data_dir: Path) -> None:
    mongod = start_mongod(data_dir)
    assert mongod.is_running()
    assert psutil.pid_exists(mongod.process_id)
    assert mongod.stop() == 0
    assert mongod.stop() == 0
    assert not mongod.is_running()
    assert mongods_on(data_dir) == []
    assert (data_dir / "mongod" / "db" / "mongod.lock").read_bytes() == b""


def test_the_end_of_the_thread_that_started_it_does_not_end_the_mongod(data_dir: Path) -> None:
    started: list[EmbeddedMongod] = []
    thread = threading.Thread(target=lambda: started.append(start_mongod(data_dir)))
    thread.start()
    thread.join(WAIT_SECONDS_MAX)
    [mongod] = started
    try:
        write_note(mongod, "after the thread")
        assert notes(mongod) == ["after the thread"]
    finally:
        assert mongod.stop() == 0


def test_a_mongod_that_ignores_sigterm_is_killed_and_keeps_its_data(data_dir: Path) -> None:
    mongod = start_mongod(data_dir)
    write_note(mongod, "journalled")
    os.kill(mongod.process_id, signal.SIGSTOP)
    assert mongod.stop(stop_seconds_max=0.1) == 128 + signal.SIGKILL
    with running(data_dir) as again:
        assert notes(again) == ["journalled"]


def test_a_dead_mongod_is_not_running(data_dir: Path) -> None:
    mongod = start_mongod(data_dir)
    os.kill(mongod.process_id, signal.SIGKILL)
    wait_until(lambda: not mongod.is_running(), "the death of mongod is seen")
    assert mongod.stop() == 128 + signal.SIGKILL


def test_a_port_taken_before_the_start_costs_one_more_attempt(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free_port = mongod_module._free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = iter([taken.getsockname()[1]])
        monkeypatch.setattr(mongod_module, "_free_port", lambda: next(ports, None) or free_port())
        with running(data_dir) as mongod:
            assert mongod.port != taken.getsockname()[1]
            write_note(mongod, "works")


def test_a_port_taken_during_the_start_costs_one_more_attempt(data_dir: Path, tmp_path: Path) -> None:
    loses_once = f"""
        [ -e {tmp_path}/lost ] && exec {find_mongod()} "$@"
        touch {tmp_path}/lost
        echo '{{"s": "E", "msg": "Error listening", "attr": {{"error": "Address already in use"}}}}'
        kill -ABRT $$"""
    with running(data_dir, executable(tmp_path / "mongod", loses_once)) as mongod:
        write_note(mongod, "works")
        assert notes(mongod) == ["works"]


def test_a_second_start_on_one_directory_is_an_error_in_one_line(data_dir: Path) -> None:
    with running(data_dir) as first:
        with pytest.raises(EmbeddedMongodError) as refusal:
            start_mongod(data_dir)
        assert first.is_running()
    text = str(refusal.value)
    assert "\n" not in text
    assert f"{data_dir} is in use by another Seatline (process {os.getpid()})" in text
    assert "SEATLINE_DATA_DIR" in text


def test_a_start_on_the_directory_of_another_process_is_an_error(data_dir: Path) -> None:
    with parent_process(data_dir) as (parent, _, _), pytest.raises(EmbeddedMongodError, match=f"process {parent.pid}"):
        start_mongod(data_dir)


def test_kill_9_of_the_parent_ends_the_mongod_without_data_loss(data_dir: Path) -> None:
    with parent_process(data_dir) as (parent, mongod_id, supervisor_id):
        assert mongod_id in mongods_on(data_dir)
        parent.kill()
        wait_until(lambda: not mongods_on(data_dir), "mongod ends")
        wait_until(lambda: not psutil.pid_exists(supervisor_id), "its supervisor ends")
    with running(data_dir) as mongod:
        assert notes(mongod) == ["from the parent"]


def test_a_start_right_after_kill_9_waits_for_the_orphaned_mongod(data_dir: Path) -> None:
    with parent_process(data_dir) as (parent, mongod_id, _):
        parent.kill()
        parent.wait()
        with running(data_dir) as mongod:
            assert mongods_on(data_dir) != [mongod_id]
            assert notes(mongod) == ["from the parent"]


def test_kill_9_of_parent_and_supervisor_ends_the_mongod(data_dir: Path) -> None:
    with parent_process(data_dir) as (parent, _, supervisor_id):
        os.kill(supervisor_id, signal.SIGKILL)
        parent.kill()
        wait_until(lambda: not mongods_on(data_dir), "the kernel ends mongod")
    with running(data_dir) as mongod:
        assert notes(mongod) == ["from the parent"]


def test_the_error_names_an_orphan_that_does_not_end(data_dir: Path) -> None:
    with parent_process(data_dir) as (parent, mongod_id, _):
        os.kill(mongod_id, signal.SIGSTOP)
        try:
            parent.kill()
            parent.wait()
            with pytest.raises(EmbeddedMongodError, match=rf"process {mongod_id}\) still works"):
                start_mongod(data_dir, orphan_seconds_max=0.2)
            assert mongod_id in mongods_on(data_dir)
        finally:
            os.kill(mongod_id, signal.SIGCONT)
        wait_until(lambda: not mongods_on(data_dir), "mongod ends once it can")


def test_without_a_binary_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_wheel(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() is None
    with pytest.raises(EmbeddedMongodError, match="SEATLINE_MONGODB_URI"):
        start_mongod(tmp_path / "data")


def test_without_the_wheel_the_binary_on_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_wheel(monkeypatch)
    fake = executable(tmp_path / "mongod", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() == fake


def test_a_binary_that_does_not_run_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide_wheel(monkeypatch)
    executable(tmp_path / "mongod", "echo 'libcrypto.so.3: cannot open shared object file' >&2; exit 127")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_mongod() is None


def test_the_wheels_binary_gets_its_executable_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = executable(tmp_path / "mongod", "exit 0")
    fake.chmod(0o644)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: SimpleNamespace(locate_file=lambda _: fake))
    assert find_mongod() == fake


def test_the_error_quotes_the_output_of_a_failed_binary(tmp_path: Path) -> None:
    fake = executable(tmp_path / "mongod", "echo 'No space left on device' >&2; exit 14")
    with pytest.raises(EmbeddedMongodError, match=r"exit code 14\n  No space left on device"):
        start_mongod(tmp_path / "data", mongod=fake)


def test_the_error_of_a_full_disk_quotes_the_storage_engine(tmp_path: Path) -> None:
    inner = {"ts_sec": 1, "msg": "journal/WiredTigerLog.1: handle-write", "error_str": "No space left on device"}
    entry = {"s": "E", "msg": "WiredTiger error message", "attr": {"error": 28, "message": inner}}
    fake = executable(
        tmp_path / "mongod", f"echo '{json.dumps({'s': 'I', 'msg': 'noise'})}'; echo '{json.dumps(entry)}'; exit 14"
    )
    with pytest.raises(EmbeddedMongodError) as failure:
        start_mongod(tmp_path / "data", mongod=fake)
    assert "WiredTigerLog.1: handle-write" in str(failure.value)
    assert "No space left on device" in str(failure.value)
    assert "noise" not in str(failure.value)


def test_the_directory_is_private_and_keeps_one_earlier_log(tmp_path: Path) -> None:
    fake = executable(tmp_path / "mongod", "exit 14")
    data_dir = tmp_path / "deep" / "data"
    for _ in range(3):
        with pytest.raises(EmbeddedMongodError):
            start_mongod(data_dir, mongod=fake)
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((data_dir / "mongod").stat().st_mode) == 0o700
    assert sorted(path.name for path in (data_dir / "mongod").glob("mongod.log*")) == ["mongod.log", "mongod.log.1"]


def test_an_endless_port_race_is_an_error(tmp_path: Path) -> None:
    fake = executable(tmp_path / "mongod", "echo 'Address already in use'; exit 48")
    with pytest.raises(EmbeddedMongodError, match="5 times in a row"):
        start_mongod(tmp_path / "data", mongod=fake)


def test_a_binary_that_never_listens_is_ended_with_an_error(tmp_path: Path) -> None:
    fake = executable(tmp_path / "mongod", "exec sleep 600")
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(EmbeddedMongodError, match="does not listen"):
        start_mongod(tmp_path / "data", mongod=fake, start_seconds_max=0.3)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_the_error_of_damaged_files_quotes_mongod(data_dir: Path) -> None:
    database = data_dir / "mongod" / "db"
    database.mkdir(parents=True)
    (database / "storage.bson").write_bytes(b"not a document")
    with pytest.raises(EmbeddedMongodError, match="Unable to read the storage engine metadata"):
        start_mongod(data_dir)
    assert mongods_on(data_dir) == []


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedMongodError, match="Not a directory"):
        start_mongod(tmp_path / "file" / "data", mongod=Path("/bin/true"))
