"""Changing a train: its number, stops and sales terms, the versions that it had, and requests that are repeated."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import grpc
import pytest

from app.domain.refusals import InvalidField, Refusal
from app.domain.terms import RefundTier, SalesTerms
from app.domain.train import UPDATED_FIELDS, StoredTrain, Train
from app.pb.seatline.v1 import train_pb2
from app.store.store import Store, open_store
from app.usecases.trains import TrainUseCases
from tests.support.builders import a_stop, a_train
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Run, refusal
from tests.support.layout_client import LayoutClient, layout_client
from tests.support.verified_worlds import verify
from tests.support.world import NEXT_DATE, TRAVEL_DATE, World
from tests.support.world import a_train as wire_train
from tests.support.world import london_to_paris as wire_stops

NOW = datetime(2026, 8, 1, tzinfo=UTC)
NEW_TERMS = SalesTerms((RefundTier(48, 80),), 60, 7, 50, 12)


def store_of(world: World) -> Store:
    return open_store(world.database, jobs_kept_seconds=60)


def trains_of(world: World) -> TrainUseCases:
    return TrainUseCases(store_of(world), lambda: NOW)


async def created(world: World, train: Train | None = None) -> StoredTrain:
    return await trains_of(world).create(train or a_train(), "r1", validate_only=False)


async def update(
    world: World, train: Train, fields: Iterable[str] = ("number",), etag: str = "1", *, validate_only: bool = False
) -> StoredTrain:
    return await trains_of(world).update(train, frozenset(fields), etag, validate_only=validate_only)


async def version_numbers(world: World) -> list[str]:
    found = await world.database["train_versions"].find().sort("_id", 1).to_list(100)
    return [version["_id"] for version in found]


def numbered(number: str) -> Train:
    return a_train(number=number)


async def test_only_the_fields_of_the_mask_change(world: World) -> None:
    before = await created(world)
    wanted = replace(a_train("A9", number="ES 1"), terms=NEW_TERMS)
    changed = await update(world, wanted, ("number", "waitlist_max"))
    assert changed.train == replace(before.train, number="ES 1", terms=replace(before.train.terms, waitlist_max=7))
    assert (changed.version, changed.etag, changed.layout_version, changed.create_time) == (2, "2", 1, before.create_time)
    assert await trains_of(world).get("es9014") == changed


async def test_all_fields_change_but_the_layout(world: World) -> None:
    before = await created(world)
    stops = (a_stop(LONDON, depart="09:00", code="STP"), a_stop(PARIS, "Europe/Paris", arrive="12:30"))
    changed = await update(world, Train("es9014", "ES 2", stops, (), (), NEW_TERMS), UPDATED_FIELDS)
    assert changed.train == Train("es9014", "ES 2", stops, before.train.sections, before.train.coaches, NEW_TERMS)


async def test_a_dry_run_and_an_update_that_changes_nothing_store_nothing(world: World) -> None:
    before = await created(world)
    tried = await update(world, numbered(" ES 5 "), validate_only=True)
    assert (tried.train.number, tried.version) == ("ES 5", 1)
    assert await update(world, numbered("ES 9014"), UPDATED_FIELDS) == before
    assert (await trains_of(world).get("es9014"), await version_numbers(world)) == (before, [])


async def test_a_stale_etag_is_refused_and_changes_nothing(world: World) -> None:
    await created(world)
    second = await update(world, numbered("ES 2"))
    for etag, reason in (("1", "ETAG_STALE"), ("3", "ETAG_STALE"), ("one", "ETAG_STALE"), ("", "INVALID_FIELD")):
        with pytest.raises(Refusal) as caught:
            await update(world, numbered("ES 3"), etag=etag)
        assert caught.value.reason == reason
    assert await trains_of(world).get("es9014") == second


async def test_a_repeated_update_returns_the_train_that_it_made(world: World) -> None:
    await created(world)
    second = await update(world, numbered("ES 2"))
    assert await update(world, numbered("ES 2")) == second
    assert await version_numbers(world) == ["es9014:1"]
    await update(world, numbered("ES 3"), etag="2")
    with pytest.raises(Refusal, match="read it again"):
        await update(world, numbered("ES 2"))


async def test_of_updates_at_the_same_time_one_is_made(real_world: World) -> None:
    await created(real_world)
    numbers = [f"ES {number}" for number in range(8)]
    outcomes = await asyncio.gather(*(update(real_world, numbered(number)) for number in numbers), return_exceptions=True)
    made = [outcome for outcome in outcomes if isinstance(outcome, StoredTrain)]
    refused = [outcome.reason for outcome in outcomes if isinstance(outcome, Refusal)]
    assert (len(made), refused) == (1, ["ETAG_STALE"] * 7)
    assert (await trains_of(real_world).get("es9014"), await version_numbers(real_world)) == (made[0], ["es9014:1"])


async def test_one_update_sent_twice_at_the_same_time_is_made_once(real_world: World) -> None:
    await created(real_world)
    outcomes = await asyncio.gather(*(update(real_world, numbered("ES 2")) for _ in range(8)))
    assert {outcome.version for outcome in outcomes} == {2}


@pytest.mark.parametrize(
    ("wanted", "field", "path"),
    [
        (a_train(number=" "), "number", "train.number"),
        (a_train(stops=()), "stops", "train.stops"),
        (a_train(stops=[a_stop("A", depart="10:00"), a_stop("B", arrive="09:00")]), "stops", "train.stops"),
        (a_train(terms=replace(NEW_TERMS, waitlist_max=-1)), "waitlist_max", "train.waitlist_max"),
        (a_train(terms=replace(NEW_TERMS, hold_percent_max=101)), "hold_percent_max", "train.hold_percent_max"),
        (
            a_train(terms=replace(NEW_TERMS, refund_tiers=(RefundTier(1, 101),))),
            "refund_tiers",
            "train.refund_tiers[0].percent",
        ),
    ],
)
async def test_a_wrong_field_is_refused_under_its_path(world: World, wanted: Train, field: str, path: str) -> None:
    before = await created(world)
    with pytest.raises(InvalidField) as caught:
        await update(world, wanted, (field,))
    assert (caught.value.field, await trains_of(world).get("es9014")) == (path, before)


async def test_an_unknown_train_is_not_updated(world: World) -> None:
    with pytest.raises(Refusal) as caught:
        await update(world, a_train())
    assert caught.value.reason == "TRAIN_NOT_FOUND"


async def test_runs_keep_the_stops_and_terms_with_which_they_were_made(world: World) -> None:
    run = await world.run("A4 B4")
    before = await world.desk.run_of(run)
    await update(
        world, a_train(number="ES 2", stops=[a_stop("X", depart="10:00"), a_stop("Y", arrive="11:00")]), ("number", "stops")
    )
    assert await world.desk.run_of(run) == before
    await world.api_client("jane").book(run, origin=LONDON, destination=LILLE)


# -- versions


async def test_every_version_that_was_replaced_is_found(world: World) -> None:
    versions = [await created(world)]
    for number in ("ES 2", "ES 3"):
        versions.append(await update(world, numbered(number), etag=versions[-1].etag))
    found = [await store_of(world).train_versions.find("es9014", version) for version in (1, 2, 3)]
    assert found == [*versions[:2], None]


async def test_the_first_version_is_kept_and_later_ones_for_400_days(world: World) -> None:
    await created(world)
    await update(world, numbered("ES 2"))
    await update(world, numbered("ES 3"), etag="2")
    found = await world.database["train_versions"].find().sort("_id", 1).to_list(10)
    assert [version.get("purge_time") for version in found] == [None, NOW + timedelta(days=400)]


async def test_a_version_whose_replacement_failed_is_kept_from_the_next_replacement_on(world: World) -> None:
    first = await created(world)
    second = await update(world, numbered("ES 2"))
    versions = store_of(world).train_versions
    await versions.put(second, NOW - timedelta(days=399))  # then the server stopped
    await update(world, numbered("ES 3"), etag="2")
    document = await world.database["train_versions"].find_one({"_id": "es9014:2"})
    assert document is not None
    assert document["purge_time"] == NOW + timedelta(days=400)
    assert [await versions.find("es9014", version) for version in (1, 2)] == [first, second]


async def test_a_layout_change_keeps_its_job_beside_the_train_over_later_updates(world: World) -> None:
    stored = await created(world)
    trains = store_of(world).trains
    wider = replace(stored, train=replace(stored.train, coaches=a_train("A9 B4").coaches), version=2, layout_version=2)
    assert await trains.swap(wider, 1, {"_id": "es9014:2"})
    assert not await trains.swap(wider, 1, {"_id": "es9014:2"})
    later = await update(world, numbered("ES 2"), etag="2")
    assert (later.version, later.layout_version, later.train.coaches) == (3, 2, wider.train.coaches)
    document = await world.database["trains"].find_one({"_id": "es9014"})
    assert document is not None
    assert document["new_layout_jobs"] == [{"_id": "es9014:2"}]


# -- CreateTrain, repeated


async def test_a_repeated_creation_returns_the_train_as_it_is_now(world: World) -> None:
    await created(world)
    await update(world, numbered("ES 2"))
    third = await update(world, numbered("ES 3"), etag="2")
    assert await created(world) == third


async def test_a_changed_train_is_compared_with_the_request_that_created_it(world: World) -> None:
    await created(world)
    await update(world, numbered("ES 2"))
    for request_id, reason in (("r1", "REQUEST_ID_REUSED"), ("r2", "TRAIN_ALREADY_EXISTS")):
        with pytest.raises(Refusal) as caught:
            await trains_of(world).create(numbered("ES 2"), request_id, validate_only=False)
        assert caught.value.reason == reason


# -- names of stops


async def test_bookings_are_found_by_the_names_and_codes_that_stops_had(world: World) -> None:
    jane = world.api_client("jane")
    run = await world.run("A4", date=TRAVEL_DATE)
    booking = await jane.book(run)
    await world.wait_until_archived()
    stops = [a_stop("Waterloo", depart="10:24", code="WAT"), a_stop("Paris Est", "Europe/Paris", arrive="13:56")]
    await update(world, a_train(stops=stops), ("stops",))
    for origin, destination in ((LONDON, PARIS), ("stp", "PNO"), ("STP", "")):
        assert await jane.receipts(origin=origin, destination=destination) == [booking.reference]
    assert await jane.receipts(origin="WAT") == []


# -- over the wire


async def test_an_operator_updates_a_train_and_later_runs_have_the_change(world: World) -> None:
    desk = layout_client(world)
    before = await world.run("A4")
    made = await desk.train("es9014")
    made.number, made.waitlist_max = "ES 1", 3
    tried = await desk.update_train(made, mask=["number"], validate_only=True)
    assert (tried.number, tried.etag, tried.waitlist_max, tried.validate_only) == ("ES 1", "1", 500, True)
    changed = await desk.update_train(made, mask=["number", "waitlist_max"])
    assert (changed.number, changed.etag, changed.waitlist_max, changed.validate_only) == ("ES 1", "2", 3, False)
    assert changed == await desk.train("es9014")
    await desk.schedule("es9014", NEXT_DATE)
    later = Run(train_id="es9014", travel_date=NEXT_DATE)
    assert [(await desk.run_of(run)).number for run in (before, later)] == ["ES 9014", "ES 1"]
    document = await world.run_document(later)
    assert (document["made_from_version"], document["terms"]["waitlist_max"]) == (2, 3)


async def test_an_empty_mask_updates_all_fields_with_defaults_for_those_that_are_missing(world: World) -> None:
    desk = layout_client(world)
    await desk.create_train(wire_train("A4", waitlist_max=3, hold_percent_max=1))
    changed = await desk.update_train(train_pb2.Train(train_id="es9014", number="ES 2", stops=wire_stops()), etag="1")
    assert (changed.number, changed.waitlist_max, changed.hold_percent_max, len(changed.coaches)) == ("ES 2", 500, 25, 1)


async def test_wrong_updates_are_refused(world: World) -> None:
    desk = layout_client(world)
    train = await desk.create_train(wire_train("A4"))
    buyer = LayoutClient(world.channel, "jane")
    assert (await refusal(buyer.update_train(train))).says == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
    stale = await refusal(desk.update_train(train, etag="7"))
    assert stale.says == (grpc.StatusCode.ABORTED, "ETAG_STALE")
    for mask, etag, field in (
        (["coaches"], "1", "update_mask.paths[0]"),
        (["number", "train_id"], "1", "update_mask.paths[1]"),
        (["number"], "", "etag"),
    ):
        refused = await refusal(desk.update_train(train, mask=mask, etag=etag))
        assert (refused.reason, refused.fields) == ("INVALID_FIELD", (field,))
    missing = await refusal(desk.update_train(train_pb2.Train(train_id="none", number="N"), mask=["number"], etag="1"))
    assert missing.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND")


async def test_verify_compares_each_run_with_the_version_that_it_was_made_from(world: World) -> None:
    desk = layout_client(world)
    await world.run("A4")
    stops = wire_stops()[1:]
    stops[0].arrive_time = ""
    changed = await desk.update_train(train_pb2.Train(train_id="es9014", number="ES 2", stops=stops), etag="1")
    await desk.schedule("es9014", NEXT_DATE)
    await desk.update_train(train_pb2.Train(train_id="es9014", number="ES 3"), mask=["number"], etag=changed.etag)
    await world.wait_until_archived()
    assert [finding.text for finding in (await verify(world.database)).findings] == []
    for version, travel_date, name in ((1, TRAVEL_DATE, LONDON), (2, NEXT_DATE, ASHFORD)):
        key = {"_id": f"es9014:{version}"}
        await world.database["train_versions"].update_one(key, {"$set": {"stops.0.name": "Dover"}})
        subjects = {finding.subject for finding in (await verify(world.database)).findings}
        assert subjects == {f"run es9014:{travel_date}", f"version of a train es9014:{version}"}
        await world.database["train_versions"].update_one(key, {"$set": {"stops.0.name": name}})
