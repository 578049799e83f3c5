"""A payment provider with prepared answers, for tests of the decorators.

Belongs here: the provider. Not here: assertions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from app.domain.amounts import ANY_AMOUNT
from app.domain.money import Money
from app.ports.payment_provider import PaymentError


class ScriptedProvider:
    """A provider that gives these answers in turn. None is an answer that never comes."""

    name = "scripted"
    needs_token = True
    amounts = ANY_AMOUNT

    def __init__(self, *answers: str | PaymentError | None) -> None:
        self._answers: Iterator[str | PaymentError | None] = iter(answers)
        self.asked: list[tuple[str, ...]] = []
        self.was_asked = asyncio.Event()
        self.is_closed = False

    def can_defer(self, token: str) -> bool:
        return False

    async def _answer(self, *asked: str) -> str:
        self.asked.append(asked)
        self.was_asked.set()
        answer = next(self._answers)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, PaymentError):
            raise answer
        return str(answer)

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        return await self._answer("authorize", key, str(amount), token, description, str(metadata))

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        await self._answer("capture", key, authorization_id, str(amount))

    async def void(self, key: str, authorization_id: str) -> None:
        await self._answer("void", key, authorization_id)

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        return await self._answer("refund", key, authorization_id, str(amount))

    async def close(self) -> None:
        self.is_closed = True
