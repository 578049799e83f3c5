"""Reasons of disruptions on the wire.

Belongs here: the table between the reasons of the contract and of the domain. Does not belong here: which of them need evidence
(`app/domain/disruption.py`), delays and cancellations (`app/rpc/train_runs/`).
"""

from app.domain.disruption import DisruptionReason
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import disruption_pb2

_MESSAGES = {
    DisruptionReason.EXTREME_WEATHER: disruption_pb2.DISRUPTION_REASON_EXTREME_WEATHER,
    DisruptionReason.NATURAL_DISASTER: disruption_pb2.DISRUPTION_REASON_NATURAL_DISASTER,
    DisruptionReason.PUBLIC_HEALTH_CRISIS: disruption_pb2.DISRUPTION_REASON_PUBLIC_HEALTH_CRISIS,
    DisruptionReason.PEOPLE_ON_TRACK: disruption_pb2.DISRUPTION_REASON_PEOPLE_ON_TRACK,
    DisruptionReason.THEFT_OR_SABOTAGE: disruption_pb2.DISRUPTION_REASON_THEFT_OR_SABOTAGE,
    DisruptionReason.ON_BOARD_EMERGENCY: disruption_pb2.DISRUPTION_REASON_ON_BOARD_EMERGENCY,
    DisruptionReason.LAW_ENFORCEMENT: disruption_pb2.DISRUPTION_REASON_LAW_ENFORCEMENT,
    DisruptionReason.TERRORISM: disruption_pb2.DISRUPTION_REASON_TERRORISM,
    DisruptionReason.ROLLING_STOCK: disruption_pb2.DISRUPTION_REASON_ROLLING_STOCK,
    DisruptionReason.STAFF: disruption_pb2.DISRUPTION_REASON_STAFF,
    DisruptionReason.STAFF_STRIKE: disruption_pb2.DISRUPTION_REASON_STAFF_STRIKE,
    DisruptionReason.INFRASTRUCTURE: disruption_pb2.DISRUPTION_REASON_INFRASTRUCTURE,
    DisruptionReason.OTHER_OPERATORS: disruption_pb2.DISRUPTION_REASON_OTHER_OPERATORS,
    DisruptionReason.CONGESTION: disruption_pb2.DISRUPTION_REASON_CONGESTION,
    DisruptionReason.ORDINARY_WEATHER: disruption_pb2.DISRUPTION_REASON_ORDINARY_WEATHER,
}
_VALUES = {message: value for value, message in _MESSAGES.items()}


def disruption_reason(message: disruption_pb2.DisruptionReason.ValueType) -> DisruptionReason | None:
    """Return the reason that a request names, None where it names none. The rule decides whether it needs one."""
    if message == disruption_pb2.DISRUPTION_REASON_UNSPECIFIED:
        return None
    if message not in _VALUES:
        raise InvalidField("reason", f"{message} is not a known value")
    return _VALUES[message]


def reason_message(value: DisruptionReason | None) -> disruption_pb2.DisruptionReason.ValueType:
    """Return a reason as answers have it."""
    return disruption_pb2.DISRUPTION_REASON_UNSPECIFIED if value is None else _MESSAGES[value]
