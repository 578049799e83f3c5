"""Runs that are late, cancelled or not on sale, as the service answers them: messages for tests of the command line.

Belongs here: these messages. Does not belong here: any rule of the real service.
"""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from app.pb.seatline.v1 import disruption_pb2, train_run_pb2
from tests.support.scripted_service import at
from tests.support.world import usd

_STOPS = (
    ("London St Pancras", "STP", "Europe/London", "", "2030-07-01T09:24:00Z"),
    ("Ashford", "AFK", "Europe/London", "2030-07-01T09:55:00Z", "2030-07-01T09:58:00Z"),
    ("Lille", "LIL", "Europe/Paris", "2030-07-01T10:48:00Z", "2030-07-01T10:52:00Z"),
    ("Paris Gare du Nord", "PNO", "Europe/Paris", "2030-07-01T11:56:00Z", ""),
)
CLOSES = at("2030-07-01T08:54:00Z")


def later(instant: Timestamp, minutes: int) -> Timestamp:
    return Timestamp(seconds=instant.seconds + 60 * minutes)


def a_run() -> train_run_pb2.TrainRun:
    """Return a run of four stops that runs as scheduled and is on sale until half an hour before departure."""
    run = train_run_pb2.TrainRun(
        train_id="es9014",
        travel_date="2030-07-01",
        number="ES 9014",
        state=train_run_pb2.RUN_STATE_SCHEDULED,
        sales_close_time=CLOSES,
        waitlist_close_time=at("2030-07-01T05:24:00Z"),
    )
    for name, code, zone, arrives, departs in _STOPS:
        stop = run.stops.add(name=name, code=code, time_zone=zone)
        for field, text in (("arrive_time", arrives), ("depart_time", departs)):
            if text:
                getattr(stop, field).CopyFrom(at(text))
                getattr(stop, f"expected_{field}").CopyFrom(at(text))
    for section, free in (("A", 120), ("B", 224)):
        run.sections.add(
            section=section, fare=usd(20), seat_count=224, free_seat_count=free, sales_close_time=CLOSES, on_sale=True
        )
    return run


def a_delayed_run(minutes: int = 70, from_stop: int = 0) -> train_run_pb2.TrainRun:
    """Return the run with a delay from the stop with that index on."""
    run = a_run()
    for stop in run.stops[from_stop:]:
        for field in ("expected_arrive_time", "expected_depart_time"):
            if stop.HasField(field):
                getattr(stop, field).CopyFrom(later(getattr(stop, field), minutes))
    run.state = train_run_pb2.RUN_STATE_DELAYED
    run.delay.minutes = minutes
    run.delay.reason = disruption_pb2.DISRUPTION_REASON_INFRASTRUCTURE
    run.delay.report_time.CopyFrom(at("2030-07-01T07:12:00Z"))
    return run


def a_cancelled_run(booking_count: int = 0, *, from_lille: bool = False, is_complete: bool = False) -> train_run_pb2.TrainRun:
    """Return the run, cancelled as a whole or from Lille on, with so many bookings of two passengers cancelled so far."""
    run = a_run()
    run.cancellation.reason = disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER
    run.cancellation.evidence = "https://weather.example.com/report/17"
    run.cancellation.cancel_time.CopyFrom(at("2030-06-30T18:00:00Z"))
    run.cancellation.cancelled_booking_count = booking_count
    run.cancellation.cancelled_passenger_count = 2 * booking_count
    run.cancellation.refunded.CopyFrom(usd(40 * booking_count))
    if is_complete:
        run.cancellation.complete_time.CopyFrom(at("2030-06-30T18:01:00Z"))
    if from_lille:
        run.cancelled_from_stop = "Lille"
    else:
        run.state = train_run_pb2.RUN_STATE_CANCELLED
        for section in run.sections:
            section.on_sale = False
    for stop in run.stops[2 if from_lille else 0 :]:
        stop.cancelled = True
    return run


def a_run_before_its_sale() -> train_run_pb2.TrainRun:
    """Return the run before its sales open: those of section A open later, those of section B are closed."""
    run = a_run()
    opens = at("2030-04-02T08:00:00Z")
    run.sales_open_time.CopyFrom(opens)
    window = run.sales_windows.add().sales_window
    window.opens_before.days_before, window.opens_before.local_time = 90, "09:00"
    window.closes_before.seconds = 1_800
    own = run.sales_windows.add(section="B").sales_window
    own.open_time.CopyFrom(at("2020-01-01T00:00:00Z"))
    for section in run.sections:
        section.on_sale = False
    run.sections[0].sales_open_time.CopyFrom(opens)
    return run
