"""What CreateBooking promises, and how fast the promise is being broken.

Belongs here: the objective, which calls break it, the windows it is looked at through. Does not: alerts (`alerts_*.py`).

Of all calls of CreateBooking in 30 days, 99.9 % end other than through a fault of the service. A fault is whatever the caller
can do nothing about: Internal, Unknown, DataLoss and Unimplemented; Unavailable, which is the database or the payment provider,
since a buyer cares little whose outage it is; DeadlineExceeded, since it was too slow, whether for the caller's patience or for
the service's own; Aborted, where other buyers or servers were first too often and the same call may be sent again;
ResourceExhausted, where there was no room for the call.

Not a fault is ResourceExhausted for a full waiting list, or for a booker who has as many passengers on a train as one may:
these are answers, and only CreateBooking gives them. Calls that
ended since their caller had gone (Canceled) were neither served nor failed, and are not counted at all.
"""

from deploy.observability.description import Recording

OBJECTIVE = 0.999
BUDGET = "0.001"  # what is left of all calls; as text, since 1 - 0.999 is not quite that in binary
FAILURE_CODES = "Unknown|DeadlineExceeded|ResourceExhausted|Aborted|Unimplemented|Internal|Unavailable|DataLoss"
ANSWERS = "WAITLIST_FULL|BOOKER_LIMIT"  # reasons of ResourceExhausted that are no fault
CREATE_BOOKING = 'grpc_service="seatline.v1.BookingService", grpc_method="CreateBooking"'
# Over each is asked twice: long enough to matter, and short enough that it still goes on.
WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

_CALLS = "grpc_server_handled_total"


def calls(window: str) -> str:
    """The name of the recorded number of calls in a second that count, over the window."""
    return f"namespace:seatline_create_booking_calls:rate{window}"


def failures(window: str) -> str:
    """The name of the recorded number of failed calls in a second, over the window."""
    return f"namespace:seatline_create_booking_failures:rate{window}"


def failure_ratio(window: str) -> str:
    """The name of the recorded share of failed calls, over the window."""
    return f"namespace:seatline_create_booking_failures:ratio_rate{window}"


def recordings() -> list[Recording]:
    """What is recorded for each window. Later ones rest on earlier ones, as rules of a group are evaluated in their order."""
    return [one for window in WINDOWS for one in _recordings(window)]


def _recordings(window: str) -> tuple[Recording, ...]:
    counted = f'sum by (namespace) (rate({_CALLS}{{{CREATE_BOOKING}, grpc_code!="Canceled"}}[{window}]))'
    failed = f'sum by (namespace) (rate({_CALLS}{{{CREATE_BOOKING}, grpc_code=~"{FAILURE_CODES}"}}[{window}]))'
    answered = f'sum by (namespace) (rate(seatline_refusals_total{{reason=~"{ANSWERS}"}}[{window}]))'
    # Servers show every code and reason from their start; those of an earlier version show a code when it first occurs.
    # A missing series counts as 0 wherever there are calls at all.
    none = f"0 * {calls(window)}"
    return (
        Recording(calls(window), counted),
        Recording(failures(window), f"clamp_min(({failed} or {none}) - ({answered} or {none}), 0)"),
        Recording(failure_ratio(window), f"{failures(window)} / {calls(window)}"),
    )
