"""Checks of e-mail addresses.

Belongs here: what a well-formed address is, for passengers, users and callers alike. Does not belong here: how two addresses
are compared (`app/domain/people.py`).
"""

import re
import unicodedata
from functools import lru_cache

import idna
from email_validator import EmailNotValidError, validate_email

from app.domain import limits
from app.domain.people import domain_key
from app.domain.refusals import InvalidField
from app.domain.text import fault_of

# The plain addresses of nearly all people. The library checks all others, fifty times slower. The pattern excludes domains that
# are not for mail, and labels with two dashes, which may be internationalised. It is possessive: it never backtracks.
_PLAIN_EMAIL = re.compile(
    r"[A-Za-z0-9_+-]++(?:\.[A-Za-z0-9_+-]++)*+@(?:(?![A-Za-z0-9-]{64})[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+\.)+"
    r"(?!(?i:arpa|invalid|local|localhost|onion)$)[A-Za-z]{2,63}"
)
_LOCAL_PART_LENGTH_MAX = 64  # RFC 5321 section 4.5.3.1.1
_ADDRESSES_CACHED = 4_096  # addresses that are not plain; the check of one takes 0.1 ms


def email(text: str, field: str) -> str:
    """Return an address without the blanks around it. Does not check whether mail arrives there."""
    if is_plain_email(text):
        return text
    if not text:
        raise InvalidField(field, "is required")
    text = text.strip()
    # One character may be sent as several code points (NFD). A text that is too long in any spelling is not composed.
    length = len(text) if len(text) > 4 * limits.EMAIL_LENGTH_MAX else len(unicodedata.normalize("NFC", text))
    if length > limits.EMAIL_LENGTH_MAX:
        raise InvalidField(field, f"has {length} characters; at most {limits.EMAIL_LENGTH_MAX}")
    if fault := _address_error(text):
        raise InvalidField(field, f"{text!r} is not an e-mail address: {fault}")
    return text


def is_plain_email(address: str) -> bool:
    """Return whether an address needs no further check. It is a fast path for nearly all; `email` checks the others."""
    return (
        _PLAIN_EMAIL.fullmatch(address) is not None
        and len(address) <= limits.EMAIL_LENGTH_MAX
        and (len(address) <= _LOCAL_PART_LENGTH_MAX or address.index("@") <= _LOCAL_PART_LENGTH_MAX)
    )


@lru_cache(maxsize=_ADDRESSES_CACHED)
def _address_error(text: str) -> str | None:
    if not text.isascii() and (fault := fault_of(text)):
        return f"it {fault}"
    try:
        validate_email(text, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        return str(error)
    return _domain_error(text.rpartition("@")[2])


def _domain_error(domain: str) -> str | None:
    """Return why IDNA 2008 refuses the domain, or that we compare it differently: its letters are newer than our Unicode."""
    try:
        dns_name = idna.encode(domain, uts46=True).decode().lower()
    except idna.IDNAError as error:
        return f"the domain is not valid by IDNA 2008: {error}"
    return None if domain_key(domain) == dns_name else f"write its domain as {dns_name}"
