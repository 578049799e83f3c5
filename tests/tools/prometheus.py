"""Prometheus and promtool on this machine: found on PATH, or else fetched into build/tools and kept there.

Belongs here: finding, fetching and trying the two programs. Does not: what is asked of them.

    python -m tests.tools.prometheus    says where they are, fetching them first where that is needed

A machine with apt gets Debian's package, unpacked and not installed; any other the release of the project, whose checksum is
held here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

TOOLS = Path(__file__).resolve().parents[2] / "build" / "tools"
PROGRAMS = ("prometheus", "promtool")
# Some 100 MB on a slow line; whoever waits longer wants to be told.
FETCH_SECONDS_MAX = 300.0
TRIAL_SECONDS_MAX = 60.0
RELEASE = "2.54.0"
RELEASE_SHA256 = {
    "amd64": "465e1393a0cca9705598f6ffaf96ffa78d0347808ab21386b0c6aaec2cf7aa13",
    "arm64": "ed50b67cb833a225ec2a53b487c6e20372b20e56dce226423fa8611c8aa50392",
}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

Way = Callable[[Path], None]


class PrometheusMissingError(Exception):
    """The programs are not here and cannot be fetched; the text says in one line what was tried."""


class _FetchError(Exception):
    """One way of fetching leads nowhere."""


@dataclass(frozen=True)
class Programs:
    """Where the two programs are."""

    prometheus: Path
    promtool: Path


def find_programs(tools: Path = TOOLS, ways: Sequence[tuple[str, Way]] | None = None) -> Programs:
    """The programs of PATH, of an earlier fetch, or fetched now. Raises PrometheusMissingError.

    `ways` fetch into an empty folder, each with what it is called; the first that brings two programs which run is taken.
    """
    on_path = [shutil.which(name) for name in PROGRAMS]
    if all(on_path):
        return Programs(*(Path(str(found)) for found in on_path))
    home = tools / "prometheus"
    with _alone(tools):
        if not home.is_dir():
            _fetch(home, WAYS if ways is None else ways)
    return Programs(*(home / name for name in PROGRAMS))


def from_debian(folder: Path) -> None:
    """Debian's package, unpacked. The lists of packages are read anew only where they are missing, which root alone may do."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise _FetchError("there is no apt-get")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # Without a user of its own, to whom root's folders would be closed.
        download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", "prometheus"]
        try:
            _run(download, scratch)
        except _FetchError:
            if os.geteuid() != 0:
                raise
            _run(["apt-get", "update"], scratch)
            _run(download, scratch)
        (package,) = Path(scratch).glob("prometheus_*.deb")
        _run(["dpkg-deb", "-x", str(package), "unpacked"], scratch)
        for name in PROGRAMS:
            shutil.move(Path(scratch, "unpacked", "usr", "bin", name), folder / name)


def from_release(folder: Path) -> None:
    """The archive of the project's release, for processors that its checksum is known for."""
    architecture = _ARCHITECTURES.get(platform.machine())
    if platform.system() != "Linux" or architecture is None:
        raise _FetchError(f"no release is known for {platform.system()} on {platform.machine()}")
    name = f"prometheus-{RELEASE}.linux-{architecture}.tar.gz"
    url = f"https://github.com/prometheus/prometheus/releases/download/v{RELEASE}/{name}"
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        archive = Path(scratch, name)
        try:
            with httpx.stream("GET", url, follow_redirects=True, timeout=20) as answer, archive.open("wb") as file:
                answer.raise_for_status()
                for part in answer.iter_bytes():
                    file.write(part)
        except httpx.HTTPError as error:
            raise _FetchError(f"{url}: {error}") from error
        unpack(archive, RELEASE_SHA256[architecture], folder)


def unpack(archive: Path, sha256: str, folder: Path) -> None:
    """Takes the two programs out of a release's archive. Raises when it is not the archive of that checksum."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != sha256:
        raise _FetchError(f"{archive.name} has the checksum {found}, not {sha256}")
    with tarfile.open(archive) as packed:
        for name in PROGRAMS:
            member = packed.extractfile(f"{archive.name.removesuffix('.tar.gz')}/{name}")
            if member is None:
                raise _FetchError(f"{archive.name} has no {name}")
            with (folder / name).open("wb") as file:
                shutil.copyfileobj(member, file)
            (folder / name).chmod(0o755)


WAYS: Sequence[tuple[str, Way]] = (("Debian's package", from_debian), ("the release", from_release))


@contextmanager
def _alone(tools: Path) -> Iterator[None]:
    """One process at a time. The lock ends with whoever holds it."""
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(home: Path, ways: Sequence[tuple[str, Way]]) -> None:
    """Fills `home` at once or not at all, so that a fetch that was cut off leaves nothing that looks whole."""
    tried: list[str] = []
    for called, way in ways:
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            folder = Path(scratch, home.name)
            folder.mkdir()
            try:
                way(folder)
                for name in PROGRAMS:
                    _run([str(folder / name), "--version"], scratch, TRIAL_SECONDS_MAX)
            except (_FetchError, OSError, tarfile.TarError) as error:
                tried.append(f"{called}: {' '.join(str(error).split())}")
                continue
            folder.rename(home)
            return
    raise PrometheusMissingError(
        f"prometheus and promtool are not on PATH and cannot be fetched; install both, or allow one of: {'; '.join(tried)}"
    )


def _run(command: Sequence[str], folder: str, seconds_max: float = FETCH_SECONDS_MAX) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds_max, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise _FetchError(f"{command[0]} took longer than {seconds_max:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["says nothing"]
        raise _FetchError(f"{Path(command[0]).name} ended with {done.returncode}: {lines[-1]}")


def main() -> None:
    """The command line above."""
    try:
        programs = find_programs()
    except PrometheusMissingError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{programs.prometheus}\n{programs.promtool}\n")


if __name__ == "__main__":
    main()
