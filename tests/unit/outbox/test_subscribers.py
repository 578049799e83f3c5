"""The outbox relay: every subscriber gets every event, which is processed once all of them have written down their work."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime

import pytest

from app.domain.events import Event
from app.domain.jobs import Job
from app.store.driver import Database
from app.store.event_documents import event_batch_document
from app.store.in_memory import connect_in_memory
from app.store.store import Store, open_store
from app.usecases.outbox import JobSubscriber, OutboxRelay
from tests.support.delivery_worlds import NOW, an_event


class RecordingSubscriber:
    """Records the events it is given; fails while it has an `error`."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.event_ids: list[str] = []

    async def handle(self, events: Sequence[Event], /) -> None:
        if self.error is not None:
            raise self.error
        self.event_ids += [event.event_id for event in events]


@pytest.fixture
def database() -> Database:
    return connect_in_memory()["test"]


@pytest.fixture
def store(database: Database) -> Store:
    return open_store(database, jobs_kept_seconds=3_600)


async def commit(database: Database, *numbers: int) -> list[str]:
    """Store an event of a commit of its own for each number; return their ids in order."""
    events = [an_event(number) for number in numbers]
    await database["events"].insert_many([event_batch_document([event]) for event in events])
    return [event.event_id for event in events]


async def test_every_subscriber_gets_every_event_once_and_in_order(database: Database, store: Store) -> None:
    expected = await commit(database, 1, 2, 3)
    first, second, woken = RecordingSubscriber(), RecordingSubscriber(), []
    relay = OutboxRelay(store.events, [first, second], lambda: woken.append(True))
    await relay.process()
    await relay.process()
    assert first.event_ids == second.event_ids == expected
    assert woken == [True]


async def test_without_subscribers_events_are_processed_all_the_same(database: Database, store: Store) -> None:
    await commit(database, 1)
    await OutboxRelay(store.events, [], lambda: None).process()
    assert (await store.events.list_unprocessed(10)).events == []


async def test_a_subscriber_that_fails_leaves_the_events_to_be_given_to_all_again(database: Database, store: Store) -> None:
    expected = await commit(database, 1)
    first, second = RecordingSubscriber(), RecordingSubscriber(RuntimeError("out of order"))
    relay = OutboxRelay(store.events, [first, second], lambda: None)
    with pytest.raises(RuntimeError, match="out of order"):
        await relay.process()
    assert len((await store.events.list_unprocessed(10)).events) == 1
    second.error = None
    await relay.process()
    assert (first.event_ids, second.event_ids) == (expected * 2, expected)
    assert (await store.events.list_unprocessed(10)).events == []


async def test_a_job_subscriber_makes_each_job_once_however_often_it_gets_the_event(database: Database, store: Store) -> None:
    def jobs_of(events: Sequence[Event], now: datetime) -> list[Job]:
        return [Job(f"mail {event.event_id}", "mail", {"reference": event.subject}, now, now) for event in events]

    subscriber = JobSubscriber(store.jobs, jobs_of, lambda: NOW)
    await commit(database, 1, 2)
    await OutboxRelay(store.events, [subscriber], lambda: None).process()
    assert await subscriber.handle([an_event(2), an_event(3)]) == 1
    jobs = await store.jobs.lease_due(["mail"], NOW, 30.0, "worker", 10)
    assert {(job.job_id, job.payload["reference"]) for job in jobs} == {
        (f"mail {an_event(number).event_id}", "7QK2MZ") for number in (1, 2, 3)
    }


async def test_events_are_given_to_subscribers_again_once_they_can_be_read(
    database: Database, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    broken, readable = await commit(database, 1, 2)
    commit_id = broken.rpartition(":")[0]
    await database["events"].update_one({"_id": commit_id}, {"$set": {"events.0.type": "hold.eaten"}})
    subscriber = RecordingSubscriber()
    relay = OutboxRelay(store.events, [subscriber], lambda: None)
    await relay.process()
    assert subscriber.event_ids == [readable]
    await database["events"].update_one({"_id": commit_id}, {"$set": {"events.0.type": "booking.confirmed"}})
    with caplog.at_level(logging.INFO):
        await relay.retry_unreadable()
    await relay.process()
    assert subscriber.event_ids == [readable, broken]
    assert "events of 1 commits can be read again" in caplog.text
