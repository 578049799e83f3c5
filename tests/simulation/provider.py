"""A simulated payment provider, and the true state of the money.

Belongs here: the contract of `app/ports/payment_provider.py` with every failure that it allows: no answer though the request
was done, no answer and not done, a declined card, a capture that is rejected for good. Does not belong here: when the service
calls it.

Its accounts are what passengers would find on their statements. The service's own records are checked against them.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from app.domain.amounts import AmountRules, CurrencyRule
from app.domain.money import Money
from app.ports.payment_provider import Declined, ProviderUnavailable, Rejected
from tests.simulation.scheduler import YIELD_POINT

PAYS, DECLINES, CAPTURE_FAILS, UNKNOWN_AT_FIRST = "pays", "declines", "capture_fails", "unknown_at_first"
TOKENS = (PAYS, PAYS, PAYS, DECLINES, CAPTURE_FAILS, UNKNOWN_AT_FIRST)


@dataclass
class Account:
    """One authorization, with its capture and refunds."""

    amount: Money
    token: str
    state: str = "authorized"
    captured_minor: int = 0
    refunds: dict[str, int] = field(default_factory=dict)

    @property
    def refunded_minor(self) -> int:
        return sum(self.refunds.values())


class SimulatedProvider:
    """Keeps the contract of providers. `faults` is the share of calls that get no answer; half of these are done.

    Amounts are multiples of `step_minor`. With `can_ever_defer`, requests without a token need no authorization.
    """

    def __init__(self, rng: random.Random, faults: float, *, can_ever_defer: bool, step_minor: int = 1) -> None:
        self._rng = rng
        self.faults = faults
        self._can_ever_defer, self.step_minor = can_ever_defer, step_minor
        self.accounts: dict[str, Account] = {}
        self._declined: set[str] = set()
        self._seen: set[str] = set()

    @property
    def name(self) -> str:
        return "simulated"

    @property
    def needs_token(self) -> bool:
        return False

    @property
    def amounts(self) -> AmountRules:
        return AmountRules(CurrencyRule(self.step_minor, self.step_minor))

    def can_defer(self, token: str) -> bool:
        return self._can_ever_defer and not token

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        is_lost = await self._call()
        self._require_amount(amount)
        if token == DECLINES:
            self._declined.add(key)
            raise Declined("the card was declined")
        account = self.accounts.setdefault(key, Account(amount, token))
        if (account.amount, account.token) != (amount, token):
            raise Rejected("the key stands for another authorization")
        if token == UNKNOWN_AT_FIRST and key not in self._seen:
            self._seen.add(key)
            is_lost = True
        await self._answer(is_lost)
        return key

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        is_lost = await self._call()
        account = self._account(authorization_id)
        if account.token == CAPTURE_FAILS or account.state == "voided" or amount.minor > account.amount.minor:
            raise Rejected(f"it cannot be captured: {account.state}")
        if account.state == "captured" and account.captured_minor != amount.minor:
            raise Rejected("it was captured with another amount")
        account.state, account.captured_minor = "captured", amount.minor
        await self._answer(is_lost)

    async def void(self, key: str, authorization_id: str) -> None:
        is_lost = await self._call()
        account = self._account(authorization_id)
        if account.state == "captured":
            raise Rejected("it was captured")
        account.state = "voided"
        await self._answer(is_lost)

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        is_lost = await self._call()
        account = self._account(authorization_id)
        self._require_amount(amount)
        if key in account.refunds and account.refunds[key] != amount.minor:
            raise Rejected("the key stands for another refund")
        if key not in account.refunds:
            if account.refunded_minor + amount.minor > account.captured_minor:
                raise Rejected("more than was captured")
            account.refunds[key] = amount.minor
        await self._answer(is_lost)
        return key

    async def close(self) -> None:
        return None

    def _require_amount(self, amount: Money) -> None:
        if amount.minor % self.step_minor:
            raise Rejected(f"{amount} is no multiple of {self.step_minor}")

    def _account(self, authorization_id: str) -> Account:
        if authorization_id not in self.accounts:
            raise Rejected("there is no such authorization")
        return self.accounts[authorization_id]

    async def _call(self) -> bool:
        """Deliver a request, or lose it. Return whether its answer is to be lost."""
        await YIELD_POINT
        drawn = self._rng.random()
        if drawn < self.faults / 2:
            raise ProviderUnavailable("no answer; the request was not done")
        return drawn < self.faults

    async def _answer(self, is_lost: bool) -> None:
        """Deliver an answer, or lose it."""
        await YIELD_POINT
        if is_lost:
            raise ProviderUnavailable("no answer; the request was done")
