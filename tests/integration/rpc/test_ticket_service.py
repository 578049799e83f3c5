"""TicketService over the wire: tickets as files, tickets sent again, and signed lists for inspectors."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from app.domain.ticket.code import read_code
from app.domain.ticket.inspection import ListedState, decode_list
from app.domain.ticket.verdict import SignatureCheck
from app.pb.seatline.v1 import booking_pb2, ticket_pb2
from app.store.jobs import Jobs
from app.tickets.signing import TicketKeys, make_key_file
from tests.support.clients import ApiClient, Run, refusal
from tests.support.world import Clock, World

PDF, PNG, ICS = ticket_pb2.TICKET_FORMAT_PDF, ticket_pb2.TICKET_FORMAT_PNG, ticket_pb2.TICKET_FORMAT_ICS
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
NOT_YOURS = (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")
CANCELLED = (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_CANCELLED")
WAITLISTED = (grpc.StatusCode.FAILED_PRECONDITION, "BOOKING_WAITLISTED")
REUSED = (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
TOO_MANY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_RESENDS")
# What depends on no database is shown with the one in memory, and races with the real one.
in_memory = pytest.mark.parametrize("world", ["mongomock"], indirect=True)
on_a_server = pytest.mark.parametrize("world", ["mongod"], indirect=True)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The private key of the servers."""
    path = tmp_path_factory.mktemp("keys") / "key.pem"
    make_key_file(path)
    return path


@pytest.fixture
def chosen_settings(key_file: Path) -> dict[str, Any]:
    """A server that makes tickets, and has notices sent by a worker that does not run."""
    mail = {"notice_sender": "tickets@rail.example", "smtp_host": "127.0.0.1"}
    return {"ticket_key_file": key_file, "notice_channels": "email", **mail}


async def ticket(client: ApiClient, reference: str, number: int = 0, **asked: Any) -> ticket_pb2.GetTicketResponse:
    request = ticket_pb2.GetTicketRequest(reference=reference, passenger_number=number, **asked)
    return await client.tickets.GetTicket(request, **client._options)


async def resend(client: ApiClient, reference: str, request_id: str, number: int = 0) -> ticket_pb2.ResendTicketResponse:
    request = ticket_pb2.ResendTicketRequest(reference=reference, passenger_number=number, request_id=request_id)
    return await client.tickets.ResendTicket(request, **client._options)


async def package(client: ApiClient, run: Run) -> ticket_pb2.InspectionPackage:
    request = ticket_pb2.GetInspectionPackageRequest(train_id=run.train_id, travel_date=run.travel_date)
    return await client.tickets.GetInspectionPackage(request, **client._options)


async def jane_and_tom(world: World) -> booking_pb2.Booking:
    """Return a booking that Jane made for herself and Tom, who has an address of his own."""
    return await world.api_client("jane").book(await world.run(), "jane", "tom")


async def stored(world: World, collection: str) -> list[str]:
    return sorted([document["_id"] async for document in world.database[collection].find({}, {"_id": 1})])


async def send_jobs(world: World) -> list[str]:
    return [job for job in await stored(world, "jobs") if job.startswith("send ")]


# -- GetTicket


@in_memory
@pytest.mark.parametrize(
    ("asked", "begins", "content_type", "ending"),
    [
        ({}, b"%PDF-", "application/pdf", "pdf"),
        ({"format": PDF, "language": "fr"}, b"%PDF-", "application/pdf", "pdf"),
        ({"format": PNG}, b"\x89PNG", "image/png", "png"),
        ({"format": ICS}, b"BEGIN:VCALENDAR", "text/calendar; charset=utf-8", "ics"),
    ],
)
async def test_a_ticket_comes_as_a_file_with_its_signed_code(
    world: World, key_file: Path, asked: dict[str, Any], begins: bytes, content_type: str, ending: str
) -> None:
    booking = await jane_and_tom(world)

    found = await ticket(world.api_client("jane"), booking.reference, 2, **asked)

    keys = TicketKeys(key.public_key for key in (await package(world.desk, booking_run(booking))).keys)
    signed = read_code(found.code)
    assert found.content.startswith(begins)
    assert (found.content_type, found.filename) == (content_type, f"{booking.reference}-2.{ending}")
    assert (signed.code.reference, signed.code.passenger_number) == (booking.reference, 2)
    assert keys.check_code(signed) is SignatureCheck.GENUINE


