"""Prometheus is found on PATH, or downloaded once and completely, or its absence is reported in one line."""

from __future__ import annotations

import hashlib
import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.tools.prometheus import PROGRAMS, PrometheusMissingError, find_programs, unpack

SCRIPT = b"#!/bin/sh\nexit 0\n"


@pytest.fixture(autouse=True)
def _nothing_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def _brings_both(folder: Path) -> None:
    for name in PROGRAMS:
        (folder / name).write_bytes(SCRIPT)
        (folder / name).chmod(0o755)


def _brings_one(folder: Path) -> None:
    (folder / "prometheus").write_bytes(SCRIPT)
    (folder / "prometheus").chmod(0o755)


def _finds_nobody(folder: Path) -> None:
    raise OSError("nobody\nis there")


def test_programs_on_path_are_used(tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    _brings_both(tmp_path / "path")
    found = find_programs(tmp_path / "tools", [("a way", _finds_nobody)])
    assert (found.prometheus, found.promtool) == (tmp_path / "path" / "prometheus", tmp_path / "path" / "promtool")


def test_the_first_source_with_both_programs_is_used_once(tmp_path: Path) -> None:
    ways = [("one", _finds_nobody), ("two", _brings_one), ("three", _brings_both)]
    found = find_programs(tmp_path, ways)
    assert found.prometheus.read_bytes() == found.promtool.read_bytes() == SCRIPT
    assert find_programs(tmp_path, [("one", _finds_nobody)]) == found


def test_if_all_sources_fail_the_error_is_one_line_and_nothing_remains(tmp_path: Path) -> None:
    with pytest.raises(PrometheusMissingError) as raised:
        find_programs(tmp_path, [("a way", _finds_nobody), ("another", _brings_one)])
    text = str(raised.value)
    assert "a way: nobody is there; another: " in text
    assert "\n" not in text
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus.lock"]


def test_concurrent_users_download_once(tmp_path: Path) -> None:
    fetches: list[Path] = []

    def counted(folder: Path) -> None:
        fetches.append(folder)
        _brings_both(folder)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: find_programs(tmp_path, [("a way", counted)]), range(8)))
    assert len(fetches) == 1
    assert len(set(found)) == 1


def _release(folder: Path) -> Path:
    archive = folder / "prometheus-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in PROGRAMS:
            member = tarfile.TarInfo(f"prometheus-1.0/{name}")
            member.size = len(SCRIPT)
            packed.addfile(member, io.BytesIO(SCRIPT))
    return archive


def test_a_release_with_the_known_checksum_is_unpacked(tmp_path: Path) -> None:
    archive = _release(tmp_path)

    def known(folder: Path) -> None:
        unpack(archive, hashlib.sha256(archive.read_bytes()).hexdigest(), folder)

    assert find_programs(tmp_path / "tools", [("the release", known)]).promtool.read_bytes() == SCRIPT


def test_a_release_with_another_checksum_is_refused(tmp_path: Path) -> None:
    archive = _release(tmp_path)
    with pytest.raises(
        PrometheusMissingError, match=r"the release: prometheus-1\.0\.tar\.gz has the checksum [0-9a-f]{64}, not 0{64}"
    ):
        find_programs(tmp_path / "tools", [("the release", lambda folder: unpack(archive, "0" * 64, folder))])
