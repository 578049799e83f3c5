"""Changes of a train's layout: who may make them, the layout job that each makes, and which runs get a job of their own."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import grpc
import pytest

from app.domain.amounts import AmountRules, CurrencyRule
from app.domain.layout.operations import AddSection, LayoutOperation, SetFare, SetSeatCount
from app.domain.money import Money
from app.domain.refusals import InvalidField, Reason, Refusal
from app.process.clock import utc_now
from app.usecases.layout_fan_out import UPDATE_RUN_LAYOUT, LayoutFanOut
from app.usecases.layouts import LayoutUseCases
from tests.support.clients import Run, refusal
from tests.support.layout_client import add_coach, layout_client, remove_seats, set_seat_count
from tests.support.layout_jobs import a_layout_command
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World, a_train, on_day, outcomes

MINUTE = timedelta(minutes=1)


async def run_jobs(world: World) -> list[str]:
    """Return the ids of the jobs of runs, in their order."""
    found = await world.database["jobs"].find({"kind": UPDATE_RUN_LAYOUT}).sort("_id", 1).to_list(1_000)
    return [job["_id"] for job in found]


def fan_out(world: World, later: timedelta = timedelta(0)) -> LayoutFanOut:
    """Return the fan-out of a worker whose clock is ahead."""
    return LayoutFanOut(world.server.store, lambda: utc_now() + later)


def layouts(world: World, amounts: AmountRules | None = None) -> LayoutUseCases:
    return LayoutUseCases(world.server.store, world.server.bus, utc_now, *([amounts] if amounts else []))


async def test_a_change_of_a_train_makes_a_job_for_each_of_its_runs(world: World) -> None:
    await world.runs("A4 B2", TRAVEL_DATE, NEXT_DATE)
    await world.runs("A4 B2", TRAVEL_DATE, train_id="es9014b")
    desk = layout_client(world)
    done = await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3), add_coach("9", "B", 5))
    assert (done.layout_job_id, done.layout_etag, done.run_count, done.validate_only) == ("es9014:2", "2", 2, False)
    assert [(part.section, part.seats_before, part.seats_after) for part in done.sections] == [("A", 4, 3), ("B", 2, 7)]
    assert await run_jobs(world) == [f"es9014:2:{TRAVEL_DATE}", f"es9014:2:{NEXT_DATE}"]
    changed = await desk.train("es9014")
    assert changed.etag == "2"
    assert [(coach.name, coach.seat_count) for coach in changed.coaches] == [("1", 3), ("2", 2), ("9", 5)]


async def test_runs_that_departed_before_yesterday_get_no_job(world: World) -> None:
    await world.runs("A4", on_day(-2), on_day(-1), on_day(0), TRAVEL_DATE)
    desk = layout_client(world)
    await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3))
    assert await run_jobs(world) == [f"es9014:2:{date}" for date in (on_day(-1), on_day(0), TRAVEL_DATE)]


async def test_a_deleted_run_and_a_run_of_the_new_layout_get_no_job(world: World) -> None:
    deleted, kept = await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    desk = layout_client(world)
    await world.server.store.run_deletions.delete(f"es9014:{deleted.travel_date}", utc_now())
    await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3))
    await desk.schedule("es9014", THIRD_DATE)
    assert await run_jobs(world) == [f"es9014:2:{kept.travel_date}"]
    assert len(await desk.seat_map(Run(train_id="es9014", travel_date=THIRD_DATE))) == 3


async def test_a_train_without_runs_has_a_layout_job_that_is_complete_at_once(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(a_train("A4"))
    done = await desk.change_train_layout(train, set_seat_count("1", 3))
    job = await desk.layout_job(done.layout_job_id)
    assert (job.run_count, job.HasField("complete_time")) == (0, True)


# -- repeated and simultaneous changes


async def test_a_repeated_request_changes_the_train_once_and_gets_the_same_answer(world: World) -> None:
    await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    desk = layout_client(world)
    train = await desk.train("es9014")
    first = await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1")
    assert await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1") == first
    assert (await desk.train("es9014")).etag == "2"
    refused = await refusal(desk.change_train_layout(train, set_seat_count("1", 2), request_id="r1"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


async def test_a_repeated_request_is_answered_also_after_its_job_has_left_the_train(world: World) -> None:
    await world.runs("A4", TRAVEL_DATE)
    desk = layout_client(world)
    train = await desk.train("es9014")
    first = await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1")
    await fan_out(world, 6 * MINUTE).start_new()
    assert await world.database["trains"].find_one({"new_layout_jobs": {"$exists": True}}) is None
    assert await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1") == first


async def test_a_plan_under_a_request_id_that_made_a_change_is_a_plan(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(a_train("A4"))
    await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1")
    train = await desk.train("es9014")
    plan = await desk.change_train_layout(train, set_seat_count("1", 2), request_id="r1", validate_only=True)
    assert (plan.validate_only, plan.layout_job_id, plan.layout_etag) == (True, "", "2")


async def test_of_two_operators_with_the_same_etag_one_changes_the_train(real_world: World) -> None:
    world = real_world
    await world.runs("A9", TRAVEL_DATE, NEXT_DATE)
    desks = [layout_client(world, name) for name in ("ann", "bob")]
    train = await desks[0].train("es9014")
    found = await outcomes([desk.change_train_layout(train, set_seat_count("1", 5 + who)) for who, desk in enumerate(desks)])
    refused = [await refusal(_raise(error)) for error in found if isinstance(error, grpc.aio.AioRpcError)]
    assert [one_refusal.says for one_refusal in refused] == [(grpc.StatusCode.ABORTED, "ETAG_STALE")]
    assert (await desks[0].train("es9014")).etag == "2"
    assert len(await run_jobs(world)) == 2


async def _raise(error: Exception) -> None:
    raise error


async def test_a_request_that_is_sent_twice_at_once_changes_the_train_once(real_world: World) -> None:
    await real_world.runs("A9", TRAVEL_DATE)
    desk = layout_client(real_world)
    train = await desk.train("es9014")
    answers = await asyncio.gather(
        *(desk.change_train_layout(train, set_seat_count("1", 5), request_id="r1") for _ in range(8))
    )
    assert {answer.layout_job_id for answer in answers} == {"es9014:2"}
    assert (await desk.train("es9014")).etag == "2"


async def test_a_stale_etag_and_none_are_refused(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(a_train("A4"))
    await desk.change_train_layout(train, set_seat_count("1", 3))
    refused = await refusal(desk.change_train_layout(train, set_seat_count("1", 2)))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    refused = await refusal(desk.change_train_layout(train, set_seat_count("1", 2), etag=""))
    assert (refused.reason, refused.fields) == ("INVALID_FIELD", ("etag",))


async def test_a_change_of_other_fields_leaves_a_new_layout_job_where_it_is(world: World) -> None:
    await world.runs("A4", TRAVEL_DATE)
    desk = layout_client(world)
    await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3))
    train = await desk.train("es9014")
    train.number = "ES 1"
    await desk.update_train(train, mask=["number"])
    later = await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 2))
    stored = {job.train_version: job for job in await world.server.store.layout_jobs.list_new("es9014")}
    assert later.layout_job_id == "es9014:4"
    assert {version: job.layout_version_before for version, job in stored.items()} == {2: 1, 4: 2}


async def test_a_train_that_is_changed_again_and_again_within_minutes_is_refused(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(a_train("A4"))
    for count in range(20):
        await desk.change_train_layout(train, set_seat_count("1", 5 + count))
        train = await desk.train("es9014")
    refused = await refusal(desk.change_train_layout(train, set_seat_count("1", 4)))
    assert (refused.says, refused.retry_seconds) == ((grpc.StatusCode.RESOURCE_EXHAUSTED, "RUN_BUSY"), 60)
    await fan_out(world, 6 * MINUTE).start_new()
    assert (await desk.change_train_layout(train, set_seat_count("1", 4))).layout_etag == "22"


# -- servers that die, runs that are made meanwhile


async def test_a_server_that_dies_between_the_change_and_the_jobs_leaves_them_to_a_worker(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.runs("A4", TRAVEL_DATE, NEXT_DATE)
    desk = layout_client(world)
    train = await desk.train("es9014")

    async def die(self: LayoutFanOut, layout_job: object) -> int:
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the server died here")

    with monkeypatch.context() as patched:
        patched.setattr(LayoutFanOut, "start", die)
        done = await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1")
        assert await desk.change_train_layout(train, set_seat_count("1", 3), request_id="r1") == done
    assert await run_jobs(world) == []
    assert (await desk.layout_job(done.layout_job_id)).run_count == 0
    await fan_out(world).start_new()
    assert await run_jobs(world) == [f"es9014:2:{TRAVEL_DATE}", f"es9014:2:{NEXT_DATE}"]
    assert (await desk.layout_job(done.layout_job_id)).run_count == 2


async def test_runs_that_are_made_from_the_old_layout_meanwhile_get_a_job(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.runs("A4", TRAVEL_DATE)
    desk = layout_client(world)
    old, store = await world.server.store.trains.get("es9014"), world.server.store
    changed = await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3))

    async def as_it_was(train_id: str) -> object:
        return old

    with monkeypatch.context() as patched:  # ScheduleTrainRuns has read the train before the change
        patched.setattr(store.trains, "get", as_it_was)
        await desk.schedule("es9014", NEXT_DATE)
    assert await run_jobs(world) == [f"es9014:2:{TRAVEL_DATE}", f"es9014:2:{NEXT_DATE}"]
    assert (await desk.layout_job(changed.layout_job_id)).run_count == 2


async def test_a_run_that_is_found_after_its_layout_job_was_complete_opens_it_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, store = layout_client(world), world.server.store
    train = await desk.create_train(a_train("A4"))
    old = await store.trains.get("es9014")
    done = await desk.change_train_layout(train, set_seat_count("1", 3))
    assert (await desk.layout_job(done.layout_job_id)).HasField("complete_time")

    async def as_it_was(train_id: str) -> object:
        return old

    async def die(self: LayoutFanOut, train_id: str, train_version: int) -> None:
        """Do nothing: the server died after it had stored the run."""

    with monkeypatch.context() as patched:
        patched.setattr(store.trains, "get", as_it_was)
        patched.setattr(LayoutFanOut, "catch_up", die)
        await desk.schedule("es9014", NEXT_DATE)
    assert await run_jobs(world) == []
    await fan_out(world, 4 * MINUTE).start_new()
    assert await run_jobs(world) == [f"es9014:2:{NEXT_DATE}"]
    job = await desk.layout_job(done.layout_job_id)
    assert (job.run_count, job.HasField("complete_time")) == (1, False)


async def test_a_layout_job_leaves_its_train_once_no_older_call_can_be_left(world: World) -> None:
    await world.runs("A4", TRAVEL_DATE)
    desk = layout_client(world)
    await desk.change_train_layout(await desk.train("es9014"), set_seat_count("1", 3))
    await fan_out(world, 5 * MINUTE).start_new()
    assert len(await world.server.store.layout_jobs.list_new()) == 1
    await fan_out(world, 6 * MINUTE).start_new()
    assert await world.server.store.layout_jobs.list_new() == []
    assert (await desk.layout_job("es9014:2")).run_count == 1


# -- bad input


async def test_seats_are_not_removed_by_number_from_a_train(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(a_train("A4"))
    refused = await refusal(desk.change_train_layout(train, remove_seats("A", 1)))
    assert (refused.reason, refused.fields) == ("INVALID_FIELD", ("operations[0].remove_seats",))
    assert (await desk.train("es9014")).etag == "1"


async def test_an_unknown_train_is_refused(world: World) -> None:
    refused = await refusal(layout_client(world).change_train_layout(a_train("A4"), set_seat_count("1", 3), etag="1"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND")


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (SetFare("A", Money(1_501, "USD")), "operations[1].set_fare.fare"),
        (AddSection("C", Money(1_501, "USD")), "operations[1].add_section.fare"),
    ],
)
async def test_a_fare_that_the_provider_cannot_charge_is_refused_for_a_train_and_for_a_run(
    world: World, operation: LayoutOperation, path: str
) -> None:
    run = await world.run("A4")
    five_cents = layouts(world, AmountRules(CurrencyRule(step_minor=5)))
    for train_id, travel_date in ((run.train_id, run.travel_date), (run.train_id, "")):
        with pytest.raises(InvalidField) as refused:
            await five_cents.update(a_layout_command(train_id, travel_date, SetSeatCount("1", 3), operation), 0.0)
        assert refused.value.field == path


async def test_an_unknown_layout_job_is_not_found(world: World) -> None:
    desk = layout_client(world)
    refused = await refusal(desk.layout_job("es9014:2"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "LAYOUT_JOB_NOT_FOUND")
    assert refused.resource == ("layout_job", "es9014:2")
    refused = await refusal(desk.outcomes_page("es9014:2"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "LAYOUT_JOB_NOT_FOUND")
