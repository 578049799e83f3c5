"""Permissions over the wire: of anonymous callers, of people for their own resources, of operators for all."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from tests.support.clients import ApiClient, Run, person, refusal
from tests.support.world import TRAVEL_DATE, World, a_train

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND")
UNKNOWN = "ZZZZZZ"
RUN = Run(train_id="es9014", travel_date=TRAVEL_DATE)


async def test_anonymous_callers_are_refused_where_a_caller_is_needed(world: World) -> None:
    nobody = world.api_client()
    for call in (
        nobody.book(RUN, "jane"),
        nobody.booking(UNKNOWN),
        nobody.receipt(UNKNOWN),
        nobody.receipts_page("jane"),
        nobody.update(UNKNOWN, person("jane")),
        nobody.move(UNKNOWN, "jane"),
        nobody.cancel(UNKNOWN),
        nobody.register("Jane", "Doe", "jane"),
        nobody.user("jane"),
        nobody.rename("jane", first_name="J", last_name="D"),
        nobody.create_train(a_train()),
        nobody.train("es9014"),
        nobody.list_trains(),
        nobody.schedule("es9014", TRAVEL_DATE),
        nobody.section(RUN, "A"),
        nobody.promote(RUN),
    ):
        assert (await refusal(call)).says == UNNAMED


async def test_anonymous_callers_are_refused_before_their_request_is_checked(world: World) -> None:
    assert (await refusal(world.api_client().booking("not a reference"))).says == UNNAMED


async def test_the_operator_role_has_no_effect_without_a_name(world: World) -> None:
    assert (await refusal(world.api_client(roles="operator").list_trains())).says == UNNAMED


@pytest.mark.parametrize("name", ["jane@", "@example.com", "a b@example.com", "x" * 260 + "@example.com"])
async def test_a_name_that_is_not_an_address_is_refused(world: World, name: str) -> None:
    assert (await refusal(world.api_client(name).booking(UNKNOWN))).says == UNNAMED


async def test_anyone_may_read_runs_and_seats(world: World) -> None:
    run = await world.run("A2")
    await world.api_client("jane").book(run)
    nobody = world.api_client()
    assert await nobody.free(run) == {"A": 1}
    assert await nobody.seat_map(run) == {"A-1": "SOLD", "A-2": "FREE"}
    assert len((await nobody.list_runs()).train_runs) == 1


async def test_anothers_booking_is_refused_in_the_same_words_whether_or_not_it_exists(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    joe = world.api_client("joe")

    async def ask(reference: str) -> list[str]:
        calls = (
            joe.booking(reference),
            joe.receipt(reference),
            joe.update(reference, person("joe")),
            joe.move(reference, seat_number=2),
            joe.cancel(reference),
        )
        refused = [await refusal(call) for call in calls]
        assert {error.says for error in refused} == {NOT_PERMITTED}
        return [repr(error).replace(reference, "THIS") for error in refused]

    assert await ask(booking.reference) == await ask(UNKNOWN)
    assert await world.api_client("jane").booking(booking.reference) == booking


async def test_operators_get_not_found_for_a_missing_booking(world: World) -> None:
    desk = world.desk
    for call in (
        desk.booking(UNKNOWN),
        desk.receipt(UNKNOWN),
        desk.update(UNKNOWN, person("joe")),
        desk.move(UNKNOWN, "joe"),
        desk.cancel(UNKNOWN),
    ):
        refused = await refusal(call)
        assert (refused.says, refused.resource) == (NOT_FOUND, ("booking", UNKNOWN))


async def test_operators_may_read_every_booking(world: World) -> None:
    booking = await world.api_client("jane").book(await world.run())
    assert await world.desk.booking(booking.reference) == booking


async def test_anothers_receipts_are_refused_whether_or_not_the_person_is_known(world: World) -> None:
    await world.api_client("jane").book(await world.run())
    joe = world.api_client("joe")
    known, unknown = await refusal(joe.receipts_page("jane")), await refusal(joe.receipts_page("nobody"))
    assert known.says == NOT_PERMITTED
    assert known == unknown


@pytest.mark.parametrize("roles", ["", "admin", "Operator", "operators"])
async def test_only_the_role_of_operator_makes_an_operator(world: World, roles: str) -> None:
    api_client = world.api_client("jane", roles=roles)
    for call in (
        api_client.create_train(a_train()),
        api_client.train("es9014"),
        api_client.list_trains(),
        api_client.schedule("es9014", TRAVEL_DATE),
        api_client.section(RUN, "A"),
        api_client.promote(RUN),
    ):
        assert (await refusal(call)).says == NOT_PERMITTED


async def test_the_operator_role_is_found_in_a_list_of_roles(world: World) -> None:
    api_client: ApiClient = world.api_client("jane", roles="auditor, operator")
    assert (await api_client.list_trains()).trains == []


async def test_people_read_their_own_user_and_operators_all(world: World) -> None:
    jane = world.api_client("jane")
    registered = await jane.register("Jane", "Doe")
    assert (registered.first_name, registered.last_name, registered.email) == ("Jane", "Doe", "jane@example.com")
    assert await jane.user("JANE@example.com") == registered
    assert await world.desk.user("jane") == registered
    assert (await refusal(world.api_client("joe").user("jane"))).says == NOT_PERMITTED
    assert (await refusal(world.api_client("joe").register("J", "D", "jane"))).says == NOT_PERMITTED


async def test_registering_again_succeeds_but_not_under_another_name(world: World) -> None:
    jane = world.api_client("jane")
    registered = await jane.register("Jane", "Doe")
    assert await jane.register("Jane", "Doe") == registered
    refused = await refusal(jane.register("Janet", "Doe"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "USER_ALREADY_EXISTS")


@pytest.mark.parametrize(
    ("first_name", "last_name"),
    [(" Zoë ", "Van  Dyk"), ("Zoe\u0308", "van dyk"), ("ZOË", "VAN DYK\u00a0")],
)
async def test_registering_again_in_another_spelling_of_the_same_name_succeeds(
    world: World, first_name: str, last_name: str
) -> None:
    jane = world.api_client("jane")
    registered = await jane.register("Zoë", "Van Dyk")
    assert await jane.register(first_name, last_name) == registered
    assert (await refusal(jane.register("Zoe", "Van Dyk"))).says == (grpc.StatusCode.ALREADY_EXISTS, "USER_ALREADY_EXISTS")


async def test_people_change_their_own_names_and_operators_all(world: World) -> None:
    jane = world.api_client("jane")
    registered = await jane.register("Jnae", "Deo")
    corrected = await jane.rename(first_name="Jane", last_name="Doe", etag=registered.etag)
    assert (corrected.first_name, corrected.last_name, corrected.email) == ("Jane", "Doe", "jane@example.com")
    assert corrected.etag != registered.etag
    assert await jane.user() == corrected
    married = await world.desk.rename("JANE@Example.com", last_name="Roe", first_name="", mask=["last_name"])
    assert (married.first_name, married.last_name) == ("Jane", "Roe")
    assert await jane.register("Jane", "Roe") == married
    assert (await refusal(world.api_client("joe").rename("jane", first_name="J", last_name="D"))).says == NOT_PERMITTED


async def test_a_new_name_is_on_later_bookings_and_not_on_earlier_ones(world: World) -> None:
    run, jane = await world.run(), world.api_client("jane")
    await jane.register("Jnae", "Doe")
    before = await jane.book(run, "joe")
    await jane.rename(first_name="Jane", mask=["first_name"])
    after = await jane.book(run, "ann")
    assert (before.user.first_name, after.user.first_name) == ("Jnae", "Jane")
    assert (await jane.booking(before.reference)).user.first_name == "Jnae"


async def test_a_name_that_is_already_right_changes_nothing(world: World) -> None:
    jane = world.api_client("jane")
    registered = await jane.register("Jane", "Doe")
    assert await jane.rename(first_name="Jane", last_name="Doe") == registered


async def test_an_update_with_a_stale_etag_or_an_invalid_name_is_refused(world: World) -> None:
    jane = world.api_client("jane")
    assert (await refusal(jane.rename(first_name="J", last_name="D"))).says == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
    registered = await jane.register("Jane", "Doe")
    await jane.rename(first_name="Janet", mask=["first_name"])
    refused = await refusal(jane.rename(first_name="Jean", mask=["first_name"], etag=registered.etag))
    assert refused.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    for call in (
        jane.rename(first_name="J"),
        jane.rename(first_name="J\u200b", mask=["first_name"]),
        jane.rename(first_name="J", mask=["email"]),
        jane.rename(first_name="J", mask=["first_name", "user.first_name"]),
    ):
        assert (await refusal(call)).says == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert (await jane.user()).first_name == "Janet"


async def test_of_simultaneous_updates_the_last_is_stored_and_each_counts_as_a_version(world: World) -> None:
    jane = world.api_client("jane")
    await jane.register("Jane", "Doe")
    names = [f"Jane {letter}" for letter in "abcd"]
    answers = await asyncio.gather(*(jane.rename(first_name=name, mask=["first_name"]) for name in names))
    assert len({answer.etag for answer in answers}) == len(names)
    assert (await jane.user()).first_name in names


async def test_an_unknown_user_is_not_found(world: World) -> None:
    assert (await refusal(world.desk.user("jane"))).says == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
