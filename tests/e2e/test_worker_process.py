"""The worker process: its start while the database is away, and its end."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.outages import SETTINGS
from tests.support.metrics_scrapes import get, shows
from tests.support.replica_set import SECONDS_MAX, database_of, replica_set
from tests.support.server_processes import WorkerProcess, started
from tests.support.world import eventually

SURVEYED = "seatline_survey_last_success_timestamp_seconds"


async def _waits(worker: WorkerProcess) -> bool:
    return "waiting for it" in worker.output()


async def _probed(port: int) -> tuple[int, int]:
    return (await get(port, "/livez")).status_code, (await get(port, "/readyz")).status_code


async def test_a_worker_that_starts_before_its_database_waits_for_it(tmp_path: Path) -> None:
    async with replica_set(1) as members:
        (member,) = members.members
        member.kill()
        settings = {**SETTINGS, "SEATLINE_MONGODB_URI": members.uri, "SEATLINE_MONGODB_SELECTION_SECONDS_MAX": "0.5"}
        settings["SEATLINE_METRICS_LISTEN"] = "127.0.0.1:0"
        async with started(WorkerProcess(tmp_path / "worker", **settings)) as worker:
            await eventually(lambda: _waits(worker), SECONDS_MAX)
            port = await worker.metrics_port()
            assert await _probed(port) == (200, 503)
            member.start()
            await worker.ready()
            assert await _probed(port) == (200, 200)
            await eventually(shows(port, lambda found: found.value(SURVEYED) > 0))
            with database_of(members) as database:
                assert "jobs_by_ready_time" in database["jobs"].index_information()


async def test_a_worker_that_waits_for_its_database_ends_with_exit_code_0(tmp_path: Path) -> None:
    settings = {**SETTINGS, "SEATLINE_MONGODB_URI": "mongodb://127.0.0.1:1/", "SEATLINE_MONGODB_SELECTION_SECONDS_MAX": "0.2"}
    async with started(WorkerProcess(tmp_path / "worker", **settings)) as worker:
        await eventually(lambda: _waits(worker), SECONDS_MAX)
        worker.terminate()
        assert await worker.ended() == 0
