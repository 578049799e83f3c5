"""Faults of the service, and the memory that exceptions hold.

Belongs here: the answer to a call that met a fault, and releasing what an exception refers to. Does not belong here: refusals
by a rule (`errors.py`).
"""

import uuid

from app.domain.refusals import Reason, Refusal
from app.telemetry.logs.calls import record_incident


def internal_error(error: BaseException) -> Refusal:
    """Log a fault under an incident number, and return the INTERNAL refusal that has the number and nothing else of it."""
    incident = uuid.uuid4().hex[:12]
    record_incident(incident, error)
    refusal = Refusal(Reason.INTERNAL, f"an internal error occurred, incident {incident}")
    refusal.__cause__ = error
    return refusal


def clear_tracebacks(error: BaseException) -> None:
    """Clear the traceback of an exception and of its causes, so that they no longer hold the request."""
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        found = left.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            found.__traceback__ = None
            left += (found.__context__, found.__cause__)
