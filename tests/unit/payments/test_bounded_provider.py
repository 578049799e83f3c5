"""Retries of a provider: how often, after which pauses, and never after a final answer."""

from __future__ import annotations

import asyncio

import pytest

from app.domain.money import Money
from app.domain.payments import AttemptOutcome
from app.payments.bounded import BoundedProvider, RetryBounds, next_delay_seconds
from app.ports.payment_provider import Declined, PaymentError, ProviderUnavailable, Rejected, attempt_outcome
from tests.support.scripted_provider import ScriptedProvider

BOUNDS = RetryBounds(timeout_seconds=5.0, attempts_max=4, delay_seconds=0.25, delay_seconds_max=2.0)
PRICE = Money(6_000, "EUR")
AWAY = ProviderUnavailable("away")


class Pauses:
    """Pauses that take no time and are recorded."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


def bounded(inner: ScriptedProvider, bounds: RetryBounds = BOUNDS, chance: float = 0.5) -> tuple[BoundedProvider, Pauses]:
    pauses = Pauses()
    return BoundedProvider(inner, bounds, chance=lambda: chance, pause=pauses), pauses


def test_the_recorded_outcome_of_an_error_says_whether_it_is_final() -> None:
    errors = Declined("no", detail="stolen_card"), Rejected("wrong"), AWAY
    assert [attempt_outcome(error) for error in errors] == [
        AttemptOutcome.DECLINED,
        AttemptOutcome.REJECTED,
        AttemptOutcome.FAILED,
    ]
    assert [(str(error), error.detail) for error in errors] == [("no", "stolen_card"), ("wrong", "wrong"), ("away", "away")]


# -- the decision


def test_pauses_double_up_to_the_longest_and_end_with_the_last_try() -> None:
    assert [next_delay_seconds(BOUNDS, failed, 1.0, AWAY) for failed in (1, 2, 3, 4)] == [0.25, 0.5, 1.0, None]
    patient = RetryBounds(attempts_max=10_000, delay_seconds=0.25, delay_seconds_max=2.0)
    assert [next_delay_seconds(patient, failed, 1.0, AWAY) for failed in (4, 5, 9_999)] == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("chance", [0.0, 0.3, 0.999])
def test_a_pause_is_a_random_part_of_the_longest_one(chance: float) -> None:
    assert next_delay_seconds(BOUNDS, 2, chance, AWAY) == pytest.approx(0.5 * chance)


def test_the_pause_that_a_provider_asks_for_is_kept_within_the_bounds() -> None:
    assert next_delay_seconds(BOUNDS, 1, 0.5, ProviderUnavailable("busy", retry_after_seconds=1.5)) == 1.5
    assert next_delay_seconds(BOUNDS, 1, 0.5, ProviderUnavailable("busy", retry_after_seconds=0.0)) == 0.125
    assert next_delay_seconds(BOUNDS, 1, 0.5, ProviderUnavailable("busy", retry_after_seconds=60.0)) is None


def test_an_outage_that_does_not_pass_soon_is_not_retried() -> None:
    assert next_delay_seconds(BOUNDS, 1, 0.5, ProviderUnavailable("wrong key", passes_soon=False)) is None


# -- calls


async def test_an_unanswered_call_is_retried_with_the_same_arguments() -> None:
    inner = ScriptedProvider(AWAY, AWAY, "auth_1")
    provider, pauses = bounded(inner)
    assert await provider.authorize("k1", PRICE, "tok_1", "a ticket", {"train": "es9014"}) == "auth_1"
    assert inner.asked == [("authorize", "k1", "EUR 60.00", "tok_1", "a ticket", "{'train': 'es9014'}")] * 3
    assert pauses.seconds == [0.125, 0.25]


async def test_every_operation_is_retried() -> None:
    inner = ScriptedProvider(AWAY, "", AWAY, "", AWAY, "re_1")
    provider, _ = bounded(inner)
    await provider.capture("k2", "auth_1", PRICE)
    await provider.void("k3", "auth_2")
    assert await provider.refund("k4", "auth_1", PRICE) == "re_1"
    assert [asked[:2] for asked in inner.asked[::2]] == [("capture", "k2"), ("void", "k3"), ("refund", "k4")]


@pytest.mark.parametrize("error", [Declined("no"), Rejected("wrong")])
async def test_a_final_answer_is_not_retried(error: PaymentError) -> None:
    inner = ScriptedProvider(error)
    provider, pauses = bounded(inner)
    with pytest.raises(type(error)):
        await provider.capture("k", "auth_1", PRICE)
    assert (len(inner.asked), pauses.seconds) == (1, [])


async def test_after_the_last_try_its_reason_is_raised() -> None:
    inner = ScriptedProvider(*[ProviderUnavailable(f"away {number}") for number in range(4)])
    provider, _ = bounded(inner)
    with pytest.raises(ProviderUnavailable, match="away 3"):
        await provider.void("k", "auth_1")
    assert len(inner.asked) == 4


async def test_a_call_without_an_answer_in_time_is_retried() -> None:
    provider, _ = bounded(ScriptedProvider(None, "auth_1"), RetryBounds(timeout_seconds=0.01))
    assert await provider.authorize("k", PRICE, "", "", {}) == "auth_1"


async def test_no_answer_in_time_is_unavailable() -> None:
    provider, _ = bounded(ScriptedProvider(None, None), RetryBounds(timeout_seconds=0.01, attempts_max=2))
    with pytest.raises(ProviderUnavailable, match=r"no answer within 0\.01 s"):
        await provider.void("k", "auth_1")


async def test_a_caller_that_gives_up_ends_the_retries() -> None:
    inner = ScriptedProvider(None, "auth_1")
    provider, _ = bounded(inner)
    asking = asyncio.ensure_future(provider.void("k", "auth_1"))
    await inner.was_asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert len(inner.asked) == 1


async def test_it_has_the_properties_of_the_inner_provider() -> None:
    inner = ScriptedProvider()
    provider, _ = bounded(inner)
    assert (provider.name, provider.needs_token) == ("scripted", True)
    await provider.close()
    assert inner.is_closed
