"""Requests around layouts: messages to commands.

Belongs here: UpdateLayout and its operations. Does not belong here: whether a train or run can have such a layout
(`app/domain/rules/layout_sections.py`, `app/domain/layout/train_layout.py`), what a well-formed field is (`app/rpc/fields.py`).
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

from app.domain import limits
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.operations import (
    AddCoach,
    AddSection,
    LayoutOperation,
    RemoveCoach,
    RemoveSeats,
    RemoveSection,
    SetFare,
    SetSeatCount,
)
from app.domain.money import Money
from app.domain.people import Caller
from app.domain.refusals import InvalidField
from app.domain.train import TRAIN_ID
from app.pb.seatline.v1 import layout_pb2
from app.rpc import fields

_PLAN_HASH = re.compile(r"[0-9a-f]{32}")
_LAYOUT_JOB_ID = re.compile(rf"{TRAIN_ID.pattern}:[1-9][0-9]{{0,9}}")


def update_layout(caller: Caller, request: layout_pb2.UpdateLayoutRequest) -> UpdateLayout:
    """Make the command. Refuse fields that are missing, malformed or contradictory."""
    request_id = fields.request_id(request.request_id) if request.request_id or not request.validate_only else ""
    train_id = fields.train_id(request.train_id)
    travel_date = fields.iso_date(request.travel_date, "travel_date").isoformat() if request.travel_date else ""
    if not travel_date and not request.etag:
        raise InvalidField("etag", "is required without travel_date: the etag of the train")
    if request.plan_hash and not _PLAN_HASH.fullmatch(request.plan_hash):
        raise InvalidField("plan_hash", "needs the 32 characters of 0-9 and a-f of a plan")
    return UpdateLayout(
        caller=caller,
        request_id=request_id,
        train_id=train_id,
        travel_date=travel_date,
        operations=_operations(request.operations),
        allow_lower=request.allow_lower,
        refund_displaced=request.refund_displaced,
        validate_only=request.validate_only,
        reserve_seconds=_reserve_seconds(request),
        plan_hash=request.plan_hash,
        etag=request.etag,
    )


def layout_job_id(text: str) -> str:
    """Return the id of a layout job."""
    fields.required(text, "layout_job_id")
    if not _LAYOUT_JOB_ID.fullmatch(text):
        raise InvalidField("layout_job_id", "is not the id of a layout job")
    return text


def _reserve_seconds(request: layout_pb2.UpdateLayoutRequest) -> int:
    """Return for how long the seats of the plan are reserved; 0 where they are not."""
    if not request.HasField("reserve"):
        return 0
    if not request.validate_only:
        raise InvalidField("reserve", "goes only with validate_only: a change needs no reservation")
    if not request.travel_date:
        raise InvalidField("reserve", "goes only with travel_date: a reservation is of one run")
    seconds = request.reserve.seconds
    if request.reserve.nanos or not 1 <= seconds <= limits.LAYOUT_RESERVE_SECONDS_MAX:
        raise InvalidField("reserve", f"needs 1 to {limits.LAYOUT_RESERVE_SECONDS_MAX} whole seconds")
    return seconds


def _operations(messages: Sequence[layout_pb2.LayoutOperation]) -> tuple[LayoutOperation, ...]:
    if not 1 <= len(messages) <= limits.LAYOUT_OPERATIONS_MAX:
        raise InvalidField("operations", f"has {len(messages)} operations; needs 1 to {limits.LAYOUT_OPERATIONS_MAX}")
    return tuple([_operation(message, f"operations[{index}]") for index, message in enumerate(messages)])


def _operation(message: layout_pb2.LayoutOperation, field: str) -> LayoutOperation:
    kind = message.WhichOneof("operation")
    if kind is None:
        raise InvalidField(field, f"needs exactly one of {', '.join(_OPERATIONS)}")
    return _OPERATIONS[kind](getattr(message, kind), f"{field}.{kind}")


def _add_section(message: layout_pb2.AddSection, field: str) -> AddSection:
    return AddSection(_name(message.name, f"{field}.name"), _fare(message, field))


def _remove_section(message: layout_pb2.RemoveSection, field: str) -> RemoveSection:
    return RemoveSection(_name(message.name, f"{field}.name"))


def _set_fare(message: layout_pb2.SetFare, field: str) -> SetFare:
    return SetFare(_name(message.section, f"{field}.section"), _fare(message, field))


def _add_coach(message: layout_pb2.AddCoach, field: str) -> AddCoach:
    return AddCoach(_name(message.name, f"{field}.name"), _name(message.section, f"{field}.section"), message.seat_count)


def _remove_coach(message: layout_pb2.RemoveCoach, field: str) -> RemoveCoach:
    return RemoveCoach(_name(message.name, f"{field}.name"))


def _set_seat_count(message: layout_pb2.SetSeatCount, field: str) -> SetSeatCount:
    return SetSeatCount(_name(message.coach, f"{field}.coach"), message.seat_count)


def _remove_seats(message: layout_pb2.RemoveSeats, field: str) -> RemoveSeats:
    path, numbers = f"{field}.seat_numbers", tuple(message.seat_numbers)
    if not 1 <= len(numbers) <= limits.SEATS_PER_TRAIN_MAX:
        raise InvalidField(path, f"has {len(numbers)} seats; needs 1 to {limits.SEATS_PER_TRAIN_MAX}")
    seen: set[int] = set()
    for index, number in enumerate(numbers):
        if number < 1:
            raise InvalidField(f"{path}[{index}]", "must be positive")
        if number in seen:
            raise InvalidField(f"{path}[{index}]", f"names seat {number} twice")
        seen.add(number)
    return RemoveSeats(_name(message.section, f"{field}.section"), numbers)


def _name(text: str, field: str) -> str:
    """Return the name of a section or coach, in capitals. The train or run decides whether it has it, or can have it."""
    return fields.section(fields.required(fields.bounded(text, field, limits.SHORT_NAME_LENGTH_MAX), field))


def _fare(message: layout_pb2.AddSection | layout_pb2.SetFare, field: str) -> Money:
    """Return a fare, which may be nothing, but has to be given. The train decides about the currency."""
    if not message.HasField("fare"):
        raise InvalidField(f"{field}.fare", "is required")
    return fields.money(message.fare, f"{field}.fare")


# The fields of the operation, and what reads each.
_OPERATIONS: dict[str, Callable[[Any, str], LayoutOperation]] = {
    "add_section": _add_section,
    "remove_section": _remove_section,
    "set_fare": _set_fare,
    "add_coach": _add_coach,
    "remove_coach": _remove_coach,
    "set_seat_count": _set_seat_count,
    "remove_seats": _remove_seats,
}
