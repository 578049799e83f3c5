"""The Stripe provider: lost and late answers, saved errors, failed refunds, and a key that is never shown."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pydantic import SecretStr

from app.domain.money import Money
from app.payments.bounded import BoundedProvider, RetryBounds
from app.payments.stripe.amounts import stripe_amount
from app.payments.stripe.provider import API_BASE, API_VERSION, StripeProvider
from app.ports.payment_provider import Declined, PaymentError, ProviderUnavailable, Rejected
from tests.support import stripe_server
from tests.support.provider_trials import MoneyMoved, StripeTrial, stripe_trial
from tests.support.stripe_server import API_KEY, LOST, PAYS, SILENT, Answer, InjectedFault, broken, limited

PRICE = Money(6_000, "EUR")
PART = Money(2_000, "EUR")
HELD = MoneyMoved(held=6_000)
TAKEN = MoneyMoved(taken=6_000)


@pytest_asyncio.fixture
async def trial() -> AsyncIterator[StripeTrial]:
    async with stripe_trial() as made:
        yield made


async def authorize(trial: StripeTrial, token: str = PAYS, key: str = "pay_1:authorize") -> str:
    return await trial.provider.authorize(key, PRICE, token, "London to Paris", {"booking": "ABC123"})


async def capture(trial: StripeTrial) -> str:
    authorization_id = await authorize(trial)
    await trial.provider.capture("pay_1:capture", authorization_id, PRICE)
    return authorization_id


def retry_at_once(trial: StripeTrial, timeout_seconds: float = 10.0) -> None:
    """Wrap the provider in bounds that retry at once."""
    bounds = RetryBounds(timeout_seconds, attempts_max=3, delay_seconds=0.001, delay_seconds_max=5.0)
    trial.provider = BoundedProvider(trial.provider, bounds)


# -- requests


async def test_requests_can_be_found_in_stripes_dashboard(trial: StripeTrial) -> None:
    authorization_id = await authorize(trial)
    intent = trial.server.intents[authorization_id]
    assert (intent["amount"], intent["currency"], intent["description"]) == (6_000, "eur", "London to Paris")
    assert intent["metadata"] == {"booking": "ABC123", "seatline_key": "pay_1:authorize"}


async def test_every_post_carries_our_key(trial: StripeTrial) -> None:
    authorization_id = await capture(trial)
    await trial.provider.refund("pay_1:refund:1", authorization_id, PART)
    await trial.provider.void("pay_2:void", await authorize(trial, key="pay_2:authorize"))
    assert trial.server.keys == ["pay_1:authorize", "pay_1:capture", "pay_1:refund:1", "pay_2:authorize", "pay_2:void"]


def test_the_test_server_has_the_api_version_that_the_provider_requests() -> None:
    assert stripe_server.API_VERSION == API_VERSION


@pytest.mark.parametrize(
    ("amount", "units"),
    [
        (Money(2_000, "USD"), 2_000),
        (Money(500, "JPY"), 500),
        (Money(5_120, "KWD"), 5_120),
        (Money(5, "ISK"), 500),
        (Money(5, "UGX"), 500),
        (Money(500, "MGA"), 5),
    ],
    ids=str,
)
def test_amounts_are_counted_in_stripes_units(amount: Money, units: int) -> None:
    assert stripe_amount(amount) == units


@pytest.mark.parametrize("amount", [Money(501, "MGA"), Money(5_124, "KWD"), Money(5_125, "TND")], ids=str)
def test_amounts_that_stripes_units_cannot_express_are_rejected(amount: Money) -> None:
    with pytest.raises(Rejected):
        stripe_amount(amount)


# -- declined cards


async def test_a_declined_card_comes_with_its_reason(trial: StripeTrial) -> None:
    with pytest.raises(Declined) as error:
        await authorize(trial, stripe_server.DECLINED)
    assert error.value.reason == "Your card was declined."
    assert re.fullmatch(r"generic_decline: Your card was declined\. \(req_\d+\)", error.value.detail)


async def test_a_card_that_requires_authentication_is_declined_and_its_intent_cancelled(trial: StripeTrial) -> None:
    for _ in range(2):
        with pytest.raises(Declined, match="asks its holder to authenticate"):
            await authorize(trial, stripe_server.ASKS_HOLDER)
    assert [intent["status"] for intent in trial.server.intents.values()] == ["canceled"]


async def test_an_intent_that_could_not_be_cancelled_is_cancelled_by_a_retry(trial: StripeTrial) -> None:
    trial.server.troubles += [InjectedFault(is_done=True), limited()]
    with pytest.raises(ProviderUnavailable):
        await authorize(trial, stripe_server.ASKS_HOLDER)
    with pytest.raises(Declined):
        await authorize(trial, stripe_server.ASKS_HOLDER)
    assert [intent["status"] for intent in trial.server.intents.values()] == ["canceled"]


async def test_a_slow_authorization_is_retried_until_it_is_made(trial: StripeTrial) -> None:
    with pytest.raises(ProviderUnavailable, match="being processed"):
        await authorize(trial, stripe_server.IS_SLOW)
    trial.server.intents["pi_1"].update(status="requires_capture", amount_capturable=6_000)
    assert await authorize(trial, stripe_server.IS_SLOW) == "pi_1"
    assert await trial.money() == HELD


# -- missing answers


async def test_lost_answers_are_retried_within_the_bounds(trial: StripeTrial) -> None:
    retry_at_once(trial)
    trial.server.troubles += [LOST, LOST]
    authorization_id = await authorize(trial)
    trial.server.troubles += [LOST, LOST]
    await trial.provider.capture("c", authorization_id, PRICE)
    trial.server.troubles += [LOST, LOST]
    await trial.provider.refund("r", authorization_id, PART)
    trial.server.troubles += [LOST, LOST]
    await trial.provider.void("v", await authorize(trial, key="another"))
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


async def test_an_answer_that_takes_too_long_is_retried(trial: StripeTrial) -> None:
    retry_at_once(trial, timeout_seconds=1.0)
    trial.server.troubles += [SILENT, InjectedFault(is_done=True)]
    await authorize(trial)
    assert await trial.money() == HELD


async def test_a_silent_connection_is_unavailable() -> None:
    async with stripe_trial(timeout_seconds=0.1) as trial:
        trial.server.troubles += [SILENT]
        with pytest.raises(ProviderUnavailable, match="TimeoutError"):
            await authorize(trial)


async def test_a_refused_connection_is_unavailable() -> None:
    provider = StripeProvider(SecretStr(API_KEY), api_base="http://127.0.0.1:9")
    with pytest.raises(ProviderUnavailable, match="ClientConnectorError"):
        await provider.authorize("k", PRICE, PAYS, "a ticket", {})
    await provider.close()


async def test_an_answer_that_is_no_json_is_unavailable(trial: StripeTrial) -> None:
    trial.server.troubles += [InjectedFault(instead=Answer(502, "<html>bad gateway</html>"))]
    with pytest.raises(ProviderUnavailable, match="HTTP status 502"):
        await authorize(trial)
    assert await authorize(trial)


@pytest.mark.parametrize(("header", "seconds"), [("", None), ("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("Fri, 1 Jan", None)])
async def test_a_rate_limit_comes_with_its_retry_delay(trial: StripeTrial, header: str, seconds: float | None) -> None:
    trial.server.troubles += [limited(header)]
    with pytest.raises(ProviderUnavailable, match="rate_limit") as error:
        await authorize(trial)
    assert (error.value.retry_after_seconds, error.value.passes_soon) == (seconds, True)
    assert await authorize(trial)


# -- saved errors


@pytest.mark.parametrize("is_done", [True, False])
async def test_after_a_saved_error_the_state_of_the_intent_counts(trial: StripeTrial, is_done: bool) -> None:
    authorization_id = await authorize(trial)
    trial.server.troubles += [broken(is_done=is_done)]
    with pytest.raises(ProviderUnavailable):
        await trial.provider.capture("c", authorization_id, PRICE)
    if is_done:
        await trial.provider.capture("c", authorization_id, PRICE)
        return
    with pytest.raises(ProviderUnavailable) as error:
        await trial.provider.capture("c", authorization_id, PRICE)
    assert not error.value.passes_soon
    trial.forget_keys()
    await trial.provider.capture("c", authorization_id, PRICE)
    assert await trial.money() == TAKEN


@pytest.mark.parametrize("is_done", [True, False])
async def test_after_a_saved_error_the_authorization_is_still_voided(trial: StripeTrial, is_done: bool) -> None:
    authorization_id = await authorize(trial)
    trial.server.troubles += [broken(is_done=is_done)]
    with pytest.raises(ProviderUnavailable):
        await trial.provider.void("v", authorization_id)
    if not is_done:
        with pytest.raises(ProviderUnavailable):
            await trial.provider.void("v", authorization_id)
        trial.forget_keys()
    await trial.provider.void("v", authorization_id)
    assert await trial.money() == MoneyMoved()


async def test_after_a_saved_error_an_authorization_is_searched_by_its_key(trial: StripeTrial) -> None:
    trial.server.troubles += [broken(is_done=True)]
    with pytest.raises(ProviderUnavailable):
        await authorize(trial)
    assert await authorize(trial) == "pi_1"
    assert await trial.money() == HELD


async def test_an_authorization_that_cannot_be_found_stays_unavailable(trial: StripeTrial) -> None:
    trial.server.troubles += [broken(is_done=False)]
    with pytest.raises(ProviderUnavailable):
        await authorize(trial)
    with pytest.raises(ProviderUnavailable) as error:
        await authorize(trial)
    assert not error.value.passes_soon


@pytest.mark.parametrize("is_done", [True, False])
async def test_after_a_saved_error_a_refund_is_made_once(trial: StripeTrial, is_done: bool) -> None:
    authorization_id = await capture(trial)
    trial.server.troubles += [broken(is_done=is_done)]
    with pytest.raises(ProviderUnavailable):
        await trial.provider.refund("r", authorization_id, PART)
    if not is_done:
        trial.forget_keys()
    assert await trial.provider.refund("r", authorization_id, PART) == "re_1"
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


# -- refunds that are not done at once


async def test_a_pending_refund_is_not_done(trial: StripeTrial) -> None:
    authorization_id = await capture(trial)
    trial.server.refund_statuses.append("pending")
    for _ in range(2):
        with pytest.raises(ProviderUnavailable, match="the refund is pending") as error:
            await trial.provider.refund("r", authorization_id, PART)
        assert not error.value.passes_soon
    trial.server.refunds["re_1"]["status"] = "succeeded"
    assert await trial.provider.refund("r", authorization_id, PART) == "re_1"


async def test_a_failed_refund_is_not_done_and_can_be_retried(trial: StripeTrial) -> None:
    authorization_id = await capture(trial)
    trial.server.refund_statuses.append("failed")
    with pytest.raises(Rejected, match="failed"):
        await trial.provider.refund("r", authorization_id, PART)
    assert await trial.money() == TAKEN
    assert await trial.provider.refund("r", authorization_id, PART) == "re_2"
    assert await trial.provider.refund("r", authorization_id, PART) == "re_2"
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


# -- the key


async def test_a_key_that_stripe_refuses_is_reported_as_an_error_to_correct(
    trial: StripeTrial, caplog: pytest.LogCaptureFixture
) -> None:
    provider = StripeProvider(SecretStr("sk_test_wrong"), api_base=trial.server.url)
    with pytest.raises(ProviderUnavailable, match="does not accept our key") as error:
        await provider.authorize("k", PRICE, PAYS, "a ticket", {})
    assert not error.value.passes_soon
    assert [record.levelname for record in caplog.records if record.name.startswith("app.")] == ["ERROR"]
    assert "sk_test_wrong" not in caplog.text
    await provider.close()


async def test_the_key_is_never_shown(trial: StripeTrial, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown = [repr(trial.provider), str(trial.provider)]
    trial.server.troubles += [InjectedFault(is_done=True), limited(), LOST, broken(is_done=False)]
    for token in (PAYS, PAYS, PAYS, PAYS, stripe_server.DECLINED, "pm_unknown"):
        try:
            await authorize(trial, token, f"k{len(shown)}")
        except PaymentError as error:
            shown += [repr(error), str(error), repr(error.__cause__), repr(error.__context__), error.detail]
    shown += [record.getMessage() for record in caplog.records]
    assert len(shown) > 20
    assert not any(API_KEY in text or "Bearer" in text for text in shown)
    assert not any(PAYS in text for text in shown)


@pytest.mark.parametrize("key", ["", "sk_test_1\n", "sk test", "ключ"])
def test_a_malformed_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="a Stripe key") as error:
        StripeProvider(SecretStr(key))
    assert not key or key not in str(error.value)


@pytest.mark.parametrize("base", ["http://api.stripe.com", "ftp://127.0.0.1", "api.stripe.com", "http://127.0.0.1.example.com"])
def test_the_key_is_not_sent_unencrypted_over_a_network(base: str) -> None:
    with pytest.raises(ValueError, match="https"):
        StripeProvider(SecretStr(API_KEY), api_base=base)


async def test_the_default_api_base_is_stripe() -> None:
    provider = StripeProvider(SecretStr(API_KEY))
    assert (provider.name, provider.needs_token, API_BASE) == ("stripe", True, "https://api.stripe.com")
    await provider.close()


# -- crowds


async def test_a_crowd_is_served_within_the_limit_of_connections(trial: StripeTrial) -> None:
    ids = await asyncio.gather(*(authorize(trial, key=f"k{number}") for number in range(300)))
    assert len(set(ids)) == 300
    assert await trial.money() == MoneyMoved(held=300 * 6_000)
