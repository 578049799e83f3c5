"""A server without a signing key and without channels says so, and sends and stores nothing."""

from __future__ import annotations

import grpc
import pytest

from app.pb.seatline.v1 import ticket_pb2
from tests.support.clients import refusal
from tests.support.world import World

# A server with its database in memory makes a key of its own, and keeps it to its end.
pytestmark = pytest.mark.parametrize("world", ["mongod"], indirect=True)


async def test_without_a_channel_no_ticket_is_sent_again(world: World) -> None:
    jane = world.api_client("jane")
    booking = await jane.book(await world.run(), "jane")
    request = ticket_pb2.ResendTicketRequest(reference=booking.reference, request_id="r1")

    refused = await refusal(jane.tickets.ResendTicket(request, **jane._options))

    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "NOTICES_OFF")
    assert await world.database["ticket_resends"].count_documents({}) == 0
    assert await world.database["notices"].count_documents({}) == 0


async def test_without_a_key_there_are_no_tickets_and_no_lists(world: World) -> None:
    jane, run = world.api_client("jane"), await world.run()
    booking = await jane.book(run, "jane")
    asked = ticket_pb2.GetInspectionPackageRequest(train_id=run.train_id, travel_date=run.travel_date)

    for call in (
        jane.tickets.GetTicket(ticket_pb2.GetTicketRequest(reference=booking.reference), **jane._options),
        world.desk.tickets.GetInspectionPackage(asked, **world.desk._options),
    ):
        assert (await refusal(call)).says == (grpc.StatusCode.FAILED_PRECONDITION, "TICKETS_UNAVAILABLE")
