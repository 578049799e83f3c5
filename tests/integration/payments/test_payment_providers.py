"""The contract of payment providers, tested with each: the ledger in memory and over a real mongod, and Stripe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest
import pytest_asyncio

from app.domain.money import Money
from app.ports.payment_provider import Declined, Provider, ProviderUnavailable, Rejected
from tests.support.provider_trials import MoneyMoved, ProviderTrial, ledger_trial, stripe_trial

PRICE = Money(6_000, "EUR")
MORE = Money(6_001, "EUR")
PART = Money(2_000, "EUR")


@pytest_asyncio.fixture(params=["ledger in memory", "ledger on mongod", "stripe"])
async def trial(request: pytest.FixtureRequest) -> AsyncIterator[ProviderTrial]:
    """Each provider in turn, with empty records."""
    if request.param == "stripe":
        async with stripe_trial() as stripe:
            yield stripe
    else:
        mongod = (lambda: request.getfixturevalue("mongod")) if request.param == "ledger on mongod" else None
        async with ledger_trial(mongod) as ledger:
            yield ledger


async def authorized(trial: ProviderTrial, key: str = "pay_1:authorize", amount: Money = PRICE) -> str:
    return await trial.provider.authorize(key, amount, trial.pays, "a ticket", {"booking": "ABC123"})


async def captured(trial: ProviderTrial, key: str = "pay_1") -> str:
    authorization_id = await authorized(trial, f"{key}:authorize")
    await trial.provider.capture(f"{key}:capture", authorization_id, PRICE)
    return authorization_id


async def answers_of_all(calls: list[Awaitable[str]]) -> list[str]:
    """Make calls at once and return their answers. Some may be ProviderUnavailable, none any other error."""
    found = await asyncio.gather(*calls, return_exceptions=True)
    answers = [outcome for outcome in found if isinstance(outcome, str)]
    assert answers
    assert all(isinstance(outcome, str | ProviderUnavailable) for outcome in found)
    return answers


# -- from authorization to refund


async def test_money_is_authorized_then_captured_then_refunded_in_parts(trial: ProviderTrial) -> None:
    authorization_id = await authorized(trial)
    assert await trial.money() == MoneyMoved(held=6_000)
    await trial.provider.capture("pay_1:capture", authorization_id, PRICE)
    assert await trial.money() == MoneyMoved(taken=6_000)
    first = await trial.provider.refund("pay_1:refund:1", authorization_id, PART)
    second = await trial.provider.refund("pay_1:refund:2", authorization_id, Money(4_000, "EUR"))
    assert first != second
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=6_000)


async def test_voided_money_is_not_held(trial: ProviderTrial) -> None:
    await trial.provider.void("pay_1:void", await authorized(trial))
    assert await trial.money() == MoneyMoved()


async def test_a_part_of_an_authorization_may_be_captured_and_the_rest_is_released(trial: ProviderTrial) -> None:
    authorization_id = await authorized(trial)
    await trial.provider.capture("pay_1:capture", authorization_id, PART)
    assert await trial.money() == MoneyMoved(taken=2_000)
    with pytest.raises(Rejected):
        await trial.provider.refund("pay_1:refund:1", authorization_id, Money(2_001, "EUR"))


async def test_yen_have_no_smaller_unit(trial: ProviderTrial) -> None:
    yen = Money(500, "JPY")
    authorization_id = await authorized(trial, amount=yen)
    await trial.provider.capture("pay_1:capture", authorization_id, yen)
    await trial.provider.refund("pay_1:refund:1", authorization_id, yen)
    assert await trial.money() == MoneyMoved(taken=500, given_back=500)


async def test_payments_are_independent(trial: ProviderTrial) -> None:
    amounts = [Money(1_000 * (1 + number % 3), "EUR") for number in range(30)]
    ids = await asyncio.gather(*(authorized(trial, f"pay_{number}", amount) for number, amount in enumerate(amounts)))
    assert len(set(ids)) == 30
    calls: list[Awaitable[None]] = []
    for number, (authorization_id, amount) in enumerate(zip(ids, amounts, strict=True)):
        if number % 2:
            calls.append(trial.provider.capture(f"c_{number}", authorization_id, amount))
        elif number % 4:
            calls.append(trial.provider.void(f"v_{number}", authorization_id))
    await asyncio.gather(*calls)
    taken = sum(amount.minor for amount in amounts[1::2])
    assert await trial.money() == MoneyMoved(held=sum(amount.minor for amount in amounts[0::4]), taken=taken)


# -- repetitions


async def test_a_repeated_operation_gets_the_same_answer_and_is_not_done_again(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    refund_id = await trial.provider.refund("pay_1:refund:1", authorization_id, PART)
    assert await authorized(trial) == authorization_id
    await trial.provider.capture("pay_1:capture", authorization_id, PRICE)
    assert await trial.provider.refund("pay_1:refund:1", authorization_id, PART) == refund_id
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


async def test_a_day_later_captures_and_refunds_are_still_done_once(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    refund_id = await trial.provider.refund("pay_1:refund:1", authorization_id, PART)
    trial.forget_keys()
    await trial.provider.capture("pay_1:capture", authorization_id, PRICE)
    assert await trial.provider.refund("pay_1:refund:1", authorization_id, PART) == refund_id
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


async def test_a_void_may_be_repeated_also_a_day_later(trial: ProviderTrial) -> None:
    authorization_id = await authorized(trial)
    await trial.provider.void("pay_1:void", authorization_id)
    await trial.provider.void("pay_1:void", authorization_id)
    trial.forget_keys()
    await trial.provider.void("pay_1:void", authorization_id)
    assert await trial.money() == MoneyMoved()


async def test_a_capture_done_under_another_key_is_done(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    await trial.provider.capture("another", authorization_id, PRICE)
    assert await trial.money() == MoneyMoved(taken=6_000)


async def test_ten_concurrent_authorizations_under_one_key_hold_the_money_once(trial: ProviderTrial) -> None:
    answers = await answers_of_all([authorized(trial) for _ in range(10)])
    assert {*answers, await authorized(trial)} == {answers[0]}
    assert await trial.money() == MoneyMoved(held=6_000)


async def test_ten_concurrent_refunds_under_one_key_refund_once(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    answers = await answers_of_all([trial.provider.refund("r", authorization_id, PART) for _ in range(10)])
    assert {*answers, await trial.provider.refund("r", authorization_id, PART)} == {answers[0]}
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


async def test_a_lost_answer_is_found_by_a_retry(trial: ProviderTrial) -> None:
    token = trial.answered_late()
    with pytest.raises(ProviderUnavailable):
        await trial.provider.authorize("k", PRICE, token, "a ticket", {})
    assert await trial.money() == MoneyMoved(held=6_000)
    authorization_id = await trial.provider.authorize("k", PRICE, token, "a ticket", {})
    await trial.provider.capture("c", authorization_id, PRICE)
    assert await trial.money() == MoneyMoved(taken=6_000)


# -- declined cards


async def test_a_declined_card_holds_nothing_and_is_declined_again(trial: ProviderTrial) -> None:
    for _ in range(2):
        with pytest.raises(Declined):
            await trial.provider.authorize("k", PRICE, trial.declined, "a ticket", {})
    assert await trial.money() == MoneyMoved()


@pytest.mark.parametrize("token", ["4242424242424242", "tok visa", "{'$ne': ''}", "x" * 256, "ключ"])
async def test_a_malformed_token_is_declined(trial: ProviderTrial, token: str) -> None:
    with pytest.raises(Declined):
        await trial.provider.authorize("k", PRICE, token, "a ticket", {})
    assert await trial.money() == MoneyMoved()


async def test_an_empty_token_pays_only_with_a_provider_that_needs_none(trial: ProviderTrial) -> None:
    asking = trial.provider.authorize("k", PRICE, "", "a ticket", {})
    if trial.provider.needs_token:
        with pytest.raises(Declined):
            await asking
    else:
        await asking
    assert await trial.money() == MoneyMoved(held=0 if trial.provider.needs_token else 6_000)


# -- rejected operations


async def test_a_key_stands_for_one_authorization(trial: ProviderTrial) -> None:
    await authorized(trial)
    with pytest.raises(Rejected):
        await authorized(trial, amount=MORE)
    with pytest.raises(Rejected):
        await authorized(trial, amount=Money(6_000, "USD"))
    with pytest.raises(Rejected):
        await trial.provider.authorize("pay_1:authorize", PRICE, trial.declined, "a ticket", {"booking": "ABC123"})
    assert await trial.money() == MoneyMoved(held=6_000)


async def test_a_key_stands_for_one_refund(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    await trial.provider.refund("r", authorization_id, PART)
    with pytest.raises(Rejected):
        await trial.provider.refund("r", authorization_id, Money(1_000, "EUR"))
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=2_000)


async def test_more_than_the_authorized_amount_is_never_captured(trial: ProviderTrial) -> None:
    authorization_id = await authorized(trial)
    with pytest.raises(Rejected):
        await trial.provider.capture("c", authorization_id, MORE)
    assert await trial.money() == MoneyMoved(held=6_000)


async def test_a_captured_authorization_is_not_captured_again_with_another_amount(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    with pytest.raises(Rejected):
        await trial.provider.capture("another", authorization_id, PART)
    assert await trial.money() == MoneyMoved(taken=6_000)


async def test_a_voided_authorization_can_be_neither_captured_nor_refunded(trial: ProviderTrial) -> None:
    authorization_id = await authorized(trial)
    await trial.provider.void("v", authorization_id)
    with pytest.raises(Rejected):
        await trial.provider.capture("c", authorization_id, PRICE)
    with pytest.raises(Rejected):
        await trial.provider.refund("r", authorization_id, PRICE)
    assert await trial.money() == MoneyMoved()


async def test_an_authorization_that_is_not_captured_cannot_be_refunded(trial: ProviderTrial) -> None:
    with pytest.raises(Rejected):
        await trial.provider.refund("r", await authorized(trial), PRICE)
    assert await trial.money() == MoneyMoved(held=6_000)


async def test_a_captured_authorization_cannot_be_voided(trial: ProviderTrial) -> None:
    with pytest.raises(Rejected):
        await trial.provider.void("v", await captured(trial))
    assert await trial.money() == MoneyMoved(taken=6_000)


async def test_more_than_the_captured_amount_is_never_refunded(trial: ProviderTrial) -> None:
    authorization_id = await captured(trial)
    with pytest.raises(Rejected):
        await trial.provider.refund("r0", authorization_id, MORE)
    found = await asyncio.gather(
        *(trial.provider.refund(f"r{number}", authorization_id, PART) for number in range(1, 11)), return_exceptions=True
    )
    assert [type(outcome) for outcome in found if not isinstance(outcome, str)] == [Rejected] * 7
    assert await trial.money() == MoneyMoved(taken=6_000, given_back=6_000)


async def test_an_authorization_is_either_captured_or_voided(trial: ProviderTrial) -> None:
    ids = await asyncio.gather(*(authorized(trial, f"k{number}") for number in range(20)))
    calls: list[Awaitable[None]] = []
    for number, authorization_id in enumerate(ids):
        calls.append(trial.provider.capture(f"c{number}", authorization_id, PRICE))
        calls.append(trial.provider.void(f"v{number}", authorization_id))
    found = await asyncio.gather(*calls, return_exceptions=True)
    taken = found[0::2].count(None)
    assert taken + found[1::2].count(None) == 20
    assert all(outcome is None or isinstance(outcome, Rejected) for outcome in found)
    assert await trial.money() == MoneyMoved(taken=taken * 6_000)


async def test_operations_on_an_unknown_authorization_are_rejected(trial: ProviderTrial) -> None:
    for asking in (
        trial.provider.capture("c", "nothing", PRICE),
        trial.provider.void("v", "nothing"),
        trial.provider.refund("r", "nothing", PRICE),
    ):
        with pytest.raises(Rejected):
            await asking


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "ключ", "x" * 201, "'"])
async def test_a_malformed_key_is_rejected(trial: ProviderTrial, key: str) -> None:
    await _rejects_all(trial.provider, key, PRICE)
    assert await trial.money() == MoneyMoved()


@pytest.mark.parametrize("minor", [0, -1, 10**13])
async def test_an_amount_out_of_its_bounds_is_rejected(trial: ProviderTrial, minor: int) -> None:
    await _rejects_all(trial.provider, "k", Money(minor, "EUR"))
    assert await trial.money() == MoneyMoved()


async def _rejects_all(provider: Provider, key: str, amount: Money) -> None:
    for asking in (
        provider.authorize(key, amount, "", "", {}),
        provider.capture(key, "nothing", amount),
        provider.refund(key, "nothing", amount),
    ):
        with pytest.raises(Rejected):
            await asking


# -- amounts


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "JPY", "CZK", "HUF", "TWD", "ISK", "UGX", "KWD", "TND", "BAM"])
async def test_amounts_that_the_rules_allow_are_authorized_captured_and_refunded(trial: ProviderTrial, currency: str) -> None:
    rules = trial.provider.amounts
    rule = rules.rule(currency)
    for minor in (rule.charge_minor_min, rule.charge_minor_max):
        amount = Money(minor, currency)
        assert rules.problem_of_charge(amount) == ""
        authorization_id = await authorized(trial, f"pay_{minor}:authorize", amount)
        await trial.provider.capture(f"pay_{minor}:capture", authorization_id, amount)
        assert await trial.provider.refund(f"pay_{minor}:refund", authorization_id, Money(rule.step_minor, currency))


async def test_an_amount_that_the_rules_forbid_is_rejected_and_nothing_is_held(trial: ProviderTrial) -> None:
    rules = trial.provider.amounts
    for currency in ("USD", "UGX", "KWD"):
        amount = Money(rules.rule(currency).charge_minor_max + 1, currency)
        assert rules.problem_of_charge(amount)
        with pytest.raises(Rejected):
            await authorized(trial, f"pay_{currency}:authorize", amount)
    assert (await trial.money()).held == 0
