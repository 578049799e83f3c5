"""Trains, their runs, free seats and seat maps."""

from __future__ import annotations

import grpc
import pytest

from app.pb.seatline.v1 import train_pb2, train_run_pb2
from tests.support.clients import ASHFORD, LILLE, LONDON, PARIS, Run, refusal
from tests.support.world import NEXT_DATE, THIRD_DATE, TRAVEL_DATE, World, a_train, on_day, usd


async def test_a_train_is_read_as_it_was_created(world: World) -> None:
    sent = a_train("A4 B4 A2", fares={"A": usd(20), "B": usd(35, 50)})
    sent.refund_tiers.extend(
        [train_pb2.RefundTier(hours_before=72, percent=90), train_pb2.RefundTier(hours_before=1, percent=10)]
    )
    sent.waitlist_closes_before.FromSeconds(90 * 60)
    sent.waitlist_max = 0
    sent.hold_percent_max = 0
    sent.passengers_per_booker_max = 20
    sent.schedule_horizon_days = 30
    sent.departure_reminder_minutes = 0
    sent.sales_window.opens_before.days_before = 90
    sent.sales_window.opens_before.local_time = "09:30"
    sent.sales_window.closes_before.FromSeconds(20 * 60)
    sent.sections[1].sales_window.open_time.FromJsonString("2026-06-01T00:00:00.250Z")
    sent.sections[1].sales_window.closes_before.FromSeconds(0)
    made = await world.desk.create_train(sent)
    assert made == await world.desk.train("es9014")
    assert (made.create_time.seconds > 0, made.etag) == (True, "1")
    made.ClearField("create_time")
    made.ClearField("etag")
    assert made == sent


async def test_a_train_without_terms_gets_the_default_terms(world: World) -> None:
    made = await world.desk.create_train(a_train("A4"))
    assert [(tier.hours_before, tier.percent) for tier in made.refund_tiers] == [(24, 100), (0, 50)]
    assert (made.waitlist_closes_before.seconds, made.waitlist_max) == (4 * 3600, 500)
    assert made.hold_percent_max == 25
    assert made.departure_reminder_minutes == 180


@pytest.mark.parametrize("percent", [-1, 101])
async def test_an_invalid_share_of_held_seats_is_refused_under_its_field(world: World, percent: int) -> None:
    refused = await refusal(world.desk.create_train(a_train(hold_percent_max=percent)))
    assert (refused.reason, refused.fields) == ("INVALID_FIELD", ("train.hold_percent_max",))


async def test_a_repeated_request_creates_one_train(world: World) -> None:
    first = await world.desk.create_train(a_train(), "r1")
    assert await world.desk.create_train(a_train(), "r1") == first
    refused = await refusal(world.desk.create_train(a_train("A5"), "r1"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    refused = await refusal(world.desk.create_train(a_train(), "r2"))
    assert refused.says == (grpc.StatusCode.ALREADY_EXISTS, "TRAIN_ALREADY_EXISTS")
    assert len((await world.desk.list_trains()).trains) == 1


async def test_validating_a_train_creates_none(world: World) -> None:
    tried = await world.desk.create_train(a_train(), validate_only=True)
    assert (tried.validate_only, tried.etag, tried.HasField("create_time")) == (True, "", False)
    refused = await refusal(world.desk.train("es9014"))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND")


async def test_validating_an_existing_train_returns_it_marked_as_such(world: World) -> None:
    made = await world.desk.create_train(a_train(), request_id="r1")
    tried = await world.desk.create_train(a_train(), request_id="r1", validate_only=True)
    assert (made.validate_only, tried.validate_only) == (False, True)
    assert (tried.etag, tried.create_time) == (made.etag, made.create_time)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("train.train_id", train_pb2.Train(train_id="ES 9014")),
        ("train.number", train_pb2.Train(number=" ")),
        ("train.stops[0].time_zone", train_pb2.Train(stops=[train_pb2.TrainStop(time_zone="Europe/Atlantis")])),
        ("train.stops[0].depart_time", train_pb2.Train(stops=[train_pb2.TrainStop(depart_time="25:00")])),
        ("train.sections[0].fare", train_pb2.Train(sections=[train_pb2.Section(fare=usd(-1))])),
        ("train.coaches[0].section", train_pb2.Train(coaches=[train_pb2.Coach(section="Z")])),
        ("train.coaches[0].seat_count", train_pb2.Train(coaches=[train_pb2.Coach(seat_count=401)])),
    ],
)
async def test_an_invalid_train_is_refused_under_its_field(world: World, field: str, value: train_pb2.Train) -> None:
    train = a_train("A4")
    for descriptor, sent in value.ListFields():
        if isinstance(sent, str):
            setattr(train, descriptor.name, sent)
        else:
            getattr(train, descriptor.name)[0].MergeFrom(sent[0])
    refused = await refusal(world.desk.create_train(train))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, (field,))


async def test_trains_come_page_by_page(world: World) -> None:
    for number in (3, 1, 2):
        await world.desk.create_train(a_train("A1", train_id=f"t{number}"))
    first = await world.desk.list_trains(page_size=2)
    second = await world.desk.list_trains(page_size=2, page_token=first.next_page_token)
    assert [train.train_id for train in (*first.trains, *second.trains)] == ["t1", "t2", "t3"]
    assert second.next_page_token == ""


