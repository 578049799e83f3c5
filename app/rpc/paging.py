"""Page tokens.

Belongs here: how the place where a page ended travels to the client and back. Does not: how pages are read.

A token holds the last key and a fingerprint of the question, so that a token of another question, or one made up, is refused.
"""

import base64
import binascii
import hashlib
import json

from app.domain.refusals import InvalidField

_TOKEN_LENGTH_MAX = 2_048  # characters; ours have under 200, those of jobs with the longest names under 1,700

Key = tuple[str | int, ...]


def encode(key: Key | None, *question: str) -> str:
    """The token for the page behind `key` of this question; empty when there is none."""
    if key is None:
        return ""
    return base64.urlsafe_b64encode(json.dumps([_fingerprint(question), *key]).encode()).decode().rstrip("=")


def decode(token: str, example: Key, *question: str) -> Key | None:
    """The key in a token of this question, with the same types as `example`; None for no token. Refuses any other."""
    if not token:
        return None
    try:
        if len(token) > _TOKEN_LENGTH_MAX:
            raise ValueError
        padded = token + "=" * (-len(token) % 4)
        fingerprint, *key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if fingerprint != _fingerprint(question) or [type(part) for part in key] != [type(part) for part in example]:
            raise ValueError
    except (ValueError, TypeError, binascii.Error):
        raise InvalidField("page_token", "is none that this list gave out; ask for the first page again") from None
    return tuple(key)


def _fingerprint(question: tuple[str, ...]) -> str:
    return hashlib.blake2b("\n".join(question).encode(), digest_size=6).hexdigest()
