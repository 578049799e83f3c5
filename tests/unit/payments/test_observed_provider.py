"""An observed provider: answers pass unchanged, and each call is reported with its duration."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome
from app.payments.observed import ObservedProvider
from app.ports.payment_provider import Declined, PaymentError, ProviderUnavailable, Rejected
from tests.support.scripted_provider import ScriptedProvider

PRICE = Money(6_000, "EUR")


class RecordingObserver:
    """An observer that records what is reported."""

    def __init__(self) -> None:
        self.calls: list[tuple[AttemptKind, AttemptOutcome, float]] = []

    def provider_called(self, kind: AttemptKind, outcome: AttemptOutcome, seconds: float) -> None:
        self.calls.append((kind, outcome, seconds))


def observed(observer: RecordingObserver, *answers: str | PaymentError | None) -> ObservedProvider:
    """A provider with these answers, each after two seconds of its timer."""
    seconds = iter(range(0, 100, 2))
    return ObservedProvider(ScriptedProvider(*answers), observer, lambda: float(next(seconds)))


async def test_each_operation_passes_and_is_reported() -> None:
    observer = RecordingObserver()
    provider = observed(observer, "auth_1", "", "", "refund_1")
    assert await provider.authorize("k1", PRICE, "tok", "a ticket", {}) == "auth_1"
    await provider.capture("k2", "auth_1", PRICE)
    await provider.void("k3", "auth_1")
    assert await provider.refund("k4", "auth_1", PRICE) == "refund_1"
    assert observer.calls == [(kind, AttemptOutcome.DONE, 2.0) for kind in AttemptKind]
    assert (provider.name, provider.needs_token, provider.can_defer("tok")) == ("scripted", True, False)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Declined("no"), AttemptOutcome.DECLINED),
        (Rejected("no"), AttemptOutcome.REJECTED),
        (ProviderUnavailable("away"), AttemptOutcome.FAILED),
    ],
)
async def test_an_error_is_reported_and_raised(error: PaymentError, outcome: AttemptOutcome) -> None:
    observer = RecordingObserver()
    with pytest.raises(type(error)):
        await observed(observer, error).capture("k1", "auth_1", PRICE)
    assert observer.calls == [(AttemptKind.CAPTURE, outcome, 2.0)]


async def test_a_cancelled_call_is_not_reported() -> None:
    observer = RecordingObserver()
    waiting = asyncio.create_task(observed(observer, None).capture("k1", "auth_1", PRICE))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert observer.calls == []
