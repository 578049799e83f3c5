"""Layout jobs in MongoDB: progress, pages, completion under races, retention, and the indexes that are read."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcomeState, LayoutProgress
from app.domain.layout.plan import LayoutCounts
from app.process.clock import utc_now
from app.store.layout_job_documents import layout_job_document
from app.store.layout_jobs import OUTCOME_PURGE_INDEX, PURGE_INDEX
from tests.support.layout_jobs import a_layout_job, an_outcome
from tests.support.world import World

NOW = utc_now()  # MongoDB deletes what was to be deleted before
DATES = [f"2026-09-{day:02}" for day in range(1, 31)]
APPLIED, SKIPPED, REFUSED = LayoutOutcomeState


async def started(world: World, *dates: str) -> LayoutJob:
    layout_job = a_layout_job()
    await world.server.store.layout_jobs.insert_if_absent(layout_job)
    await world.server.store.layout_jobs.add_dates(layout_job.layout_job_id, list(dates))
    return layout_job


async def test_progress_is_the_sum_of_all_outcomes(world: World) -> None:
    layout_jobs, layout_job = world.server.store.layout_jobs, await started(world, *DATES)
    assert await layout_jobs.progress(layout_job.layout_job_id) == LayoutProgress(0, 0, 0, LayoutCounts())
    for number, state in enumerate((APPLIED, APPLIED, SKIPPED, REFUSED)):
        counts = LayoutCounts(1, 2, 3, 400, 5, 6, "USD") if state is APPLIED else LayoutCounts()
        await layout_jobs.insert_outcome(an_outcome(DATES[number], state, counts))
    await layout_jobs.insert_outcome(an_outcome(DATES[0], layout_job=a_layout_job(3)))
    summed = LayoutCounts(2, 4, 6, 800, 10, 12, "USD")
    assert await layout_jobs.progress(layout_job.layout_job_id) == LayoutProgress(2, 1, 1, summed)


async def test_the_first_outcome_of_a_run_stays(world: World) -> None:
    layout_jobs, layout_job = world.server.store.layout_jobs, await started(world, DATES[0])
    await layout_jobs.insert_outcome(an_outcome(DATES[0], APPLIED))
    await layout_jobs.insert_outcome(an_outcome(DATES[0], SKIPPED))
    assert [outcome.state for outcome in await layout_jobs.list_outcomes(layout_job.layout_job_id, "", 10)] == [APPLIED]


async def test_outcomes_are_listed_by_date_from_behind_a_key(world: World) -> None:
    layout_jobs, layout_job = world.server.store.layout_jobs, await started(world, *DATES)
    for date in reversed(DATES):
        await layout_jobs.insert_outcome(an_outcome(date))
    pages = [await layout_jobs.list_outcomes(layout_job.layout_job_id, after, 20) for after in ("", DATES[19])]
    assert [[outcome.travel_date for outcome in page] for page in pages] == [DATES[:20], DATES[20:]]


async def test_dates_may_be_added_twice_and_a_new_one_opens_a_complete_job_again(world: World) -> None:
    layout_jobs, layout_job = world.server.store.layout_jobs, await started(world, *DATES[:2])
    for date in DATES[:2]:
        await layout_jobs.insert_outcome(an_outcome(date))
    assert await layout_jobs.complete(layout_job.layout_job_id, NOW)
    assert not await layout_jobs.complete(layout_job.layout_job_id, NOW)
    await layout_jobs.add_dates(layout_job.layout_job_id, DATES[:2])
    found = await layout_jobs.get(layout_job.layout_job_id)
    assert found is not None
    assert (found.run_count, found.complete_time) == (2, NOW)
    await layout_jobs.add_dates(layout_job.layout_job_id, DATES[1:3])
    found = await layout_jobs.get(layout_job.layout_job_id)
    assert found is not None
    assert (found.run_count, found.complete_time) == (3, None)
    await layout_jobs.insert_outcome(an_outcome(DATES[2]))
    assert await layout_jobs.complete(layout_job.layout_job_id, NOW)


async def test_an_outcome_of_a_run_that_is_not_listed_yet_completes_nothing(world: World) -> None:
    layout_jobs, layout_job = world.server.store.layout_jobs, await started(world, *DATES[:2])
    for date in (DATES[0], DATES[9]):
        await layout_jobs.insert_outcome(an_outcome(date))
    assert not await layout_jobs.complete(layout_job.layout_job_id, NOW)


async def test_of_many_workers_that_come_last_one_completes_the_job(real_world: World) -> None:
    layout_jobs, layout_job = real_world.server.store.layout_jobs, await started(real_world, *DATES)

    async def end(date: str) -> bool:
        await layout_jobs.insert_outcome(an_outcome(date))
        return await layout_jobs.complete(layout_job.layout_job_id, NOW)

    assert sum(await asyncio.gather(*map(end, DATES))) == 1


async def test_a_complete_job_and_its_outcomes_are_deleted_after_90_days(real_world: World) -> None:
    database, layout_jobs = real_world.database, real_world.server.store.layout_jobs
    layout_job = await started(real_world, DATES[0])
    await layout_jobs.insert_outcome(an_outcome(DATES[0]))
    assert await database["layout_jobs"].find_one({"purge_time": {"$exists": True}}) is None
    await layout_jobs.complete(layout_job.layout_job_id, NOW)
    for collection, index in (("layout_jobs", PURGE_INDEX), ("layout_outcomes", OUTCOME_PURGE_INDEX)):
        (stored,) = await database[collection].find().to_list(2)
        assert stored["purge_time"] == NOW + timedelta(days=90)
        assert (await database[collection].index_information())[index]["expireAfterSeconds"] == 0


async def test_no_statement_about_layout_jobs_reads_a_whole_collection(real_world: World) -> None:
    world, layout_jobs = real_world, real_world.server.store.layout_jobs
    await world.runs("A4", *[f"2031-09-{day:02}" for day in range(1, 4)])
    for number in range(30):
        await world.database["trains"].insert_one({"_id": f"other{number}", "request_id": f"other{number}"})
        await layout_jobs.insert_if_absent(a_layout_job(number, train_id="other"))
    layout_job = a_layout_job()
    await world.database["trains"].update_one(
        {"_id": "es9014"}, {"$push": {"new_layout_jobs": layout_job_document(layout_job)}}
    )
    await world.database.command("profile", 2)
    assert len(await layout_jobs.list_new()) == 1
    assert await layout_jobs.get(layout_job.layout_job_id) == layout_job
    assert await layout_jobs.find_by_request("es9014", "change 2") == layout_job
    assert await layout_jobs.find_by_request("es9014", "change 3") is None
    assert await layout_jobs.get("es9014:3") is None
    await layout_jobs.insert_if_absent(layout_job)
    assert len(await layout_jobs.list_dates_behind("es9014", 2, "2031-09-02")) == 2
    await layout_jobs.add_dates(layout_job.layout_job_id, DATES[:1])
    await layout_jobs.insert_outcome(an_outcome(DATES[0]))
    assert await layout_jobs.has_outcome(f"es9014:2:{DATES[0]}")
    assert len(await layout_jobs.list_outcomes(layout_job.layout_job_id, "", 10)) == 1
    await layout_jobs.progress(layout_job.layout_job_id)
    assert await layout_jobs.complete(layout_job.layout_job_id, NOW)
    await layout_jobs.remove_new(layout_job)
    await world.database.command("profile", 0)
    about_ours = {"ns": {"$regex": r"\.(layout_jobs|layout_outcomes|trains|train_runs)$"}}
    profiled = await world.database["system.profile"].find(about_ours).to_list(1_000)
    await world.database["system.profile"].drop()
    plans = {(entry["op"], entry["ns"].partition(".")[2], entry["planSummary"]) for entry in profiled if "planSummary" in entry}
    assert len(plans) > 8
    assert [plan for plan in plans if "COLLSCAN" in plan[2]] == []
