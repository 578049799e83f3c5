"""Prometheus and promtool on this machine: found on PATH, or downloaded to build/tools.

Belongs here: finding, downloading and trying the two programs. Does not belong here: their use.

    python -m tests.tools.prometheus    print their paths; download them first if necessary

A machine with apt gets Debian's package, unpacked but not installed. Other machines get the project's release, whose checksum
is below.
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
# About 100 MB on a slow line.
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
    """The programs are missing and cannot be downloaded; the text names in one line what was tried."""


class _FetchError(Exception):
    """One source of the programs failed."""


@dataclass(frozen=True)
class Programs:
    """Paths of the two programs."""

    prometheus: Path
    promtool: Path


def find_programs(tools: Path = TOOLS, ways: Sequence[tuple[str, Way]] | None = None) -> Programs:
    """Return the programs from PATH, from an earlier download, or downloaded now. Raises PrometheusMissingError.

    `ways` are named functions that download to an empty folder; the first that gives two working programs is used.
    """
    on_path = [shutil.which(name) for name in PROGRAMS]
    if all(on_path):
        return Programs(*(Path(str(found)) for found in on_path))
    home = tools / "prometheus"
    with _exclusive(tools):
        if not home.is_dir():
            _fetch(home, WAYS if ways is None else ways)
    return Programs(*(home / name for name in PROGRAMS))


def from_debian(folder: Path) -> None:
    """Download and unpack Debian's package. Updates the package lists only if they are missing, which needs root."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise _FetchError("apt-get is missing")
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # Without apt's sandbox user, who cannot enter root's folders.
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
    """Download the project's release, for architectures with a known checksum."""
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
    """Unpack the two programs from a release's archive. Raises _FetchError if the checksum differs."""
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
def _exclusive(tools: Path) -> Iterator[None]:
    """Hold a lock between processes; it is released when its holder exits."""
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "prometheus.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(home: Path, ways: Sequence[tuple[str, Way]]) -> None:
    """Fill `home` atomically, so that an interrupted download leaves nothing behind."""
    tried: list[str] = []
    for name_of_way, way in ways:
        with tempfile.TemporaryDirectory(dir=home.parent) as scratch:
            folder = Path(scratch, home.name)
            folder.mkdir()
            try:
                way(folder)
                for name in PROGRAMS:
                    _run([str(folder / name), "--version"], scratch, TRIAL_SECONDS_MAX)
            except (_FetchError, OSError, tarfile.TarError) as error:
                tried.append(f"{name_of_way}: {' '.join(str(error).split())}")
                continue
            folder.rename(home)
            return
    raise PrometheusMissingError(
        f"prometheus and promtool are not on PATH and cannot be downloaded; install both, or allow one of: {'; '.join(tried)}"
    )


def _run(command: Sequence[str], folder: str, seconds_max: float = FETCH_SECONDS_MAX) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=seconds_max, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired as error:
        raise _FetchError(f"{command[0]} took longer than {seconds_max:g} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no output"]
        raise _FetchError(f"{Path(command[0]).name} ended with {done.returncode}: {lines[-1]}")


def main() -> None:
    """Run the command line described above."""
    try:
        programs = find_programs()
    except PrometheusMissingError as error:
        sys.exit(str(error))
    sys.stdout.write(f"{programs.prometheus}\n{programs.promtool}\n")


if __name__ == "__main__":
    main()
