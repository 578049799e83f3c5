"""Faults of ours, and what exceptions keep.

Belongs here: what a caller is told of a fault, and letting go of what an exception knows. Does not: refusals by a rule.
"""

import uuid

from app.domain.refusals import Reason, Refusal
from app.telemetry.logs.calls import record_incident


def internal_error(error: BaseException) -> Refusal:
    """INTERNAL; where it happened is in the log under the same number, and nothing of it in the answer."""
    incident = uuid.uuid4().hex[:12]
    record_incident(incident, error)
    refusal = Refusal(Reason.INTERNAL, f"an internal error occurred, incident {incident}")
    refusal.__cause__ = error
    return refusal


def clear_tracebacks(error: BaseException) -> None:
    """Has an exception, and those that it came from, forget where they happened, so that they keep nobody's request."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += (found.__context__, found.__cause__)
