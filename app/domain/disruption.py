"""Why a train is late or does not run.

Belongs here: the causes, and which of them need evidence. Does not belong here: delays (`run/delay_record.py`), cancellations
(`run/run_cancellation.py`).

The causes are those by which Regulation (EU) 2021/782, Article 19 (10), tells whether a delay has to be compensated. A railway
that names a cause outside its control has to prove it: such a cause needs evidence.
"""

from enum import StrEnum

from app.domain import limits
from app.domain.refusals import InvalidField
from app.domain.text import fault_of


class DisruptionReason(StrEnum):
    """Why a train is late or cancelled."""

    EXTREME_WEATHER = "EXTREME_WEATHER"
    NATURAL_DISASTER = "NATURAL_DISASTER"
    PUBLIC_HEALTH_CRISIS = "PUBLIC_HEALTH_CRISIS"
    PEOPLE_ON_TRACK = "PEOPLE_ON_TRACK"
    THEFT_OR_SABOTAGE = "THEFT_OR_SABOTAGE"
    ON_BOARD_EMERGENCY = "ON_BOARD_EMERGENCY"
    LAW_ENFORCEMENT = "LAW_ENFORCEMENT"
    TERRORISM = "TERRORISM"
    ROLLING_STOCK = "ROLLING_STOCK"
    STAFF = "STAFF"
    STAFF_STRIKE = "STAFF_STRIKE"
    INFRASTRUCTURE = "INFRASTRUCTURE"
    OTHER_OPERATORS = "OTHER_OPERATORS"
    CONGESTION = "CONGESTION"
    ORDINARY_WEATHER = "ORDINARY_WEATHER"


# Causes outside the railway that it could not avoid.
REASONS_WITH_EVIDENCE = frozenset(
    {
        DisruptionReason.EXTREME_WEATHER,
        DisruptionReason.NATURAL_DISASTER,
        DisruptionReason.PUBLIC_HEALTH_CRISIS,
        DisruptionReason.PEOPLE_ON_TRACK,
        DisruptionReason.THEFT_OR_SABOTAGE,
        DisruptionReason.ON_BOARD_EMERGENCY,
        DisruptionReason.LAW_ENFORCEMENT,
        DisruptionReason.TERRORISM,
    }
)


def check_disruption(reason: DisruptionReason | None, evidence: str) -> DisruptionReason:
    """Return the reason. Refuses INVALID_FIELD without one, and without the evidence that the reason needs."""
    if reason is None:
        raise InvalidField("reason", "is required")
    if not evidence and reason in REASONS_WITH_EVIDENCE:
        raise InvalidField("evidence", f"is required for {reason}: say what proves it, such as the address of a report")
    if len(evidence) > limits.EVIDENCE_LENGTH_MAX:
        raise InvalidField("evidence", f"has {len(evidence)} characters; at most {limits.EVIDENCE_LENGTH_MAX}")
    if evidence and (fault := fault_of(evidence)):
        raise InvalidField("evidence", fault)
    return reason