async def test_runs_are_scheduled_once_for_each_date(world: World) -> None:
    await world.desk.create_train(a_train())
    first = await world.desk.schedule("es9014", TRAVEL_DATE, NEXT_DATE)
    assert ([run.travel_date for run in first.train_runs], first.created_count) == ([TRAVEL_DATE, NEXT_DATE], 2)
    await world.api_client("jane").book(first.train_runs[0])
    again = await world.desk.schedule("es9014", TRAVEL_DATE, THIRD_DATE)
    assert (len(again.train_runs), again.created_count) == (3, 1)
    assert await world.api_client().free(first.train_runs[0]) == {"A": 3, "B": 4}


async def test_invalid_ranges_of_dates_are_refused(world: World) -> None:
    await world.desk.create_train(a_train())
    for first, last, field in (
        (NEXT_DATE, TRAVEL_DATE, "last_date"),
        (TRAVEL_DATE, on_day(30 + 366), "last_date"),
        ("2030-02-30", "2030-03-01", "first_date"),
        (TRAVEL_DATE, "x", "last_date"),
    ):
        assert (await refusal(world.desk.schedule("es9014", first, last))).fields == (field,)
    refused = await refusal(world.desk.schedule("es1", TRAVEL_DATE))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_NOT_FOUND")


async def test_runs_scheduled_for_past_dates_are_over_and_sell_nothing(world: World) -> None:
    run = await world.run(date=on_day(-40))
    assert (await world.api_client().run_of(run)).state == train_run_pb2.RUN_STATE_COMPLETED
    assert (await refusal(world.api_client("jane").book(run))).reason == "RUN_DEPARTED"
    assert (await world.api_client().list_runs()).train_runs == []
    assert len((await world.api_client().list_runs(travel_date=on_day(-40))).train_runs) == 1


async def test_a_run_has_stops_state_fares_and_free_seats(world: World) -> None:
    run = await world.run("A4 B2", fares={"B": usd(35)})
    await world.api_client("jane").book(run, origin=LONDON, destination=ASHFORD)
    found = await world.api_client().run_of(run)
    assert found.state == train_run_pb2.RUN_STATE_SCHEDULED
    assert [stop.name for stop in found.stops] == [LONDON, ASHFORD, LILLE, PARIS]
    assert [(section.section, section.fare, section.seat_count, section.free_seat_count) for section in found.sections] == [
        ("A", usd(20), 4, 3),
        ("B", usd(35), 2, 2),
    ]
    assert await world.api_client().free(run, origin="AFK") == {"A": 4, "B": 2}


async def test_a_seat_map_shows_each_seat_for_the_journey_and_no_passenger(world: World) -> None:
    run = await world.run("A2 B1")
    await world.api_client("jane").book(run, origin=LONDON, destination=LILLE)
    nobody = world.api_client()
    assert await nobody.seat_map(run) == {"A-1": "PARTLY_SOLD", "A-2": "FREE", "B-1": "FREE"}
    assert (await nobody.seat_map(run, destination=LILLE))["A-1"] == "SOLD"
    assert (await nobody.seat_map(run, origin=LILLE))["A-1"] == "FREE"


async def test_an_invalid_journey_has_no_seat_map(world: World) -> None:
    run = await world.run()
    refused = await refusal(world.api_client().seat_map(run, origin=PARIS, destination=LONDON))
    assert (refused.code, refused.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ("origin",))
    refused = await refusal(world.api_client().seat_map(Run(train_id="es1", travel_date=TRAVEL_DATE)))
    assert refused.says == (grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")


async def test_runs_are_listed_by_date_origin_and_destination(world: World) -> None:
    await world.runs("A1", TRAVEL_DATE, NEXT_DATE)
    local = [
        train_pb2.TrainStop(name=LILLE, code="LIL", time_zone="Europe/Paris", depart_time="07:00"),
        train_pb2.TrainStop(name=LONDON, code="STP", time_zone="Europe/London", arrive_time="07:30"),
    ]
    await world.run("A1", train_id="back", stops=local)

    async def found(**asked: str) -> list[tuple[str, str]]:
        return [(run.train_id, run.travel_date) for run in (await world.api_client().list_runs(**asked)).train_runs]

    assert await found() == [("back", TRAVEL_DATE), ("es9014", TRAVEL_DATE), ("es9014", NEXT_DATE)]
    assert await found(travel_date=NEXT_DATE) == [("es9014", NEXT_DATE)]
    assert await found(origin="STP", destination="lil") == [("es9014", TRAVEL_DATE), ("es9014", NEXT_DATE)]
    assert await found(origin=LILLE, destination=LONDON) == [("back", TRAVEL_DATE)]
    assert await found(origin="Atlantis") == []


async def test_runs_come_page_by_page(world: World) -> None:
    await world.runs("A1", TRAVEL_DATE, NEXT_DATE, THIRD_DATE)
    dates: list[str] = []
    token = ""
    for _ in range(3):
        page = await world.api_client().list_runs(page_size=1, page_token=token)
        dates += [run.travel_date for run in page.train_runs]
        token = page.next_page_token
    assert (dates, token) == ([TRAVEL_DATE, NEXT_DATE, THIRD_DATE], "")
