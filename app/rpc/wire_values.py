"""Values that answers of several resources share: instants, amounts, seats.

Belongs here: values of the domain to messages that stand in other messages. Does not belong here: the answers themselves
(`app/rpc/<resource>/answers.py`).
"""

from datetime import UTC, datetime
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage

from app.domain.booking import Seat
from app.domain.money import Money, minor_digits
from app.pb.seatline.v1 import seat_pb2

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Departures, arrivals, fares, and the moments of a batch: a few hundred are in use at a time.
_SHARED_MAX = 4_096


# Messages are copied into the one they become part of, so that one value may serve many answers.
@lru_cache(maxsize=_SHARED_MAX)
def timestamp(moment: datetime) -> Timestamp:
    """An instant. The value is shared: not to be changed."""
    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1_000)


@lru_cache(maxsize=_SHARED_MAX)
def money(amount: Money) -> MoneyMessage:
    """An amount. The value is shared: not to be changed."""
    scale = 10 ** minor_digits(amount.currency)
    whole, part = divmod(amount.minor, scale)
    return MoneyMessage(currency_code=amount.currency, units=whole, nanos=part * (10**9 // scale))


def seat(place: Seat) -> seat_pb2.Seat:
    """A place."""
    return seat_pb2.Seat(section=place.section, coach=place.coach, number=place.number, label=place.label)
