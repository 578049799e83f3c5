"""Requests around holds: messages to commands.

Belongs here: one function per request. Does not belong here: what a well-formed field is (`app/rpc/fields.py`).
"""

from app.domain import limits
from app.domain.commands import HoldSeats, ReleaseHold
from app.domain.people import Caller
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import hold_pb2
from app.rpc import fields


def hold_seats(caller: Caller, request: hold_pb2.HoldSeatsRequest) -> HoldSeats:
    """Make the command. Refuse fields that are missing, malformed or contradictory."""
    numbers = tuple(request.seat_numbers)
    if bool(numbers) == bool(request.seat_count):
        raise InvalidField("seat_count", "is required, or seat_numbers, but not both")
    if not 0 <= request.seat_count <= limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("seat_count", f"needs 1 to {limits.PASSENGERS_PER_BOOKING_MAX}")
    fields.check_seat_numbers(numbers, fields.section(request.section))
    train_id, travel_date, origin, destination = fields.journey(
        request.train_id, request.travel_date, request.origin, request.destination
    )
    return HoldSeats(
        caller=caller,
        request_id=fields.request_id(request.request_id),
        train_id=train_id,
        travel_date=travel_date,
        origin=origin,
        destination=destination,
        section=fields.section(request.section),
        seat_numbers=numbers,
        seat_count=request.seat_count,
        seconds=_hold_seconds(request),
    )


def release_hold(caller: Caller, request: hold_pb2.ReleaseHoldRequest) -> ReleaseHold:
    """Make the command. Refuse what cannot be the id of a hold."""
    return ReleaseHold(caller, fields.hold_id(request.hold_id))


def _hold_seconds(request: hold_pb2.HoldSeatsRequest) -> int:
    if not request.HasField("ttl"):
        return limits.HOLD_SECONDS_DEFAULT
    if request.ttl.nanos or not 1 <= request.ttl.seconds <= limits.HOLD_SECONDS_MAX:
        raise InvalidField("ttl", f"needs 1 to {limits.HOLD_SECONDS_MAX} whole seconds")
    return int(request.ttl.seconds)
