"""Requests around trains: messages to values of the domain.

Belongs here: the message Train and its parts. Does not belong here: whether a train is possible (`app/domain/train.py`), what
a well-formed field is (`app/rpc/fields.py`).
"""

from app.domain.limits import DEPARTURE_REMINDER_MINUTES_DEFAULT
from app.domain.refusals import InvalidField
from app.domain.terms import DEFAULT_TERMS, RefundTier, SalesTerms
from app.domain.timetable import Call, TimetableStop
from app.domain.train import SECTION_WINDOWS_FIELD, UPDATED_FIELDS, Coach, Section, Train
from app.pb.seatline.v1 import train_pb2
from app.rpc import fields
from app.rpc.sales_windows import sales_window

# What a mask may name.
_MASK_FIELDS = (*UPDATED_FIELDS, SECTION_WINDOWS_FIELD)


def train(message: train_pb2.Train) -> Train:
    """Return the train that the operator describes; `app.domain.train.check_train` checks it as a whole."""
    reminder_minutes = DEPARTURE_REMINDER_MINUTES_DEFAULT
    if message.HasField("departure_reminder_minutes"):
        reminder_minutes = message.departure_reminder_minutes
    return Train(
        train_id=message.train_id,
        number=message.number,
        stops=tuple(_timetable_stop(stop, f"train.stops[{index}]") for index, stop in enumerate(message.stops)),
        sections=tuple(
            Section(section.name, fields.money(section.fare, f"train.sections[{index}].fare"))
            for index, section in enumerate(message.sections)
        ),
        coaches=tuple(Coach(coach.name, coach.section, coach.seat_count) for coach in message.coaches),
        terms=_terms(message),
        schedule_horizon_days=message.schedule_horizon_days,
        departure_reminder_minutes=reminder_minutes,
    )


def train_update(request: train_pb2.UpdateTrainRequest) -> tuple[Train, frozenset[str]]:
    """Return the wanted values, and the fields that the mask names; an empty mask names all of `UPDATED_FIELDS`.

    Reads only these fields (google.aip.dev/134). All others of the returned train are empty.
    """
    for index, path in enumerate(request.update_mask.paths):
        if path not in _MASK_FIELDS:
            known = ", ".join(_MASK_FIELDS)
            raise InvalidField(f"update_mask.paths[{index}]", f"{path!r} cannot be updated; {known} can")
    masked = frozenset(request.update_mask.paths or UPDATED_FIELDS)
    read = train_pb2.Train()
    read.CopyFrom(request.train)
    for field in train_pb2.Train.DESCRIPTOR.fields_by_name:
        if field not in masked and not (field == "sections" and SECTION_WINDOWS_FIELD in masked):
            read.ClearField(field)  # type: ignore[arg-type]  # a name of this very message
    for section in read.sections:
        section.ClearField("fare")
    read.train_id = fields.train_id(request.train.train_id, "train.train_id")
    return train(read), masked


def _terms(message: train_pb2.Train) -> SalesTerms:
    """Return the sales terms of a train; the defaults for those that it does not state."""
    tiers = tuple(RefundTier(refund_tier.hours_before, refund_tier.percent) for refund_tier in message.refund_tiers)
    minutes = DEFAULT_TERMS.waitlist_closes_minutes_before
    if message.HasField("waitlist_closes_before"):
        minutes = fields.whole_minutes(message.waitlist_closes_before, "train.waitlist_closes_before")
    waitlist_max = message.waitlist_max if message.HasField("waitlist_max") else DEFAULT_TERMS.waitlist_max
    hold_percent_max = message.hold_percent_max if message.HasField("hold_percent_max") else DEFAULT_TERMS.hold_percent_max
    booker_max = DEFAULT_TERMS.passengers_per_booker_max
    if message.HasField("passengers_per_booker_max"):
        booker_max = message.passengers_per_booker_max
    window = DEFAULT_TERMS.sales_window
    if message.HasField("sales_window"):
        window = sales_window(message.sales_window, "train.sales_window")
    return SalesTerms(
        tiers or DEFAULT_TERMS.refund_tiers,
        minutes,
        waitlist_max,
        hold_percent_max,
        booker_max,
        sales_window=window,
        section_windows=tuple(
            (section.name, sales_window(section.sales_window, f"train.sections[{index}].sales_window"))
            for index, section in enumerate(message.sections)
            if section.HasField("sales_window")
        ),
    )


def _timetable_stop(message: train_pb2.TrainStop, field: str) -> TimetableStop:
    return TimetableStop(
        name=message.name,
        code=message.code,
        time_zone=message.time_zone,
        arrive=_call(message.arrive_time, message.arrive_day_offset, f"{field}.arrive"),
        depart=_call(message.depart_time, message.depart_day_offset, f"{field}.depart"),
    )


def _call(text: str, day_offset: int, field: str) -> Call | None:
    if not text:
        if day_offset:
            raise InvalidField(f"{field}_day_offset", "must be 0 where there is no time")
        return None
    return Call(fields.local_time(text, f"{field}_time"), day_offset)
