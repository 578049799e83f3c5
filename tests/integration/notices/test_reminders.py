"""Travellers are reminded of their departure and arrival: once, at the expected times, and only those who have a seat."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio

from app.domain.jobs import JobState
from app.domain.notices.notice import NoticeChannelName, NoticeKind, NoticeState, SkipReason
from app.domain.notices.preferences import NotificationPreferences
from app.domain.notices.reminder_notices import SoldBooking
from tests.support.builders import (
    DEPARTS_LILLE,
    DEPARTS_LONDON,
    NOW,
    TRAVEL_DATE,
    a_person,
    a_train,
    asks_to_cancel,
    asks_to_promote,
)
from tests.support.cancellations import asks_to_cancel_run
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS
from tests.support.delay_reports import asks_to_delay
from tests.support.reminder_worlds import DAY, HOUR, MINUTE, ReminderWorld

DEPARTURE, ARRIVAL = NoticeKind.DEPARTURE_REMINDER, NoticeKind.ARRIVAL_REMINDER
ARRIVES_PARIS = datetime(2026, 9, 1, 11, 56, tzinfo=UTC)
JANE, JOHN, ANNA = "jane@example.com", "john@example.com", "anna@example.com"


@pytest_asyncio.fixture
async def world() -> ReminderWorld:
    made = ReminderWorld()
    await made.schedule()
    return made


# -- when


async def test_each_traveller_is_reminded_three_hours_before_departure_and_half_an_hour_before_arrival(
    world: ReminderWorld,
) -> None:
    await world.sell("jane", origin=LONDON)
    await world.sell("john", origin=LILLE)
    await world.work_until(DEPARTS_LONDON - 3 * HOUR - MINUTE)
    assert await world.reminded(DEPARTURE) == {}
    await world.work_until(ARRIVES_PARIS)
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 3 * HOUR, JOHN: DEPARTS_LILLE - 3 * HOUR}
    assert await world.reminded(ARRIVAL) == {JANE: ARRIVES_PARIS - 30 * MINUTE, JOHN: ARRIVES_PARIS - 30 * MINUTE}


async def test_a_run_has_one_job_for_each_stop_however_many_travel(world: ReminderWorld) -> None:
    for name in ("jane", "john", "anna", "paul"):
        await world.sell(name, origin=LONDON, destination=PARIS)
    await world.sell("mary", origin=LILLE)
    run_id = world.run_id
    assert await world.job_ids() == [
        f"remind arrival {run_id} 3",
        f"remind departure {run_id} 0",
        f"remind departure {run_id} 2",
    ]


async def test_who_buys_after_the_job_of_the_stop_is_reminded_five_minutes_later(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON - HOUR)
    await world.sell("john")
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 3 * HOUR, JOHN: DEPARTS_LONDON - 55 * MINUTE}


async def test_who_buys_just_before_the_time_is_reminded_five_minutes_after_the_sale(world: ReminderWorld) -> None:
    await world.work_until(DEPARTS_LONDON - 3 * HOUR - MINUTE)
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON - 2 * HOUR)
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 3 * HOUR + 4 * MINUTE}


async def test_a_sale_whose_event_is_seen_after_the_job_has_run_makes_no_second_reminder(world: ReminderWorld) -> None:
    await world.sell("jane")
    booking = await world.book("john")
    await world.work_until(DEPARTS_LONDON - 2 * HOUR)
    for _ in range(2):
        await world.reminders.add([SoldBooking(booking, NOW)])
    assert len(await world.notices(DEPARTURE)) == 2
    assert await world.database["jobs"].count_documents({"kind": "send email"}) == 2


async def test_a_sale_while_the_job_of_the_stop_runs_is_reminded_of(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.run_due_jobs()
    world.now = DEPARTS_LONDON - 2 * HOUR
    (job,) = await world.store.jobs.lease_due(["remind departure"], world.now, 30.0, "another worker", 1)
    await world.sell("john")  # the other worker has read the bookings already
    assert set(await world.reminded(DEPARTURE)) == {JOHN}
    await world.store.jobs.record_outcomes([replace(job, state=JobState.DONE, done_time=world.now)], job.lease_owner)


async def test_a_sale_while_the_job_looks_at_a_run_of_next_month_leaves_the_reminder_to_the_job(world: ReminderWorld) -> None:
    world.now = DEPARTS_LONDON - 30 * DAY
    await world.sell("jane")
    for kind in world.reminders.handlers():
        assert await world.store.jobs.lease_due([kind], world.now, 30.0, "another worker", 1)
    await world.sell("john")
    assert await world.notices(DEPARTURE) == await world.notices(ARRIVAL) == []
    world.now += MINUTE  # the other worker was killed
    await world.work_until(ARRIVES_PARIS)
    assert set(await world.reminded(DEPARTURE)) == set(await world.reminded(ARRIVAL)) == {JANE, JOHN}


# -- who


async def test_passengers_with_addresses_of_their_own_and_a_booker_who_travels_are_reminded(world: ReminderWorld) -> None:
    booking = await world.sell("jane", "john", by="jane")
    await world.work_until(DEPARTS_LONDON)
    reminded = {notice.recipient_key: (notice.addressee, notice.passenger_numbers) for notice in await world.notices(DEPARTURE)}
    assert reminded == {JANE: ("-", (1,)), JOHN: ("2", (2,))}
    assert {notice.notice_id for notice in await world.notices(DEPARTURE)} == {
        f"DEPARTURE_REMINDER {booking.reference} - {TRAVEL_DATE} email",
        f"DEPARTURE_REMINDER {booking.reference} 2 {TRAVEL_DATE} email",
    }


async def test_a_booker_who_does_not_travel_is_not_reminded(world: ReminderWorld) -> None:
    await world.sell("john", by="anna")
    await world.work_until(DEPARTS_LONDON)
    assert set(await world.reminded(DEPARTURE)) == {JOHN}


async def test_one_address_of_a_family_is_reminded_once_about_all(world: ReminderWorld) -> None:
    family = [a_person("jane", first_name=name) for name in ("Ann", "Bob", "Cy")]
    await world.sell(*family, by="jane")
    await world.work_until(DEPARTS_LONDON)
    (notice,) = await world.notices(DEPARTURE)
    assert (notice.recipient_key, notice.passenger_numbers) == (JANE, (1, 2, 3))


async def test_who_has_cancelled_or_has_no_seat_is_not_reminded() -> None:
    world = ReminderWorld()
    await world.schedule(a_train("A2"))
    cancelled = await world.sell("jane")
    await world.sell("john")
    await world.sell("anna")  # waitlisted
    await world.work_until(DEPARTS_LONDON - 3 * HOUR - MINUTE)
    world.now = NOW + DAY  # before the waitlist closes
    await world.send(asks_to_cancel(cancelled))
    await world.work_until(DEPARTS_LONDON - HOUR)
    assert JANE not in await world.reminded(DEPARTURE)
    assert JOHN in await world.reminded(DEPARTURE)


async def test_who_is_promoted_from_the_waitlist_is_reminded() -> None:
    world = ReminderWorld()
    await world.schedule(a_train("A1"))
    first = await world.sell("jane")
    waitlisted = await world.sell("john")
    assert await world.job_ids() == [f"remind arrival {world.run_id} 3", f"remind departure {world.run_id} 0"]
    await world.send(asks_to_cancel(first))
    await world.send(asks_to_promote())
    promoted = await world.store.snapshots.read(lambda snapshot: world.store.bookings.find(snapshot, waitlisted.reference))
    assert promoted is not None
    await world.reminders.add([SoldBooking(promoted, world.now)])
    await world.work_until(DEPARTS_LONDON)
    assert await world.reminded(DEPARTURE) == {JOHN: DEPARTS_LONDON - 3 * HOUR}


async def test_who_has_switched_reminders_off_has_a_notice_that_says_so(world: ReminderWorld) -> None:
    chosen = NotificationPreferences(departure_reminders=False, version=1)
    await world.store.preferences.replace(JANE, chosen, NOW)
    await world.sell("jane")
    await world.work_until(ARRIVES_PARIS)
    (departure,), (arrival,) = await world.notices(DEPARTURE), await world.notices(ARRIVAL)
    assert (departure.state, departure.skip_reason) == (NoticeState.SKIPPED, SkipReason.UNSUBSCRIBED)
    assert arrival.state is NoticeState.SCHEDULED
    assert await world.database["jobs"].distinct("_id", {"kind": "send email"}) == [f"send email {arrival.notice_id}"]


async def test_a_short_journey_is_not_reminded_of_its_arrival(world: ReminderWorld) -> None:
    await world.sell("jane", origin=LONDON, destination=ASHFORD)  # 31 minutes
    await world.work_until(ARRIVES_PARIS)
    (notice,) = await world.notices(ARRIVAL)
    assert (notice.state, notice.skip_reason, notice.final_time is None) == (NoticeState.SKIPPED, SkipReason.SHORT, False)
    assert JANE in await world.reminded(DEPARTURE)


async def test_each_enabled_channel_has_a_reminder_of_its_own() -> None:
    world = ReminderWorld(enabled=(NoticeChannelName.EMAIL, NoticeChannelName.LOG))
    await world.schedule()
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON)
    channels = [notice.channel for notice in await world.notices(DEPARTURE)]
    assert channels == [NoticeChannelName.EMAIL, NoticeChannelName.LOG]


# -- what changes


async def test_reminders_follow_a_delay_that_is_reported_before_they_are_due(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON - 4 * HOUR)
    await world.send(asks_to_delay(60))
    await world.reminders.retime([world.run_id])
    await world.work_until(DEPARTS_LONDON - 3 * HOUR)
    assert await world.reminded(DEPARTURE) == {}
    await world.work_until(ARRIVES_PARIS + HOUR)
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 2 * HOUR}
    assert await world.reminded(ARRIVAL) == {JANE: ARRIVES_PARIS + 30 * MINUTE}


async def test_reminders_come_forward_when_a_delay_ends(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.send(asks_to_delay(300))
    await world.work_until(DEPARTS_LONDON - 4 * HOUR)
    await world.send(asks_to_delay(0))
    await world.reminders.retime([world.run_id])
    await world.work_until(ARRIVES_PARIS)
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 3 * HOUR}
    assert await world.reminded(ARRIVAL) == {JANE: ARRIVES_PARIS - 30 * MINUTE}


async def test_nobody_is_reminded_of_a_run_that_is_cancelled(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON - 4 * HOUR)
    await world.send(asks_to_cancel_run())
    await world.work_until(ARRIVES_PARIS)
    assert await world.notices(DEPARTURE) == await world.notices(ARRIVAL) == []


async def test_an_operator_may_change_how_long_before_departure_a_scheduled_run_reminds(world: ReminderWorld) -> None:
    await world.sell("jane")
    await world.work_until(DEPARTS_LONDON - 20 * HOUR)
    await world.change_train(departure_reminder_minutes=0)
    await world.work_until(DEPARTS_LONDON - 150 * MINUTE)
    assert await world.reminded(DEPARTURE) == {}
    await world.change_train(departure_reminder_minutes=90)
    await world.work_until(DEPARTS_LONDON)
    assert await world.reminded(DEPARTURE) == {JANE: DEPARTS_LONDON - 90 * MINUTE}


async def test_the_jobs_of_all_stops_survive_a_worker_that_dies_between_notices_and_their_jobs(
    world: ReminderWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.sell("jane")
    await world.run_due_jobs()
    world.now = DEPARTS_LONDON - 3 * HOUR
    insert, calls = world.store.jobs.insert_if_absent, 0

    async def insert_and_die(jobs: object) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("the worker dies here")
        return await insert(jobs)  # type: ignore[arg-type]

    monkeypatch.setattr(world.store.jobs, "insert_if_absent", insert_and_die)
    await world.work_until(world.now + 2 * MINUTE)
    (notice,) = await world.notices(DEPARTURE)
    assert await world.database["jobs"].distinct("_id", {"kind": "send email"}) == [f"send email {notice.notice_id}"]
