"""Files that commands write and read: tickets, lists, keys.

Belongs here: writing a file as a whole, reading one of bounded size, and the failures of both. Does not belong here: what is in
a file.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from app.cli.failures import UsageError


def write_file(path: Path, content: bytes, name: str) -> None:
    """Write a file as a whole: a reader never sees half of it, and a failure leaves an earlier file as it was.

    `name` is the option that names the file. Raises `UsageError`.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).chmod(0o666 & ~_umask())  # as a program that opens the file itself
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{name}: cannot write {path}: {error.strerror or error}") from error


def _umask() -> int:
    """Return the process's umask, which can only be read by setting it."""
    present = os.umask(0o077)
    os.umask(present)
    return present


def read_file(path: Path, name: str, bytes_max: int) -> bytes:
    """Return the content of a file. `name` is the option that names it. Raises `UsageError`."""
    try:
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        raise UsageError(f"{name}: cannot read {path}: {error.strerror or error}") from error
    if len(content) > bytes_max:
        raise UsageError(f"{name}: {path} has more than {bytes_max:,} bytes")
    return content
