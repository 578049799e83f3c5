"""Checks of single fields.

Belongs here: what a well-formed value of each kind is. Does not: which field of which request (`requests.py`).

Each function gives the value in the form the domain takes, or refuses it under the field path it is told.
"""

import re
import unicodedata
from datetime import date
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email
from google.type.money_pb2 import Money as MoneyMessage

from app.domain import limits
from app.domain.money import Money, minor_digits
from app.domain.people import Person
from app.domain.reference import REFERENCE, REFERENCE_FORM
from app.domain.refusals import InvalidField
from app.domain.train import TRAIN_ID

_REQUEST_ID = re.compile(rf"[\x21-\x7e]{{1,{limits.REQUEST_ID_LENGTH_MAX}}}")
_PAYMENT_TOKEN = re.compile(r"[\x21-\x7e]{1,255}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# The plain addresses that nearly everybody has; the library sees to all others, twenty times slower. It refuses domains that
# are not for mail, and two dashes where they do not begin an internationalised label.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+"
    r"(?!(?i:arpa|invalid|local|localhost|onion)$)[A-Za-z]{2,63}"
)
_LOCAL_PART_LENGTH_MAX = 64  # RFC 5321 section 4.5.3.1.1
_NANOS = 10**9
_DATES_MAX = 1_024  # dates that are asked for again and again: those on which trains run


def required(text: str, field: str) -> str:
    """A text that must be there."""
    if not text:
        raise InvalidField(field, "is required")
    return text


def request_id(text: str) -> str:
    """The client's name for its request."""
    required(text, "request_id")
    if not _REQUEST_ID.fullmatch(text):
        raise InvalidField("request_id", f"needs 1 to {limits.REQUEST_ID_LENGTH_MAX} printable ASCII characters without blanks")
    return text


def train_id(text: str) -> str:
    """The key of a train."""
    required(text, "train_id")
    if not TRAIN_ID.fullmatch(text):
        raise InvalidField("train_id", f"needs 1 to {limits.TRAIN_ID_LENGTH_MAX} of a-z, 0-9 and '-'")
    return text


@lru_cache(maxsize=_DATES_MAX)
def iso_date(text: str, field: str) -> date:
    """A date in the form YYYY-MM-DD that exists."""
    required(text, field)
    try:
        if not _DATE.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidField(field, f"{text!r} is no date in the form YYYY-MM-DD") from None


def reference(text: str) -> str:
    """A booking's reference, in any case."""
    required(text, "reference")
    upper = text.strip().upper()
    if not REFERENCE.fullmatch(upper):
        raise InvalidField("reference", f"needs {REFERENCE_FORM}")
    return upper


def payment_token(text: str) -> str:
    """What stands for a means of payment, which may be empty. Whether it is one, the provider says."""
    if text and not _PAYMENT_TOKEN.fullmatch(text):
        raise InvalidField("payment_token", "needs at most 255 printable ASCII characters without blanks")
    return text


def email(text: str, field: str) -> str:
    """An address, as sent but for blanks around it. Whether mail arrives there is not asked."""
    required(text, field)
    text = text.strip()
    if len(text) > limits.EMAIL_LENGTH_MAX:
        raise InvalidField(field, f"has {len(text)} characters; at most {limits.EMAIL_LENGTH_MAX}")
    if _is_plain(text):
        return text
    try:
        validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        raise InvalidField(field, f"{text!r} is no e-mail address: {error}") from None
    return text


def _is_plain(address: str) -> bool:
    return (
        "--" not in address
        and _PLAIN_EMAIL.fullmatch(address) is not None
        and address.index("@") <= _LOCAL_PART_LENGTH_MAX
        and len(address) <= limits.EMAIL_LENGTH_MAX
    )


def is_ordinary(first_name: str, last_name: str, address: str) -> bool:
    """Whether these make a person just as they are. Nearly all do; what is wrong or unusual with the others, `person` says."""
    return (
        0 < len(first_name) <= limits.NAME_LENGTH_MAX
        and 0 < len(last_name) <= limits.NAME_LENGTH_MAX
        and first_name.isprintable()
        and last_name.isprintable()
        and not first_name.isspace()
        and not last_name.isspace()
        and _is_plain(address)
    )


def name(text: str, field: str) -> str:
    """A person's name in any script, as sent."""
    if not text.strip():
        raise InvalidField(field, "is required")
    if len(text) > limits.NAME_LENGTH_MAX:
        raise InvalidField(field, f"has {len(text)} characters; at most {limits.NAME_LENGTH_MAX}")
    if not text.isprintable() and any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text):
        raise InvalidField(field, "has control characters")
    return text


def person(first_name: str, last_name: str, address: str, field: str = "") -> Person:
    """Somebody with names and an address; `field` is the path of the message they stand in."""
    prefix = f"{field}." if field else ""
    return Person(
        name(first_name, f"{prefix}first_name"), name(last_name, f"{prefix}last_name"), email(address, f"{prefix}email")
    )


def money(message: MoneyMessage, field: str) -> Money:
    """An amount in whole minor units of its currency."""
    if message.units < 0 or message.nanos < 0:
        raise InvalidField(field, "must not be negative")
    scale = 10 ** minor_digits(message.currency_code)
    if message.nanos >= _NANOS or message.nanos * scale % _NANOS:
        raise InvalidField(f"{field}.nanos", "must be whole minor units of the currency")
    return Money(message.units * scale + message.nanos * scale // _NANOS, message.currency_code)


def page_size(asked: int, *, default: int, most: int) -> int:
    """How many to list: 0 stands for the default, more than the most for the most (google.aip.dev/158)."""
    if asked < 0:
        raise InvalidField("page_size", "must not be negative")
    return min(asked, most) if asked else default
