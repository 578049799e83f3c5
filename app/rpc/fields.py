"""Checks of single fields.

Belongs here: what a well-formed value of each kind is. Does not belong here: which request has which field
(`<resource>/requests.py`), e-mail addresses (`email_field.py`).

Each function returns the value in the form that the domain takes. Otherwise it raises InvalidField with the path `field`.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.money_pb2 import Money as MoneyMessage

from app.domain import limits
from app.domain.money import Money, minor_digits
from app.domain.people import Person
from app.domain.reference import REFERENCE, REFERENCE_FORM
from app.domain.refusals import InvalidField
from app.domain.run.hold import split_hold_id
from app.domain.text import fault_of, trimmed
from app.domain.train import TRAIN_ID, check_travel_date
from app.rpc.email_field import email as email  # noqa: PLC0414 - requests find all fields here
from app.rpc.email_field import is_plain_email

_REQUEST_ID = re.compile(rf"[\x21-\x7e]{{1,{limits.REQUEST_ID_LENGTH_MAX}}}")
_PAYMENT_TOKEN = re.compile(r"[\x21-\x7e]{1,255}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_LOCAL_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_NANOS = 10**9
_NANOS_PER_MILLISECOND = 10**6  # the database stores instants in milliseconds
# No train runs before or after; within them no sum of an instant and a delay leaves the calendar.
_INSTANT_FIRST, _INSTANT_LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, tzinfo=UTC)
_INSTANT_SECONDS_MAX = (_INSTANT_LAST - _INSTANT_FIRST) // timedelta(seconds=1)
_CODE_POINTS_MAX = 4  # of one composed character (Unicode annex 15, section 9.1)
_JOURNEYS_MAX = 4_096  # journeys that many requests name, each under a kilobyte
_DATES_MAX = 1_024  # dates that many requests name: those on which trains run


def required(text: str, field: str) -> str:
    """Return a text. Refuse an empty one."""
    if not text:
        raise InvalidField(field, "is required")
    return text


def request_id(text: str) -> str:
    """Return a request_id: the client's name for its request."""
    required(text, "request_id")
    if not _REQUEST_ID.fullmatch(text):
        raise InvalidField("request_id", f"needs 1 to {limits.REQUEST_ID_LENGTH_MAX} printable ASCII characters without blanks")
    return text


def train_id(text: str, field: str = "train_id") -> str:
    """Return the id of a train."""
    text = required(text.strip(), field)
    if not TRAIN_ID.fullmatch(text):
        raise InvalidField(field, f"needs 1 to {limits.TRAIN_ID_LENGTH_MAX} of a-z, 0-9 and '-'")
    return text


@lru_cache(maxsize=_DATES_MAX)
def iso_date(text: str, field: str) -> date:
    """Return a travel date in the form YYYY-MM-DD. Refuse dates that do not exist, or on which no train may run."""
    required(text, field)
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        found = date.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, f"{text!r} is not a date in the form YYYY-MM-DD") from None
    check_travel_date(found, field)
    return found


def instant(message: Timestamp, field: str) -> datetime:
    """Return an instant. Refuse parts of a millisecond, and years in which no train runs."""
    if not 0 <= message.nanos < _NANOS or message.nanos % _NANOS_PER_MILLISECOND:
        raise InvalidField(field, "must be whole milliseconds")
    if not 0 <= message.seconds <= _INSTANT_SECONDS_MAX:
        raise InvalidField(field, f"needs {_INSTANT_FIRST:%Y-%m-%d} to {_INSTANT_LAST:%Y-%m-%d}")
    return _INSTANT_FIRST + timedelta(seconds=message.seconds, microseconds=message.nanos // 1_000)


def local_time(text: str, field: str) -> time:
    """Return a local time in the form HH:MM."""
    try:
        if not _LOCAL_TIME.fullmatch(text):
            raise ValueError
        return time.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, f"{text!r} is not a local time in the form HH:MM") from None


def whole_minutes(message: Duration, field: str) -> int:
    """Return a duration in minutes, 0 for one that is not set. Refuse parts of a minute."""
    minutes, seconds = divmod(message.seconds, 60)
    if seconds or message.nanos:
        raise InvalidField(field, "must be whole minutes")
    return minutes


def reference(text: str) -> str:
    """Return a booking's reference in capitals. Accepts any case."""
    required(text, "reference")
    upper = text.strip().upper()
    if not REFERENCE.fullmatch(upper):
        raise InvalidField("reference", f"needs {REFERENCE_FORM}")
    return upper


