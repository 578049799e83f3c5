"""Holding seats, waiting for them, paying and getting money back, from the command line.

Here belongs what these commands send and show, against the scripted service, and one story against the real one. Not here: the
other commands and the rules that all of them share (`test_cli_bookings.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from google.type.money_pb2 import Money
from typer.testing import CliRunner, Result

from app.cli import app
from app.pb.seatline.v1 import booking_pb2, hold_pb2, passenger_pb2, payment_pb2, seat_pb2
from tests.support.scripted_service import (
    FARE,
    Refusal,
    ScriptedService,
    ann,
    at,
    booking_of,
    receipt_of,
    run_of,
    scripted_service,
)
from tests.support.world import World

WAITLISTED = booking_pb2.BOOKING_STATE_WAITLISTED
RIDE = ("es9014", "2030-07-01", "--from", "stp", "--to", "Paris Gare du Nord")
BOOK = ("book", *RIDE, "--passenger", "Ann Lee <ann@example.com>")
HOLD_ID = "es9014_2030-07-01_7RQZCCVK3LA6PH22"


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    with scripted_service() as scripted:
        yield scripted


@pytest.fixture
def seatline(service: ScriptedService) -> Callable[..., Result]:
    """Runs a command line as Ann against the scripted service."""

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--target", service.target, "--user", "ann@example.com"])

    return run


def hold_of(*seats: seat_pb2.Seat) -> hold_pb2.Hold:
    return hold_pb2.Hold(
        hold_id=HOLD_ID,
        train_id="es9014",
        travel_date="2030-07-01",
        seats=seats,
        expire_time=at("2030-06-01T08:05:37Z"),
        price=Money(currency_code="USD", units=40),
    )


def waiting(place: int = 2) -> booking_pb2.Booking:
    booking = booking_of(passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com"))
    booking.state, booking.waitlist_position = WAITLISTED, place
    return booking


def refund(state: Any, units: int = 10) -> payment_pb2.Refund:
    amount = Money(currency_code="USD", units=units)
    return payment_pb2.Refund(refund_id="7K2M9Q-1", state=state, amount=amount, create_time=at("2030-06-02T08:00:00Z"))


# -- holds


def test_hold_shows_seats_price_and_until_when_on_the_stations_clock_and_how_to_book(
    service: ScriptedService, seatline: Any
) -> None:
    service.answers["HoldSeats"] = hold_of(ann(1).seat, ann(2).seat)
    result = seatline("hold", *RIDE, "--seats", "2", "--section", "a", "--minutes", "10", "--request-id", "h1")
    assert result.exit_code == 0, result.stderr
    asked = service.requests("HoldSeats")[0]
    assert (asked.request_id, asked.origin, asked.destination) == ("h1", "stp", "Paris Gare du Nord")
    assert (asked.section, asked.seat_count, list(asked.seat_numbers), asked.ttl.seconds) == ("A", 2, [], 600)
    for text in (
        f"Hold {HOLD_ID}",
        "A-1, coach 1",
        "A-2, coach 1",
        "USD 40.00",
        "Sat 01 Jun 2030 09:05:37 BST",
        f"seatline book es9014 2030-07-01 --from stp --to 'Paris Gare du Nord' --hold {HOLD_ID} --passenger",
        f"seatline release {HOLD_ID}",
    ):
        assert text in result.stdout
    assert result.stdout.count("'FIRST LAST <EMAIL>'") == 2


def test_hold_keeps_one_seat_for_five_minutes_or_the_chosen_ones(service: ScriptedService, seatline: Any) -> None:
    service.answers["HoldSeats"] = hold_of(ann(1).seat)
    seatline("hold", *RIDE)
    assert json.loads(seatline("hold", *RIDE, "--seat", "B-17", "--seat", "18", "--json").stdout)["hold_id"] == HOLD_ID
    next_one, chosen = service.requests("HoldSeats")
    assert (next_one.seat_count, list(next_one.seat_numbers), next_one.ttl.seconds) == (1, [], 300)
    assert (chosen.section, chosen.seat_count, list(chosen.seat_numbers)) == ("B", 0, [17, 18])
    assert next_one.request_id != chosen.request_id


def test_a_hold_that_cannot_be_read_is_a_usage_problem_before_any_call(service: ScriptedService, seatline: Any) -> None:
    for arguments in (("--seats", "2", "--seat", "A-1"), ("--seats", "10"), ("--minutes", "16"), ("--minutes", "0")):
        result = seatline("hold", *RIDE, *arguments)
        assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), arguments
    assert service.asked == []


def test_a_doubtful_hold_says_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    service.answers["HoldSeats"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE")
    assert "--request-id h-7" in seatline("hold", *RIDE, "--request-id", "h-7").stderr


def test_release_names_the_hold_and_says_that_it_is_over(service: ScriptedService, seatline: Any) -> None:
    service.answers["ReleaseHold"] = hold_pb2.ReleaseHoldResponse()
    assert seatline("release", HOLD_ID).stdout == f"Hold {HOLD_ID} is released; it holds no seats.\n"
    assert json.loads(seatline("release", HOLD_ID, "--json").stdout) == {}
    assert service.requests("ReleaseHold")[0].hold_id == HOLD_ID
    service.answers["ReleaseHold"] = Refusal(grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED", message="not yours")
    assert seatline("release", HOLD_ID).exit_code == 1


# -- booking


def test_book_sends_the_hold_the_payment_token_and_what_to_do_when_full(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    result = seatline(*BOOK, "--hold", HOLD_ID, "--payment-token", "tok_1", "--if-full", "reject")
    assert result.exit_code == 0, result.stderr
    assert "WAITLISTED" not in result.stdout
    seatline(*BOOK)
    sent, plain = service.requests("CreateBooking")
    assert (sent.hold_id, sent.payment_token, sent.if_full) == (HOLD_ID, "tok_1", booking_pb2.IF_FULL_REJECT)
    assert (plain.hold_id, plain.payment_token, plain.if_full) == ("", "", booking_pb2.IF_FULL_WAITLIST)
    assert seatline(*BOOK, "--if-full", "maybe").exit_code == 2


def test_a_booking_that_waits_says_so_with_its_place_and_when_the_line_closes(service: ScriptedService, seatline: Any) -> None:
    run = run_of(free_seat_count=0)
    run.waitlist_close_time.FromJsonString("2030-07-01T05:24:00Z")
    service.answers.update(CreateBooking=waiting(), GetTrainRun=run)
    result = seatline(*BOOK, "--if-full", "wait")
    assert result.exit_code == 0, result.stderr
    for text in (
        "waitlisted, position 2",
        "This booking is WAITLISTED at position 2; you have paid USD 20.00.",
        "before the waitlist closes (Mon 01 Jul 2030 06:24 BST), you get a full refund",
    ):
        assert text in result.stdout
    assert "no seat" not in result.stdout
    assert json.loads(seatline(*BOOK, "--json").stdout)["waitlist_position"] == 2
    service.answers["GetTrainRun"] = Refusal(grpc.StatusCode.NOT_FOUND, "TRAIN_RUN_NOT_FOUND")
    assert "before the waitlist closes, you get a full refund" in seatline(*BOOK).stdout


def test_a_refused_payment_and_a_hold_that_is_over_say_what_to_do(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DECLINED", message="declined")
    result = seatline(*BOOK, "--payment-token", "tok_1")
    assert (result.exit_code, result.stderr) == (1, "Error: declined (PAYMENT_DECLINED). Give another --payment-token.\n")
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "HOLD_EXPIRED", message="over")
    assert "seatline hold" in seatline(*BOOK, "--hold", HOLD_ID).stderr


# -- money given back


def test_a_quote_says_what_would_come_back_and_a_cancellation_what_does(service: ScriptedService, seatline: Any) -> None:
    left = booking_of(ann())
    left.state = booking_pb2.BOOKING_STATE_CANCELLED
    left.refunds.append(refund(payment_pb2.REFUND_STATE_PENDING))
    ten_dollars = Money(currency_code="USD", units=10)
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(booking=left, refund=ten_dollars)
    assert "Quote: the refund would be USD 10.00; nothing was changed." in seatline("cancel", "7K2M9Q", "--quote").stdout
    shown = seatline("cancel", "7K2M9Q").stdout
    assert "The refund is USD 10.00." in shown
    assert "USD 10.00, pending since Sun 02 Jun 2030 08:00 UTC" in shown
    quoted, done = service.requests("CancelBooking")
    assert (quoted.validate_only, done.validate_only) == (True, False)
    assert json.loads(seatline("cancel", "7K2M9Q", "--quote", "--json").stdout)["refund"]["units"] == "10"


def test_a_quote_cannot_be_taken_for_a_cancellation(service: ScriptedService, seatline: Any) -> None:
    left = booking_of(ann())
    left.state = booking_pb2.BOOKING_STATE_CANCELLED
    left.refunds.append(refund(payment_pb2.REFUND_STATE_PENDING))
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=left, refund=Money(currency_code="USD", units=10), validate_only=True, current_booking=booking_of(ann())
    )
    shown = seatline("cancel", "7K2M9Q", "--quote").stdout
    assert "Quote, nothing was changed: booking 7K2M9Q" in shown
    assert "confirmed now, would be cancelled" in shown
    assert "Would cancel" in shown
    assert "would be USD 10.00" in shown
    assert "pending since" not in shown
    answer = json.loads(seatline("cancel", "7K2M9Q", "--quote", "--json").stdout)
    assert (answer["validate_only"], answer["current_booking"]["state"]) == (True, "BOOKING_STATE_CONFIRMED")


def test_a_cancellation_that_gives_nothing_back_says_so(service: ScriptedService, seatline: Any) -> None:
    nothing = Money(currency_code="USD")
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(booking=booking_of(ann()), refund=nothing)
    assert "the refund would be nothing" in seatline("cancel", "7K2M9Q", "--quote").stdout
    assert "This cancellation refunds nothing." in seatline("cancel", "7K2M9Q").stdout


def test_a_receipt_shows_the_payment_each_refund_and_the_place_in_the_line(service: ScriptedService, seatline: Any) -> None:
    receipt = receipt_of(passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com"))
    receipt.state = WAITLISTED
    receipt.payment.CopyFrom(payment_pb2.Payment(state=payment_pb2.PAYMENT_STATE_CAPTURED, amount=FARE))
    receipt.refunds.extend([refund(payment_pb2.REFUND_STATE_DONE), refund(payment_pb2.REFUND_STATE_PENDING, 5)])
    service.answers.update(GetReceipt=receipt, GetBooking=waiting(3))
    shown = seatline("receipt", "7K2M9Q").stdout
    for text in ("waitlisted, position 3", "USD 20.00, captured", "USD 10.00, done", "USD 5.00, pending since"):
        assert text in shown
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt, receipt_of(ann(), reference="2ND")])
    listed = seatline("receipts", "ann@example.com").stdout
    for text in ("USD 20.00, captured", "waitlisted, position 3", "USD 15.00 refunded, pending", "confirmed"):
        assert text in listed
    assert [one.reference for one in service.requests("GetBooking")] == ["7K2M9Q", "7K2M9Q"]
    service.answers["GetBooking"] = Refusal(grpc.StatusCode.INTERNAL, "INTERNAL")
    assert seatline("receipt", "7K2M9Q").exit_code == 0


def test_a_booking_that_waited_in_vain_shows_no_seat_and_its_refund(service: ScriptedService, seatline: Any) -> None:
    receipt = receipt_of(passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com"))
    receipt.state = booking_pb2.BOOKING_STATE_EXPIRED
    receipt.refunds.append(refund(payment_pb2.REFUND_STATE_DONE, 20))
    service.answers["GetReceipt"] = receipt
    shown = seatline("receipt", "7K2M9Q").stdout
    for text in ("expired", "Not seated", "USD 20.00, done"):
        assert text in shown
    assert service.requests("GetBooking") == []


def test_terms_that_are_refused_are_named_as_they_stand_in_the_file(
    service: ScriptedService, seatline: Any, tmp_path: Any
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(
        "train_id: t\nnumber: T\n"
        "stops: [{name: X, time_zone: UTC, depart: '1:00'}, {name: Y, time_zone: UTC, arrive: '2:00'}]\n"
        "sections: [{name: A, fare: USD 1}]\ncoaches: [{name: 1, section: A, seats: 1}]\n"
        "refund_tiers: [{hours_before: 1, percent: 101}]\nwaitlist_closes_before: 90m\nwaitlist_max: 0\n",
        encoding="utf-8",
    )
    violation = error_details_pb2.BadRequest.FieldViolation(field="train.refund_tiers[0].percent", description="needs 0 to 100")
    bad = error_details_pb2.BadRequest(field_violations=[violation])
    service.answers["CreateTrain"] = Refusal(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", bad)
    result = seatline("train", "create", str(file))
    assert result.stderr == f"Error: {file}: refund_tiers[0].percent: needs 0 to 100 (INVALID_FIELD)\n"
    train = service.requests("CreateTrain")[0].train
    assert (train.waitlist_closes_before.seconds, train.HasField("waitlist_max")) == (5_400, True)


# -- the real service


async def test_seats_are_held_booked_waited_for_and_given_back_at_the_real_service(world: World) -> None:
    run = await world.run("A2")
    ride = (run.train_id, run.travel_date, "--from", "STP", "--to", "PNO")

    async def seatline(user: str, *arguments: str) -> Any:
        command = [*arguments, "--target", f"127.0.0.1:{world.server.port}", "--user", f"{user}@example.com", "--json"]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        return json.loads(result.stdout or result.stderr)

    hold = await seatline("ann", "hold", *ride, "--minutes", "15")
    assert [seat["label"] for seat in hold["seats"]] == ["A-1"]
    seat_map = await seatline("joe", "map", *ride[:2])
    assert [entry["state"] for entry in seat_map["seats"]] == ["SEAT_STATE_HELD", "SEAT_STATE_FREE"]
    other = await seatline("ben", "hold", *ride, "--seat", "A-2")
    refused = await seatline("cem", "book", *ride, "--passenger", "C M <cem@example.com>", "--if-full", "reject")
    assert refused["error"]["reason"] == "SECTION_FULL"
    waits = await seatline("cem", "book", *ride, "--passenger", "C M <cem@example.com>")
    assert (waits["state"], waits["waitlist_position"]) == ("BOOKING_STATE_WAITLISTED", 1)
    booked = await seatline("ann", "book", *ride, "--passenger", "A L <ann@example.com>", "--hold", hold["hold_id"])
    assert booked["passengers"][0]["seat"]["label"] == "A-1"
    assert await seatline("ben", "release", other["hold_id"]) == {}
    receipt = await seatline("cem", "receipt", waits["reference"])
    assert (receipt["state"], receipt["seats"][0]["label"]) == ("BOOKING_STATE_CONFIRMED", "A-2")
    quote = await seatline("ann", "cancel", booked["reference"], "--quote")
    done = await seatline("ann", "cancel", booked["reference"])
    assert quote["refund"] == done["refund"] == {"currency_code": "USD", "units": "20", "nanos": 0}
