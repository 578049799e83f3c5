"""People and what the caller of a request may do.

Belongs here: persons, how addresses are compared, roles, permissions. Does not: how a caller proves who it is (`app/auth.py`).
"""

import unicodedata
from enum import StrEnum

from app.domain.refusals import Reason, Refusal
from app.domain.values import value


class Role(StrEnum):
    """What a caller may be besides a passenger."""

    OPERATOR = "operator"


def email_key(email: str) -> str:
    """The form in which addresses are compared: lower case, composed characters, no blanks around. "+" and "." count.

    RFC 5321 leaves case in the local part to the receiving host, but no host in use tells two people apart by it.
    """
    return email.strip().lower() if email.isascii() else unicodedata.normalize("NFC", email.strip()).lower()


@value(frozen=True, slots=True)
class Person:
    """Somebody with a name and an address, both as sent. Names may be empty for a caller who never said them."""

    first_name: str
    last_name: str
    email: str

    @property
    def key(self) -> str:
        """The address as it is compared."""
        return email_key(self.email)


@value(frozen=True, slots=True)
class Caller:
    """Who makes a request: `email` is None for somebody who did not say. `trace_parent` is the call's W3C trace context."""

    email: str | None = None
    roles: frozenset[Role] = frozenset()
    trace_parent: str = ""

    @property
    def key(self) -> str | None:
        """The address as it is compared."""
        return None if self.email is None else email_key(self.email)

    @property
    def is_operator(self) -> bool:
        """Whether it runs trains."""
        return Role.OPERATOR in self.roles


def identified(caller: Caller) -> str:
    """The caller's address as sent; refuses CREDENTIALS_MISSING without one."""
    if caller.email is None:
        # The metadata's name belongs to `app/auth.py`, but who has not named itself needs to be told how.
        raise Refusal(
            Reason.CREDENTIALS_MISSING, "this call needs a caller: send metadata x-seatline-user: <your e-mail address>"
        )
    return caller.email


def require_operator(caller: Caller) -> None:
    """Refuses everyone but operators."""
    identified(caller)
    if not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "only operators may do this")


def require_self_or_operator(caller: Caller, email: str) -> None:
    """Refuses everyone but the person with that address and operators."""
    identified(caller)
    if caller.key != email_key(email) and not caller.is_operator:
        raise Refusal(Reason.NOT_PERMITTED, "this is not yours")