def booking_run(booking: booking_pb2.Booking) -> Run:
    return Run(train_id=booking.train_id, travel_date=booking.travel_date)


@in_memory
async def test_booker_passenger_and_operator_get_a_ticket_and_nobody_else(world: World) -> None:
    booking = await jane_and_tom(world)

    for client in (world.api_client("jane"), world.api_client("tom"), world.desk):
        assert (await ticket(client, booking.reference, 2, format=ICS)).filename == f"{booking.reference}-2.ics"

    for name, number in (("tom", 1), ("eve", 1), ("eve", 2)):
        assert (await refusal(ticket(world.api_client(name), booking.reference, number))).says == NOT_YOURS
    assert (await refusal(ticket(world.api_client("eve"), "ABC234", 1))).says == NOT_YOURS
    assert (await refusal(ticket(world.desk, "ABC234", 1))).says == (grpc.StatusCode.NOT_FOUND, "BOOKING_NOT_FOUND")


@in_memory
async def test_the_only_passenger_needs_no_number_and_one_of_two_does(world: World) -> None:
    jane = world.api_client("jane")
    run = await world.run()
    alone, together = await jane.book(run, "jane"), await jane.book(run, "ann", "tom")

    assert (await ticket(jane, alone.reference, format=ICS)).filename == f"{alone.reference}-1.ics"
    for number in (0, 3):
        refused = await refusal(ticket(jane, together.reference, number))
        assert (refused.says, refused.fields) == (INVALID, ("passenger_number",))


@in_memory
@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"format": 9}, "format"),
        ({"language": "de"}, "language"),
        ({"number": 10}, "passenger_number"),
        ({"number": -1}, "passenger_number"),
        ({"reference": "no"}, "reference"),
    ],
)
async def test_a_malformed_request_for_a_ticket_names_its_field(world: World, asked: dict[str, Any], field: str) -> None:
    refused = await refusal(ticket(world.desk, **{"reference": "ABC234", **asked}))

    assert (refused.says, refused.fields) == (INVALID, (field,))


@in_memory
async def test_a_cancelled_or_waitlisted_booking_has_no_ticket(world: World) -> None:
    jane, run = world.api_client("jane"), await world.run("A1")
    seated = await jane.book(run, "jane")
    waiting = await jane.wait(run, "tom")
    assert (await refusal(ticket(jane, waiting.reference))).says == WAITLISTED
    assert (await refusal(resend(jane, waiting.reference, "r1"))).says == WAITLISTED

    await jane.cancel(seated.reference)

    assert (await refusal(ticket(jane, seated.reference))).says == CANCELLED
    assert (await refusal(resend(jane, seated.reference, "r1"))).says == CANCELLED
    assert await stored(world, "ticket_resends") == []


# -- ResendTicket


async def test_a_request_sends_once_to_its_recipient(world: World) -> None:
    booking = await jane_and_tom(world)
    jane, tom = world.api_client("jane"), world.api_client("tom")

    first, again = [await resend(jane, booking.reference, "r1") for _ in range(2)]
    own = await resend(tom, booking.reference, "r2", 2)

    assert [list(answer.notices[0].passenger_numbers) for answer in (first, again, own)] == [[1, 2], [1, 2], [2]]
    assert first == again
    assert len(await stored(world, "notices")) == len(await send_jobs(world)) == 2
    assert len(await stored(world, "ticket_resends")) == 2


async def test_a_request_id_with_another_recipient_is_refused_and_is_free_on_another_booking(world: World) -> None:
    booking, jane = await jane_and_tom(world), world.api_client("jane")
    other = await jane.book(booking_run(booking), "ann")
    await resend(jane, booking.reference, "r1")

    assert (await refusal(resend(jane, booking.reference, "r1", 2))).says == REUSED
    assert (await resend(jane, other.reference, "r1")).notices[0].reference == other.reference
    assert len(await send_jobs(world)) == 2


async def test_each_recipient_gets_five_resends_a_day(clock: Clock, world: World) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0) + timedelta(days=1)
    clock.ahead = noon - datetime.now(UTC)
    booking, jane = await jane_and_tom(world), world.api_client("jane")
    for number in range(5):
        await resend(jane, booking.reference, f"r{number}")

    refused = await refusal(resend(jane, booking.reference, "r5"))

    assert refused.says == TOO_MANY
    assert 11.8 * 3_600 < refused.retry_seconds <= 12 * 3_600
    assert len((await resend(jane, booking.reference, "r0")).notices) == 1  # a repeat is not a sixth
    assert len((await resend(jane, booking.reference, "r6", 2)).notices) == 1  # nor is another recipient
    clock.ahead += timedelta(days=1)
    assert len((await resend(jane, booking.reference, "r5")).notices) == 1
    assert (await resend(jane, booking.reference, "r0")).notices[0].notice_id
    assert len(await send_jobs(world)) == 7


