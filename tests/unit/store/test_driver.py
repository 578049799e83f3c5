"""Connecting: options that a connection string cannot change."""

from __future__ import annotations

import pytest
from pymongo import ReadPreference, WriteConcern

from app.store.driver import connect


@pytest.mark.parametrize(
    "options",
    ["", "readPreference=secondary", "readPreference=secondaryPreferred&w=1", "readPreference=nearest&w=0&retryWrites=false"],
)
async def test_no_connection_string_changes_primary_reads_and_majority_writes(options: str) -> None:
    client = connect(f"mongodb://127.0.0.1:1/?{options}", operation_seconds_max=1, selection_seconds_max=1, connections_max=1)
    runs = client["seatline"]["train_runs"]
    assert (runs.read_preference, runs.write_concern) == (ReadPreference.PRIMARY, WriteConcern("majority"))
    client.close()
