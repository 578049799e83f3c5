"""ListSectionBookings: the passengers of a section, seat by seat, for operators."""

from __future__ import annotations

import grpc

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Run, people, refusal
from tests.support.world import TRAVEL_DATE, World


async def test_an_empty_section_has_an_empty_list(world: World) -> None:
    run = await world.run("A2 B2")
    await world.api_client("jane").book(run, section="A")
    assert await world.desk.section(run, "B") == []


async def test_each_user_of_a_section_is_listed_with_the_seat(world: World) -> None:
    run = await world.run("A3 B2")
    await world.api_client("zoe").book(run, section="A")
    await world.api_client("agent").book(run, "ann", "bob", section="A")
    await world.api_client("cem").book(run, section="B")
    assert await world.desk.section(run, "A") == [
        ("A-1", "zoe@example.com"),
        ("A-2", "ann@example.com"),
        ("A-3", "bob@example.com"),
    ]
    assert await world.desk.section(run, "B") == [("B-1", "cem@example.com")]


async def test_a_row_has_booker_passenger_and_journey(world: World) -> None:
    run = await world.run("A2")
    booking = await world.api_client("agent").book(run, "ann", origin=ASHFORD, destination=LILLE)
    (row,) = (await world.desk.section_page(run, "A")).rows
    assert (row.user.email, row.passenger.first_name, row.passenger.last_name) == ("agent@example.com", "Ann", "Doe")
    assert (row.reference, row.seat.label, row.seat.coach) == (booking.reference, "A-1", "1")
    assert (row.origin, row.destination, row.state) == (ASHFORD, LILLE, booking_pb2.BOOKING_STATE_CONFIRMED)


async def test_two_journeys_on_one_seat_are_two_rows(world: World) -> None:
    run = await world.run("A1")
    await world.api_client("early").book(run, origin=LONDON, destination=ASHFORD)
    await world.api_client("late").book(run, origin=LILLE, destination=PARIS)
    rows = await world.desk.section(run, "A")
    assert sorted(rows) == [("A-1", "early@example.com"), ("A-1", "late@example.com")]


async def test_a_cancelled_passenger_is_no_longer_listed(world: World) -> None:
    run = await world.run("A3")
    booking = await world.api_client("agent").book(run, "ann", "bob")
    await world.api_client("agent").cancel(booking.reference, "ann")
    assert await world.desk.section(run, "A") == [("A-2", "bob@example.com")]


async def test_a_section_list_comes_page_by_page(world: World) -> None:
    run = await world.run("A5")
    for name in people("p", 5):
        await world.api_client(name).book(run)
    listed: list[str] = []
    token = ""
    for _ in range(3):
        page = await world.desk.section_page(run, "A", page_size=2, page_token=token)
        listed += [row.seat.label for row in page.rows]
        token = page.next_page_token
    assert (listed, token) == (["A-1", "A-2", "A-3", "A-4", "A-5"], "")


async def test_a_section_that_the_train_does_not_have_is_refused(world: World) -> None:
    run = await world.run("A1")
    refused = await refusal(world.desk.section(run, "Z"))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("section",))
    assert (await refusal(world.desk.section(run, ""))).fields == ("section",)


async def test_a_run_that_does_not_exist_is_not_found(world: World) -> None:
    refused = await refusal(world.desk.section(Run(train_id="es1", travel_date=TRAVEL_DATE), "A"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")


async def test_only_operators_may_list_section_bookings(world: World) -> None:
    run = await world.run("A1")
    refused = await refusal(world.api_client("jane").section(run, "A"))
    assert refused.says == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
