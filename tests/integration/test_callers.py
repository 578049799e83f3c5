"""Who may do what: nobody without a name, passengers with their own, operators with everything."""

from __future__ import annotations

import grpc
import pytest

from tests.integration.clients import Phone, Run, person, refusal
from tests.integration.world import TRAVEL_DATE, World, a_train

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
NOT_PERMITTED = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
NOT_FOUND = (grpc.StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND")
UNKNOWN = "ZZZZZZ"
RUN = Run(train_id="es9014", travel_date=TRAVEL_DATE)


async def test_callers_without_a_name_can_do_nothing_that_needs_one(world: World) -> None:
    nobody = world.phone()
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
        nobody.create_train(a_train()),
        nobody.train("es9014"),
        nobody.list_trains(),
        nobody.schedule("es9014", TRAVEL_DATE),
        nobody.section(RUN, "A"),
        nobody.promote(RUN),
    ):
        assert (await refusal(call)).says == UNNAMED


async def test_callers_without_a_name_learn_nothing_about_what_a_request_should_look_like(world: World) -> None:
    assert (await refusal(world.phone().booking("not a reference"))).says == UNNAMED


async def test_the_role_of_operator_without_a_name_is_worth_nothing(world: World) -> None:
    assert (await refusal(world.phone(roles="operator").list_trains())).says == UNNAMED


@pytest.mark.parametrize("name", ["jane@", "@example.com", "a b@example.com", "x" * 260 + "@example.com"])
async def test_a_name_that_is_no_address_is_no_name(world: World, name: str) -> None:
    assert (await refusal(world.phone(name).booking(UNKNOWN))).says == UNNAMED


async def test_anybody_may_look_at_runs_and_seats(world: World) -> None:
    run = await world.run("A2")
    await world.phone("jane").book(run)
    nobody = world.phone()
    assert await nobody.free(run) == {"A": 1}
    assert await nobody.seat_map(run) == {"A-1": "SOLD", "A-2": "FREE"}
    assert len((await nobody.list_runs()).train_runs) == 1


async def test_somebody_elses_booking_is_refused_in_the_same_words_whether_or_not_it_exists(world: World) -> None:
    booking = await world.phone("jane").book(await world.run())
    joe = world.phone("joe")

    async def ask(reference: str) -> list[str]:
        calls = (
            joe.booking(reference),
            joe.receipt(reference),
            joe.update(reference, person("joe")),
            joe.move(reference, seat_number=2),
            joe.cancel(reference),
        )
        refused = [await refusal(call) for call in calls]
        assert {one.says for one in refused} == {NOT_PERMITTED}
        return [repr(one).replace(reference, "THIS") for one in refused]

    assert await ask(booking.reference) == await ask(UNKNOWN)
    assert await world.phone("jane").booking(booking.reference) == booking


async def test_operators_are_told_that_a_booking_does_not_exist(world: World) -> None:
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


async def test_operators_see_everybodys_booking(world: World) -> None:
    booking = await world.phone("jane").book(await world.run())
    assert await world.desk.booking(booking.reference) == booking


async def test_receipts_of_somebody_else_are_refused_whether_or_not_they_are_known(world: World) -> None:
    await world.phone("jane").book(await world.run())
    joe = world.phone("joe")
    known, unknown = await refusal(joe.receipts_page("jane")), await refusal(joe.receipts_page("nobody"))
    assert known.says == NOT_PERMITTED
    assert known == unknown


@pytest.mark.parametrize("roles", ["", "admin", "Operator", "operators"])
async def test_only_the_role_of_operator_makes_an_operator(world: World, roles: str) -> None:
    phone = world.phone("jane", roles=roles)
    for call in (
        phone.create_train(a_train()),
        phone.train("es9014"),
        phone.list_trains(),
        phone.schedule("es9014", TRAVEL_DATE),
        phone.section(RUN, "A"),
        phone.promote(RUN),
    ):
        assert (await refusal(call)).says == NOT_PERMITTED


async def test_roles_are_read_from_a_list_of_them(world: World) -> None:
    phone: Phone = world.phone("jane", roles="auditor, operator")
    assert (await phone.list_trains()).trains == []


async def test_people_register_and_see_themselves_and_operators_see_all(world: World) -> None:
    jane = world.phone("jane")
    registered = await jane.register("Jane", "Doe")
    assert (registered.first_name, registered.last_name, registered.email) == ("Jane", "Doe", "jane@example.com")
    assert await jane.user("JANE@example.com") == registered
    assert await world.desk.user("jane") == registered
    assert (await refusal(world.phone("joe").user("jane"))).says == NOT_PERMITTED
    assert (await refusal(world.phone("joe").register("J", "D", "jane"))).says == NOT_PERMITTED


async def test_registering_again_is_no_error_but_another_name_is(world: World) -> None:
    jane = world.phone("jane")
    registered = await jane.register("Jane", "Doe")
    assert await jane.register("Jane", "Doe") == registered
    refused = await refusal(jane.register("Janet", "Doe"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "USER_ALREADY_EXISTS")


async def test_somebody_nobody_knows_is_not_found(world: World) -> None:
    assert (await refusal(world.desk.user("jane"))).says == (grpc.StatusCode.NOT_FOUND, "USER_NOT_FOUND")
