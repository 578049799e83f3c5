"""The token of a List-Unsubscribe link: what it names.

Belongs here: its fields and their bytes. Does not belong here: the signature (`app/tickets/signing.py`), what a token switches
off (`app/usecases/notices`).

A token names a kind, a booking and an addressee, no address: who has it learns nothing from it. It has no end, since people
unsubscribe by old mails too. Its bytes begin with 2, a ticket's code with 1: no signature serves two ends.
"""

import base64

from app.domain.notices.notice import WHOLE_BOOKING, NoticeKind
from app.domain.reference import REFERENCE
from app.domain.ticket.code import KEY_ID_BYTES, SIGNATURE_BYTES
from app.domain.values import value

_VERSION = 2
_FIELDS_FROM = 1 + KEY_ID_BYTES
TOKEN_LENGTH_MAX = 200  # characters, as the contract says; the longest kind gives 139


class MalformedTokenError(ValueError):
    """A text is no token. The text says why."""


@value(frozen=True, slots=True)
class UnsubscribeRequest:
    """What a token asks for: that the addressee of a booking gets no more notices of a kind.

    `addressee` is the number of the passenger whose address it is, or WHOLE_BOOKING for the booker.
    """

    kind: NoticeKind
    reference: str
    addressee: str


@value(frozen=True, slots=True)
class SignedToken:
    """A token as read: what it asks for, the key and the bytes that were signed, and the signature, not checked yet."""

    request: UnsubscribeRequest
    key_id: str
    signed_bytes: bytes
    signature: bytes


def token_bytes(request: UnsubscribeRequest, key_id: str) -> bytes:
    """Return the bytes of a token that are signed."""
    fields = f"{request.kind.value} {request.reference} {request.addressee}"
    return bytes((_VERSION,)) + bytes.fromhex(key_id) + fields.encode()


def token_text(signed_bytes: bytes, signature: bytes) -> str:
    """Return the text of a token: base64url without padding, which every mail program leaves as it is."""
    return base64.urlsafe_b64encode(signed_bytes + signature).decode().rstrip("=")


def read_token(text: str) -> SignedToken:
    """Return what a token says. Raises MalformedTokenError."""
    if len(text) > TOKEN_LENGTH_MAX:
        raise MalformedTokenError(f"a token has at most {TOKEN_LENGTH_MAX} characters")
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        signed_bytes, signature = content[:-SIGNATURE_BYTES], content[-SIGNATURE_BYTES:]
        kind, reference, addressee = signed_bytes[_FIELDS_FROM:].decode().split(" ")
        request = UnsubscribeRequest(NoticeKind(kind), reference, addressee)
    except ValueError as error:
        raise MalformedTokenError("it is cut off or damaged") from error
    is_addressee = addressee == WHOLE_BOOKING or (addressee.isdecimal() and len(addressee) == 1)
    if signed_bytes[0] != _VERSION or REFERENCE.fullmatch(reference) is None or not is_addressee:
        raise MalformedTokenError("it is no token of a mail")
    return SignedToken(request, signed_bytes[1:_FIELDS_FROM].hex(), signed_bytes, signature)
