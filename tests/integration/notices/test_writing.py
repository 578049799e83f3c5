"""From events to notices: the outbox relay, the jobs that make notices, and crashes in between."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.domain.booking import Booking
from app.domain.disruption import DisruptionReason
from app.domain.jobs import Job
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind, NoticeState
from app.domain.notices.preferences import NotificationPreferences
from app.domain.refusals import Reason, Refusal
from app.domain.run_commands import SetDelay
from app.store.notice_documents import notice_from
from app.usecases.notices.delay_announcements import DelayAnnouncements
from app.usecases.notices.writing import ANNOUNCE_DELAY, WRITE_NOTICES, NoticeWriting, notice_jobs
from app.usecases.outbox import JobSubscriber, OutboxRelay
from tests.support.builders import TRAIN_ID, TRAVEL_DATE, an_operator, asks_to_cancel
from tests.support.reminder_worlds import ReminderWorld

EMAIL = NoticeChannelName.EMAIL


class WritingWorld(ReminderWorld):
    """A run that is sold, its outbox relay, and the jobs that make notices."""

    def __init__(self) -> None:
        super().__init__()
        self.relay = OutboxRelay(self.store.events, [JobSubscriber(self.store.jobs, notice_jobs, self.clock)], lambda: None)
        self.writing = NoticeWriting(self.store, [EMAIL], self.reminders, self.clock)
        self.announcements = DelayAnnouncements(self.store, [EMAIL], self.reminders, self.clock)

    async def jobs_of(self, kind: str) -> list[Job]:
        """Return all jobs of a kind, in any state."""
        found = await self.database["jobs"].find({"kind": kind}).sort("_id", 1).to_list(1_000)
        jobs = [await self.store.jobs.get(document["_id"]) for document in found]
        return [job for job in jobs if job is not None]

    async def write(self) -> None:
        """Hand events to the subscriber, and make their notices."""
        await self.relay.process()
        outcomes = await self.writing.handle(await self.jobs_of(WRITE_NOTICES))
        assert not any(outcomes.values())

    async def announce(self) -> None:
        """Run the jobs of delays that are due, also those that they insert."""
        seen: set[str] = set()
        for _ in range(100):
            due = [job for job in await self.jobs_of(ANNOUNCE_DELAY) if job.job_id not in seen and job.due_time <= self.now]
            if not due:
                return
            assert not any((await self.announcements.handler()(due)).values())
            seen |= {job.job_id for job in due}

    async def delay(self, minutes: int) -> None:
        """Report a delay of the whole run."""
        reason = DisruptionReason.STAFF if minutes else None
        await self.send(SetDelay(an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), minutes, "", reason, "", None))

    async def all_notices(self) -> list[Notice]:
        found = await self.database["notices"].find({}).sort("_id", 1).to_list(1_000)
        return [notice_from(document) for document in found]

    async def delays(self) -> dict[str, list[int | None]]:
        """Return the delays that each recipient's notices tell, the first one first."""
        told: dict[str, list[int | None]] = {}
        for notice in sorted(await self.notices(NoticeKind.DELAYED), key=lambda notice: notice.create_time):
            told.setdefault(notice.recipient_key.partition("@")[0], []).append(notice.told_minutes)
        return told


async def a_world(*bookings: Sequence[str]) -> tuple[WritingWorld, list[Booking]]:
    """Return a world whose bookings' tickets are written."""
    world = WritingWorld()
    await world.schedule()
    booked = [await world.book(*who) for who in bookings]
    await world.write()
    return world, booked


async def test_a_sale_makes_a_notice_and_a_job_for_each_recipient() -> None:
    world, _ = await a_world(["jane", "ravi"])
    notices = await world.notices(NoticeKind.TICKET)
    assert [notice.recipient_key for notice in notices] == ["jane@example.com", "ravi@example.com"]
    jobs = await world.jobs_of("send email")
    assert {job.payload["notice_id"] for job in jobs} == {notice.notice_id for notice in notices}
    assert len(await world.job_ids()) == 2  # of the stops at which both begin and end


async def test_no_document_of_a_notice_or_job_has_an_address_besides_the_recipients_key() -> None:
    world, _ = await a_world(["jane", "ravi"])
    for document in await world.database["notices"].find({}).to_list(100):
        document.pop("recipient_key")
        assert "@" not in str(document)
    assert "@" not in str(await world.database["jobs"].find({}).to_list(100))


async def test_the_same_events_make_the_same_notices_once() -> None:
    world, (booking,) = await a_world(["jane", "ravi"])
    await world.send(asks_to_cancel(booking, "ravi"))
    await world.write()
    before, jobs = await world.all_notices(), await world.jobs_of("send email")
    await world.writing.handle(await world.jobs_of(WRITE_NOTICES))
    assert await world.all_notices() == before
    assert await world.jobs_of("send email") == jobs