@on_a_server
async def test_of_twenty_requests_at_once_five_send(world: World) -> None:
    booking, jane = await jane_and_tom(world), world.api_client("jane")

    async def outcome(request_id: str) -> str:
        try:
            await resend(jane, booking.reference, request_id)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        return "OK"

    found = Counter(await asyncio.gather(*(outcome(f"r{number}") for number in range(20))))

    assert found == {"OK": 5, "RESOURCE_EXHAUSTED": 15}
    assert len(await send_jobs(world)) == len(await stored(world, "notices")) == 5


@on_a_server
async def test_the_same_request_twenty_times_at_once_sends_once(world: World) -> None:
    booking, jane = await jane_and_tom(world), world.api_client("jane")

    await asyncio.gather(*(resend(jane, booking.reference, "r1") for _ in range(20)))

    assert len(await stored(world, "ticket_resends")) == len(await stored(world, "notices")) == len(await send_jobs(world)) == 1


async def test_a_repeat_sends_what_a_server_that_died_did_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    booking, jane = await jane_and_tom(world), world.api_client("jane")

    async def die(*_: object) -> None:
        raise RuntimeError("the server dies here")

    with monkeypatch.context() as patched:
        patched.setattr(Jobs, "insert_if_absent", die)
        await refusal(resend(jane, booking.reference, "r1"))
    assert (len(await stored(world, "notices")), await send_jobs(world)) == (1, [])

    await resend(jane, booking.reference, "r1")

    assert (len(await stored(world, "notices")), len(await send_jobs(world))) == (1, 1)
    assert len(await stored(world, "ticket_resends")) == 1


@in_memory
async def test_nobody_sends_the_tickets_of_others(world: World) -> None:
    booking = await jane_and_tom(world)

    for name, number in (("tom", 0), ("tom", 1), ("eve", 0), ("eve", 2)):
        assert (await refusal(resend(world.api_client(name), booking.reference, "r1", number))).says == NOT_YOURS
    refused = await refusal(resend(world.desk, booking.reference, ""))
    assert (refused.says, refused.fields) == (INVALID, ("request_id",))
    assert len((await resend(world.desk, booking.reference, "r1")).notices) == 1


# -- GetInspectionPackage


async def test_the_list_of_a_run_is_signed_and_has_every_ticket(world: World) -> None:
    booking, jane = await jane_and_tom(world), world.api_client("jane")
    run = booking_run(booking)
    await jane.cancel(booking.reference, 2)
    gone = await jane.book(run, "ann")
    await jane.cancel(gone.reference)

    found = await package(world.desk, run)

    inspection = decode_list(found.content)
    keys = TicketKeys(key.public_key for key in found.keys)
    states = {(listed.reference, listed.passenger_number): listed.state for listed in inspection.tickets}
    assert keys.check_list(inspection, found.content, found.signature) is SignatureCheck.GENUINE
    assert keys.check_list(inspection, found.content + b" ", found.signature) is SignatureCheck.FORGED
    assert states == {
        (booking.reference, 1): ListedState.CONFIRMED,
        (booking.reference, 2): ListedState.CANCELLED,
        (gone.reference, 1): ListedState.CANCELLED,
    }
    assert (found.ticket_count, inspection.run_id) == (3, f"{run.train_id}:{run.travel_date}")
    assert inspection.issue_time == found.issue_time.ToDatetime(UTC)
    assert b"jane" not in found.content


@in_memory
async def test_a_list_is_for_operators_and_of_a_run_that_exists(world: World) -> None:
    run = await world.run()
    assert (await refusal(package(world.api_client("jane"), run))).says == NOT_YOURS
    unknown = await refusal(package(world.desk, Run(train_id=run.train_id, travel_date="2199-01-01")))
    assert unknown.code is grpc.StatusCode.NOT_FOUND
    malformed = await refusal(package(world.desk, Run(train_id=run.train_id, travel_date="tomorrow")))
    assert (malformed.says, malformed.fields) == (INVALID, ("travel_date",))
