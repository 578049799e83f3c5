"""Method policies: what holds for each RPC before its servicer is called.

Belongs here: the table with a row for each RPC, and what its columns mean. Does not belong here: how a row is enforced
(`guard.py`), nor permissions that depend on a resource, such as whose booking it is (`app/domain`).

A method without a row stops the start of the server: a new RPC is never open to anyone by omission.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from app.domain.people import Caller, require_identified, require_operator


class Kind(Enum):
    """How many messages travel. The values are those of the label `grpc_type` of gRPC's metrics."""

    UNARY = "unary"
    SERVER_STREAMING = "server_stream"


class Access(Enum):
    """Who may call. Whoever names a caller has to name a valid one, also where anyone may call."""

    ANYONE = "anyone"
    IDENTIFIED = "identified"
    OPERATOR = "operator"


class RateClass(Enum):
    """Which budget of requests a call counts against, where the server is given a rate limiter (`guard.RateLimiter`)."""

    READ = "read"  # one resource
    LIST = "list"  # pages of a list
    WRITE = "write"  # what callers change: bookings, holds, users
    ADMINISTRATION = "administration"  # what operators change


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """The row of one RPC. `seconds_max` bounds a call in all; None means the setting SEATLINE_CALL_SECONDS_MAX."""

    kind: Kind
    access: Access
    rate_class: RateClass
    seconds_max: float | None = None


class MissingPolicyError(Exception):
    """A method is registered that has no row in the table, or one of another kind."""


# What a caller has to pass; None where there is nothing to check. Each raises the refusal: CREDENTIALS_MISSING, NOT_PERMITTED.
ACCESS_CHECKS: Mapping[Access, Callable[[Caller], object] | None] = MappingProxyType(
    {Access.ANYONE: None, Access.IDENTIFIED: require_identified, Access.OPERATOR: require_operator}
)

_BOOKING, _HOLD, _TRAIN = "/seatline.v1.BookingService", "/seatline.v1.HoldService", "/seatline.v1.TrainService"
_RUN, _USER = "/seatline.v1.RunService", "/seatline.v1.UserService"
_WEBHOOK, _JOB = "/seatline.v1.WebhookService", "/seatline.v1.JobService"
_NOTICE, _TICKET = "/seatline.v1.NoticeService", "/seatline.v1.TicketService"

POLICIES: Mapping[str, MethodPolicy] = MappingProxyType(
    {
        f"{_BOOKING}/CreateBooking": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_BOOKING}/GetBooking": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.READ),
        f"{_BOOKING}/GetReceipt": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.READ),
        f"{_BOOKING}/ListReceipts": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.LIST),
        f"{_BOOKING}/ListSectionBookings": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_BOOKING}/UpdateBooking": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_BOOKING}/ChangeSeat": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_BOOKING}/CancelBooking": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_HOLD}/HoldSeats": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_HOLD}/ReleaseHold": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_TRAIN}/CreateTrain": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_TRAIN}/GetTrain": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.READ),
        f"{_TRAIN}/ListTrains": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_TRAIN}/UpdateTrain": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/ListTrainRuns": MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.LIST),
        f"{_RUN}/GetTrainRun": MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.READ),
        f"{_RUN}/GetSeatMap": MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.READ),
        f"{_RUN}/ScheduleTrainRuns": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/PromoteWaitlist": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/UpdateTrainRun": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/DeleteTrainRun": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/SetDelay": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/RecordArrival": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/CancelTrainRun": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/SetSalesWindow": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/UpdateLayout": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_RUN}/GetLayoutJob": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.READ),
        f"{_RUN}/ListLayoutOutcomes": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_USER}/RegisterUser": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_USER}/GetUser": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.READ),
        f"{_USER}/UpdateUser": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_WEBHOOK}/CreateWebhook": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_WEBHOOK}/GetWebhook": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.READ),
        f"{_WEBHOOK}/ListWebhooks": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_WEBHOOK}/UpdateWebhook": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_WEBHOOK}/DeleteWebhook": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_WEBHOOK}/RotateWebhookSecret": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_WEBHOOK}/ListWebhookDeliveries": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_JOB}/ListJobs": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
        f"{_JOB}/RetryJobs": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.ADMINISTRATION),
        f"{_NOTICE}/ListNotices": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.LIST),
        f"{_NOTICE}/GetNotificationPreferences": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.READ),
        f"{_NOTICE}/UpdateNotificationPreferences": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_NOTICE}/UnsubscribeByToken": MethodPolicy(Kind.UNARY, Access.ANYONE, RateClass.WRITE),
        f"{_NOTICE}/PreviewNotice": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.READ),
        f"{_TICKET}/GetTicket": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.READ),
        f"{_TICKET}/ResendTicket": MethodPolicy(Kind.UNARY, Access.IDENTIFIED, RateClass.WRITE),
        f"{_TICKET}/GetInspectionPackage": MethodPolicy(Kind.UNARY, Access.OPERATOR, RateClass.LIST),
    }
)


def policy_for(method: str, policies: Mapping[str, MethodPolicy]) -> MethodPolicy:
    """Return the row of a method, "/seatline.v1.BookingService/CreateBooking". Raise MissingPolicyError where there is none."""
    policy = policies.get(method)
    if policy is None:
        raise MissingPolicyError(f"{method} has no method policy; add its row to POLICIES in app/rpc/policies.py")
    return policy
