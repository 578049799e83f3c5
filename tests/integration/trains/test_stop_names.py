"""Names of stops: a stop is found in every spelling, also one that an earlier version stored unchanged."""

from __future__ import annotations

from typing import Any

import pytest

from app.pb.seatline.v1 import train_pb2
from tests.support.clients import Run
from tests.support.world import TRAVEL_DATE, World, a_train

ZONE = "Europe/Zurich"


def stops(first: str, last: str, code: str = "") -> list[train_pb2.TrainStop]:
    return [
        train_pb2.TrainStop(name=first, code=code, time_zone=ZONE, depart_time="10:24"),
        train_pb2.TrainStop(name=last, time_zone=ZONE, arrive_time="13:56"),
    ]


async def is_found(world: World, origin: str, destination: str) -> bool:
    """Return whether the only run can be listed, read and booked, and its receipt filtered, by these stops."""
    jane = world.api_client("jane")
    (listed,) = (await jane.list_runs(origin=origin, destination=destination)).train_runs
    run = Run(train_id=listed.train_id, travel_date=listed.travel_date)
    await jane.run_of(run, origin=origin, destination=destination)
    booking = await jane.book(run, origin=origin, destination=destination)
    await world.wait_until_archived()
    found = booking.reference in await jane.receipts(origin=origin, destination=destination)
    await jane.cancel(booking.reference)
    return found


async def test_names_are_stored_without_surrounding_blanks_and_composed(world: World) -> None:
    train = a_train(stops=stops("Aurora ", "Zu\u0308rich", " AUR"), train_id="n1")
    train.number, train.coaches[0].name, train.stops[0].time_zone = " N 1", "1 ", f"{ZONE} "
    made = await world.desk.create_train(train, request_id="r1")
    assert [(stop.name, stop.code) for stop in made.stops] == [("Aurora", "AUR"), ("Zürich", "")]
    assert (made.number, made.coaches[0].name) == ("N 1", "1")
    assert await world.desk.create_train(train, request_id="r1") == made
    await world.desk.schedule(" n1 ", TRAVEL_DATE)
    for origin, destination in (("Aurora ", "Zu\u0308rich"), ("aurora", " ZÜRICH"), ("aur ", "zürich\u00a0")):
        assert await is_found(world, origin, destination)


async def as_an_earlier_version_stored(world: World, names: list[str], forms: list[str]) -> None:
    changes: dict[str, Any] = {"stops.0.name": names[0], "stops.1.name": names[1], "stop_forms": forms}
    for collection in ("trains", "train_runs"):
        await world.database[collection].update_many({}, {"$set": changes})


@pytest.mark.parametrize(
    ("names", "forms", "asked"),
    [
        (["Aurora ", "Bern"], ["aurora ", "bern"], ("Aurora", "bern")),
        (["\t Aurora  ", "Bern"], ["\t aurora  ", "bern"], ("Aurora ", "Bern")),
        (["Aurora", "Zu\u0308rich"], ["aurora", "zu\u0308rich"], ("aurora", "Zürich")),
        (["Gießen ", "Χανιάς"], ["giessen ", "χανιάσ"], ("GIESSEN", "ΧΑΝΙΆΣ")),
    ],
)
async def test_a_train_of_an_earlier_version_is_found(
    world: World, names: list[str], forms: list[str], asked: tuple[str, str]
) -> None:
    await world.run("A4", stops=stops("First", "Last"))
    await as_an_earlier_version_stored(world, names, forms)
    assert await is_found(world, *asked)


async def test_repeating_the_request_of_an_earlier_train_still_returns_it(world: World) -> None:
    train = a_train(stops=stops("Aurora ", "Bern"))
    await world.desk.create_train(train, request_id="r1")
    await as_an_earlier_version_stored(world, ["Aurora ", "Bern"], ["aurora ", "bern"])
    assert (await world.desk.create_train(train, request_id="r1")).stops[0].name == "Aurora "


@pytest.mark.parametrize("section", ["A", " A", "a", "a\n"])
async def test_a_section_is_found_in_every_spelling(world: World, section: str) -> None:
    run = await world.run("A2 B2")
    booking = await world.api_client("jane").book(run, section=section)
    assert booking.passengers[0].seat.section == "A"
    assert await world.desk.section(run, section) == [("A-1", "jane@example.com")]
