"""Hidden runs at several servers: in lists, for those who ask, and for those who book."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import Caller
from app.domain.refusals import Reason
from app.store.driver import Database
from tests.support.builders import LILLE, LONDON, TRAIN_ID, a_caller, a_train, an_operator, asks_for_seats
from tests.support.run_servers import TRAVEL_DATE, RunServer, put_train, reason_of
from tests.support.world import World


@pytest.fixture
def database(world: World) -> Database:
    return world.database


@pytest_asyncio.fixture
async def servers(database: Database) -> AsyncIterator[tuple[RunServer, RunServer]]:
    """Two servers, and the runs of a train on three days, all hidden but the second."""
    await put_train(database, a_train("A4"))
    here, there = RunServer(database), RunServer(database)
    await here.runs.schedule(TRAIN_ID, TRAVEL_DATE + timedelta(days=1), TRAVEL_DATE + timedelta(days=1))
    assert await here.schedule(2, hidden=True) == 2
    yield here, there
    for server in (here, there):
        await server.bus.wait_idle()


async def listed(server: RunServer, caller: Caller, limit: int = 10, **asked: str) -> list[str]:
    """Return the dates of all runs that are listed to a caller, read page by page."""
    dates: list[str] = []
    after = None
    while True:
        filters = {"origin": "", "destination": "", "travel_date": ""} | asked
        views, after = await server.runs.list_page(**filters, after=after, limit=limit, caller=caller)
        dates += [view.run.travel_date for view in views]
        if after is None:
            return dates


def days(*numbers: int) -> list[str]:
    return [(TRAVEL_DATE + timedelta(days=number)).isoformat() for number in numbers]


@pytest.mark.parametrize("limit", [1, 2, 10])
async def test_hidden_runs_are_listed_to_operators_only(servers: tuple[RunServer, RunServer], limit: int) -> None:
    for caller in (Caller(), a_caller("ann")):
        assert await listed(servers[1], caller, limit) == days(1)
        assert await listed(servers[1], caller, limit, origin=LONDON, destination=LILLE) == days(1)
        assert await listed(servers[1], caller, limit, travel_date=days(0)[0]) == []
    assert await listed(servers[1], an_operator(), limit) == days(0, 1, 2)
    assert await listed(servers[1], an_operator(), limit, travel_date=days(2)[0]) == days(2)


async def test_a_hidden_run_is_read_by_operators_only(servers: tuple[RunServer, RunServer]) -> None:
    here, there = servers
    view = await there.runs.get(TRAIN_ID, days(0)[0], "", "", an_operator())
    assert view.run.hidden
    for caller in (Caller(), a_caller("ann")):
        assert await reason_of(there.runs.get(TRAIN_ID, days(0)[0], "", "", caller)) is Reason.TRAIN_RUN_NOT_FOUND
        assert await reason_of(there.runs.get(TRAIN_ID, "2031-01-01", "", "", caller)) is Reason.TRAIN_RUN_NOT_FOUND
    assert not (await here.runs.get(TRAIN_ID, days(1)[0], "", "", Caller())).run.hidden


async def test_a_run_that_is_shown_at_one_server_is_sold_at_the_other(servers: tuple[RunServer, RunServer]) -> None:
    here, there = servers
    assert await reason_of(there.book("ann")) is Reason.TRAIN_RUN_NOT_FOUND
    assert not (await here.show()).run.hidden
    assert await there.book("ann") == "A-1"
    assert (await here.show(hidden=True)).run.hidden
    assert await reason_of(there.book("ben")) is Reason.TRAIN_RUN_NOT_FOUND
    assert await listed(there, Caller()) == days(1)


async def test_a_run_without_the_field_is_seen_by_everybody(servers: tuple[RunServer, RunServer], database: Database) -> None:
    document = await database["train_runs"].find_one({"travel_date": days(1)[0]})
    assert document is not None
    assert "hidden" not in document, "runs of earlier versions have no such field either"
    assert await listed(servers[0], Caller()) == days(1)


async def test_hiding_an_unknown_run_is_refused(servers: tuple[RunServer, RunServer]) -> None:
    asked = UpdateTrainRun(an_operator(), TRAIN_ID, "2031-01-01", hidden=True)
    assert await reason_of(servers[0].runs.change(asked, time.monotonic() + 10)) is Reason.TRAIN_RUN_NOT_FOUND


async def test_a_buyer_cannot_hide_a_run(servers: tuple[RunServer, RunServer]) -> None:
    here, _ = servers
    await here.show()
    asked = UpdateTrainRun(a_caller("ann"), TRAIN_ID, TRAVEL_DATE.isoformat(), hidden=True)
    assert await reason_of(here.runs.change(asked, time.monotonic() + 10)) is Reason.NOT_PERMITTED
    assert (await here.send(asks_for_seats("ann", travel_date=TRAVEL_DATE))).booking.is_live
