"""CreateBooking: the order of the seats, the answer, and what is not sold.

Belongs here: one caller at a time. Does not belong here: crowds (`tests/integration/runs/test_booking_crowds.py`), bad requests
(`tests/integration/rpc/test_malformed_requests.py`),
the same request again (`test_repeated_requests.py`).
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import grpc
import pytest

from app.pb.seatline.v1 import booking_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Person, people, refusal, seats_of
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World, usd

FULL = (grpc.StatusCode.FAILED_PRECONDITION, "SECTION_FULL")
BOOKED_ALREADY = (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")


async def test_seat_numbers_rise_section_by_section(world: World) -> None:
    run = await world.run("A2 A1 B2")
    booked = [await world.api_client(name).book(run) for name in people("p", 5)]
    assert [seats_of(booking)[0] for booking in booked] == ["A-1", "A-2", "A-3", "B-1", "B-2"]
    assert [booking.passengers[0].seat.coach for booking in booked] == ["1", "1", "2", "3", "3"]


async def test_seat_numbers_rise_within_the_section_that_was_asked_for(world: World) -> None:
    run = await world.run("A2 B3")
    wanted = ["B", "A", "B", "A", "B"]
    booked = [await world.api_client(f"p{index}").book(run, section=section) for index, section in enumerate(wanted)]
    assert [seats_of(booking)[0] for booking in booked] == ["B-1", "A-1", "B-2", "A-2", "B-3"]


async def test_the_answer_repeats_the_request(world: World) -> None:
    run = await world.run()
    jane = Person(first_name="Jane", last_name="Roe", email="jane@example.com")
    booking = await world.api_client("jane").book(run, jane, origin=ASHFORD, destination=LILLE)
    (passenger,) = booking.passengers
    assert (passenger.first_name, passenger.last_name, passenger.email) == ("Jane", "Roe", "jane@example.com")
    assert (booking.origin, booking.destination) == (ASHFORD, LILLE)
    assert (booking.train_id, booking.travel_date) == ("es9014", TRAVEL_DATE)
    assert booking.price == usd(20)
    assert booking.state == booking_pb2.BOOKING_STATE_CONFIRMED
    assert (booking.user.first_name, booking.user.last_name, booking.user.email) == ("Jane", "Roe", "jane@example.com")


async def test_the_booking_read_again_equals_the_answer(world: World) -> None:
    run = await world.run()
    api_client = world.api_client("jane")
    booking = await api_client.book(run, "jane", "joe")
    assert await api_client.booking(booking.reference) == booking
    assert await api_client.booking(booking.reference.lower()) == booking


async def test_the_receipt_has_stops_user_seat_and_price(world: World) -> None:
    run = await world.run()
    api_client = world.api_client("jane")
    booking = await api_client.book(run)
    receipt = await api_client.receipt(booking.reference)
    assert (receipt.origin, receipt.destination) == (LONDON, PARIS)
    assert (receipt.user.first_name, receipt.user.last_name, receipt.user.email) == ("Jane", "Doe", "jane@example.com")
    assert receipt.price_paid == usd(20)
    assert [seat.label for seat in receipt.seats] == ["A-1"]
    assert (receipt.train_id, receipt.travel_date, receipt.train_number) == ("es9014", TRAVEL_DATE, "ES 9014")
    assert receipt.issue_time == booking.create_time


async def test_departure_and_arrival_follow_the_local_clocks_of_their_stations(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    depart = booking.depart_time.ToDatetime(tzinfo=ZoneInfo("UTC"))
    arrive = booking.arrive_time.ToDatetime(tzinfo=ZoneInfo("UTC"))
    assert depart == datetime.fromisoformat(f"{TRAVEL_DATE}T10:24").replace(tzinfo=ZoneInfo("Europe/London"))
    assert arrive == datetime.fromisoformat(f"{TRAVEL_DATE}T13:56").replace(tzinfo=ZoneInfo("Europe/Paris"))


async def test_stops_may_be_given_by_code_and_in_any_case_and_are_answered_by_their_names(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run(), origin="stp", destination="paris GARE du nord")
    assert (booking.origin, booking.destination) == (LONDON, PARIS)


async def test_a_group_gets_neighbouring_seats_and_pays_the_sum_of_its_fares(world: World) -> None:
    run = await world.run("A4", fares={"A": usd(19, 99)})
    booking = await world.api_client("jane").book(run, *people("g", 3))
    assert seats_of(booking) == ["A-1", "A-2", "A-3"]
    assert booking.seats_together
    assert booking.price == usd(59, 97)


async def test_a_group_that_cannot_sit_together_learns_it_from_the_answer(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run("A2 A2"), *people("g", 3))
    assert seats_of(booking) == ["A-1", "A-2", "A-3"]
    assert not booking.seats_together


async def test_a_second_live_booking_of_the_same_user_is_refused(world: World) -> None:
    run = await world.run()
    api_client = world.api_client("jane")
    await api_client.book(run)
    refused = await refusal(api_client.book(run, section="B"))
    assert refused.says == BOOKED_ALREADY
    assert refused.resource == ("passenger", "jane@example.com")
    assert await api_client.free(run) == {"A": 3, "B": 4}


async def test_a_second_live_booking_is_refused_however_the_address_is_written(world: World) -> None:
    run = await world.run()
    await world.api_client("jane").book(run, "jane@example.com")
    assert (await refusal(world.api_client("jane").book(run, "JANE@Example.com"))).says == BOOKED_ALREADY


@pytest.mark.parametrize("booked_before", ["g1", "g2", "g3"])
async def test_a_second_live_booking_of_any_user_of_a_group_is_refused(world: World, booked_before: str) -> None:
    run = await world.run()
    await world.api_client(booked_before).book(run)
    refused = await refusal(world.api_client("agent").book(run, *people("g", 3)))
    assert refused.says == BOOKED_ALREADY
    assert refused.resource == ("passenger", f"{booked_before}@example.com")
    assert await world.api_client().free(run) == {"A": 3, "B": 4}


async def test_a_member_of_a_group_cannot_book_once_more_alone(world: World) -> None:
    run = await world.run()
    await world.api_client("agent").book(run, *people("g", 3))
    for name in people("g", 3):
        assert (await refusal(world.api_client(name).book(run))).says == BOOKED_ALREADY


async def test_the_same_user_may_book_on_another_date_and_on_another_train(world: World) -> None:
    first, second = await world.runs("A2", TRAVEL_DATE, NEXT_DATE)
    other = await world.run("A2", train_id="es9016")
    api_client = world.api_client("jane")
    references = {(await api_client.book(run)).reference for run in (first, second, other)}
    assert len(references) == 3


async def test_a_booker_for_others_may_book_again_and_travel_too(world: World) -> None:
    run = await world.run()
    agent = world.api_client("agent")
    booked = [await agent.book(run, name) for name in ("ann", "bob", "agent")]
    assert [seats_of(booking) for booking in booked] == [["A-1"], ["A-2"], ["A-3"]]


async def test_after_a_cancellation_the_same_user_may_book_again(world: World) -> None:
    run = await world.run()
    api_client = world.api_client("jane")
    first = await api_client.book(run)
    await api_client.cancel(first.reference)
    second = await api_client.book(run)
    assert second.reference != first.reference


async def test_a_full_section_refuses_with_its_reason(world: World) -> None:
    run = await world.run("A1 B1")
    await world.api_client("jane").book(run, section="A")
    refused = await refusal(world.api_client("joe").book(run, section="A"))
    assert (refused.says, refused.domain) == (FULL, "seatline")
    assert await world.api_client().free(run) == {"A": 0, "B": 1}
    assert await world.desk.section(run, "A") == [("A-1", "jane@example.com")]


async def test_a_section_without_seats_sells_none(world: World) -> None:
    run = await world.run("A1", empty_sections=["B"])
    assert (await refusal(world.api_client("joe").book(run, section="B"))).says == FULL


async def test_a_full_train_sells_no_seat(world: World) -> None:
    run = await world.run("A1 B1")
    await world.api_client("agent").book(run, "ann")
    await world.api_client("agent").book(run, "bob")
    assert (await refusal(world.api_client("joe").book(run))).says == FULL


async def test_a_chosen_seat_is_sold_and_later_skipped_by_the_counter(world: World) -> None:
    run = await world.run("A3")
    chosen = await world.api_client("jane").book(run, section="A", seats=[2])
    others = [await world.api_client(name).book(run) for name in people("p", 2)]
    assert [seats_of(booking) for booking in (chosen, *others)] == [["A-2"], ["A-1"], ["A-3"]]


async def test_a_chosen_seat_that_is_taken_is_refused_and_nothing_is_sold(world: World) -> None:
    run = await world.run("A3")
    await world.api_client("jane").book(run)
    refused = await refusal(world.api_client("agent").book(run, "ann", "bob", section="A", seats=[3, 1]))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "SEAT_TAKEN")
    assert refused.resource == ("seat", "A-1")
    assert await world.api_client().free(run) == {"A": 2}


async def test_an_unknown_train_or_date_is_not_found(world: World) -> None:
    run = await world.run()
    for train_id, date in (("es9999", TRAVEL_DATE), ("es9014", NEXT_DATE)):
        unknown = type(run)(train_id=train_id, travel_date=date)
        assert (await refusal(world.api_client("jane").book(unknown))).says == (
            grpc.StatusCode.NOT_FOUND,
            "TRAIN_RUN_NOT_FOUND",
        )


async def test_a_registered_booker_is_named_on_bookings_for_others(world: World) -> None:
    run = await world.run()
    agent = world.api_client("agent")
    unnamed = await agent.book(run, "ann")
    assert (unnamed.user.first_name, unnamed.user.email) == ("", "agent@example.com")
    await agent.register("Ada", "Agent")
    named = await agent.book(run, "bob")
    assert (named.user.first_name, named.user.last_name, named.user.email) == ("Ada", "Agent", "agent@example.com")
