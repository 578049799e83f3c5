"""Answers around trains: values of the domain to messages.

Belongs here: the message Train and its parts. Does not belong here: what decides anything.
"""

from google.protobuf.duration_pb2 import Duration

from app.domain.sales_window import ALWAYS_OPEN, SalesWindow
from app.domain.timetable import Call, TimetableStop
from app.domain.train import Section, StoredTrain
from app.pb.seatline.v1 import train_pb2
from app.rpc.sales_windows import sales_window_message
from app.rpc.wire_values import money, timestamp


def train(stored: StoredTrain, *, validate_only: bool = False) -> train_pb2.Train:
    """Return a train as a message. Version 0 is a train that a dry run has not stored."""
    value, is_stored = stored.train, stored.version > 0
    windows = dict(value.terms.section_windows)
    return train_pb2.Train(
        train_id=value.train_id,
        number=value.number,
        stops=[_train_stop(stop) for stop in value.stops],
        sections=[_section(section, windows.get(section.name)) for section in value.sections],
        coaches=[
            train_pb2.Coach(name=coach.name, section=coach.section, seat_count=coach.seat_count) for coach in value.coaches
        ],
        create_time=timestamp(stored.create_time) if is_stored else None,
        etag=str(stored.version) if is_stored else "",
        refund_tiers=[
            train_pb2.RefundTier(hours_before=tier.hours_before, percent=tier.percent) for tier in value.terms.refund_tiers
        ],
        waitlist_closes_before=Duration(seconds=60 * value.terms.waitlist_closes_minutes_before),
        waitlist_max=value.terms.waitlist_max,
        hold_percent_max=value.terms.hold_percent_max,
        passengers_per_booker_max=value.terms.passengers_per_booker_max,
        validate_only=validate_only,
        sales_window=None if value.terms.sales_window == ALWAYS_OPEN else sales_window_message(value.terms.sales_window),
        schedule_horizon_days=value.schedule_horizon_days,
        departure_reminder_minutes=value.departure_reminder_minutes,
    )


def _section(section: Section, window: SalesWindow | None) -> train_pb2.Section:
    answer = train_pb2.Section(name=section.name, fare=money(section.fare))
    if window is not None:
        answer.sales_window.CopyFrom(sales_window_message(window))
    return answer


def _train_stop(stop: TimetableStop) -> train_pb2.TrainStop:
    return train_pb2.TrainStop(
        name=stop.name,
        code=stop.code,
        time_zone=stop.time_zone,
        arrive_time=_local_time(stop.arrive),
        arrive_day_offset=stop.arrive.day_offset if stop.arrive else 0,
        depart_time=_local_time(stop.depart),
        depart_day_offset=stop.depart.day_offset if stop.depart else 0,
    )


def _local_time(call: Call | None) -> str:
    return "" if call is None else f"{call.at:%H:%M}"
