"""A server with Stripe, over gRPC: amounts that cannot be charged are refused before the sale, and final refusals are final."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.type import money_pb2

from app.pb.seatline.v1 import payment_pb2, train_pb2
from app.store.in_memory import connect_in_memory
from app.usecases.payments import VOID_AFTER_SECONDS
from tests.support.clients import Run, booking_request, people, refusal
from tests.support.stripe_server import API_KEY, PAYS, Answer, InjectedFault, StripeServer, stripe_server
from tests.support.world import Clock, World, a_train, eventually, running_server, settings_for

REJECTED = (grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_REJECTED")
NEVER = InjectedFault(instead=Answer(400, {"error": {"type": "invalid_request_error", "message": "This is never done."}}))


@pytest_asyncio.fixture
async def stripe() -> AsyncIterator[StripeServer]:
    async with stripe_server() as server:
        yield server


@pytest_asyncio.fixture
async def world(clock: Clock, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A server that is paid through this Stripe, with a clock that a test may set."""
    monkeypatch.setenv("SEATLINE_PAYMENTS_STRIPE_KEY", API_KEY)
    monkeypatch.setenv("SEATLINE_PAYMENTS_STRIPE_API_BASE", stripe.url)
    async with running_server(settings_for(payments_provider="stripe"), connect_in_memory()) as made:
        yield made


def money(text: str) -> money_pb2.Money:
    """Such as "KWD 5.010"."""
    currency, _, number = text.partition(" ")
    whole, _, part = number.partition(".")
    return money_pb2.Money(currency_code=currency, units=int(whole), nanos=int(part.ljust(9, "0")) if part else 0)


async def run_at(world: World, fare: str, layout: str = "A9", **terms: Any) -> Run:
    return await world.run(layout, fares={"A": money(fare)}, **terms)


def states(stripe: StripeServer) -> list[str]:
    return [intent["status"] for intent in stripe.intents.values()]


# -- before the sale


@pytest.mark.parametrize(
    "fare", ["USD 0.49", "USD 1000000.00", "KWD 5.124", "BHD 0.001", "ISK 1000000", "JPY 49", "MGA 1.50", "LYD 5.000"]
)
async def test_a_train_with_a_fare_that_stripe_cannot_take_is_refused_under_its_field(world: World, fare: str) -> None:
    train = a_train("A4 B4", fares={"A": money(fare.split(maxsplit=1)[0] + " 0"), "B": money(fare)})
    for validate_only in (True, False):
        refused = await refusal(world.desk.create_train(train, validate_only=validate_only))
        assert (refused.reason, refused.fields) == ("INVALID_FIELD", ("train.sections[1].fare",))


@pytest.mark.parametrize("fare", ["USD 0.00", "USD 0.50", "KWD 5.120", "UGX 1", "ISK 5", "JPY 50", "MGA 2.00", "HUF 175.00"])
async def test_a_train_with_fares_that_stripe_can_take_is_made(world: World, fare: str) -> None:
    made = await world.desk.create_train(a_train("A4", fares={"A": money(fare)}))
    assert made.sections[0].fare == money(fare)


async def test_a_group_whose_price_is_above_the_largest_charge_is_refused_before_anything_is_authorized(
    world: World, stripe: StripeServer
) -> None:
    run = await run_at(world, "USD 200000.00")
    agent = world.api_client("agent")
    refused = await refusal(agent.send(booking_request(run, *people("p", 5), payment_token=PAYS)))
    assert refused.says == REJECTED
    assert "USD 999999.99" in refused.message
    assert stripe.intents == {}
    assert await agent.send(booking_request(run, *people("p", 4), payment_token=PAYS))


# -- final refusals


async def test_a_rejected_authorization_is_answered_as_such_with_its_reason_each_time(
    world: World, stripe: StripeServer
) -> None:
    run = await run_at(world, "USD 20.00")
    request = booking_request(run, "jane", payment_token=PAYS)
    stripe.troubles.append(NEVER)
    refused = await refusal(world.api_client("jane").send(request))
    assert refused.says == REJECTED
    assert "This is never done." in refused.message
    assert (await refusal(world.api_client("jane").send(request))).says == REJECTED
    assert await world.api_client("jane").book(run, payment_token=PAYS)


