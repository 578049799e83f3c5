"""What a servicer needs to know of a call besides its request.

Belongs here: the caller and the deadline of a call. Does not: requests.
"""

import time

from app.domain.people import Caller
from app.ports.call_observer import Context
from app.rpc.authentication import caller_from
from app.telemetry.tracing.context import current_trace_parent


def caller_of(context: Context) -> Caller:
    """Who makes the call, with the trace context of the call's own span where it has one, else the client's.

    Refuses CREDENTIALS_MISSING for a name that is none.
    """
    return caller_from(context.invocation_metadata(), current_trace_parent())


def deadline_of(context: Context, seconds_max: float) -> float:
    """When nobody listens any more, in `time.monotonic` seconds: the client's deadline, at most `seconds_max` from now."""
    remaining = context.time_remaining()
    return time.monotonic() + (seconds_max if remaining is None else min(remaining, seconds_max))
