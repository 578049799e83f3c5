"""Layout changes that are refused over gRPC: with which code, under which path, and with nothing done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.type.money_pb2 import Money

from app.pb.seatline.v1 import layout_pb2
from tests.support.clients import Run, refusal
from tests.support.layout_client import (
    Operation,
    add_coach,
    add_section,
    layout_client,
    layout_request,
    remove_coach,
    remove_seats,
    remove_section,
    set_fare,
    set_seat_count,
)
from tests.support.world import NEXT_DATE, Clock, World

INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
STALE = (grpc.StatusCode.ABORTED, "ETAG_STALE")
EUROS, PARTS = Money(currency_code="EUR", units=1), Money(currency_code="USD", nanos=1)


def fare_of(section: str, fare: Money | None) -> Operation:
    return Operation(set_fare=layout_pb2.SetFare(section=section, fare=fare))


def new_section(name: str, fare: Money | None) -> Operation:
    return Operation(add_section=layout_pb2.AddSection(name=name, fare=fare))


# Each on a run with coaches 1 (A, 4 seats), 2 (A, 2 seats) and 3 (B, 2 seats), after the other operations of the row.
REFUSED_OPERATIONS: list[tuple[str, list[Operation]]] = [
    ("operations[0]", [Operation()]),
    ("operations[0].remove_section.name", [remove_section("X")]),
    ("operations[0].remove_section.name", [remove_section("")]),
    ("operations[1].remove_section.name", [remove_section("A"), remove_section("B")]),
    ("operations[1].remove_section.name", [remove_section("A"), remove_section("A")]),
    ("operations[0].add_section.name", [add_section("A", 10)]),
    ("operations[0].add_section.name", [add_section("C-1", 10)]),
    ("operations[0].add_section.name", [add_section("TOOLONGNAME", 10)]),
    ("operations[0].add_section.fare", [new_section("C", None)]),
    ("operations[0].add_section.fare", [new_section("C", Money(currency_code="USD", units=-1))]),
    ("operations[0].add_section.fare", [new_section("C", Money(currency_code="USD", units=10**12))]),
    ("operations[0].add_section.fare.nanos", [new_section("C", PARTS)]),
    ("operations[0].add_section.fare.currency_code", [new_section("C", EUROS)]),
    ("operations[0].add_section.fare.currency_code", [new_section("C", Money(units=1))]),
    ("operations[0].set_fare.section", [set_fare("X", 10)]),
    ("operations[0].set_fare.fare", [fare_of("A", None)]),
    ("operations[0].set_fare.fare.currency_code", [fare_of("A", EUROS)]),
    ("operations[0].add_coach.name", [add_coach("1", "A", 1)]),
    ("operations[0].add_coach.name", [add_coach("", "A", 1)]),
    ("operations[0].add_coach.name", [add_coach("n 9", "A", 1)]),
    ("operations[1].add_coach.name", [remove_coach("1"), add_coach("1", "A", 1)]),
    ("operations[0].add_coach.section", [add_coach("9", "X", 1)]),
    ("operations[0].add_coach.seat_count", [add_coach("9", "A", 0)]),
    ("operations[0].add_coach.seat_count", [add_coach("9", "A", -1)]),
    ("operations[0].add_coach.seat_count", [add_coach("9", "A", 401)]),
    ("operations[12].add_coach.seat_count", [add_coach(f"N{number}", "A", 400) for number in range(13)]),
    ("operations[0].remove_coach.name", [remove_coach("9")]),
    ("operations[1].remove_coach.name", [remove_coach("2"), remove_coach("2")]),
    ("operations[2].remove_coach.name", [remove_coach("1"), remove_coach("2"), remove_coach("3")]),
    ("operations[0].set_seat_count.coach", [set_seat_count("9", 1)]),
    ("operations[0].set_seat_count.seat_count", [set_seat_count("1", 0)]),
    ("operations[0].set_seat_count.seat_count", [set_seat_count("1", -5)]),
    ("operations[0].set_seat_count.seat_count", [set_seat_count("1", 401)]),
    ("operations[0].remove_seats.section", [remove_seats("X", 1)]),
    ("operations[0].remove_seats.seat_numbers", [remove_seats("A")]),
    ("operations[0].remove_seats.seat_numbers[0]", [remove_seats("A", 0)]),
    ("operations[0].remove_seats.seat_numbers[1]", [remove_seats("A", 1, 7)]),
    ("operations[0].remove_seats.seat_numbers[1]", [remove_seats("A", 1, 1)]),
    ("operations[1].remove_seats.seat_numbers[0]", [remove_seats("A", 1), remove_seats("A", 1)]),
    ("operations", [set_fare("A", 10)] * 51),
    ("operations", []),
]
REFUSED_FIELDS: list[tuple[str, dict[str, Any]]] = [
    ("request_id", {"request_id": ""}),
    ("request_id", {"request_id": "a b"}),
    ("train_id", {"train_id": ""}),
    ("travel_date", {"travel_date": "2030-02-30"}),
    ("plan_hash", {"plan_hash": "x"}),
    ("reserve", {"reserve": Duration(seconds=60)}),
    ("reserve", {"reserve": Duration(seconds=901), "validate_only": True}),
    ("reserve", {"reserve": Duration(seconds=-1), "validate_only": True}),
    ("reserve", {"reserve": Duration(nanos=1), "validate_only": True}),
    ("reserve", {"reserve": Duration(seconds=60), "validate_only": True, "travel_date": "", "etag": "1"}),
    ("etag", {"travel_date": ""}),
]


@pytest.mark.parametrize(
    ("path", "operations"), REFUSED_OPERATIONS, ids=[f"{path}-{index}" for index, (path, _) in enumerate(REFUSED_OPERATIONS)]
)
async def test_an_impossible_operation_is_refused_under_its_path_and_nothing_is_done(
    world: World, path: str, operations: list[Operation]
) -> None:
    run, desk = await world.run("A4 A2 B2"), layout_client(world)
    before = await world.run_document(run)
    for validate_only in (True, False):
        refused = await refusal(desk.change(run, *operations, validate_only=validate_only))
        assert (refused.says, refused.fields) == (INVALID, (path,)), refused.message
        assert refused.message.startswith(path)
    assert await world.run_document(run) == before


@pytest.mark.parametrize(
    ("path", "fields"), REFUSED_FIELDS, ids=[f"{path}-{index}" for index, (path, _) in enumerate(REFUSED_FIELDS)]
)
async def test_an_impossible_field_is_refused_under_its_path(world: World, path: str, fields: dict[str, Any]) -> None:
    run, desk = await world.run("A4"), layout_client(world)
    refused = await refusal(desk.send_layout(layout_request(run, set_fare("A", 30), **fields)))
    assert (refused.says, refused.fields) == (INVALID, (path,)), refused.message


async def test_a_train_refuses_the_operations_that_a_run_refuses_under_the_same_path(world: World) -> None:
    run, desk = await world.run("A4 A2 B2"), layout_client(world)
    train = await desk.train(run.train_id)
    for path, operations in REFUSED_OPERATIONS:
        if "remove_seats" not in path:  # refused for a train whatever it says
            refused = await refusal(desk.change_train_layout(train, *operations))
            assert (refused.says, refused.fields) == (INVALID, (path,)), refused.message
    assert await desk.train(run.train_id) == train


async def test_an_unknown_run_and_train_are_not_found(world: World) -> None:
    run, desk = await world.run("A4"), layout_client(world)
    missing = Run(train_id=run.train_id, travel_date=NEXT_DATE)
    refused = await refusal(desk.change(missing, set_fare("A", 30)))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")
    refused = await refusal(desk.change(Run(train_id="other"), set_fare("A", 30), etag="1"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND")


async def test_a_stale_etag_is_refused(world: World) -> None:
    run, desk = await world.run("A4"), layout_client(world)
    done = await desk.change(run, set_fare("A", 30), etag="layout-0")
    for etag in ("layout-0", "layout-2", "1", "x"):
        assert (await refusal(desk.change(run, set_fare("A", 40), etag=etag))).says == STALE
    assert (await desk.change(run, set_fare("A", 40), etag=done.layout_etag)).layout_etag == "layout-2"


async def test_a_run_that_has_departed_is_refused(clock: Clock, world: World) -> None:
    run, desk = await world.run("A4"), layout_client(world)
    departs = (await desk.run_of(run)).stops[0].depart_time.ToDatetime(UTC)
    done = await desk.change(run, set_fare("A", 30), request_id="before")
    clock.ahead = departs - datetime.now(UTC) + timedelta(seconds=1)
    for validate_only in (True, False):
        refused = await refusal(desk.change(run, set_fare("A", 40), validate_only=validate_only))
        assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "RUN_DEPARTED")
    again = await desk.change(run, set_fare("A", 30), request_id="before")
    assert again.plan_hash == done.plan_hash, "a repeated request is answered also then"


async def test_the_coach_with_which_a_run_has_more_than_5_000_seats_is_named(world: World) -> None:
    run, desk = await world.run("A8"), layout_client(world)
    most = [add_coach(f"N{number}", "A", 400) for number in range(12)]
    refused = await refusal(desk.change(run, *most, add_coach("Z", "A", 193)))
    assert refused.fields == ("operations[12].add_coach.seat_count",)
    done = await desk.change(run, *most, add_coach("Z", "A", 192))
    assert [part.seats_after for part in done.sections] == [5_000]
    assert len(await desk.seat_map(run)) == 5_000
    assert (await refusal(desk.change(run, set_seat_count("1", 9)))).fields == ("operations[0].set_seat_count.seat_count",)


async def test_buyers_may_not_change_a_layout(world: World) -> None:
    run = await world.run("A4")
    for name, code in (("", grpc.StatusCode.UNAUTHENTICATED), ("jane", grpc.StatusCode.PERMISSION_DENIED)):
        client = layout_client(world)
        client._options = world.api_client(name)._options
        assert (await refusal(client.change(run, set_fare("A", 1)))).code is code
        assert (await refusal(client.layout_job("es9014:2"))).code is code
        assert (await refusal(client.hide(run))).code is code
        assert (await refusal(client.delete_run(run))).code is code