async def test_a_rejected_refund_makes_a_dead_job_and_is_shown_as_failed_while_others_are_made(
    world: World, stripe: StripeServer
) -> None:
    run = await run_at(world, "USD 20.00")
    world.server.start_worker()
    jane = world.api_client("jane")
    booking = await jane.send(booking_request(run, "jane", "joe", payment_token=PAYS))

    async def is_taken() -> bool:
        return states(stripe) == ["succeeded"]

    await eventually(is_taken)
    stripe.troubles.append(NEVER)
    await jane.cancel(booking.reference, "joe")

    async def is_failed() -> bool:
        found = (await jane.booking(booking.reference)).refunds
        return [refund.state for refund in found] == [payment_pb2.REFUND_STATE_FAILED]

    await eventually(is_failed)
    [dead] = await world.database["jobs"].find({"state": "DEAD"}).to_list(10)
    assert (dead["attempts"], "This is never done." in dead["last_error"]) == (1, True)
    # The next event makes the worker retry it, together with the new refund.
    stripe.troubles.append(NEVER)
    await jane.cancel(booking.reference)

    async def is_done_in_part() -> bool:
        found = (await jane.booking(booking.reference)).refunds
        return [refund.state for refund in found] == [payment_pb2.REFUND_STATE_FAILED, payment_pb2.REFUND_STATE_DONE]

    await eventually(is_done_in_part)
    assert [refund["amount"] for refund in stripe.refunds.values()] == [2_000]


# -- rounded refunds


async def test_half_of_an_odd_fare_in_dinars_is_rounded_up_to_what_stripe_can_refund(
    world: World, stripe: StripeServer
) -> None:
    half = [train_pb2.RefundTier(hours_before=0, percent=50)]
    run = await run_at(world, "KWD 5.010", refund_tiers=half)
    world.server.start_worker()
    jane = world.api_client("jane")
    booking = await jane.send(booking_request(run, "jane", "joe", payment_token=PAYS))
    await jane.cancel(booking.reference, "joe")
    cancelled = await jane.cancel(booking.reference)
    assert [refund.amount for refund in cancelled.refunds] == [money("KWD 2.510")] * 2

    async def is_given_back() -> bool:
        return [refund["amount"] for refund in stripe.refunds.values()] == [2_510, 2_510]

    await eventually(is_given_back)


# -- repeated requests, and authorizations without a sale


async def test_a_repeated_request_with_hold_and_token_gets_its_booking_and_is_charged_once(
    clock: Clock, world: World, stripe: StripeServer
) -> None:
    run = await run_at(world, "USD 20.00", layout="A1")
    jane = world.api_client("jane")
    hold = await jane.hold(run, seconds=60)
    request = booking_request(run, "jane", hold_id=hold.hold_id, payment_token=PAYS)
    booking = await jane.send(request)
    clock.ahead = timedelta(minutes=2)
    assert (await jane.send(request)).reference == booking.reference
    request.payment_token = ""
    assert (await jane.send(request)).reference == booking.reference
    assert len(stripe.intents) == 1


async def test_an_authorization_whose_sale_was_refused_is_voided(clock: Clock, world: World, stripe: StripeServer) -> None:
    run = await run_at(world, "USD 20.00", layout="A1")
    await world.api_client("ann").send(booking_request(run, "ann", payment_token=PAYS))
    refused = await refusal(world.api_client("jane").send(booking_request(run, "jane", payment_token=PAYS)))
    assert refused.reason == "SECTION_FULL"
    assert states(stripe) == ["requires_capture", "requires_capture"]
    clock.ahead = timedelta(seconds=VOID_AFTER_SECONDS + 1)
    await world.server.payments.void_abandoned()
    assert sorted(states(stripe)) == ["canceled", "succeeded"]


async def test_an_authorization_left_by_a_crashed_server_is_voided_by_the_worker(
    clock: Clock, world: World, stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await run_at(world, "USD 20.00")
    with monkeypatch.context() as death:
        death.setattr(world.server.bus, "submit", _crash_before_the_sale(world))
        with pytest.raises(grpc.aio.AioRpcError):
            await world.api_client("jane").send(booking_request(run, "jane", payment_token=PAYS))
    assert states(stripe) == ["requires_capture"]
    clock.ahead = timedelta(seconds=VOID_AFTER_SECONDS + 1)
    await world.server.payments.void_abandoned()
    assert states(stripe) == ["canceled"]


def _crash_before_the_sale(world: World) -> Any:
    """The command bus of a server that crashes between the authorization and the sale."""
    submit = world.server.bus.submit

    def submit_or_die(command: Any, deadline: float) -> Any:
        if getattr(command, "payment", None) is not None:
            raise RuntimeError("the server ended")
        return submit(command, deadline)

    return submit_or_die
