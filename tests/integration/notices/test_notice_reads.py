"""What the makers of notices read: live bookings page by page, preferences, and refunds that were returned."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.notices.notice import NoticeChannelName, NoticeKind
from app.domain.notices.preferences import DEFAULT_PREFERENCES, Language, NotificationPreferences
from app.process.clock import utc_now
from app.store.notice_documents import notice_from
from app.usecases.notices.refund_notices import RefundNotices
from app.usecases.payment_jobs import settlement_handler, settlement_jobs
from tests.support.builders import NOW
from tests.support.clients import ASHFORD, LILLE, Run
from tests.support.world import TRAVEL_DATE, World


async def live_references(world: World, run_id: str, limit: int, **stops: str) -> list[str]:
    """Return the references of all live bookings of a run, read so many at a time."""
    store, found, after = world.server.application.store, list[str](), 0
    for _ in range(100):
        begin = after
        page = await store.snapshots.read(
            lambda snapshot, begin=begin: store.bookings.list_live(snapshot, run_id, begin, limit, **stops)  # type: ignore[misc]
        )
        found += [booking.reference for booking in page.bookings]
        if page.after is None:
            return found
        after = page.after
    raise AssertionError("the pages do not end")


def run_id_of(run: Run) -> str:
    return f"{run.train_id}:{TRAVEL_DATE}"


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_pages_have_every_live_booking(world: World, limit: int) -> None:
    run = await world.run("A9 A9")
    booked = [(await world.desk.book(run, name)).reference for name in ("ana", "ben", "cleo", "dan", "eva")]
    await world.desk.cancel(booked[1])
    await world.wait_until_archived()
    booked.append((await world.desk.book(run, "fay")).reference)
    found = await live_references(world, run_id_of(run), limit)
    assert sorted(set(found)) == sorted({*booked} - {booked[1]})


async def test_pages_can_be_of_one_origin_or_destination(world: World) -> None:
    run = await world.run("A9")
    whole = (await world.desk.book(run, "ana")).reference
    late = (await world.desk.book(run, "ben", origin=ASHFORD)).reference
    short = (await world.desk.book(run, "cleo", destination=LILLE)).reference
    assert await live_references(world, run_id_of(run), 2, origin=ASHFORD) == [late]
    assert await live_references(world, run_id_of(run), 2, destination=LILLE) == [short]
    assert sorted(await live_references(world, run_id_of(run), 2)) == sorted([whole, late, short])


async def test_preferences_are_kept_by_version(world: World) -> None:
    preferences = world.server.application.store.preferences
    french = NotificationPreferences(Language.FRENCH, (NoticeChannelName.SMS,), "+33612345678", version=1)
    assert await preferences.find(["jane@example.com"]) == {}
    assert await preferences.replace("jane@example.com", french, NOW)
    assert not await preferences.replace("jane@example.com", replace(DEFAULT_PREFERENCES, version=1), NOW)
    assert await preferences.find(["jane@example.com", "ravi@example.com"]) == {"jane@example.com": french}
    changed = replace(french, departure_reminders=False, version=2)
    assert await preferences.replace("jane@example.com", changed, NOW)
    assert not await preferences.replace("jane@example.com", changed, NOW)
    assert (await preferences.find(["jane@example.com"]))["jane@example.com"] == changed


async def test_a_refund_is_announced_once_it_is_returned(world: World) -> None:
    application, run = world.server.application, await world.run("A4")
    jane = world.api_client("jane")
    booking = await jane.book(run, "jane")
    store, payments = application.store, application.payments

    assert await payments.settle([booking.reference]) == {booking.reference: None}
    await jane.cancel(booking.reference)
    await world.wait_until_archived()
    refunds = RefundNotices(store, [NoticeChannelName.EMAIL], utc_now)
    ids_of_events = [event["_id"] for event in await world.events(run)]
    jobs = settlement_jobs(list((await store.events.find(ids_of_events)).values()), utc_now())
    assert [job.payload.get("has_refunds", False) for job in jobs] == [False, True]
    handler = settlement_handler(payments, refunds.after_settlement)
    for _ in range(2):
        assert not any((await handler(jobs)).values())
    found = [notice_from(document) for document in await world.database["notices"].find({}).to_list(10)]
    stored = await store.bookings.find_many([booking.reference])
    ids = [refund.refund_id for refund in stored[booking.reference].refunds]
    assert ids
    assert [(notice.kind, notice.cause, notice.recipient_key) for notice in found] == [
        (NoticeKind.REFUNDED, refund_id, "jane@example.com") for refund_id in ids
    ]