async def test_a_death_between_notices_and_their_jobs_loses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = WritingWorld()
    await world.schedule()
    await world.book("jane")
    await world.relay.process()

    async def dies(jobs: Sequence[Job]) -> int:
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.store.jobs, "insert_if_absent", dies)
        with pytest.raises(Refusal):
            await world.writing.handle(await world.jobs_of(WRITE_NOTICES))
    assert len(await world.all_notices()) == 1
    assert await world.jobs_of("send email") == []
    await world.write()
    assert len(await world.all_notices()) == 1
    assert len(await world.jobs_of("send email")) == 1


async def test_an_event_that_does_not_exist_any_more_makes_no_notice() -> None:
    world, _ = await a_world(["jane"])
    await world.database["events"].delete_many({})
    before = await world.all_notices()
    assert not any((await world.writing.handle(await world.jobs_of(WRITE_NOTICES))).values())
    assert await world.all_notices() == before


async def test_delays_within_a_minute_are_one_notice_with_the_last_state() -> None:
    world, _ = await a_world(["jane"], ["ravi"])
    for minutes in (10, 20, 40):
        await world.delay(minutes)
        world.now += timedelta(seconds=10)
        await world.write()
    await world.announce()
    assert await world.delays() == {}
    for _ in range(3):  # the jobs of all three reports
        world.now += timedelta(seconds=25)
        await world.announce()
    assert await world.delays() == {"jane": [40], "ravi": [40]}
    assert len(await world.jobs_of("send email")) == 4  # with the two tickets


async def test_a_small_change_of_a_delay_is_no_news_and_its_end_is() -> None:
    world, _ = await a_world(["jane"])
    for minutes in (20, 22, 0):
        await world.delay(minutes)
        await world.write()
        world.now += timedelta(minutes=2)
        await world.announce()
    assert await world.delays() == {"jane": [20, 0]}


async def test_the_end_of_a_delay_that_nobody_heard_of_is_no_news() -> None:
    world, _ = await a_world(["jane"])
    for minutes in (20, 0):
        await world.delay(minutes)
        await world.write()
    world.now += timedelta(minutes=2)
    await world.announce()
    assert await world.delays() == {}


async def test_small_delays_can_be_switched_off_and_great_ones_cannot() -> None:
    world, _ = await a_world(["jane"])
    chosen = NotificationPreferences(small_delays=False, version=1)
    assert await world.store.preferences.replace("jane@example.com", chosen, world.now)
    for minutes in (10, 30, 0):
        await world.delay(minutes)
        await world.write()
        world.now += timedelta(minutes=2)
        await world.announce()
    sent = [notice for notice in await world.notices(NoticeKind.DELAYED) if notice.state is NoticeState.SCHEDULED]
    # Who heard of half an hour hears that it is over.
    assert sorted(notice.told_minutes or 0 for notice in sent) == [0, 30]


async def test_a_cancelled_booking_hears_of_no_delay() -> None:
    world, (booking, _) = await a_world(["jane"], ["ravi"])
    await world.send(asks_to_cancel(booking))
    await world.delay(30)
    await world.write()
    world.now += timedelta(minutes=2)
    await world.announce()
    assert await world.delays() == {"ravi": [30]}


async def test_a_large_run_is_announced_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.usecases.notices.delay_announcements._PAGE_SIZE", 2)
    names = ["ana", "ben", "cleo", "dan", "eva", "fay", "gus"]
    world, _ = await a_world(*([name] for name in names))
    await world.delay(30)
    await world.write()
    world.now += timedelta(minutes=2)
    await world.announce()
    assert await world.delays() == {name: [30] for name in names}
    assert len(await world.jobs_of(ANNOUNCE_DELAY)) > 2
    await world.announce()
    assert await world.delays() == {name: [30] for name in names}


async def test_a_death_after_the_notices_of_a_delay_is_made_good(monkeypatch: pytest.MonkeyPatch) -> None:
    world, _ = await a_world(["jane"])
    await world.delay(30)
    await world.write()
    world.now += timedelta(minutes=2)
    (job,) = await world.jobs_of(ANNOUNCE_DELAY)

    async def dies(jobs: Sequence[Job]) -> int:
        raise Refusal(Reason.DATABASE_UNAVAILABLE, "the database does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(world.store.jobs, "insert_if_absent", dies)
        (failure,) = (await world.announcements.handler()([job])).values()
        assert isinstance(failure, Refusal)
    await world.announce()
    assert await world.delays() == {"jane": [30]}
    assert len(await world.jobs_of("send email")) == 2
