"""A payment provider whose calls are observed.

Belongs here: reporting the kind, outcome and duration of each call. Does not belong here: what is made of that
(`app/telemetry`).
"""

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import TypeVar

from app.domain.amounts import AmountRules
from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome
from app.ports.payment_provider import PaymentError, PaymentObserver, Provider, attempt_outcome

Answer = TypeVar("Answer")


class ObservedProvider:
    """Passes each call to the inner provider and reports it. A call that its caller gave up is not reported."""

    def __init__(self, inner: Provider, observer: PaymentObserver, timer: Callable[[], float] = monotonic) -> None:
        self._inner, self._observer, self._timer = inner, observer, timer

    @property
    def name(self) -> str:
        """The inner provider's name."""
        return self._inner.name

    @property
    def needs_token(self) -> bool:
        """Whether the inner provider needs a token."""
        return self._inner.needs_token

    @property
    def amounts(self) -> AmountRules:
        """The amounts of the inner provider."""
        return self._inner.amounts

    def can_defer(self, token: str) -> bool:
        """Whether the inner provider allows to authorize after the sale."""
        return self._inner.can_defer(token)

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Authorize at the inner provider."""
        return await self._observe(AttemptKind.AUTHORIZE, self._inner.authorize(key, amount, token, description, metadata))

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Capture at the inner provider."""
        await self._observe(AttemptKind.CAPTURE, self._inner.capture(key, authorization_id, amount))

    async def void(self, key: str, authorization_id: str) -> None:
        """Void at the inner provider."""
        await self._observe(AttemptKind.VOID, self._inner.void(key, authorization_id))

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Refund at the inner provider."""
        return await self._observe(AttemptKind.REFUND, self._inner.refund(key, authorization_id, amount))

    async def close(self) -> None:
        """Close the inner provider."""
        await self._inner.close()

    async def _observe(self, kind: AttemptKind, call: Awaitable[Answer]) -> Answer:
        begun_at = self._timer()
        try:
            answer = await call
        except PaymentError as error:
            self._observer.provider_called(kind, attempt_outcome(error), self._timer() - begun_at)
            raise
        self._observer.provider_called(kind, AttemptOutcome.DONE, self._timer() - begun_at)
        return answer
