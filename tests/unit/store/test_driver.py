"""Connecting: what a connection string may not change."""

from __future__ import annotations

import pytest
from pymongo import ReadPreference, WriteConcern

from app.store.driver import connect


@pytest.mark.parametrize(
    "options",
    ["", "readPreference=secondary", "readPreference=secondaryPreferred&w=1", "readPreference=nearest&w=0&retryWrites=false"],
)
async def test_reads_go_to_the_primary_and_writes_to_a_majority_whatever_the_connection_string_says(options: str) -> None:
    client = connect(f"mongodb://127.0.0.1:1/?{options}", operation_seconds_max=1, selection_seconds_max=1, connections_max=1)
    runs = client["seatline"]["train_runs"]
    assert (runs.read_preference, runs.write_concern) == (ReadPreference.PRIMARY, WriteConcern("majority"))
    client.close()
