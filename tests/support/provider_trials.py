"""Payment providers under test: each with its tokens, and the money by its own records.

Belongs here: opening each provider over its backend. Does not belong here: what a provider has to do
(`tests/integration/payments/test_payment_providers.py`).
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from pydantic import SecretStr

from app.embedded.mongod import EmbeddedMongod
from app.payments import ledger
from app.payments.ledger import LedgerProvider
from app.payments.stripe.provider import StripeProvider
from app.ports.payment_provider import Provider
from app.store.driver import Database, connect
from app.store.in_memory import connect_in_memory
from app.store.ledger import Ledger
from tests.support.stripe_server import API_KEY, DECLINED, LOST, PAYS, StripeServer, stripe_server


@dataclass(frozen=True, slots=True)
class MoneyMoved:
    """Sums over all authorizations, in minor units."""

    held: int = 0
    taken: int = 0
    given_back: int = 0


class ProviderTrial(Protocol):
    """A provider, its tokens, and its records."""

    provider: Provider
    pays: str
    declined: str

    def answered_late(self) -> str:
        """Return a token whose next authorization is made, although its answer is lost."""

    async def money(self) -> MoneyMoved:
        """Return the sums of the provider's own records."""

    def forget_keys(self) -> None:
        """Forget the keys, as a provider may after a day."""


class LedgerTrial:
    """The ledger over a database."""

    pays, declined = "tok_visa", ledger.DECLINES

    def __init__(self, database: Database) -> None:
        self.database = database
        self.provider: Provider = self.another_process()

    def another_process(self) -> LedgerProvider:
        """Return the same ledger as another process opens it."""
        return LedgerProvider(Ledger(self.database, clock))

    def answered_late(self) -> str:
        return ledger.SUCCEEDS_LATE

    async def money(self) -> MoneyMoved:
        entries = await self.database["ledger"].find({}).to_list(None)
        return MoneyMoved(
            held=sum(entry["amount_minor"] for entry in entries if entry["state"] == "AUTHORIZED"),
            taken=sum(entry["captured_minor"] for entry in entries),
            given_back=sum(refund["amount_minor"] for entry in entries for refund in entry["refunds"]),
        )

    def forget_keys(self) -> None:
        """Do nothing: the ledger never forgets a key."""


class StripeTrial:
    """Stripe's SDK against a local server that answers as Stripe does."""

    pays, declined = PAYS, DECLINED

    def __init__(self, server: StripeServer, provider: StripeProvider) -> None:
        self.server = server
        self.provider: Provider = provider

    def answered_late(self) -> str:
        self.server.troubles.append(LOST)
        return PAYS

    async def money(self) -> MoneyMoved:
        intents = self.server.intents.values()
        return MoneyMoved(
            held=sum(intent["amount_capturable"] for intent in intents),
            taken=sum(intent["amount_received"] for intent in intents),
            given_back=sum(self.server.given_back(intent["id"]) for intent in intents),
        )

    def forget_keys(self) -> None:
        self.server.forget_keys()


def clock() -> datetime:
    """Return the present time in whole milliseconds, as MongoDB stores it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@asynccontextmanager
async def ledger_trial(mongod: Callable[[], EmbeddedMongod] | None) -> AsyncIterator[LedgerTrial]:
    """Open the ledger over an empty database, of a real server or in memory."""
    client = (
        connect(mongod().uri, operation_seconds_max=10.0, selection_seconds_max=5.0, connections_max=20)
        if mongod
        else connect_in_memory()
    )
    name = f"test_{uuid.uuid4().hex[:16]}"
    trial = LedgerTrial(client[name])
    try:
        yield trial
    finally:
        await trial.provider.close()
        await client.drop_database(name)
        client.close()


@asynccontextmanager
async def stripe_trial(*, timeout_seconds: float = 10.0) -> AsyncIterator[StripeTrial]:
    """Open Stripe over an empty account."""
    async with stripe_server() as server:
        provider = StripeProvider(SecretStr(API_KEY), api_base=server.url, timeout_seconds=timeout_seconds)
        try:
            yield StripeTrial(server, provider)
        finally:
            await provider.close()
