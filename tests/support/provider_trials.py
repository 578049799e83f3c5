"""Payment providers on trial: each with tokens for what a test wants to see, and the money as its own records have it.

Belongs here: opening every provider over what stands behind it. Not here: what a provider has to do
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
    """A provider, tokens for it, and what it has recorded."""

    provider: Provider
    pays: str
    declined: str

    def answered_late(self) -> str:
        """A token whose next authorization is made, though its answer never arrives."""

    async def money(self) -> MoneyMoved:
        """The money as the provider's own records have it."""

    def forget_keys(self) -> None:
        """What the provider may do a day later."""


class LedgerTrial:
    """The ledger over a database."""

    pays, declined = "tok_visa", ledger.DECLINES

    def __init__(self, database: Database) -> None:
        self.database = database
        self.provider: Provider = self.another_process()

    def another_process(self) -> LedgerProvider:
        """The same ledger, as another server sees it."""
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
        """It never does."""


class StripeTrial:
    """Stripe's SDK against a local server with Stripe's manners."""

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
    """Now, in whole milliseconds, as MongoDB keeps it."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


@asynccontextmanager
async def ledger_trial(mongod: Callable[[], EmbeddedMongod] | None) -> AsyncIterator[LedgerTrial]:
    """The ledger in an empty database: of a real server, or in memory."""
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
    """Stripe, with an account in which nothing has happened."""
    async with stripe_server() as server:
        provider = StripeProvider(SecretStr(API_KEY), api_base=server.url, timeout_seconds=timeout_seconds)
        try:
            yield StripeTrial(server, provider)
        finally:
            await provider.close()
