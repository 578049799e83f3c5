"""Dates over gRPC: which are accepted, and on which of them a timetable is valid."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from app.pb.seatline.v1 import booking_pb2, disruption_pb2, hold_pb2, layout_pb2, ticket_pb2, train_pb2, train_run_pb2
from app.rpc.services import methods_with_field
from tests.integration.rpc.test_page_tokens import call
from tests.support.clients import Run, person, refusal
from tests.support.world import World, a_train

# Every field with a date, in a request that is otherwise well-formed.
DATES: dict[tuple[str, str], Message] = {
    ("/seatline.v1.BookingService/CreateBooking", "travel_date"): booking_pb2.CreateBookingRequest(
        request_id="r", train_id="t", origin="x", destination="y", passengers=[person("jane")]
    ),
    ("/seatline.v1.HoldService/HoldSeats", "travel_date"): hold_pb2.HoldSeatsRequest(
        request_id="r", train_id="t", origin="x", destination="y", seat_count=1
    ),
    ("/seatline.v1.BookingService/ListReceipts", "travel_date"): booking_pb2.ListReceiptsRequest(email="desk@example.com"),
    ("/seatline.v1.RunService/ListTrainRuns", "travel_date"): train_run_pb2.ListTrainRunsRequest(),
    ("/seatline.v1.RunService/GetTrainRun", "travel_date"): train_run_pb2.GetTrainRunRequest(train_id="t"),
    ("/seatline.v1.RunService/GetSeatMap", "travel_date"): train_run_pb2.GetSeatMapRequest(train_id="t"),
    ("/seatline.v1.RunService/ScheduleTrainRuns", "first_date"): train_run_pb2.ScheduleTrainRunsRequest(
        train_id="es9014", last_date="2199-12-31"
    ),
    ("/seatline.v1.RunService/ScheduleTrainRuns", "last_date"): train_run_pb2.ScheduleTrainRunsRequest(
        train_id="es9014", first_date="1970-01-01"
    ),
    ("/seatline.v1.BookingService/ListSectionBookings", "travel_date"): booking_pb2.ListSectionBookingsRequest(
        train_id="t", section="A"
    ),
    ("/seatline.v1.RunService/PromoteWaitlist", "travel_date"): train_run_pb2.PromoteWaitlistRequest(train_id="t"),
    ("/seatline.v1.RunService/UpdateTrainRun", "travel_date"): train_run_pb2.UpdateTrainRunRequest(train_id="t", hidden=True),
    ("/seatline.v1.RunService/DeleteTrainRun", "travel_date"): train_run_pb2.DeleteTrainRunRequest(train_id="t"),
    ("/seatline.v1.RunService/SetDelay", "travel_date"): train_run_pb2.SetDelayRequest(train_id="t", minutes=0),
    ("/seatline.v1.RunService/RecordArrival", "travel_date"): train_run_pb2.RecordArrivalRequest(
        train_id="t", stop="x", arrive_time=Timestamp(seconds=1)
    ),
    ("/seatline.v1.RunService/CancelTrainRun", "travel_date"): train_run_pb2.CancelTrainRunRequest(
        train_id="t", reason=disruption_pb2.DISRUPTION_REASON_STAFF
    ),
    ("/seatline.v1.RunService/SetSalesWindow", "travel_date"): train_run_pb2.SetSalesWindowRequest(train_id="t"),
    ("/seatline.v1.RunService/UpdateLayout", "travel_date"): layout_pb2.UpdateLayoutRequest(
        request_id="r",
        train_id="t",
        operations=[layout_pb2.LayoutOperation(remove_coach=layout_pb2.RemoveCoach(name="2"))],
    ),
    ("/seatline.v1.TicketService/GetInspectionPackage", "travel_date"): ticket_pb2.GetInspectionPackageRequest(train_id="t"),
}
NO_TRAVEL_DATES = ["0001-01-01", "0001-01-08", "1969-12-31", "2200-01-01", "9999-12-24", "9999-12-31", "10000-01-01"]


def test_every_field_with_a_date_is_tested() -> None:
    fields = {(method, name) for name in ("travel_date", "first_date", "last_date") for method in methods_with_field(name)}
    assert fields == set(DATES)


@pytest.mark.parametrize(("method", "field"), DATES)
async def test_a_date_near_either_end_of_the_calendar_is_an_invalid_field(world: World, method: str, field: str) -> None:
    await world.desk.create_train(a_train("A1"))
    for date in NO_TRAVEL_DATES:
        request: Any = type(DATES[method, field])()
        request.CopyFrom(DATES[method, field])
        setattr(request, field, date)
        refused = await refusal(call(world.desk, method, request))
        assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,)), date
    assert (await world.api_client().list_runs()).train_runs == []


async def test_runs_on_the_first_and_the_last_date_are_scheduled_listed_and_read(world: World) -> None:
    await world.desk.create_train(a_train("A1"))
    for date in ("1970-01-01", "2199-12-31"):
        (run,) = (await world.desk.schedule("es9014", date)).train_runs
        assert (await world.api_client().run_of(run)).travel_date == date
        assert [found.travel_date for found in (await world.api_client().list_runs(travel_date=date)).train_runs] == [date]
    assert [found.travel_date for found in (await world.api_client().list_runs()).train_runs] == ["2199-12-31"]


async def test_a_train_is_scheduled_on_dates_on_which_it_arrives_after_its_departure(world: World) -> None:
    arizona_to_california = [
        train_pb2.TrainStop(name="Kingman", time_zone="America/Phoenix", depart_time="00:28"),
        train_pb2.TrainStop(name="Needles", time_zone="America/Los_Angeles", arrive_time="00:26"),
    ]
    made = await world.desk.create_train(a_train("A1", stops=arizona_to_california))
    winter = await world.desk.schedule(made.train_id, "2031-01-01", "2031-03-09")
    assert winter.created_count == 68
    refused = await refusal(world.desk.schedule(made.train_id, "2031-03-08", "2031-03-12"))
    assert refused.says == (grpc.StatusCode.FAILED_PRECONDITION, "TIMETABLE_IMPOSSIBLE")
    assert "2031-03-10" in refused.message
    assert "Needles" in refused.message
    absent = await refusal(world.api_client().run_of(Run(train_id=made.train_id, travel_date="2031-03-10")))
    assert absent.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")


async def test_a_year_of_a_night_train_includes_both_nights_on_which_clocks_change(world: World) -> None:
    night_train = [
        train_pb2.TrainStop(name="Lyon", time_zone="Europe/Paris", depart_time="01:30"),
        train_pb2.TrainStop(name="Dijon", time_zone="Europe/Paris", arrive_time="02:30", depart_time="02:40"),
        train_pb2.TrainStop(name="Paris", time_zone="Europe/Paris", arrive_time="03:10"),
    ]
    await world.desk.create_train(a_train("A1", stops=night_train))
    made = await world.desk.schedule("es9014", "2031-01-01", "2031-12-31")
    assert (len(made.train_runs), made.created_count) == (365, 365)
    march = await world.api_client().run_of(Run(train_id="es9014", travel_date="2031-03-30"))
    assert [stop.arrive_time.ToJsonString() for stop in march.stops[1:]] == ["2031-03-30T01:30:00Z", "2031-03-30T02:10:00Z"]


@pytest.mark.parametrize(
    ("stop", "changes", "field"),
    [
        (0, {"depart_day_offset": 1}, "train.stops[0].depart_day_offset"),
        (0, {"depart_day_offset": -1}, "train.stops[0].depart_day_offset"),
        (0, {"arrive_day_offset": 1}, "train.stops[0].arrive_day_offset"),
        (3, {"depart_day_offset": 1}, "train.stops[3].depart_day_offset"),
        (1, {"time_zone": "localtime"}, "train.stops[1].time_zone"),
        (1, {"time_zone": "europe/london"}, "train.stops[1].time_zone"),
        (3, {"arrive_time": "09:00"}, "train.stops"),
    ],
)
async def test_an_ambiguous_time_of_a_timetable_is_refused_under_its_field(
    world: World, stop: int, changes: dict[str, Any], field: str
) -> None:
    train = a_train("A1")
    for name, value in changes.items():
        setattr(train.stops[stop], name, value)
    refused = await refusal(world.desk.create_train(train))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))
