"""The ledger provider: what each token does, on every server alike, and its behaviour under crowds and outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from app.domain.money import Money
from app.embedded.mongod import EmbeddedMongod
from app.payments import ledger
from app.payments.ledger import LedgerProvider
from app.ports.payment_provider import Declined, PaymentError, ProviderUnavailable, Rejected
from app.store.driver import connect
from app.store.ledger import Ledger
from tests.support.provider_trials import LedgerTrial, MoneyMoved, clock, ledger_trial

PRICE = Money(6_000, "EUR")


@pytest_asyncio.fixture(params=["in memory", "on mongod"])
async def trial(request: pytest.FixtureRequest) -> AsyncIterator[LedgerTrial]:
    """The ledger over an empty database."""
    mongod = (lambda: request.getfixturevalue("mongod")) if request.param == "on mongod" else None
    async with ledger_trial(mongod) as made:
        yield made


@pytest_asyncio.fixture
async def real_trial(mongod: EmbeddedMongod) -> AsyncIterator[LedgerTrial]:
    """The ledger over a real server, for races that a database in memory cannot show."""
    async with ledger_trial(lambda: mongod) as made:
        yield made


async def _authorize(provider: LedgerProvider, token: str = "", key: str = "k") -> str:
    return await provider.authorize(key, PRICE, token, "a ticket", {})


async def _answers(*calls: Callable[[], Awaitable[Any]]) -> list[str]:
    """Make these calls in turn, and return the answers."""
    found = []
    for asking in calls:
        try:
            await asking()
            found.append("done")
        except PaymentError as error:
            found.append(type(error).__name__)
    return found


# -- tokens, each operation repeated three times, in another process each time

DONE, NO_ANSWER, DECLINED, REJECTED = "done", "ProviderUnavailable", "Declined", "Rejected"


@pytest.mark.parametrize(
    ("token", "authorize", "capture", "refund"),
    [
        ("", [DONE] * 3, [DONE] * 3, [DONE] * 3),
        ("tok_visa", [DONE] * 3, [DONE] * 3, [DONE] * 3),
        (ledger.DECLINES, [DECLINED] * 3, [REJECTED] * 3, [REJECTED] * 3),
        (ledger.TIMES_OUT, [NO_ANSWER] * 3, [REJECTED] * 3, [REJECTED] * 3),
        (ledger.FAILS_ONCE, [NO_ANSWER, DONE, DONE], [NO_ANSWER, DONE, DONE], [NO_ANSWER, DONE, DONE]),
        (ledger.SUCCEEDS_LATE, [NO_ANSWER, DONE, DONE], [DONE] * 3, [DONE] * 3),
        (ledger.CAPTURE_FAILS_ONCE, [DONE] * 3, [NO_ANSWER, DONE, DONE], [DONE] * 3),
        (ledger.CAPTURE_FAILS, [DONE] * 3, [REJECTED] * 3, [REJECTED] * 3),
        (ledger.REFUND_FAILS_ONCE, [DONE] * 3, [DONE] * 3, [NO_ANSWER, DONE, DONE]),
        (ledger.REFUND_FAILS, [DONE] * 3, [DONE] * 3, [REJECTED] * 3),
    ],
)
async def test_tokens_do_what_they_are_for(
    trial: LedgerTrial, token: str, authorize: list[str], capture: list[str], refund: list[str]
) -> None:
    processes = [trial.another_process() for _ in range(3)]
    assert await _answers(*(lambda process=process: _authorize(process, token) for process in processes)) == authorize
    assert await _answers(*(lambda process=process: process.capture("c", "k", PRICE) for process in processes)) == capture
    assert await _answers(*(lambda process=process: process.refund("r", "k", PRICE) for process in processes)) == refund
    taken = 6_000 if DONE in capture else 0
    held = 6_000 if DONE in authorize and not taken else 0
    assert await trial.money() == MoneyMoved(held=held, taken=taken, given_back=6_000 if DONE in refund else 0)


async def test_voids_fail_once_too(trial: LedgerTrial) -> None:
    provider = trial.another_process()
    assert await _answers(*[lambda: _authorize(provider, ledger.FAILS_ONCE)] * 2) == [NO_ANSWER, DONE]
    assert await _answers(*[lambda: provider.void("v", "k")] * 3) == [NO_ANSWER, DONE, DONE]
    assert await trial.money() == MoneyMoved()


async def test_an_authorization_that_times_out_is_not_recorded(trial: LedgerTrial) -> None:
    with pytest.raises(ProviderUnavailable):
        await _authorize(trial.another_process(), ledger.TIMES_OUT)
    assert await trial.database["ledger"].count_documents({}) == 0


async def test_an_unanswered_authorization_holds_no_money_and_cannot_be_captured(trial: LedgerTrial) -> None:
    provider = trial.another_process()
    with pytest.raises(ProviderUnavailable):
        await _authorize(provider, ledger.FAILS_ONCE)
    assert await trial.money() == MoneyMoved()
    assert await _answers(lambda: provider.capture("c", "k", PRICE)) == [NO_ANSWER]
    assert await _answers(lambda: provider.capture("c", "k", PRICE)) == [REJECTED]


async def test_a_number_that_may_be_a_card_number_is_not_recorded(trial: LedgerTrial) -> None:
    with pytest.raises(Declined) as declined:
        await _authorize(trial.another_process(), "4242424242424242")
    assert "4242" not in str(declined.value)
    assert await trial.database["ledger"].count_documents({}) == 0


async def test_an_entry_records_capture_and_refunds(trial: LedgerTrial) -> None:
    provider = trial.another_process()
    before = clock()
    await _authorize(provider, "tok_visa")
    await provider.capture("c", "k", PRICE)
    await provider.refund("r", "k", Money(2_000, "EUR"))
    entry = await trial.database["ledger"].find_one({"_id": "k"})
    assert entry is not None
    assert before <= entry["create_time"] <= entry["update_time"] <= clock()
    assert entry["refunds"][0].pop("create_time") >= before
    assert {name: value for name, value in entry.items() if not name.endswith("_time")} == {
        "_id": "k",
        "amount_minor": 6_000,
        "currency": "EUR",
        "token": "tok_visa",
        "description": "a ticket",
        "state": "CAPTURED",
        "captured_minor": 6_000,
        "refundable_minor": 4_000,
        "refunds": [{"key": "r", "amount_minor": 2_000}],
        "faults": [],
    }


async def test_a_capture_in_another_currency_is_rejected(trial: LedgerTrial) -> None:
    provider = trial.another_process()
    await _authorize(provider)
    dollars = Money(6_000, "USD")
    assert await _answers(lambda: provider.capture("c", "k", dollars)) == [REJECTED]
    await provider.capture("c", "k", PRICE)
    assert await _answers(lambda: provider.capture("c", "k", dollars), lambda: provider.refund("r", "k", dollars)) == [
        REJECTED,
        REJECTED,
    ]


# -- crowds


async def test_each_of_a_crowd_on_two_servers_pays_once(real_trial: LedgerTrial) -> None:
    servers = [real_trial.another_process() for _ in range(2)]
    crowd = range(600)
    # Each payer authorizes twice, on both servers.
    await asyncio.gather(*(_authorize(server, key=f"k{number}") for number in crowd for server in servers))
    await asyncio.gather(*(server.capture(f"c{number}", f"k{number}", PRICE) for number in crowd for server in servers))
    assert await real_trial.money() == MoneyMoved(taken=600 * 6_000)


async def test_a_crowd_shares_statements(real_trial: LedgerTrial) -> None:
    provider = real_trial.another_process()
    await asyncio.gather(*(_authorize(provider, key=f"k{number}") for number in range(500)))
    await asyncio.gather(*(provider.capture(f"c{number}", f"k{number}", PRICE) for number in range(500)))
    assert await real_trial.money() == MoneyMoved(taken=500 * 6_000)
    assert 2 <= await _statements(real_trial) < 10


async def _statements(trial: LedgerTrial) -> int:
    """Return the number of statements that have written to the collection so far, as the server counts them."""
    counted = (await trial.database.client.admin.command("top"))["totals"].get(f"{trial.database.name}.ledger", {})
    return sum(counted.get(kind, {}).get("count", 0) for kind in ("insert", "update"))


async def test_a_fault_happens_once_in_a_crowd(real_trial: LedgerTrial) -> None:
    servers = [real_trial.another_process() for _ in range(2)]
    await _authorize(servers[0], ledger.CAPTURE_FAILS_ONCE)
    found = await asyncio.gather(*(server.capture("c", "k", PRICE) for server in servers * 5), return_exceptions=True)
    assert all(outcome is None or isinstance(outcome, ProviderUnavailable) for outcome in found)
    await servers[0].capture("c", "k", PRICE)
    assert await real_trial.money() == MoneyMoved(taken=6_000)


async def test_refunds_on_two_servers_never_exceed_the_captured_amount(real_trial: LedgerTrial) -> None:
    servers = [real_trial.another_process() for _ in range(2)]
    await _authorize(servers[0])
    await servers[0].capture("c", "k", PRICE)
    amount = Money(700, "EUR")
    found = await asyncio.gather(
        *(servers[number % 2].refund(f"r{number}", "k", amount) for number in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, str) for outcome in found) == 8
    assert all(isinstance(outcome, str | Rejected | ProviderUnavailable) for outcome in found)
    assert await real_trial.money() == MoneyMoved(taken=6_000, given_back=5_600)


# -- outages


async def test_a_database_outage_is_reported_as_unavailable() -> None:
    client = connect(
        "mongodb://127.0.0.1:9/?replicaSet=none", operation_seconds_max=0.2, selection_seconds_max=0.1, connections_max=2
    )
    provider = LedgerProvider(Ledger(client["nowhere"], clock))
    asked = (
        lambda: _authorize(provider),
        lambda: provider.capture("c", "k", PRICE),
        lambda: provider.void("v", "k"),
        lambda: provider.refund("r", "k", PRICE),
    )
    assert await _answers(*asked) == [NO_ANSWER] * 4
    await provider.close()
    client.close()
