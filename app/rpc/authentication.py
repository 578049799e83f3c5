"""Authentication: who makes a call.

Belongs here: what the guard asks of an authenticator, and the one that reads the caller from a call's metadata. Does not belong
here: what a caller may do (`policies.py`, `app/domain/people.py`).

Until callers prove who they are, they name themselves: `x-seatline-user: jane@example.com`, `x-seatline-roles: operator`.
gRPC carries only ASCII in such metadata. Addresses in other scripts come as UTF-8 in `x-seatline-user-bin`, which gRPC
libraries encode as the wire needs it.
"""

import re
from collections.abc import Iterable
from typing import Protocol, TypeAlias

from app.domain.people import Caller, Role, email_key
from app.domain.refusals import InvalidField, Reason, Refusal
from app.rpc.email_field import email, is_plain_email
from app.telemetry.tracing.context import current_trace_parent

USER_METADATA = "x-seatline-user"
USER_BYTES_METADATA = "x-seatline-user-bin"
ROLES_METADATA = "x-seatline-roles"
# W3C trace context: events continue the trace of the call. A malformed one is ignored.
TRACE_METADATA = "traceparent"
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

_ANONYMOUS = Caller()
_ROLES = {role.value: role for role in Role}
_NO_ROLES: frozenset[Role] = frozenset()


Metadata: TypeAlias = Iterable[tuple[str, str | bytes]] | None


class Authenticator(Protocol):
    """Says who makes a call. The guard awaits it once for each call, after the request has arrived and before the servicer."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """Return the caller, anonymous where the call names none. Raise Refusal (CREDENTIALS_MISSING) for bad credentials."""


class MetadataAuthenticator:
    """Believes what callers say of themselves."""

    async def authenticate(self, metadata: Metadata) -> Caller:
        """Return the caller that the metadata names, below the trace of this call. Wait for nothing."""
        return caller_from(metadata, current_trace_parent())


def caller_from(metadata: Metadata, own_trace_parent: str = "") -> Caller:
    """Return the caller that a call's metadata names; anonymous where it names none.

    Refuses CREDENTIALS_MISSING for a name that is not an address by the rules for passengers, and for a key that occurs twice:
    a proxy may have vouched for one of the two, and nothing says for which. Roles are separated by commas; unknown ones have no
    effect. `own_trace_parent` is that of our own span of the call. It is below the client's span, so it replaces the client's.
    """
    user: str | bytes | None = None
    user_bytes: str | bytes | None = None
    roles: str | bytes | None = None
    trace_parent: str | bytes | None = None
    for key, value in metadata or ():
        if key == USER_METADATA:
            user = _once(key, user, value)
        elif key == USER_BYTES_METADATA:
            user_bytes = _once(key, user_bytes, value)
        elif key == ROLES_METADATA:
            roles = _once(key, roles, value)
        elif key == TRACE_METADATA and not own_trace_parent:
            trace_parent = value if trace_parent is None else ""  # of two, none counts (W3C trace context)
    address = _checked(str(user), USER_METADATA) if user else ""
    if user_bytes:
        address = _same(address, _decoded(user_bytes))
    if not address:
        return _ANONYMOUS
    if trace_parent and _TRACE_PARENT.fullmatch(str(trace_parent)):
        own_trace_parent = str(trace_parent)
    return Caller(address, _roles(str(roles)) if roles else _NO_ROLES, own_trace_parent)


def _once(key: str, known: str | bytes | None, value: str | bytes) -> str | bytes:
    if known is not None:
        raise Refusal(Reason.CREDENTIALS_MISSING, f"{key} occurs twice in the call's metadata; send it once")
    return value


def _decoded(value: str | bytes) -> str:
    try:
        return _checked(value if isinstance(value, str) else value.decode(), USER_BYTES_METADATA)
    except UnicodeDecodeError:
        raise Refusal(Reason.CREDENTIALS_MISSING, f"{USER_BYTES_METADATA} needs an address in UTF-8") from None


def _same(address: str, other: str) -> str:
    """Return the address that both keys give; either may be empty. Refuse two addresses."""
    if address and other and email_key(address) != email_key(other):
        message = f"{USER_METADATA} and {USER_BYTES_METADATA} name two callers; send one of them"
        raise Refusal(Reason.CREDENTIALS_MISSING, message)
    return other or address


def _checked(text: str, key: str) -> str:
    if is_plain_email(text):
        return text
    if not text.strip():
        return ""
    try:
        return email(text, key)
    except InvalidField as error:
        message = f"{key} needs an address, such as jane@example.com: {error.description}"
        raise Refusal(Reason.CREDENTIALS_MISSING, message) from None


def _roles(text: str) -> frozenset[Role]:
    return frozenset(_ROLES[name.strip()] for name in text.split(",") if name.strip() in _ROLES)
