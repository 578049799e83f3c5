"""Values that answers of several resources share: instants, amounts, seats, states of runs.

Belongs here: values of the domain to messages that are part of other messages. Does not belong here: the answers themselves
(`app/rpc/<resource>/answers.py`).
"""

from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.booking import Seat
from app.domain.money import Money, minor_digits
from app.domain.timetable import RunState
from app.pb.seatline.v1 import seat_pb2, train_run_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Departures, arrivals, fares and commit times: a few hundred are in use at a time.
_SHARED_MAX = 4_096

RUN_STATES = {
    RunState.SCHEDULED: train_run_pb2.RUN_STATE_SCHEDULED,
    RunState.DELAYED: train_run_pb2.RUN_STATE_DELAYED,
    RunState.CANCELLED: train_run_pb2.RUN_STATE_CANCELLED,
    RunState.DEPARTED: train_run_pb2.RUN_STATE_DEPARTED,
    RunState.COMPLETED: train_run_pb2.RUN_STATE_COMPLETED,
}


# A message is copied into the message that it becomes part of, so one cached value can serve many answers.
@lru_cache(maxsize=_SHARED_MAX)
def timestamp(moment: datetime) -> Timestamp:
    """Return an instant as a message. It is cached: do not change it."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


@lru_cache(maxsize=_SHARED_MAX)
def money(amount: Money) -> MoneyMessage:
    """Return an amount as a message. It is cached: do not change it."""
    scale = 10 ** minor_digits(amount.currency)
    whole, part = divmod(amount.minor, scale)
    return MoneyMessage(currency_code=amount.currency, units=whole, nanos=part * (10**9 // scale))


def seat(value: Seat) -> seat_pb2.Seat:
    """Return a seat as a message."""
    return seat_pb2.Seat(section=value.section, coach=value.coach, number=value.number, label=value.label)
