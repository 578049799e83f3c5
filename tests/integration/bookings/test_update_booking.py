"""UpdateBooking: the fields of passengers, who may change them, and what an update must not break."""

from __future__ import annotations

import grpc

from tests.support.clients import Person, person, refusal, seats_of
from tests.support.world import World

NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
UNKNOWN = "ZZZZZZ"


async def test_an_unknown_booking_is_not_found_for_an_operator(world: World) -> None:
    refused = await refusal(world.desk.update(UNKNOWN, person("jane")))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND")
    assert refused.resource == ("booking", UNKNOWN)


async def test_an_unknown_booking_cannot_be_updated_by_a_passenger(world: World) -> None:
    assert (await refusal(world.api_client("jane").update(UNKNOWN, person("jane")))).says == NOT_PERMITTED


async def test_the_booker_updates_a_known_booking(world: World) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    booking = await jane.book(run)
    updated = await jane.update(booking.reference, person("jane", "Janet", "Roe"))
    (passenger,) = updated.passengers
    assert (passenger.first_name, passenger.last_name, passenger.email) == ("Janet", "Roe", "jane@example.com")
    assert (seats_of(updated), updated.price) == (seats_of(booking), booking.price)
    assert await jane.booking(booking.reference) == updated
    (receipt,) = (await jane.receipts_page()).receipts
    assert receipt.passengers[0].last_name == "Roe"


async def test_an_operator_may_update_too(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    updated = await world.desk.update(booking.reference, person("jane", "Janet"))
    assert updated.passengers[0].first_name == "Janet"


async def test_a_passenger_who_did_not_book_may_read_but_not_update(world: World) -> None:
    booking = await world.api_client("agent").book(await world.run(), "ann", "bob")
    ann = world.api_client("ann")
    assert (await ann.booking(booking.reference)).reference == booking.reference
    assert (await refusal(ann.update(booking.reference, person("ann", "Anna"), person("bob")))).says == NOT_PERMITTED
    assert (await ann.booking(booking.reference)).passengers[0].first_name == "Ann"


async def test_a_stranger_may_not_update(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    assert (await refusal(world.api_client("joe").update(booking.reference, person("joe")))).says == NOT_PERMITTED
    assert await world.api_client("jane").booking(booking.reference) == booking


async def test_only_the_fields_of_the_mask_change(world: World) -> None:
    booking = await world.api_client("agent").book(await world.run(), "ann", "bob")
    sent = (Person(last_name="New"), Person(last_name="Other"))
    updated = await world.api_client("agent").update(booking.reference, *sent, mask=["passengers.last_name"])
    assert [(passenger.first_name, passenger.last_name, passenger.email) for passenger in updated.passengers] == [
        ("Ann", "New", "ann@example.com"),
        ("Bob", "Other", "bob@example.com"),
    ]


async def test_a_mask_of_anything_else_is_refused(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    for path in ("price", "passengers.seat", "passenger.first_name", "passengers.first_name.x", ""):
        refused = await refusal(
            world.api_client("jane").update(booking.reference, person("jane"), mask=["passengers.last_name", path])
        )
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("update_mask.paths[1]",)), path


async def test_an_update_without_numbers_needs_every_passenger(world: World) -> None:
    booking = await world.api_client("agent").book(await world.run(), "ann", "bob")
    refused = await refusal(world.api_client("agent").update(booking.reference, person("ann")))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("passengers",))


async def test_a_changed_address_keeps_the_rule_of_one_live_booking(world: World) -> None:
    run = await world.run()
    await world.api_client("joe").book(run)
    jane = world.api_client("jane")
    booking = await jane.book(run)
    refused = await refusal(jane.update(booking.reference, person("joe")))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")
    assert await jane.booking(booking.reference) == booking


async def test_a_new_address_may_not_book_again_and_the_old_one_may(world: World) -> None:
    run = await world.run()
    jane = world.api_client("jane")
    booking = await jane.book(run)
    await jane.update(booking.reference, person("janet"))
    refused = await refusal(world.api_client("janet").book(run))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")
    assert seats_of(await jane.book(run)) == ["A-2"]


async def test_passengers_of_one_booking_may_swap_addresses_but_not_share_one(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run(), "ann", "bob")
    swapped = await agent.update(booking.reference, person("bob"), person("ann"))
    assert [passenger.email for passenger in swapped.passengers] == ["bob@example.com", "ann@example.com"]
    refused = await refusal(agent.update(booking.reference, person("ann"), person("ANN@example.com")))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("passengers[1].email",))


async def test_receipts_follow_a_changed_address(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run())
    await jane.update(booking.reference, person("janet"))
    assert await world.api_client("janet").receipts() == [booking.reference]
    assert await jane.receipts() == [booking.reference], "jane booked, whoever travels"


async def test_a_stale_etag_is_refused_and_the_newest_accepted(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run())
    updated = await jane.update(booking.reference, person("jane", "Janet"), etag=booking.etag)
    assert updated.etag != booking.etag
    refused = await refusal(jane.update(booking.reference, person("jane", "Joan"), etag=booking.etag))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    assert (await jane.booking(booking.reference)).passengers[0].first_name == "Janet"
    await jane.update(booking.reference, person("jane", "Joan"), etag=updated.etag)


async def test_an_update_that_changes_nothing_leaves_the_etag(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run())
    assert await jane.update(booking.reference, person("jane")) == booking


async def test_a_cancelled_booking_cannot_be_updated(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run())
    await jane.cancel(booking.reference)
    refused = await refusal(jane.update(booking.reference, person("jane", "Janet")))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_CANCELLED")


async def test_a_malformed_new_address_is_refused_under_its_path(world: World) -> None:
    agent = world.api_client("agent")
    booking = await agent.book(await world.run(), "ann", "bob")
    refused = await refusal(agent.update(booking.reference, person("ann"), person("b b@example.com")))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("passengers[1].email",))