def payment_token(text: str) -> str:
    """Return a payment token, which may be empty. The provider decides whether it names a means of payment."""
    if text and not _PAYMENT_TOKEN.fullmatch(text):
        raise InvalidField("payment_token", "needs at most 255 printable ASCII characters without blanks")
    return text


def is_plain_person(first_name: str, last_name: str, address: str) -> bool:
    """Return whether these fields need no further check. A fast path for nearly all people; `person` checks the others."""
    return _is_plain_name(first_name) and _is_plain_name(last_name) and is_plain_email(address)


def _is_plain_name(text: str) -> bool:
    return (
        0 < len(text) <= limits.NAME_LENGTH_MAX and text.isascii() and text.isprintable() and text[0] != " " and text[-1] != " "
    )


def name(text: str, field: str) -> str:
    """Return a person's name in any script, without the blanks around it."""
    return text if _is_plain_name(text) else _checked_text(text, field, limits.NAME_LENGTH_MAX)


def _checked_text(text: str, field: str, length_max: int) -> str:
    text = required(bounded(text, field, length_max), field)
    if fault := fault_of(text):
        raise InvalidField(field, fault)
    return text


def bounded(text: str, field: str, length_max: int) -> str:
    """Return a text without the blanks around it. Refuse more than `length_max` characters, counted composed (NFC)."""
    text = text.strip()
    # One character may be sent as several code points (NFD). A text that is too long in any spelling is not composed.
    length = len(text) if text.isascii() or len(text) > length_max * _CODE_POINTS_MAX else len(trimmed(text))
    if length > length_max:
        raise InvalidField(field, f"has {length} characters; at most {length_max}")
    return text


def stop(text: str, field: str) -> str:
    """Return a stop's name or code, which may be empty, in the form in which stops are stored."""
    return trimmed(bounded(text, field, limits.NAME_LENGTH_MAX))


def section(text: str) -> str:
    """Return a section's name in capitals, which may be empty. The run decides whether it has that section."""
    return text.strip().upper() if text.isascii() else text


def person(first_name: str, last_name: str, address: str, field: str = "") -> Person:
    """Return a person with names and an address; `field` is the path of the message that has them."""
    prefix = f"{field}." if field else ""
    return Person(
        name(first_name, f"{prefix}first_name"), name(last_name, f"{prefix}last_name"), email(address, f"{prefix}email")
    )


def money(message: MoneyMessage, field: str) -> Money:
    """Return an amount. Refuse negative ones, and parts of a minor unit of the currency."""
    if message.units < 0 or message.nanos < 0:
        raise InvalidField(field, "must not be negative")
    scale = 10 ** minor_digits(message.currency_code)
    if message.nanos >= _NANOS or message.nanos * scale % _NANOS:
        raise InvalidField(f"{field}.nanos", "must be whole minor units of the currency")
    return Money(message.units * scale + message.nanos * scale // _NANOS, message.currency_code)


def page_size(asked: int, *, default: int, most: int) -> int:
    """Return how many items to list: 0 means the default, more than the most means the most (google.aip.dev/158)."""
    if asked < 0:
        raise InvalidField("page_size", "must not be negative")
    return min(asked, most) if asked else default


@lru_cache(maxsize=_JOURNEYS_MAX)
def journey(train: str, date_text: str, origin: str, destination: str) -> tuple[str, str, str, str]:
    """Return the checked train_id, travel_date, origin and destination of a request. Cached: thousands ask for the same."""
    return (
        train_id(train),
        iso_date(date_text, "travel_date").isoformat(),
        required(stop(origin, "origin"), "origin"),
        required(stop(destination, "destination"), "destination"),
    )


def hold_id(text: str) -> str:
    """Return the id of a hold."""
    required(text, "hold_id")
    if split_hold_id(text) is None:
        raise InvalidField("hold_id", "is not the id of a hold")
    return text


def check_seat_numbers(numbers: tuple[int, ...], section: str) -> None:
    """Check the chosen seats of a request, which may be none; `section` is the section that the request names."""
    if not numbers:
        return
    if not section:
        raise InvalidField("section", "is required with seat_numbers, which count through one section")
    if len(numbers) > limits.PASSENGERS_PER_BOOKING_MAX:
        raise InvalidField("seat_numbers", f"has {len(numbers)} seats; at most {limits.PASSENGERS_PER_BOOKING_MAX}")
    if len(set(numbers)) != len(numbers):
        raise InvalidField("seat_numbers", "names a seat twice")
