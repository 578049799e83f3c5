"""The periodic jobs of a worker, by their stored ids: a renamed task would leave its old job behind for ever."""

from __future__ import annotations

from app.domain.jobs import PERIODIC_TASK_PREFIX
from tests.support.world import World, eventually

STORED_IDS = {
    "sweep follow up events",
    "sweep look at unreadable events again",
    "sweep tidy runs",
    "sweep copy what was left",
    "sweep let go of payments",
    "sweep send to webhooks",
    "sweep start layout jobs",
    "sweep adopt earlier runs",
    "sweep schedule trains ahead",
}


async def test_a_worker_stores_its_periodic_jobs_under_the_ids_of_earlier_versions(world: World) -> None:
    world.server.start_worker()
    found: set[str] = set()

    async def are_stored() -> bool:
        jobs = await world.database["jobs"].find({}, {"_id": 1}).to_list(100)
        found.update(job["_id"] for job in jobs if job["_id"].startswith(PERIODIC_TASK_PREFIX))
        return len(found) >= len(STORED_IDS)

    await eventually(are_stored)
    assert found == STORED_IDS
