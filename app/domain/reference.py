"""Booking references: which reference a request's booking has, and their form.

Belongs here: the derivation of references and their form. Does not belong here: which of a request's references is free
(`app/domain/rules/sale_checks.py`).

A request tries its references in order: one of 6 characters, then seven of 8. There are 32^6 = 10^9 references of 6 characters:
with a million bookings a day, 29 % of them are taken after one year and 64 % after three. So many requests need their second
reference, and one of those is soon found: 0.005 % of the 32^8 of 8 characters are taken after one year, 0.2 % after ten. Within
ten years, not one request (10^-9) finds all eight taken. While all eight had 6 characters, 180 of a million did after one year.
"""

import hashlib
import re
from functools import lru_cache

from app.domain import limits
from app.domain.people import email_key

# Crockford's base 32: digits and letters without I, L, O and U, which are misread or make words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHORT_LENGTH, _LONG_LENGTH = 6, 8
REFERENCE = re.compile(rf"[0-9A-HJKMNP-TV-Z]{{{_SHORT_LENGTH}}}(?:[0-9A-HJKMNP-TV-Z]{{{_LONG_LENGTH - _SHORT_LENGTH}}})?")
REFERENCE_FORM = f"{_SHORT_LENGTH} or {_LONG_LENGTH} of 0-9 and A-Z without I, L, O and U"
# A reference is computed when bookings are loaded for a batch and again when the batch is decided.
_REFERENCES_CACHED = 8_192


@lru_cache(maxsize=_REFERENCES_CACHED)
def reference_for(user_key: str, request_id: str, attempt: int) -> str:
    """Return the reference under which this user's request makes its booking at this attempt, counted from 0.

    It follows from the request. So every server and every retry, also after a crash, looks for the same booking. Where another
    request has the reference already, the request goes on to the next attempt.
    """
    return _encoded(user_key, request_id, attempt, _LONG_LENGTH if attempt else _SHORT_LENGTH)


def earlier_references(user_key: str, request_id: str) -> list[str]:
    """Return the references of 6 characters that earlier versions gave to the attempts after the first.

    Bookings of an earlier version may be found under them. No new booking gets one.
    """
    return [_encoded(user_key, request_id, attempt, _SHORT_LENGTH) for attempt in range(1, limits.REFERENCE_ATTEMPTS_MAX)]


def all_references(user_key: str, request_id: str) -> list[str]:
    """Return all references under which the booking of this request may be, the likeliest first."""
    attempts = range(limits.REFERENCE_ATTEMPTS_MAX)
    tried = [reference_for(user_key, request_id, attempt) for attempt in attempts]
    return [*tried, *earlier_references(user_key, request_id)]


def first_reference(email: str, request_id: str) -> str:
    """Return the reference under which nearly every request of the person with this address has its booking."""
    return reference_for(email_key(email), request_id, 0)


def request_references(email: str, request_id: str) -> list[str]:
    """Return all references under which the request of the person with this address may have made its booking."""
    return all_references(email_key(email), request_id)


def _encoded(user_key: str, request_id: str, attempt: int, length: int) -> str:
    # Five bits a character, in whole bytes.
    digest = hashlib.blake2b(f"{user_key}\n{request_id}\n{attempt}".encode(), digest_size=-(-length * 5 // 8)).digest()
    bits = int.from_bytes(digest, "big")
    return "".join([_PAIRS[bits >> shift & 1023] for shift in range(10 * (length // 2 - 1), -1, -10)])
