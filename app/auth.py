"""Who calls.

Belongs here: reading the caller from a call's metadata. Does not: what a caller may do (`app/domain/people.py`).

Until callers prove who they are, they say so themselves: `x-seatline-user: jane@example.com`, `x-seatline-roles: operator`.
"""

import re
from collections.abc import Iterable

from app.domain.limits import EMAIL_LENGTH_MAX
from app.domain.people import Caller, Role
from app.domain.refusals import Reason, Refusal

USER_METADATA = "x-seatline-user"
ROLES_METADATA = "x-seatline-roles"
# W3C trace context: events carry on what the call was part of. One that is malformed is none.
TRACE_METADATA = "traceparent"
_TRACE_PARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

# Enough to tell an address from a name or a slip; nobody is believed on the strength of it.
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+")
_ANONYMOUS = Caller()
_ROLES = {role.value: role for role in Role}


def caller_from(metadata: Iterable[tuple[str, str | bytes]] | None, own_trace_parent: str = "") -> Caller:
    """The caller that a call's metadata names; anonymous where it names none. Refuses a name that is no address.

    Roles are separated by commas; those we do not know are worth nothing. `own_trace_parent` is that of our own span of the
    call, which stands below the client's and so in place of it.
    """
    user, roles, trace_parent = "", "", own_trace_parent
    for key, value in metadata or ():
        if key == USER_METADATA:
            user = str(value).strip()
        elif key == ROLES_METADATA:
            roles = str(value)
        elif key == TRACE_METADATA and not own_trace_parent and _TRACE_PARENT.fullmatch(str(value)):
            trace_parent = str(value)
    if not user:
        return _ANONYMOUS
    if len(user) > EMAIL_LENGTH_MAX or not _ADDRESS.fullmatch(user):
        raise Refusal(Reason.CREDENTIALS_MISSING, f"{USER_METADATA} needs an address, such as jane@example.com")
    known = frozenset(_ROLES[name.strip()] for name in roles.split(",") if name.strip() in _ROLES) if roles else frozenset()
    return Caller(user, known, trace_parent)
