"""Notices as they are stored, on each kind of database: made once, replaced by newer ones, listed, counted, deleted in time."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import combinations
from typing import Any

import pytest
import pytest_asyncio

from app.domain.notices.copies import pdf_cause, resend_cause
from app.domain.notices.notice import (
    WHOLE_BOOKING,
    Notice,
    NoticeAttempt,
    NoticeChannelName,
    NoticeKind,
    NoticeState,
    SkipReason,
    notice_id,
)
from app.domain.refusals import Reason, Refusal
from app.embedded.mongod import EmbeddedMongod
from app.store.driver import Database, connect
from app.store.in_memory import connect_in_memory
from app.store.notices import (
    BOOKING_INDEX,
    LIFETIME_INDEX,
    OPEN_INDEX,
    RECIPIENT_INDEX,
    Notices,
    make_notice_indexes,
    notice_key,
    notices_query,
)
from app.store.statistics import StatisticsQueries, due_notices_pipeline
from app.store.ticket_resends import TicketResends

# The present, since databases drop what is too old; in milliseconds, as they store time.
NOW = datetime.now(UTC).replace(microsecond=250_000)
JANE = "jane@example.com"


@asynccontextmanager
async def _a_database_of(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    client = connect(mongod.uri, operation_seconds_max=30.0, selection_seconds_max=10.0, connections_max=20)
    database = client[f"test_{uuid.uuid4().hex[:16]}"]
    await make_notice_indexes(database)
    yield database
    await client.drop_database(database.name)
    client.close()


@pytest_asyncio.fixture
async def real_database(mongod: EmbeddedMongod) -> AsyncIterator[Database]:
    async with _a_database_of(mongod) as database:
        yield database


@pytest_asyncio.fixture(params=["mongomock", "mongod"])
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """An empty database of each kind in turn, with the indexes of notices."""
    if request.param == "mongod":
        async with _a_database_of(request.getfixturevalue("mongod")) as database:
            yield database
    else:
        database = connect_in_memory()["test"]
        await make_notice_indexes(database)
        yield database


@pytest.fixture
def notices(database: Database) -> Notices:
    return Notices(database)


def made(revision: int = 5, kind: NoticeKind = NoticeKind.SEAT_CHANGED, **chosen: Any) -> Notice:
    """Return a notice of that revision to the booker of a booking, over mail."""
    cause, reference = chosen.pop("cause", f"event {revision}"), chosen.pop("reference", "7QK2MZ")
    notice = Notice(
        notice_id=notice_id(kind, reference, WHOLE_BOOKING, cause, NoticeChannelName.EMAIL),
        kind=kind,
        channel=NoticeChannelName.EMAIL,
        reference=reference,
        run_id="es9014:2026-09-01",
        addressee=WHOLE_BOOKING,
        passenger_numbers=(1, 2),
        recipient_key=JANE,
        cause=cause,
        revision=revision,
        due_time=NOW,
        create_time=NOW,
    )
    return replace(notice, **chosen)


def sent(notice: Notice, content_revision: int, **chosen: Any) -> Notice:
    """Return a notice after the channel accepted it with content up to that revision."""
    attempts = (NoticeAttempt(NOW, 250, ""),)
    after = replace(notice, state=NoticeState.SENT, attempts=attempts, attempt_count=1, final_time=NOW)
    return replace(after, content_revision=content_revision, **chosen)


async def test_a_notice_is_stored_once_and_read_as_it_was_written(notices: Notices) -> None:
    first = made(trace_parent="00-1-1-01", told_minutes=7)
    skipped = made(6, state=NoticeState.SKIPPED, skip_reason=SkipReason.SHORT, final_time=NOW)
    assert await notices.insert_if_absent([first, skipped]) == 2
    assert await notices.insert_if_absent([first, made(7)]) == 1
    assert await notices.find([first.notice_id, skipped.notice_id, "other"]) == {
        first.notice_id: first,
        skipped.notice_id: skipped,
    }
    assert (await notices.insert_if_absent([]), await notices.find([])) == (0, {})


async def test_only_a_notice_that_is_not_final_begins(notices: Notices) -> None:
    await notices.insert_if_absent([made(), made(6, state=NoticeState.SKIPPED, skip_reason=SkipReason.SHORT, final_time=NOW)])
    for _ in range(2):  # a second attempt begins as the first one did
        assert await notices.begin(made().notice_id) == replace(made(), state=NoticeState.SENDING)
    assert await notices.begin(made(6).notice_id) is None
    assert await notices.begin("unknown") is None


async def test_a_final_notice_is_never_recorded_again(notices: Notices) -> None:
    await notices.insert_if_absent([made()])
    accepted = sent(made(), 9)
    assert await notices.record(accepted)
    assert not await notices.record(replace(accepted, state=NoticeState.FAILED))
    assert not await notices.record(made(8))
    assert await notices.find([made().notice_id, made(8).notice_id]) == {made().notice_id: accepted}


async def test_scheduled_notices_up_to_the_contents_revision_are_superseded(notices: Notices) -> None:
    others = {
        "another booking": made(4, reference="AAAAAA"),
        "another recipient": made(4, cause="to joe", recipient_key="joe@example.com"),
        "another channel": made(4, cause="by sms", channel=NoticeChannelName.SMS),
        "another thread": made(4, NoticeKind.DELAYED),
        "newer than the content": made(8),
        "in flight": made(3, state=NoticeState.SENDING),
        "a ticket sent again": made(4, NoticeKind.TICKET, cause=resend_cause("x")),
        "a PDF that follows": made(4, NoticeKind.TICKET, cause=pdf_cause("event 1")),
    }
    await notices.insert_if_absent([made(5), made(6), made(7, NoticeKind.MOVED), *others.values()])
    superseded = await notices.supersede_older(made(5), 7, NOW)
    assert sorted(superseded) == [NoticeKind.MOVED, made(6).kind]
    found = await notices.find([made(6).notice_id, made(7, NoticeKind.MOVED).notice_id])
    assert {(notice.state, notice.skip_reason) for notice in found.values()} == {(NoticeState.SKIPPED, SkipReason.SUPERSEDED)}
    kept = await notices.find([notice.notice_id for notice in others.values()])
    assert kept == {notice.notice_id: notice for notice in others.values()}
    assert await notices.supersede_older(made(5), 7, NOW) == []
    assert await notices.supersede_older(others["a ticket sent again"], 9, NOW) == []


@pytest.mark.parametrize(
    ("sibling", "is_newer"),
    [
        (sent(made(3), 5), True),
        (sent(made(3), 4), False),
        (made(6, state=NoticeState.SENDING), True),
        (made(4, state=NoticeState.SENDING), False),
        (made(5, NoticeKind.TICKET, state=NoticeState.SENDING), True),  # of one commit: the higher id counts as newer
        (made(5, NoticeKind.MOVED, state=NoticeState.SENDING), False),
        (made(9), False),
        (sent(made(9, NoticeKind.REFUNDED), 9), False),
        (sent(made(9, NoticeKind.TICKET, cause=resend_cause("x")), 9), False),
    ],
    ids=["sent", "sent older", "sending", "sending older", "same commit", "same commit, lower", "waiting", "thread", "copy"],
)
async def test_newer_content_is_that_of_a_notice_that_was_or_is_being_sent(
    notices: Notices, sibling: Notice, is_newer: bool
) -> None:
    await notices.insert_if_absent([made(5, state=NoticeState.SENDING), sibling])
    assert await notices.has_newer(made(5), 5) is is_newer
    copy = made(5, NoticeKind.TICKET, cause=resend_cause("y"))
    assert not await notices.has_newer(copy, 5)


Step = Callable[[], Awaitable[None]]


def a_sender(notices: Notices, notice: Notice, newest: int, sent_ids: list[str]) -> list[Step]:
    """Return the steps of sending a notice with content up to revision `newest`, as the sender makes them."""
    begun: list[Notice] = []

    async def begin() -> None:
        begun.extend(filter(None, [await notices.begin(notice.notice_id)]))

    async def supersede() -> None:
        for found in begun:
            await notices.supersede_older(found, newest, NOW)

    async def look(revision: int) -> None:
        for found in list(begun):
            if await notices.has_newer(found, revision):
                await notices.record(replace(found, state=NoticeState.SKIPPED, skip_reason=SkipReason.SUPERSEDED))
                begun.clear()

    async def send() -> None:
        for found in begun:
            sent_ids.append(found.notice_id)
            await notices.record(sent(found, newest))

    return [begin, partial(look, notice.revision), supersede, partial(look, newest), send]


async def test_of_two_notices_in_flight_exactly_one_is_sent_however_their_steps_fall() -> None:
    """All 252 orders of the steps of two senders."""
    database = connect_in_memory()["test"]
    notices = Notices(database)
    for turns in combinations(range(10), 5):
        await database["notices"].delete_many({})
        await notices.insert_if_absent([made(5), made(6)])
        sent_ids: list[str] = []
        first, second = (iter(a_sender(notices, made(revision), 6, sent_ids)) for revision in (5, 6))
        for turn in range(10):
            await next(first if turn in turns else second)()
        assert len(sent_ids) == 1, turns
        states = [notice.state for notice in (await notices.find([made(5).notice_id, made(6).notice_id])).values()]
        assert sorted(states) == [NoticeState.SENT, NoticeState.SKIPPED], turns


async def test_the_delay_that_a_recipient_last_heard_of_is_that_of_the_newest_notice(notices: Notices) -> None:
    told = [
        sent(made(3, NoticeKind.DELAYED), 7, told_minutes=10),
        made(6, NoticeKind.DELAYED, told_minutes=20),
        made(8, NoticeKind.DELAYED, told_minutes=40, state=NoticeState.SKIPPED, skip_reason=SkipReason.SUPERSEDED),
        made(2, NoticeKind.DELAYED, cause="to joe", recipient_key="joe@example.com", told_minutes=5),
    ]
    await notices.insert_if_absent(told)
    found = await notices.last_told_minutes("7QK2MZ", [JANE, "joe@example.com", "jim@example.com"])
    assert found == {JANE: 10, "joe@example.com": 5}


async def test_notices_are_listed_newest_first_page_by_page(notices: Notices) -> None:
    stored = [made(number, create_time=NOW + timedelta(seconds=number // 2)) for number in range(7)]
    await notices.insert_if_absent([*stored, made(1, reference="AAAAAA", recipient_key="joe@example.com")])
    for whose in ((JANE, ""), ("", "7QK2MZ"), (JANE, "7QK2MZ")):
        found: list[Notice] = []
        while page := await notices.list_page(*whose, notice_key(found[-1]) if found else None, 3):
            found += page
        assert found == sorted(stored, key=notice_key, reverse=True)
    assert await notices.list_page(JANE, "AAAAAA", None, 3) == []


async def test_an_unreadable_notice_hides_no_other(notices: Notices, database: Database) -> None:
    await notices.insert_if_absent([made(1), made(2)])
    await database["notices"].update_one({"_id": made(2).notice_id}, {"$set": {"kind": "HOROSCOPE"}})
    assert await notices.list_page(JANE, "", None, 10) == [made(1)]
    assert (await notices.find([made(1).notice_id, made(2).notice_id])).unreadable == {made(2).notice_id}
    with pytest.raises(Refusal) as refusal:
        await notices.begin(made(2).notice_id)
    assert refusal.value.reason is Reason.RECORD_UNREADABLE


async def test_due_notices_are_counted_by_channel_with_the_age_of_those_that_nobody_tried(
    notices: Notices, database: Database
) -> None:
    hour = timedelta(hours=1)
    tried = made(1, due_time=NOW - 2 * hour, state=NoticeState.SENDING, attempt_count=1)
    await notices.insert_if_absent([tried, made(2, due_time=NOW - hour), made(3), made(4, due_time=NOW + hour)])
    await notices.insert_if_absent([sent(made(5, due_time=NOW - 3 * hour), 5)])
    await notices.insert_if_absent([replace(tried, notice_id="by sms", channel=NoticeChannelName.SMS)])
    found = (await StatisticsQueries(database).backlog(NOW)).due_notices
    assert {(due.channel, due.count, due.oldest_untried_time) for due in found} == {
        ("email", 3, NOW - hour),
        ("sms", 1, None),
    }
    await notices.record(sent(made(2), 9))
    assert sum(due.count for due in (await StatisticsQueries(database).backlog(NOW)).due_notices) == 3


# -- indexes


def _stages(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        if "stage" in plan:
            yield plan
        for name, part in plan.items():
            if name != "rejectedPlans":
                yield from _stages(part)
    elif isinstance(plan, list):
        for part in plan:
            yield from _stages(part)


@pytest.mark.parametrize(("whose", "index"), [((JANE, ""), RECIPIENT_INDEX), (("", "7QK2MZ"), BOOKING_INDEX)])
async def test_lists_are_read_by_index_in_their_order(real_database: Database, whose: tuple[str, str], index: str) -> None:
    await Notices(real_database).insert_if_absent([made(number) for number in range(50)])
    command = {"find": "notices", "filter": notices_query(*whose), "sort": {"create_time": -1, "_id": -1}, "limit": 10}
    stages = list(_stages(await real_database.command("explain", command, verbosity="queryPlanner")))
    assert not {stage["stage"] for stage in stages} & {"COLLSCAN", "SORT"}
    assert {stage["indexName"] for stage in stages if stage["stage"] == "IXSCAN"} == {index}


async def test_statistics_read_the_index_of_unsent_notices_alone(real_database: Database) -> None:
    await Notices(real_database).insert_if_absent([made(1), sent(made(2), 2)])
    command = {"aggregate": "notices", "pipeline": due_notices_pipeline(NOW), "cursor": {}}
    stages = list(_stages(await real_database.command("explain", command, verbosity="queryPlanner")))
    assert "FETCH" not in {stage["stage"] for stage in stages}
    assert {stage["indexName"] for stage in stages if stage["stage"] == "IXSCAN"} == {OPEN_INDEX}
    assert (await real_database.command("validate", "notices"))["keysPerIndex"][OPEN_INDEX] == 1


async def test_notices_are_deleted_after_ninety_days(real_database: Database) -> None:
    await make_notice_indexes(real_database)
    found = await real_database["notices"].index_information()
    assert found[LIFETIME_INDEX]["expireAfterSeconds"] == 90 * 86_400


@pytest.mark.parametrize(
    "ask",
    [
        make_notice_indexes,
        lambda database: Notices(database).insert_if_absent([made()]),
        lambda database: Notices(database).find(["x"]),
        lambda database: Notices(database).begin("x"),
        lambda database: Notices(database).supersede_older(made(), 5, NOW),
        lambda database: Notices(database).has_newer(made(), 5),
        lambda database: Notices(database).record(made()),
        lambda database: Notices(database).last_told_minutes("7QK2MZ", [JANE]),
        lambda database: Notices(database).list_page(JANE, "", None, 10),
        lambda database: TicketResends(database).take("7QK2MZ", "-", "x", NOW, 5),
    ],
)
async def test_an_outage_is_a_refusal(ask: Callable[[Database], Awaitable[object]]) -> None:
    uri = "mongodb://127.0.0.1:1/?directConnection=true"
    client = connect(uri, operation_seconds_max=1.0, selection_seconds_max=0.05, connections_max=2)
    with pytest.raises(Refusal) as refusal:
        await ask(client["test"])
    assert refusal.value.reason is Reason.DATABASE_UNAVAILABLE
    client.close()
