"""Bounds on the calls to a provider: the time of one try, the number of tries, and the pauses between them.

Belongs here: retries while a caller waits for the answer, which is seconds. Does not belong here: the calls, or retries hours
later (the worker's jobs).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import SystemRandom
from typing import TypeVar

from app.domain.amounts import AmountRules
from app.domain.money import Money
from app.ports.payment_provider import Provider, ProviderUnavailable

Answer = TypeVar("Answer")

_by_chance = SystemRandom().random

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RetryBounds:
    """The bounds. A caller waits at most attempts_max * (timeout_seconds + delay_seconds_max).

    The pause before the second try is up to `delay_seconds`, and doubles with each further try up to `delay_seconds_max`. A
    provider that asks for a longer pause is not asked again.
    """

    timeout_seconds: float = 8.0
    attempts_max: int = 3
    delay_seconds: float = 0.25
    delay_seconds_max: float = 2.0


def next_delay_seconds(bounds: RetryBounds, failed: int, chance: float, error: ProviderUnavailable) -> float | None:
    """Return the pause before the next try, or None if there is to be none.

    `failed` is the number of failed tries, `error` that of the last one, `chance` a number in [0, 1). The pause is that part of
    the longest one ("full jitter"), so that callers of one outage do not return all at once.
    """
    asked = error.retry_after_seconds or 0.0
    if failed >= bounds.attempts_max or not error.passes_soon or asked > bounds.delay_seconds_max:
        return None
    longest = min(bounds.delay_seconds_max, bounds.delay_seconds * 2.0 ** min(failed - 1, 30))
    return max(asked, chance * longest)


class BoundedProvider:
    """Calls the inner provider within the bounds. Retries only a call that ended in ProviderUnavailable."""

    def __init__(
        self,
        inner: Provider,
        bounds: RetryBounds,
        *,
        chance: Callable[[], float] = _by_chance,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._inner = inner
        self._bounds = bounds
        self._chance = chance
        self._pause = pause

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
        """Authorize at the inner provider, within the bounds."""
        return await self._ask(key, lambda: self._inner.authorize(key, amount, token, description, metadata))

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Capture at the inner provider, within the bounds."""
        await self._ask(key, lambda: self._inner.capture(key, authorization_id, amount))

    async def void(self, key: str, authorization_id: str) -> None:
        """Void at the inner provider, within the bounds."""
        await self._ask(key, lambda: self._inner.void(key, authorization_id))

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Refund at the inner provider, within the bounds."""
        return await self._ask(key, lambda: self._inner.refund(key, authorization_id, amount))

    async def close(self) -> None:
        """Close the inner provider."""
        await self._inner.close()

    async def _ask(self, key: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        for failed in range(1, self._bounds.attempts_max + 1):
            try:
                return await self._ask_once(ask)
            except ProviderUnavailable as error:
                delay = next_delay_seconds(self._bounds, failed, self._chance(), error)
                if delay is None:
                    raise
                _log.info("%s: %s: %d tries without an answer", self.name, key, failed)
            await self._pause(delay)
        raise AssertionError("the last try answers or raises")

    async def _ask_once(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        try:
            async with asyncio.timeout(self._bounds.timeout_seconds):
                return await ask()
        except TimeoutError as error:
            raise ProviderUnavailable(f"no answer within {self._bounds.timeout_seconds:g} s") from error
