"""Runs listed without a date: all that have not arrived, however long they take and in every time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.embedded.mongod import EmbeddedMongod
from app.pb.seatline.v1 import train_pb2, train_run_pb2
from app.store.run_lists import UNDER_WAY_INDEX, under_way_query
from tests.support.world import Clock, World, on_day, running_server, settings_for

FIRST_DAY = 40
FAR_WEST, FAR_EAST = "Etc/GMT+12", "Pacific/Kiritimati"  # 12 hours behind UTC, 14 ahead
A_MINUTE = timedelta(minutes=1)


def a_journey(
    days: int, begin: str = "Europe/Moscow", end: str = "Asia/Vladivostok", arrive_time: str = "23:59"
) -> list[train_pb2.TrainStop]:
    """Return two stops: from midnight to the last minute of the day `days` later."""
    return [
        train_pb2.TrainStop(name="Here", time_zone=begin, depart_time="00:00"),
        train_pb2.TrainStop(name="There", time_zone=end, arrive_time=arrive_time, arrive_day_offset=days),
    ]


async def listed(world: World, **asked: str) -> list[str]:
    return [f"{run.train_id} {run.travel_date}" for run in (await world.api_client().list_runs(**asked)).train_runs]


def put(clock: Clock, moment: datetime) -> None:
    clock.ahead = moment - datetime.now(UTC)


@pytest.mark.parametrize("days", [0, 1, 2, 7])
@pytest.mark.parametrize(("begin", "end"), [(FAR_EAST, FAR_WEST), (FAR_WEST, FAR_EAST), ("UTC", "UTC")])
async def test_a_run_is_listed_until_it_has_arrived(clock: Clock, world: World, days: int, begin: str, end: str) -> None:
    if (begin, days) == (FAR_WEST, 0):
        days = 3  # it would arrive before its departure
    run = await world.run("A1", date=on_day(FIRST_DAY), stops=a_journey(days, begin, end))
    found = await world.api_client().run_of(run)
    arrive = found.stops[-1].arrive_time.ToDatetime(UTC)
    for moment in (found.stops[0].depart_time.ToDatetime(UTC), arrive - A_MINUTE):
        put(clock, moment)
        assert await listed(world) == [f"es9014 {run.travel_date}"]
    put(clock, arrive + A_MINUTE)
    is_recent = run.travel_date >= (arrive + A_MINUTE - timedelta(days=1)).date().isoformat()
    assert await listed(world) == ([f"es9014 {run.travel_date}"] if is_recent else [])


async def test_a_late_run_is_listed_until_its_expected_arrival(clock: Clock, world: World) -> None:
    run = await world.run("A1", date=on_day(FIRST_DAY), stops=a_journey(1, "UTC", "UTC"))
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY)}T08:00Z"))
    await world.desk.set_delay(run, 1_440)
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 2)}T23:58Z"))
    assert await listed(world) == [f"es9014 {run.travel_date}"]
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 3)}T00:00Z"))
    assert await listed(world) == []


async def test_a_train_of_two_nights_is_listed_while_it_is_sold(clock: Clock, world: World) -> None:
    stops = [
        train_pb2.TrainStop(name="Here", time_zone="UTC", depart_time="06:00"),
        train_pb2.TrainStop(
            name="Half Way", time_zone="UTC", arrive_time="23:00", arrive_day_offset=2, depart_time="23:30", depart_day_offset=2
        ),
        train_pb2.TrainStop(name="There", time_zone="UTC", arrive_time="09:00", arrive_day_offset=3),
    ]
    run = await world.run("A2", date=on_day(FIRST_DAY), stops=stops)
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 2)}T22:00Z"))
    booked = await world.api_client("jane").book(run, origin="Half Way", destination="There")
    assert booked.reference
    (found,) = (await world.api_client().list_runs(origin="half way", destination="there")).train_runs
    assert (found.travel_date, found.state) == (run.travel_date, train_run_pb2.RUN_STATE_DEPARTED)
    assert await listed(world, origin="There") == []


async def test_runs_under_way_come_before_those_to_come_page_by_page(clock: Clock, world: World) -> None:
    await world.runs("A1", *(on_day(FIRST_DAY + day) for day in range(12)), train_id="week", stops=a_journey(7))
    await world.runs("A1", *(on_day(FIRST_DAY + day) for day in range(12)), train_id="day")
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 9)}T12:00Z"))
    # The week trains of days 2 to 7 are under way; those of days 0 and 1 have arrived, as have all day trains but the last.
    wanted = [f"week {on_day(FIRST_DAY + day)}" for day in range(2, 8)]
    wanted += [f"{train} {on_day(FIRST_DAY + day)}" for day in range(8, 12) for train in ("day", "week")]
    assert await listed(world) == wanted
    found: list[str] = []
    token = ""
    while len(found) == 0 or token:
        page = await world.api_client().list_runs(page_size=4, page_token=token)
        found += [f"{run.train_id} {run.travel_date}" for run in page.train_runs]
        token = page.next_page_token
    assert found == wanted


async def test_a_run_that_an_earlier_version_has_made_is_listed_until_it_has_arrived(clock: Clock, world: World) -> None:
    run = await world.run("A1", date=on_day(FIRST_DAY), stops=a_journey(7, "UTC", "UTC"))
    await world.database["train_runs"].update_many({}, {"$unset": {"arrive_time": ""}})
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 7)}T23:58Z"))
    assert await listed(world) == [f"es9014 {run.travel_date}"]
    put(clock, datetime.fromisoformat(f"{on_day(FIRST_DAY + 8)}T00:00Z"))
    assert await listed(world) == []


async def test_runs_under_way_are_found_without_reading_those_that_have_arrived(mongod: EmbeddedMongod) -> None:
    now = datetime.fromisoformat(f"{on_day(FIRST_DAY + 30)}T12:00Z")
    async with running_server(settings_for(mongod.uri)) as world:
        dates = [on_day(FIRST_DAY + day) for day in range(60)]
        await world.runs("A1", *dates, train_id="day")
        await world.runs("A1", *dates, train_id="week", stops=a_journey(7))
        query = under_way_query(now, on_day(FIRST_DAY + 29))
        command = {
            "find": "train_runs",
            "filter": query,
            "sort": {"travel_date": 1, "_id": 1},
            "limit": 21,
            "hint": UNDER_WAY_INDEX,
        }
        explained = await world.database.command("explain", command, verbosity="executionStats")
    statistics = explained["executionStats"]
    assert statistics["nReturned"] == 6
    assert statistics["totalDocsExamined"] <= 6
    assert statistics["totalKeysExamined"] <= 40
    assert UNDER_WAY_INDEX in str(explained["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in str(explained["queryPlanner"]["winningPlan"])
