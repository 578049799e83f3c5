"""Page tokens.

Belongs here: encoding and decoding the key of a page's last item, and the form of the keys of each list. Does not belong here:
how pages are filled (`page_filling.py`).

A token is base64url of a JSON array: a checksum, then the key of the page's last item. It comes from a client, so it is input
like any other. It is accepted only if each part of its key has the form of this list's keys, and if encoding the key for the
same filters gives the same token. The checksum covers the list, its filters and the key. It needs no secret that servers would
have to share: a client that computes a valid token gets a page that the list shows anyway.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeVar

from app.domain import limits
from app.domain.reference import REFERENCE
from app.domain.refusals import InvalidField
from app.domain.train import TRAIN_ID

_TOKEN_LENGTH_MAX = 2_048  # characters; ours have less than 200, those of jobs with the longest names less than 1,700
_CHECKSUM_BYTES = 9  # of blake2b: two keys do not have the same one by chance
# Milliseconds from 1970 to the end of the year 9999, the last moment that a `datetime` can be.
_MILLISECONDS_MAX = 253_402_300_799_999

KeyT = TypeVar("KeyT", bound=tuple[str | int, ...])
_Check = Callable[[Any], bool]


def _text(pattern: str) -> _Check:
    compiled = re.compile(pattern)
    return lambda part: type(part) is str and compiled.fullmatch(part) is not None


def _whole(least: int, most: int) -> _Check:
    return lambda part: type(part) is int and least <= part <= most  # no bool: JSON's true is no number here


@dataclass(frozen=True, slots=True)
class PageTokens(Generic[KeyT]):
    """The tokens of one list: its name, and the check of each part of a key."""

    name: str
    parts: tuple[_Check, ...]

    def encode(self, key: KeyT | None, *filters: str) -> str:
        """Return the token for the page after `key` under these filters; empty where there is no further page."""
        if key is None:
            return ""
        token = json.dumps([self._checksum(key, filters), *key], separators=(",", ":"))
        return base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")

    def decode(self, token: str, *filters: str) -> KeyT | None:
        """Return the key in a token of this list and these filters; None for an empty token. Refuse any other token."""
        if not token:
            return None
        key = self._key_in(token)
        if key is None or self.encode(key, *filters) != token:
            raise InvalidField("page_token", "is not a token of this list; request the first page again")
        return key

    def _key_in(self, token: str) -> KeyT | None:
        """Return the key in a token, None where it does not have the form of one."""
        if len(token) > _TOKEN_LENGTH_MAX:
            return None
        try:
            decoded = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        except (ValueError, binascii.Error, RecursionError):  # arrays within arrays are a recursion of the parser
            return None
        if type(decoded) is not list or len(decoded) != len(self.parts) + 1:
            return None
        key = tuple(decoded[1:])
        return key if all(check(part) for check, part in zip(self.parts, key, strict=True)) else None  # type: ignore[return-value]  # each part is checked

    def _checksum(self, key: KeyT, filters: tuple[str, ...]) -> str:
        covered = json.dumps([self.name, filters, key]).encode()
        return base64.urlsafe_b64encode(hashlib.blake2b(covered, digest_size=_CHECKSUM_BYTES).digest()).decode()


def _date(part: Any) -> bool:
    if type(part) is not str or _DATE.fullmatch(part) is None:
        return False
    try:
        date.fromisoformat(part)
    except ValueError:
        return False
    return True


def _run_id(part: Any) -> bool:
    if type(part) is not str:
        return False
    train_id, _, travel_date = part.partition(":")
    return TRAIN_ID.fullmatch(train_id) is not None and _date(travel_date)


_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_train_id = _text(TRAIN_ID.pattern)
_reference = _text(REFERENCE.pattern)
_webhook_id = _text(r"[0-9a-f]{16}")
_name = _text(r"[\x20-\x7e]{1,300}")  # of jobs, deliveries and notices

# A list, and the key of an item in its order.
RECEIPTS: PageTokens[tuple[str, str, str]] = PageTokens("receipts", (_date, _train_id, _reference))
RUNS: PageTokens[tuple[str, str]] = PageTokens("runs", (_date, _run_id))
TRAINS: PageTokens[tuple[str]] = PageTokens("trains", (_train_id,))
SECTION_ROWS: PageTokens[tuple[int, str]] = PageTokens("section", (_whole(1, limits.SEAT_NUMBERS_PER_RUN_MAX), _reference))
WEBHOOKS: PageTokens[tuple[str]] = PageTokens("webhooks", (_webhook_id,))
DELIVERIES: PageTokens[tuple[int, str]] = PageTokens("deliveries", (_whole(0, _MILLISECONDS_MAX), _name))
NOTICES: PageTokens[tuple[int, str]] = PageTokens("notices", (_whole(0, _MILLISECONDS_MAX), _name))
JOBS: PageTokens[tuple[str, str]] = PageTokens("jobs", (_name, _name))
LAYOUT_OUTCOMES: PageTokens[tuple[str]] = PageTokens("layout outcomes", (_date,))
