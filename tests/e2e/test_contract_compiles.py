"""`proto/` compiles for a client without the network, and without anything but a compiler."""

import filecmp
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "proto" / "seatline" / "v1").glob("*.proto"))
VENDORED = sorted(path.relative_to(ROOT / "proto") for path in (ROOT / "proto" / "google").rglob("*.proto"))
BUF = Path(sys.executable).parent / "buf"


def run_offline(command: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    """Run a compiler with an empty home, no cache, and no network."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "BUF_CACHE_DIR": str(home / "cache")}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)


def compilers() -> list[list[str]]:
    """Return the protoc of grpcio-tools, which adds only protobuf's own files, and the system's if there is one."""
    system = shutil.which("protoc")
    return [[sys.executable, "-m", "grpc_tools.protoc"], *([[system]] if system else [])]


@pytest.mark.parametrize("protoc", compilers(), ids=lambda command: Path(command[-1]).name)
def test_protoc_compiles_the_contract_and_its_imports(protoc: list[str], tmp_path: Path) -> None:
    image = tmp_path / "image.binpb"
    done = run_offline([*protoc, "-Iproto", f"--descriptor_set_out={image}", "--include_imports", *SOURCES], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert b"google/type/money.proto" in image.read_bytes()


def test_buf_builds_the_folder_with_the_error_details_in_it(tmp_path: Path) -> None:
    image = tmp_path / "image.binpb"
    done = run_offline([str(BUF), "build", "proto", "-o", str(image)], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in (*(source.removeprefix("proto/") for source in SOURCES), *map(str, VENDORED)):
        assert name.encode() in image.read_bytes()


@pytest.mark.parametrize("command", ["lint", "format"])
def test_buf_checks_our_files_and_not_the_vendored_copies(command: str, tmp_path: Path) -> None:
    options = ["--diff", "--exit-code", "--exclude-path", "proto/google"] if command == "format" else []
    done = run_offline([str(BUF), command, "proto", *options], tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("name", VENDORED, ids=str)
def test_the_copies_of_googles_files_equal_the_installed_package(name: Path) -> None:
    spec = importlib.util.find_spec("google.rpc")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    installed = Path(next(iter(spec.submodule_search_locations))).parents[1] / name
    assert filecmp.cmp(ROOT / "proto" / name, installed, shallow=False), f"copy {installed} to proto/{name}"


def test_the_copies_include_their_licence() -> None:
    for name in VENDORED:
        assert "Licensed under the Apache License, Version 2.0" in (ROOT / "proto" / name).read_text()
