"""Statements of the statistics: what they count, on each kind of database, and on a real server how little they read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.jobs import PERIODIC_TASK_PREFIX, JobState
from app.domain.money import Money
from app.domain.payments import Payment, PaymentState, Refund, RefundState, new_payment
from app.domain.run.new_run import make_run
from app.domain.statistics import Backlog
from app.store.event_documents import event_batch_document
from app.store.jobs import job_document
from app.store.payments import StoredPayment
from app.store.statistics import (
    StatisticsQueries,
    current_runs_query,
    new_events_pipeline,
    pending_captures_query,
    pending_jobs_query,
    pending_refunds_pipeline,
    unfinished_layout_jobs_pipeline,
)
from app.usecases.run_maintenance import RunMaintenance
from tests.support.builders import a_train
from tests.support.delivery_worlds import an_event
from tests.support.interrupted_snapshots import InterruptedSnapshots
from tests.support.job_worlds import a_job
from tests.support.layout_client import layout_client, remove_coach, remove_seats
from tests.support.layout_jobs import a_layout_job
from tests.support.world import NEXT_DATE, TRAVEL_DATE, Clock, World

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
PRICE = Money(2_000, "USD")
# Of each kind, many finished records and few unfinished ones: a statement that reads them all is distinguishable.
OVER, PRESENT = 300, 3


def a_payment(payment_id: str, state: PaymentState, *refunds: RefundState) -> StoredPayment:
    made: Payment = replace(
        new_payment(payment_id, "ledger", PRICE, "", NOW - HOUR),
        state=state,
        refunds=tuple(
            Refund(f"{payment_id}:{number}", PRICE, refund, NOW - HOUR * (number + 1)) for number, refund in enumerate(refunds)
        ),
    )
    return StoredPayment(made, "jane@example.com", payment_id)


async def store_payments(world: World, *payments: StoredPayment) -> None:
    for payment in payments:
        assert await world.server.store.payments.add(payment)


# -- what is counted


async def test_runs_are_counted_with_their_seats_and_waitlisted_bookings(world: World) -> None:
    run = await world.run("A2 B1")
    await world.api_client("jane").book(run, section="A")
    await world.api_client("joe").hold(run, section="B")
    await world.api_client("jim").wait(run, section="B")
    surveys = world.server.store.statistics
    ((run_id, version),) = (await surveys.versions(NOW)).items()
    (count,) = await surveys.count_runs([run_id, "another:2026-01-01"])
    assert (count.run_id, count.version) == (f"{run.train_id}:{run.travel_date}", version)
    assert (count.seats, count.seats_sold, count.waiting_bookings) == (3, 2, 1)
    assert [stop.name for stop in count.schedule.stops][::3] == ["London St Pancras", "Paris Gare du Nord"]


async def test_removed_seats_and_deleted_runs_are_not_counted(world: World) -> None:
    desk = layout_client(world)
    run, deleted = await world.runs("A5 A3 B1", TRAVEL_DATE, NEXT_DATE)
    await world.api_client("jane").book(run, section="A")
    await desk.change(run, remove_coach("2"), remove_seats("A", 1, 2))
    await desk.delete_run(deleted)
    surveys = world.server.store.statistics
    ((run_id, _),) = (await surveys.versions(NOW)).items()
    (count,) = await surveys.count_runs([run_id, f"{deleted.train_id}:{deleted.travel_date}"])
    assert (count.run_id, count.seats, count.seats_sold) == (f"{run.train_id}:{run.travel_date}", 4, 1)


async def test_an_empty_database_has_no_backlog(world: World) -> None:
    assert await world.server.store.statistics.backlog(NOW) == Backlog(0, None, 0, 0, 0, 0, None, 0)


async def test_events_are_counted_from_their_commit_until_they_are_processed(world: World) -> None:
    events = [replace(an_event(number), time=NOW - HOUR * number) for number in (1, 2, 3)]
    await world.database["events"].insert_many([event_batch_document([event]) for event in events])
    await world.server.store.events.mark_processed(events[2:])
    found = await world.server.store.statistics.backlog(NOW)
    assert (found.outbox_events, found.oldest_event_time) == (2, NOW - HOUR * 2)


async def test_events_left_in_a_run_by_a_stopped_server_are_counted_as_the_oldest(world: World) -> None:
    run = await world.run("A2")
    await world.database["train_runs"].update_one(
        {"_id": f"{run.train_id}:{run.travel_date}"}, {"$set": {"unsettled_since": NOW}}
    )
    surveys = world.server.store.statistics
    assert (await surveys.backlog(NOW + timedelta(seconds=30))).oldest_event_time is None  # it is being archived just now
    assert (await surveys.backlog(NOW + HOUR)).oldest_event_time == NOW


async def test_events_that_are_copied_while_the_backlog_is_counted_are_not_missed(
    real_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, database = await real_world.run("A2"), real_world.database
    mine = {"_id": f"{run.train_id}:{run.travel_date}"}
    await database["train_runs"].update_one(mine, {"$set": {"unsettled_since": NOW - HOUR}})

    async def copy(reads: int) -> None:
        if reads == 1:
            await database["events"].insert_one(event_batch_document([replace(an_event(1), time=NOW - HOUR)]))
            await database["train_runs"].update_one(mine, {"$unset": {"unsettled_since": ""}})

    surveys = real_world.server.store.statistics
    monkeypatch.setattr(surveys, "_snapshots", InterruptedSnapshots(database, copy))
    assert (await surveys.backlog(NOW)).oldest_event_time == NOW - HOUR


async def test_runs_whose_bookings_are_still_being_cancelled_are_counted_until_all_are(clock: Clock, world: World) -> None:
    cancelled, _ = await world.runs("A2", TRAVEL_DATE, NEXT_DATE)
    await world.api_client("jane").book(cancelled)
    await world.desk.cancel_run(cancelled)
    stored = (await world.run_document(cancelled))["cancellation"]
    surveys, later = world.server.store.statistics, clock.now() + timedelta(seconds=1)
    found = await surveys.backlog(later)
    assert (found.open_cancellations, found.oldest_cancellation_time) == (1, stored["time"].replace(tzinfo=UTC))
    await RunMaintenance(world.server.store.runs, world.server.bus, clock.now, time.monotonic).expire_due()
    assert (await surveys.backlog(later)).open_cancellations == 0


async def test_jobs_are_waiting_running_or_dead_and_periodic_tasks_are_not_counted(world: World) -> None:
    held: dict[str, Any] = {"lease_owner": "worker", "attempts": 1}
    jobs = [
        a_job("waits", NOW),
        replace(a_job("waits for later", NOW), due_time=NOW + HOUR),
        replace(a_job("runs", NOW), lease_until=NOW + HOUR, **held),
        replace(a_job("was left", NOW), lease_until=NOW - HOUR, **held),
        replace(a_job("dead", NOW), state=JobState.DEAD),
        replace(a_job("done", NOW), state=JobState.DONE, done_time=NOW),
        a_job(f"{PERIODIC_TASK_PREFIX}the floor", NOW, kind=f"{PERIODIC_TASK_PREFIX}the floor"),
    ]
    await world.database["jobs"].insert_many([job_document(job) for job in jobs])
    found = await world.server.store.statistics.backlog(NOW)
    assert (found.jobs_waiting, found.jobs_running, found.jobs_dead) == (3, 1, 1)


async def test_refunds_and_captures_are_pending_until_they_are_done(world: World) -> None:
    done, pending = RefundState.DONE, RefundState.PENDING
    await store_payments(
        world,
        a_payment("p1", PaymentState.CAPTURED, pending, done, pending),
        a_payment("p2", PaymentState.CAPTURED, done),
        a_payment("p3", PaymentState.AUTHORIZED),
        a_payment("p4", PaymentState.AUTHORIZING),
        a_payment("p5", PaymentState.VOIDED),
    )
    found = await world.server.store.statistics.backlog(NOW)
    assert (found.refunds_pending, found.oldest_refund_time, found.captures_pending) == (2, NOW - HOUR * 3, 1)


async def test_layout_jobs_are_counted_until_they_are_complete(world: World) -> None:
    layout_jobs = world.server.store.layout_jobs
    for version in (2, 3, 4):
        await layout_jobs.insert_if_absent(a_layout_job(version, NOW - HOUR * version))
    await layout_jobs.add_dates("es9014:4", [])
    assert await layout_jobs.complete("es9014:4", NOW)
    found = await world.server.store.statistics.backlog(NOW)
    assert (found.layout_jobs, found.oldest_layout_job_time) == (2, NOW - HOUR * 3)


# -- what is read


async def _count_examined(world: World, command: dict[str, Any]) -> tuple[int, set[str]]:
    """Return how many documents and index keys a statement reads at most, and through which indexes."""
    plan = await world.database.command("explain", command, verbosity="executionStats")
    stages = list(_stages(plan))
    assert "COLLSCAN" not in {stage.get("stage") for stage in stages}
    read = [stage[name] for stage in stages for name in ("docsExamined", "keysExamined", "totalDocsExamined") if name in stage]
    return max(read), {stage["indexName"] for stage in stages if "indexName" in stage}


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        for name, part in plan.items():
            if name != "rejectedPlans":
                yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)


async def _store_many_finished_records(world: World) -> None:
    """Store many finished records and few unfinished ones."""
    train, long_ago = a_train("A2"), NOW.date() - timedelta(days=400)
    runs = [make_run(train, long_ago + timedelta(days=number)) for number in range(OVER)]
    await world.server.store.runs.insert_if_absent(runs, NOW)
    await world.runs("A2", *[(NOW.date() + timedelta(days=number)).isoformat() for number in range(PRESENT)], train_id="es2")
    events = [event_batch_document([an_event(number)]) for number in range(OVER + PRESENT)]
    await world.database["events"].insert_many(
        [event if number < PRESENT else _old(event) for number, event in enumerate(events)]
    )
    done = [replace(a_job(f"done{number}", NOW), state=JobState.DONE, done_time=NOW) for number in range(OVER)]
    jobs = [*done, *(a_job(f"waits{number}", NOW) for number in range(PRESENT))]
    await world.database["jobs"].insert_many([job_document(job) for job in jobs])
    for version in range(OVER + PRESENT):
        await world.server.store.layout_jobs.insert_if_absent(a_layout_job(version, NOW))
        if version < OVER:
            await world.server.store.layout_jobs.add_dates(f"es9014:{version}", [])
            await world.server.store.layout_jobs.complete(f"es9014:{version}", NOW)
    await store_payments(world, *_payments("done", OVER, PaymentState.CAPTURED, RefundState.DONE))
    await store_payments(world, *_payments("refunded", PRESENT, PaymentState.CAPTURED, RefundState.PENDING))
    await store_payments(world, *_payments("open", PRESENT, PaymentState.AUTHORIZED))


def _old(event: dict[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in event.items() if name != "is_new"}


def _payments(name: str, count: int, state: PaymentState, *refunds: RefundState) -> Sequence[StoredPayment]:
    return [a_payment(f"{name}{number}", state, *refunds) for number in range(count)]


async def test_finished_records_are_not_read(real_world: World) -> None:
    await _store_many_finished_records(real_world)
    statements: dict[str, dict[str, Any]] = {
        "runs_by_date": {
            "find": "train_runs",
            "filter": current_runs_query(NOW),
            "projection": {"version": 1},
            "sort": {"travel_date": 1, "_id": 1},
        },
        "new_events_by_commit": {"aggregate": "events", "pipeline": new_events_pipeline(), "cursor": {}},
        "payments_refunding": {"aggregate": "payments", "pipeline": pending_refunds_pipeline(), "cursor": {}},
        "layout_jobs_unfinished": {"aggregate": "layout_jobs", "pipeline": unfinished_layout_jobs_pipeline(), "cursor": {}},
        "payments_open": {"find": "payments", "filter": pending_captures_query(NOW)},
        "jobs_by_state": {"find": "jobs", "filter": pending_jobs_query()},
    }
    for index, command in statements.items():
        read, indexes = await _count_examined(real_world, command)
        assert indexes == {index}, command
        assert PRESENT <= read <= PRESENT + 1, command
    assert len(await real_world.server.store.statistics.versions(NOW)) == PRESENT


async def test_new_events_are_counted_from_their_index_alone(real_world: World) -> None:
    await _store_many_finished_records(real_world)
    command = {"aggregate": "events", "pipeline": new_events_pipeline(), "cursor": {}}
    plan = await real_world.database.command("explain", command, verbosity="executionStats")
    stages = {stage.get("stage") for stage in _stages(plan)}
    assert "IXSCAN" in stages
    assert "FETCH" not in stages


async def test_statements_of_the_statistics_have_a_time_limit_on_the_server(real_world: World) -> None:
    await real_world.run("A2")
    await real_world.database.command("profile", 2)
    surveys = StatisticsQueries(real_world.database)
    await surveys.count_runs(list(await surveys.versions(NOW)))
    await surveys.backlog(NOW)
    await real_world.database.command("profile", 0)
    asked = await real_world.database["system.profile"].find({"op": {"$in": ["query", "command"]}}).to_list(100)
    commands = [query["command"] for query in asked if {"find", "aggregate"} & query["command"].keys()]
    await real_world.database["system.profile"].drop()
    assert len(commands) >= 8
    assert all(command["maxTimeMS"] > 0 for command in commands)
