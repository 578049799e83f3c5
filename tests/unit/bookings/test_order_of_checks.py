"""The order in which a sale is checked: of two faults, the one that is checked earlier is refused."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

import pytest

from app.domain.amounts import ANY_AMOUNT, AmountRules, CurrencyRule
from app.domain.commands import CreateBooking
from app.domain.refusals import Reason
from app.domain.rules.create_booking import create_booking
from app.domain.rules.sale_checks import CHECKS, SaleCheck
from app.domain.run.train_run import TrainRun
from tests.support.builders import (
    DEPARTS_LONDON,
    NOW,
    a_run,
    asks_for_seats,
    authorized,
    book,
    cancel,
    fill,
    hold,
    name_of,
    quote,
    sell,
    time_passes,
)
from tests.support.run_snapshots import refused

REASONS = {
    SaleCheck.SAME_REQUEST: Reason.REQUEST_ID_REUSED,
    SaleCheck.RUN: Reason.RUN_DEPARTED,
    SaleCheck.HOLD: Reason.HOLD_EXPIRED,
    SaleCheck.PRICE: Reason.PAYMENT_REJECTED,
    SaleCheck.PAYMENT: Reason.PAYMENT_INSUFFICIENT,
    SaleCheck.ROOM: Reason.SECTION_FULL,
    SaleCheck.DUPLICATE: Reason.PASSENGER_ALREADY_BOOKED,
}
ONE_CENT_AT_MOST = AmountRules(CurrencyRule(charge_minor_max=1))


@dataclass
class Case:
    """A request of ann's for a seat, with everything in order, and then with these faults."""

    run: TrainRun
    command: CreateBooking
    now: datetime = NOW
    amounts: AmountRules = ANY_AMOUNT


def a_request_with(faults: Collection[SaleCheck]) -> Case:
    run = a_run("A4")
    if SaleCheck.SAME_REQUEST in faults:
        sell(run, asks_for_seats("zoe", by="ann", request_id="r1"))
    if SaleCheck.DUPLICATE in faults:
        book(run, "ann")
    if SaleCheck.ROOM in faults:
        fill(run)
    case = Case(run, asks_for_seats("ann", request_id="r1", payment=authorized()))
    if SaleCheck.RUN in faults:
        case.now = DEPARTS_LONDON
        case.command = replace(case.command, payment=authorized(time=DEPARTS_LONDON))
    if SaleCheck.HOLD in faults:
        case.command = replace(case.command, hold_id="es9014_2026-09-01_AAAAAAAAAAAAAAAA")
    if SaleCheck.PRICE in faults:
        case.amounts = ONE_CENT_AT_MOST
    if SaleCheck.PAYMENT in faults:
        case.command = replace(case.command, payment=authorized(1, time=case.now))
    return case


def ask(case: Case) -> None:
    """The quote, and then the sale, as the use case asks for them."""
    quote(case.run, case.command, now=case.now, amounts=case.amounts)
    create_booking(case.run, case.command, case.now, {})


def test_a_request_without_a_fault_is_sold() -> None:
    case = a_request_with([])
    ask(case)
    assert len(case.run.bookings) == 1


def test_the_table_has_every_check_in_the_order_of_the_enum() -> None:
    assert list(CHECKS) == [check for check in SaleCheck if check not in (SaleCheck.SHAPE, SaleCheck.RUN_EXISTS)]
    assert list(CHECKS) == list(REASONS)


@pytest.mark.parametrize("fault", REASONS)
def test_each_fault_alone_has_its_own_refusal(fault: SaleCheck) -> None:
    case = a_request_with([fault])
    with refused(REASONS[fault], case.run):
        ask(case)


@pytest.mark.parametrize(("earlier", "later"), list(combinations(REASONS, 2)))
def test_of_two_faults_the_one_that_is_checked_earlier_is_refused(earlier: SaleCheck, later: SaleCheck) -> None:
    case = a_request_with([earlier, later])
    with refused(REASONS[earlier], case.run):
        ask(case)


def test_a_request_with_every_fault_is_refused_for_the_first() -> None:
    with refused(Reason.REQUEST_ID_REUSED):
        ask(a_request_with(REASONS))


@pytest.mark.parametrize("fault", [fault for fault in REASONS if fault is not SaleCheck.SAME_REQUEST])
def test_a_repeated_request_gets_its_booking_whatever_else_is_wrong(fault: SaleCheck) -> None:
    run = a_run("A1")
    held = hold(run, "ann", seconds=60)
    command = asks_for_seats("ann", hold_id=name_of(run, held), payment=authorized())
    booking = sell(run, command)
    now = DEPARTS_LONDON if fault is SaleCheck.RUN else NOW
    amounts = ONE_CENT_AT_MOST if fault is SaleCheck.PRICE else ANY_AMOUNT
    again = replace(command, payment=authorized(1)) if fault is SaleCheck.PAYMENT else command
    assert quote(run, again, now=now, amounts=amounts) is booking
    assert create_booking(run, again, now, {}) is booking


def test_a_repeated_request_gets_the_cancelled_booking_though_the_hold_and_the_seat_are_gone() -> None:
    run = a_run("A1")
    held = hold(run, "ann", seconds=60)
    command = asks_for_seats("ann", hold_id=name_of(run, held), payment=authorized())
    cancelled = cancel(run, sell(run, command))
    book(run, "ben")
    time_passes(run, DEPARTS_LONDON)
    assert quote(run, command, now=DEPARTS_LONDON) is cancelled


@pytest.mark.parametrize("travels", [True, False])
@pytest.mark.parametrize(
    ("fault", "reason"), [(SaleCheck.HOLD, Reason.HOLD_EXPIRED), (SaleCheck.PAYMENT, Reason.PAYMENT_INSUFFICIENT)]
)
def test_a_caller_who_cannot_buy_does_not_learn_who_travels(fault: SaleCheck, reason: Reason, travels: bool) -> None:
    case = a_request_with([fault, SaleCheck.DUPLICATE] if travels else [fault])
    with refused(reason, case.run):
        create_booking(case.run, case.command, case.now, {})
