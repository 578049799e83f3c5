"""A payment provider that somebody looks on at.

Belongs here: telling what was asked, what was answered and how long it took. Does not: what is made of it (`app/telemetry`).
"""

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import Protocol, TypeVar

from app.domain.amounts import AmountRules
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome
from app.payments.provider import PaymentError, Provider, attempt_outcome

Answer = TypeVar("Answer")


class PaymentObserver(Protocol):
    """Looks on. May not raise or wait."""

    def asked(self, kind: AttemptKind, outcome: AttemptOutcome, seconds: float) -> None:
        """The provider has answered, or has said that it has no answer, after so long."""


class ObservedProvider:
    """A provider as the one inside. Only what somebody has waited for to its end is told: not a caller who has gone."""

    def __init__(self, inner: Provider, observer: PaymentObserver, timer: Callable[[], float] = monotonic) -> None:
        self._inner, self._observer, self._timer = inner, observer, timer

    @property
    def name(self) -> str:
        """As the provider inside."""
        return self._inner.name

    @property
    def needs_token(self) -> bool:
        """As the provider inside."""
        return self._inner.needs_token

    @property
    def amounts(self) -> AmountRules:
        """As the provider inside."""
        return self._inner.amounts

    def can_defer(self, token: str) -> bool:
        """As the provider inside."""
        return self._inner.can_defer(token)

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """As the provider inside."""
        return await self._ask(AttemptKind.AUTHORIZE, self._inner.authorize(key, amount, token, description, metadata))

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """As the provider inside."""
        await self._ask(AttemptKind.CAPTURE, self._inner.capture(key, authorization_id, amount))

    async def void(self, key: str, authorization_id: str) -> None:
        """As the provider inside."""
        await self._ask(AttemptKind.VOID, self._inner.void(key, authorization_id))

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """As the provider inside."""
        return await self._ask(AttemptKind.REFUND, self._inner.refund(key, authorization_id, amount))

    async def close(self) -> None:
        """Closes the provider inside."""
        await self._inner.close()

    async def _ask(self, kind: AttemptKind, answering: Awaitable[Answer]) -> Answer:
        begun_at = self._timer()
        try:
            answer = await answering
        except PaymentError as error:
            self._observer.asked(kind, attempt_outcome(error), self._timer() - begun_at)
            raise
        self._observer.asked(kind, AttemptOutcome.DONE, self._timer() - begun_at)
        return answer
