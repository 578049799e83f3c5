"""A mongod for tests.

Belongs here: starting our own mongod as the service does. Not here: replica sets of several members (`replica_set.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from app.embedded.mongod import EmbeddedMongod, start_embedded_mongod
from app.store.mongod_admin import connect_admin


def start_mongod(data_dir: Path, **options: Any) -> EmbeddedMongod:
    """Start a mongod on the directory; the options are those of `start_embedded_mongod`."""
    return start_embedded_mongod(data_dir, connect_admin, **options)
