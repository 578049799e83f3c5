"""Service-level objective of CreateBooking, and the rate at which its error budget is spent.

Belongs here: the objective, which calls violate it, the time windows. Does not belong here: alerts (`*_alerts.py`).

Objective: over 30 days, 99.9 % of CreateBooking calls end without a fault of the service. A fault is a status that the caller
can do nothing about:

- Internal, Unknown, DataLoss, Unimplemented;
- Unavailable: the database or the payment provider is down, and a buyer does not care which;
- DeadlineExceeded: the call took longer than the caller's or the service's own limit;
- Aborted: other buyers or servers committed first too often, and the same call may be sent again;
- ResourceExhausted: the service had no capacity for the call.

ResourceExhausted is no fault for a full waitlist, or for a booker who has reached the limit of passengers on a train: these are
answers, and only CreateBooking gives them. Calls that their caller cancelled (Canceled) were neither served nor failed, and are
not counted at all.
"""

from deploy.observability.description import Recording

OBJECTIVE = 0.999
BUDGET = "0.001"  # 1 - OBJECTIVE, as text: 1 - 0.999 is not exactly 0.001 in binary
FAILURE_CODES = "Unknown|DeadlineExceeded|ResourceExhausted|Aborted|Unimplemented|Internal|Unavailable|DataLoss"
ANSWERS = "WAITLIST_FULL|BOOKER_LIMIT"  # reasons of ResourceExhausted that are no fault
CREATE_BOOKING = 'grpc_service="seatline.v1.BookingService", grpc_method="CreateBooking"'
# Each burn-rate alert uses two: a long one, so that the failures matter, and a short one, so that they still go on.
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

_CALLS = "grpc_server_handled_total"


def calls(window: str) -> str:
    """Name the recorded rate of calls that count, in calls per second over `window`."""
    return f"namespace:seatline_create_booking_calls:rate{window}"


def failures(window: str) -> str:
    """Name the recorded rate of failed calls, in calls per second over `window`."""
    return f"namespace:seatline_create_booking_failures:rate{window}"


def failure_ratio(window: str) -> str:
    """Name the recorded share of failed calls over `window`, from 0 to 1."""
    return f"namespace:seatline_create_booking_failures:ratio_rate{window}"


def recordings() -> list[Recording]:
    """List the recording rules of all windows. A rule may use the ones before it: Prometheus evaluates a group in order."""
    return [recording for window in WINDOWS for recording in _recordings(window)]


def _recordings(window: str) -> tuple[Recording, ...]:
    counted = f'sum by (namespace) (rate({_CALLS}{{{CREATE_BOOKING}, grpc_code!="Canceled"}}[{window}]))'
    failed = f'sum by (namespace) (rate({_CALLS}{{{CREATE_BOOKING}, grpc_code=~"{FAILURE_CODES}"}}[{window}]))'
    answered = f'sum by (namespace) (rate(seatline_refusals_total{{reason=~"{ANSWERS}"}}[{window}]))'
    # Servers export every code and reason from their start; earlier versions export a code when it first occurs. A missing
    # series counts as 0 in each namespace that has calls.
    none = f"0 * {calls(window)}"
    return (
        Recording(calls(window), counted),
        Recording(failures(window), f"clamp_min(({failed} or {none}) - ({answered} or {none}), 0)"),
        Recording(failure_ratio(window), f"{failures(window)} / {calls(window)}"),
    )
