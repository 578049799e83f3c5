"""The port of payment providers: what Seatline asks of one, and how one refuses.

Belongs here: the protocol that every provider implements, its errors, and who observes it. Does not belong here: any provider
(`app/payments`), or when to ask again (`app/payments/bounded.py` for seconds, the worker's jobs for hours).

    PaymentError
    ├── Declined             the card says no; final, nothing is held
    ├── ProviderUnavailable  no answer: the operation may have happened or not; the same key may be sent again
    └── Rejected             the provider refuses the operation, such as a refund of more than was captured; final

An unclear answer is resolved by asking again under the same key, and in no other way: a provider carries out a key once, and
gives the same answer to it from then on.
"""

from collections.abc import Mapping
from typing import Protocol

from app.domain.amounts import AmountRules
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome


class PaymentError(Exception):
    """The operation is not known to be done.

    `reason` is one line for people; that of a Declined may be shown to the payer. `detail` is one line for our records, and may
    say more: a payer must not learn that a card is known as stolen. Neither holds a secret.
    """

    def __init__(self, reason: str, *, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail or reason


class Declined(PaymentError):  # noqa: N818 - it is an answer, not a fault
    """The means of payment was refused. Final; nothing is held."""


class ProviderUnavailable(PaymentError):  # noqa: N818 - as above
    """The provider did not answer, or not yet. The operation may have happened; the same key may be sent again.

    `retry_after_seconds` is the pause that the provider asked for, or None. With `passes_soon` false, a retry within seconds is
    of no use: an operator has to act, or hours have to pass.
    """

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None, passes_soon: bool = True) -> None:
        super().__init__(reason)
        self.retry_after_seconds = retry_after_seconds
        self.passes_soon = passes_soon


class Rejected(PaymentError):  # noqa: N818 - as above
    """The provider refuses the operation: wrong state or amount, or the key was used for something else. Final."""


class Provider(Protocol):
    """A payment provider.

    Every call is idempotent: a key sent again with the same arguments gets the same answer. All calls raise Declined,
    ProviderUnavailable or Rejected, and nothing else for what a provider may answer. Keys have 1 to 200 letters, digits and
    . _ : / # - and differ between all operations. Amounts are at least one minor unit, in the currency of the authorization.
    A provider may forget a key after a day: do not send an authorization again later than that. All other operations are safe
    to repeat at any time.
    """

    @property
    def name(self) -> str:
        """The name of the provider, as payments record it."""

    @property
    def needs_token(self) -> bool:
        """Whether `authorize` needs a token of the payer's means of payment."""

    @property
    def amounts(self) -> AmountRules:
        """The amounts that the provider can charge and refund. It never rejects an amount that these rules allow."""

    def can_defer(self, token: str) -> bool:
        """Whether an authorization with this token cannot fail, so that it may be requested after the sale."""

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Hold the amount. Return the provider's id of the authorization.

        `description` and `metadata` are for the provider's records.
        """

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Take the held amount or a part of it, and release the rest. An authorization is captured once."""

    async def void(self, key: str, authorization_id: str) -> None:
        """Release the held amount. Rejected once it was captured."""

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Give back a part of the captured amount. Return the provider's id of the refund."""

    async def close(self) -> None:
        """Close connections. No call may follow."""


class PaymentObserver(Protocol):
    """Observes the calls to a provider. May not raise or wait."""

    def provider_called(self, kind: AttemptKind, outcome: AttemptOutcome, seconds: float) -> None:
        """Record one finished call: its kind, its outcome and its duration."""


def attempt_outcome(error: PaymentError) -> AttemptOutcome:
    """Return the outcome that payments record for an error."""
    match error:
        case Declined():
            return AttemptOutcome.DECLINED
        case Rejected():
            return AttemptOutcome.REJECTED
    return AttemptOutcome.FAILED
