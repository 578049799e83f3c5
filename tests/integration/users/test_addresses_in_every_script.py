"""One person under every spelling of an address: as a caller, as a passenger, and in documents of earlier versions."""

from __future__ import annotations

import grpc
import pytest

from app.pb.seatline.v1 import booking_pb2, train_run_pb2
from tests.support.clients import Person, refusal
from tests.support.world import TRAVEL_DATE, World

UNNAMED = (grpc.StatusCode.UNAUTHENTICATED, "CREDENTIALS_MISSING")
ALREADY = (grpc.StatusCode.ALREADY_EXISTS, "PASSENGER_ALREADY_BOOKED")


def traveller(email: str) -> Person:
    return Person(first_name="Anna", last_name="Doe", email=email)


@pytest.mark.parametrize(
    ("booked", "asked"),
    [
        ("anna@bücher.example", "ANNA@xn--bcher-kva.example"),
        ("anna@xn--bcher-kva.example", "anna@BÜCHER。example"),
        ("γιώργος@παράδειγμα.gr", "ΓΙΏΡΓΟΣ@xn--hxajbheg2az3al.gr"),
        ("zoe\u0308@example.com", "ZOË@example.com"),
    ],
)
async def test_a_person_with_another_spelling_of_the_address_is_the_same_person(world: World, booked: str, asked: str) -> None:
    run = await world.run()
    one, other = world.api_client(booked), world.api_client(asked)
    booking = await one.book(run, traveller(booked))
    assert booking.passengers[0].email == booked
    assert (await other.booking(booking.reference)).reference == booking.reference
    assert await other.receipts() == [booking.reference]
    assert (await refusal(other.book(run, traveller(asked)))).says == ALREADY
    await one.register("Anna", "Doe")
    assert (await other.user()).email == booked
    assert (await other.cancel(booking.reference, asked)).state == booking_pb2.BOOKING_STATE_CANCELLED


async def test_a_sharp_s_is_not_a_double_s(world: World) -> None:
    run = await world.run()
    for email in ("anna@straße.example", "anna@strasse.example", "weiß@example.com", "weiss@example.com"):
        await world.api_client(email).book(run, traveller(email))
    assert await world.api_client("anna@strasse.example").receipts() != await world.api_client("anna@straße.example").receipts()


@pytest.mark.parametrize(
    ("email", "stored"),
    [
        ("anna@bücher.example", "anna@bücher.example"),
        ("γιώργος@example.gr", "γιώργος@example.gr"),
        ("γιώργος@παράδειγμα.gr", "γιώργος@παράδειγμα.gr"),
    ],
)
async def test_records_that_an_earlier_version_stored_under_another_form_are_found(
    world: World, email: str, stored: str
) -> None:
    run = await world.run()
    api_client = world.api_client(email)
    await api_client.register("Anna", "Doe")
    booking = await api_client.book(run, traveller(email))
    await world.wait_until_archived()
    (user,) = await world.database["users"].find({"email": email}).to_list(2)
    await world.database["users"].delete_one({"_id": user["_id"]})
    await world.database["users"].insert_one({**user, "_id": stored})
    for collection, path in (("train_runs", "recent.0.emails"), ("bookings", "emails")):
        await world.database[collection].update_many({path: {"$exists": True}}, {"$set": {path: [stored]}})

    assert await api_client.receipts() == [booking.reference]
    assert (await api_client.user()).first_name == "Anna"
    assert (await api_client.register("Anna", "Doe")).email == email
    assert (await api_client.rename(first_name="Ann", mask=["first_name"])).first_name == "Ann"
    assert await world.database["users"].count_documents({}) == 1
    assert (await refusal(api_client.book(run, traveller(email)))).says == ALREADY


@pytest.mark.parametrize(
    "metadata",
    [
        (("x-seatline-user", "jane@example.com"), ("x-seatline-user", "bob@example.com")),
        (("x-seatline-user", "jane@example.com"), ("x-seatline-user", "jane@example.com")),
        (("x-seatline-user", "jane@example.com"), ("x-seatline-user-bin", b"bob@example.com")),
        (("x-seatline-user-bin", b"jane@example.com"), ("x-seatline-user-bin", b"bob@example.com")),
        (("x-seatline-user", "jane@example.com"), ("x-seatline-roles", ""), ("x-seatline-roles", "operator")),
        (("x-seatline-user-bin", b"\xff@example.com"),),
        (("x-seatline-user", "jane@localhost"),),
    ],
)
async def test_a_call_with_two_callers_or_an_invalid_one_is_refused(
    world: World, metadata: tuple[tuple[str, str | bytes], ...]
) -> None:
    nobody = world.api_client()
    receipts = booking_pb2.ListReceiptsRequest(email="jane@example.com")
    runs, run = (
        train_run_pb2.ListTrainRunsRequest(),
        train_run_pb2.GetTrainRunRequest(train_id="es9014", travel_date=TRAVEL_DATE),
    )
    for call in (
        nobody.bookings.ListReceipts(receipts, metadata=metadata, timeout=10),
        nobody.train_runs.ListTrainRuns(runs, metadata=metadata, timeout=10),
        nobody.train_runs.GetTrainRun(run, metadata=metadata, timeout=10),
    ):
        assert (await refusal(call)).says == UNNAMED
