"""Page tokens over the wire: every list refuses a token that is not its own as an invalid field."""

from __future__ import annotations

import base64
import json
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from app.pb.seatline.v1 import booking_pb2, job_pb2, layout_pb2, notice_pb2, train_pb2, train_run_pb2, webhook_pb2
from app.rpc.services import methods_with_field
from tests.support.clients import ApiClient, refusal
from tests.support.world import TRAVEL_DATE, World

WEBHOOK = "0123456789abcdef"
# What each list needs besides a token.
LISTS: dict[str, Message] = {
    "/seatline.v1.BookingService/ListReceipts": booking_pb2.ListReceiptsRequest(email="desk@example.com"),
    "/seatline.v1.RunService/ListTrainRuns": train_run_pb2.ListTrainRunsRequest(),
    "/seatline.v1.RunService/ListLayoutOutcomes": layout_pb2.ListLayoutOutcomesRequest(layout_job_id="es9014:2"),
    "/seatline.v1.TrainService/ListTrains": train_pb2.ListTrainsRequest(),
    "/seatline.v1.BookingService/ListSectionBookings": booking_pb2.ListSectionBookingsRequest(
        train_id="es9014", travel_date=TRAVEL_DATE, section="A"
    ),
    "/seatline.v1.NoticeService/ListNotices": notice_pb2.ListNoticesRequest(email="desk@example.com"),
    "/seatline.v1.JobService/ListJobs": job_pb2.ListJobsRequest(),
    "/seatline.v1.WebhookService/ListWebhooks": webhook_pb2.ListWebhooksRequest(),
    "/seatline.v1.WebhookService/ListWebhookDeliveries": webhook_pb2.ListWebhookDeliveriesRequest(webhook_id=WEBHOOK),
}


def encoded(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")


TOKENS = [
    "x",
    "é",
    "\0",
    "A" * 5_000,
    encoded(b"[" * 1_500),
    encoded(b'[{"a":' * 200),
    encoded(b"9" * 1_500),
    encoded(b'["\\ud800","\\ud800","\\ud800","\\ud800"]'),
    encoded(b'["",{"$gt":""}]'),
    encoded(b'["",1e999,"x"]'),
    encoded(json.dumps(["0" * 12, 2**70, "x"]).encode()),
    encoded(json.dumps(["0" * 12, "9999-99-99", "es9014:9999-99-99"]).encode()),
]


def test_the_methods_below_are_all_that_take_a_page_token() -> None:
    assert set(methods_with_field("page_token")) == set(LISTS)


@pytest.mark.parametrize("method", LISTS)
async def test_a_foreign_token_is_an_invalid_field(world: World, method: str) -> None:
    await world.run("A1")
    for token in TOKENS:
        request: Any = type(LISTS[method])()
        request.CopyFrom(LISTS[method])
        request.page_token = token
        refused = await refusal(call(world.desk, method, request))
        assert refused.says == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"), token
        assert refused.fields == ("page_token",)


async def test_a_token_is_valid_for_its_filters_only(world: World) -> None:
    await world.runs("A1", TRAVEL_DATE)
    await world.run("A1", train_id="second")
    token = (await world.api_client().list_runs(page_size=1)).next_page_token
    assert token
    for asked in ({"travel_date": TRAVEL_DATE}, {"origin": "STP"}, {"destination": "PNO"}):
        assert (await refusal(world.api_client().list_runs(page_token=token, **asked))).fields == ("page_token",)
    again = await world.api_client().list_runs(page_token=token, page_size=7)
    assert [run.train_id for run in again.train_runs] == ["second"]


def call(desk: ApiClient, method: str, request: Message) -> Any:
    """Send a request to a method by its full name."""
    service, name = method.removeprefix("/seatline.v1.").split("/")
    stub = {
        "BookingService": desk.bookings,
        "TrainService": desk.trains,
        "HoldService": desk.holds,
        "RunService": desk.train_runs,
        "JobService": desk.jobs,
        "WebhookService": desk.webhooks,
        "NoticeService": desk.notices,
        "TicketService": desk.tickets,
    }[service]
    return getattr(stub, name)(request, **desk._options)
