"""What Seatline asks of a payment provider.

Belongs here: the contract that every provider keeps, and how each says no. Does not: any provider, nor when to ask again
(`bounded.py`).

    PaymentError
    ├── Declined             the card says no; final, nothing is held
    ├── ProviderUnavailable  no answer: what was asked may have happened or not; the same key may be sent again
    └── Rejected             the provider says that this cannot be asked, such as giving back more than was taken; final

An answer in doubt is settled by asking again under the same key, and in no other way: a provider does what a key asks for once,
and answers alike from then on.
"""

import re
from collections.abc import Mapping
from typing import Protocol

from app.domain.amounts import AMOUNT_MINOR_MAX, AmountRules
from app.domain.money import Money
from app.domain.payments import AttemptOutcome

# Keys travel in HTTP headers and search queries. Stripe's bound is 255; providers may append something of their own.
_KEY = re.compile(r"[A-Za-z0-9._:/#-]{1,200}")


class PaymentError(Exception):
    """What was asked of a provider is not known to be done.

    `reason` is one line for people; that of a Declined may be shown to the payer. `detail` is one for our records, and says
    more where there is more: a payer is not to be told that a card is known as stolen. Neither holds a secret.
    """

    def __init__(self, reason: str, *, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail or reason


class Declined(PaymentError):  # noqa: N818 - it is an answer, not a fault
    """The means of payment was refused. Final; nothing is held."""


class ProviderUnavailable(PaymentError):  # noqa: N818 - as above
    """The provider did not answer, or not yet. What was asked may have happened; the same key may be sent again.

    `retry_after_seconds` is how long the provider asked to be left alone, where it did. With `passes_soon` false, asking again
    within seconds is of no use: somebody has to see to it, or hours have to pass.
    """

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None, passes_soon: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.passes_soon = passes_soon


class Rejected(PaymentError):  # noqa: N818 - as above
    """The provider says that this cannot be asked: a wrong state or amount, or a key that stood for something else. Final."""


class Provider(Protocol):
    """A payment provider. Every call is idempotent: a key asked for again, with the same rest, is answered as before.

    All calls raise Declined, ProviderUnavailable or Rejected, and nothing else for what a provider may answer. Keys have 1 to
    200 letters, digits and . _ : / # - and differ between all operations. Amounts are at least one minor unit, and of an
    authorization's own currency. A provider may forget a key after a day: an authorization is not to be asked for again later
    than that; everything else is safe at any time.
    """

    @property
    def name(self) -> str:
        """Which provider this is, as payments record it."""

    @property
    def needs_token(self) -> bool:
        """Whether `authorize` needs a token of the payer's means of payment."""

    @property
    def amounts(self) -> AmountRules:
        """Which amounts it can take and give back. What these rules allow is never Rejected for its amount."""

    def can_defer(self, token: str) -> bool:
        """Whether an authorization with this token cannot fail, so that it may as well be asked for after the sale."""

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Holds the amount, and gives the provider's id of the authorization. Description and metadata are for its records."""

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Takes what is held, or a part of it; the rest is let go. An authorization is captured once."""

    async def void(self, key: str, authorization_id: str) -> None:
        """Lets go of what is held. Rejected once it was captured."""

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Gives back a part of what was captured, and gives the provider's id of the refund."""

    async def close(self) -> None:
        """Frees connections. Nothing may be asked afterwards."""


def attempt_outcome(error: PaymentError) -> AttemptOutcome:
    """What an error says of what was asked, as payments record it."""
    match error:
        case Declined():
            return AttemptOutcome.DECLINED
        case Rejected():
            return AttemptOutcome.REJECTED
    return AttemptOutcome.FAILED


def require_valid_request(key: str, amount: Money | None = None) -> None:
    """Raises Rejected for a key or an amount that no provider takes."""
    if _KEY.fullmatch(key) is None:
        raise Rejected("a key has 1 to 200 letters, digits and . _ : / # -")
    if amount is not None and not 1 <= amount.minor <= AMOUNT_MINOR_MAX:
        raise Rejected(f"{amount}: an amount has at least one minor unit, and at most {AMOUNT_MINOR_MAX}")
