"""Over gRPC: of two errors in a CreateBooking request, the answer names the one that is earlier in the contract's order."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import pytest

from app.domain.amounts import AmountRules, CurrencyRule
from app.domain.rules.sale_checks import SaleCheck
from app.payments import ledger
from app.payments.ledger import LedgerProvider
from app.pb.seatline.v1.booking_pb2 import CreateBookingRequest
from app.store.in_memory import connect_in_memory
from tests.support.clients import booking_request, refusal
from tests.support.world import World, running_server, settings_for

# Reason, and the field where that is INVALID_FIELD.
TOLD = {
    SaleCheck.SHAPE: ("INVALID_FIELD", ("seat_numbers",)),
    SaleCheck.RUN_EXISTS: ("TRAIN_RUN_NOT_FOUND", ()),
    SaleCheck.SAME_REQUEST: ("REQUEST_ID_REUSED", ()),
    SaleCheck.RUN: ("INVALID_FIELD", ("destination",)),
    SaleCheck.HOLD: ("HOLD_EXPIRED", ()),
    SaleCheck.PRICE: ("PAYMENT_REJECTED", ()),
    SaleCheck.PAYMENT: ("PAYMENT_DECLINED", ()),
    SaleCheck.ROOM: ("SECTION_FULL", ()),
    SaleCheck.DUPLICATE: ("PASSENGER_ALREADY_BOOKED", ()),
}


async def _request_with(world: World, faults: Collection[SaleCheck], monkeypatch: pytest.MonkeyPatch) -> CreateBookingRequest:
    run = await world.run("A2")
    if SaleCheck.SAME_REQUEST in faults:
        await world.api_client("ann").book(run, "zoe", request_id="r1")
    if SaleCheck.DUPLICATE in faults:
        await world.api_client("ann").book(run)
    while SaleCheck.ROOM in faults and (free := (await world.api_client().free(run))["A"]):
        await world.api_client(f"other{free}").book(run)
    request = booking_request(run, "ann", request_id="r1", payment_token="tok_ann")
    if SaleCheck.SHAPE in faults:
        request.section = "A"
        request.seat_numbers.extend([1, 1])
    if SaleCheck.RUN_EXISTS in faults:
        request.train_id = "another"
    if SaleCheck.RUN in faults:
        request.destination = "Nowhere"
    if SaleCheck.HOLD in faults:
        request.hold_id = f"{run.train_id}_{run.travel_date}_AAAAAAAAAAAAAAAA"
    if SaleCheck.PRICE in faults:
        monkeypatch.setattr(LedgerProvider, "amounts", AmountRules(CurrencyRule(charge_minor_max=1)))
    if SaleCheck.PAYMENT in faults:
        request.payment_token = ledger.DECLINES
    return request


@pytest.mark.parametrize("faults", [*[(fault,) for fault in TOLD], *combinations(TOLD, 2), tuple(TOLD)], ids="+".join)
async def test_the_earliest_error_is_answered_and_no_money_is_captured(
    faults: tuple[SaleCheck, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert list(TOLD) == list(SaleCheck)
    async with running_server(settings_for(), connect_in_memory()) as world:
        request = await _request_with(world, faults, monkeypatch)
        refused = await refusal(world.api_client("ann").send(request))
        assert (refused.reason, refused.fields) == TOLD[faults[0]]
        states = [entry["state"] for entry in await world.database["ledger"].find({"token": "tok_ann"}).to_list(10)]
        asked_for_money = list(TOLD).index(faults[0]) > list(TOLD).index(SaleCheck.PAYMENT)
        assert states == (["AUTHORIZED"] if asked_for_money else [])
