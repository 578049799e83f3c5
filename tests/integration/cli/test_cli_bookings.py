"""Commands on bookings, against the scripted service: book, receipt, receipts, change-seat, update, cancel, section.

Belongs here: what each command sends and prints. Does not belong here: what all commands share (`test_cli_calls.py`).
"""

from __future__ import annotations

import json
from typing import Any

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from google.type import money_pb2
from google.type.money_pb2 import Money

from app.pb.seatline.v1 import booking_pb2, passenger_pb2, payment_pb2
from tests.support.scripted_service import (
    FARE,
    JOURNEY,
    USER,
    Refusal,
    ScriptedService,
    ann,
    at,
    booking_of,
    receipt_of,
    run_of,
)

WAITLISTED = booking_pb2.BOOKING_STATE_WAITLISTED
RIDE = ("es9014", "2030-07-01", "--from", "stp", "--to", "Paris Gare du Nord")
BOOK = ("book", *RIDE, "--passenger", "Ann Lee <ann@example.com>")
HOLD_ID = "es9014_2030-07-01_7RQZCCVK3LA6PH22"


def waiting(place: int = 2) -> booking_pb2.Booking:
    booking = booking_of(passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com"))
    booking.state, booking.waitlist_position = WAITLISTED, place
    return booking


def refund(state: Any, units: int = 10) -> payment_pb2.Refund:
    amount = Money(currency_code="USD", units=units)
    return payment_pb2.Refund(refund_id="7K2M9Q-1", state=state, amount=amount, create_time=at("2030-06-02T08:00:00Z"))


def _family() -> booking_pb2.Booking:
    """A booking of Ann for Ann, Tom without an address, and Ben with his own address."""
    tom = passenger_pb2.Passenger(first_name="Tom", last_name="Lee", number=2, seat=ann(2).seat)
    ben = passenger_pb2.Passenger(first_name="Ben", last_name="Lee", email="ben@example.com", number=3, seat=ann(3).seat)
    first = ann(1)
    first.number = 1
    return booking_of(first, tom, ben)


def test_book_sends_the_arguments_and_shows_the_booking_in_local_time(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann(17))
    result = seatline(*BOOK, "--seat", "A-17", "--request-id", "r1", "--user", "ann@example.com", "--role", "operator")
    assert result.exit_code == 0, result.stderr
    request = service.requests("CreateBooking")[0]
    assert (request.request_id, request.origin, request.destination) == ("r1", "stp", "Paris Gare du Nord")
    assert (request.section, list(request.seat_numbers)) == ("A", [17])
    assert request.passengers[0].last_name == "Lee"
    assert service.metadata["x-seatline-user"] == "ann@example.com"
    assert service.metadata["x-seatline-roles"] == "operator"
    assert "7K2M9Q" in result.stdout
    assert "USD 20.00" in result.stdout
    assert "A-17, coach 1: Ann Lee" in result.stdout
    assert "10:24 BST" in result.stdout
    assert "13:56 CEST" in result.stdout


def test_each_booking_without_a_request_id_gets_a_new_one(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    seatline(*BOOK)
    seatline(*BOOK)
    first, second = (request.request_id for request in service.requests("CreateBooking"))
    assert first
    assert second
    assert first != second


def test_a_booking_with_unknown_outcome_prints_how_to_find_out(service: ScriptedService, seatline: Any) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=500_000_000))
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE", retry, message="away")
    result = seatline(*BOOK, "--request-id", "r-7")
    assert result.exit_code == 3
    assert "try again in 0.5 s" in result.stderr
    assert "--request-id r-7" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_book_sends_the_hold_the_payment_token_and_the_choice_for_a_full_section(
    service: ScriptedService, seatline: Any
) -> None:
    service.answers["CreateBooking"] = booking_of(ann())
    result = seatline(*BOOK, "--hold", HOLD_ID, "--payment-token", "tok_1", "--if-full", "reject")
    assert result.exit_code == 0, result.stderr
    assert "WAITLISTED" not in result.stdout
    seatline(*BOOK)
    sent, plain = service.requests("CreateBooking")
    assert (sent.hold_id, sent.payment_token, sent.if_full) == (HOLD_ID, "tok_1", booking_pb2.IF_FULL_REJECT)
    assert (plain.hold_id, plain.payment_token, plain.if_full) == ("", "", booking_pb2.IF_FULL_WAITLIST)
    assert seatline(*BOOK, "--if-full", "maybe").exit_code == 2


def test_a_waitlisted_booking_shows_its_position_and_when_the_waitlist_closes(service: ScriptedService, seatline: Any) -> None:
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


def test_a_declined_payment_and_an_expired_hold_come_with_advice(service: ScriptedService, seatline: Any) -> None:
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "PAYMENT_DECLINED", message="declined")
    result = seatline(*BOOK, "--payment-token", "tok_1")
    assert (result.exit_code, result.stderr) == (1, "Error: declined (PAYMENT_DECLINED). Give another --payment-token.\n")
    service.answers["CreateBooking"] = Refusal(grpc.StatusCode.FAILED_PRECONDITION, "HOLD_EXPIRED", message="over")
    assert "seatline hold" in seatline(*BOOK, "--hold", HOLD_ID).stderr


def test_a_receipt_shows_payment_refunds_and_waitlist_position(service: ScriptedService, seatline: Any) -> None:
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
    assert [request.reference for request in service.requests("GetBooking")] == ["7K2M9Q", "7K2M9Q"]
    service.answers["GetBooking"] = Refusal(grpc.StatusCode.INTERNAL, "INTERNAL")
    assert seatline("receipt", "7K2M9Q").exit_code == 0


def test_an_expired_booking_shows_no_seat_and_its_refund(service: ScriptedService, seatline: Any) -> None:
    receipt = receipt_of(passenger_pb2.Passenger(first_name="Ann", last_name="Lee", email="ann@example.com"))
    receipt.state = booking_pb2.BOOKING_STATE_EXPIRED
    receipt.refunds.append(refund(payment_pb2.REFUND_STATE_DONE, 20))
    service.answers["GetReceipt"] = receipt
    shown = seatline("receipt", "7K2M9Q").stdout
    for text in ("expired", "Not seated", "USD 20.00, done"):
        assert text in shown
    assert service.requests("GetBooking") == []


def test_update_sends_one_change_with_mask_and_etag(service: ScriptedService, seatline: Any) -> None:
    bob = passenger_pb2.Passenger(first_name="Bob", last_name="Ray", email="Bob@example.com", seat=ann(2).seat)
    service.answers.update(GetBooking=booking_of(ann(), bob), UpdateBooking=booking_of(ann(), bob))
    result = seatline("update", "7k2m9q", "--passenger", "bob@EXAMPLE.com", "--email", "rob@example.com", "--last-name", "Roy")
    assert result.exit_code == 0, result.stderr
    request = service.requests("UpdateBooking")[0]
    assert [person.email for person in request.passengers] == ["ann@example.com", "rob@example.com"]
    assert list(request.update_mask.paths) == ["passengers.last_name", "passengers.email"]
    assert request.etag == "e1"
    assert not request.passengers[0].HasField("seat")
    missing = seatline("update", "7K2M9Q", "--passenger", "eve@example.com", "--email", "x@example.com")
    assert missing.exit_code == 1
    assert "ann@example.com, Bob@example.com" in missing.stderr


def test_update_refuses_an_address_that_several_passengers_share(service: ScriptedService, seatline: Any) -> None:
    service.answers.update(GetBooking=_family(), UpdateBooking=_family())
    refused = seatline("update", "7K2M9Q", "--passenger", "ann@example.com", "--first-name", "Tim")
    assert (refused.exit_code, "passengers 1, 2 share the address" in refused.stderr) == (1, True)
    assert seatline("update", "7K2M9Q", "--passenger", "ben@example.com", "--first-name", "Tim").exit_code == 0
    assert [person.number for person in service.requests("UpdateBooking")[0].passengers] == [3]


def test_passengers_are_shown_with_numbers_and_selected_by_them(service: ScriptedService, seatline: Any) -> None:
    family = _family()
    service.answers.update(
        GetBooking=family,
        UpdateBooking=family,
        ChangeSeat=family,
        CancelBooking=booking_pb2.CancelBookingResponse(booking=family),
    )
    shown = seatline("change-seat", "7K2M9Q", "--passenger", "2", "--seat", "9").stdout
    moved = service.requests("ChangeSeat")[0]
    assert (moved.passenger_number, moved.passenger_email, moved.seat_number) == (2, "", 9)
    assert "2. A-2" in shown
    seatline("cancel", "7K2M9Q", "--passenger", "2", "--passenger", "3")
    assert list(service.requests("CancelBooking")[0].passenger_numbers) == [2, 3]
    seatline("update", "7K2M9Q", "--passenger", "2", "--first-name", "Tim")
    request = service.requests("UpdateBooking")[0]
    assert [(person.number, person.first_name) for person in request.passengers] == [(2, "Tim")]
    mixed = seatline("cancel", "7K2M9Q", "--passenger", "2", "--passenger", "ben@example.com")
    assert (mixed.exit_code, "addresses only" in mixed.stderr) == (2, True)


def test_change_seat_and_cancel_send_their_arguments(service: ScriptedService, seatline: Any) -> None:
    service.answers.update(
        ChangeSeat=booking_of(ann(17, "B")), CancelBooking=booking_pb2.CancelBookingResponse(booking=booking_of(ann()))
    )
    seatline("change-seat", "7K2M9Q", "--passenger", "ann@example.com", "--seat", "b-17")
    moved = service.requests("ChangeSeat")[0]
    assert (moved.passenger_email, moved.section, moved.seat_number) == ("ann@example.com", "B", 17)
    shown = seatline("cancel", "7K2M9Q", "--passenger", "ann@example.com", "--quote")
    cancelled = service.requests("CancelBooking")[0]
    assert list(cancelled.passenger_emails) == ["ann@example.com"]
    assert cancelled.validate_only
    assert "nothing was changed" in shown.stdout


def test_a_quote_and_a_cancellation_show_the_refund(service: ScriptedService, seatline: Any) -> None:
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


def test_a_quote_cannot_be_mistaken_for_a_cancellation(service: ScriptedService, seatline: Any) -> None:
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


def test_a_cancellation_without_refund_says_so(service: ScriptedService, seatline: Any) -> None:
    nothing = Money(currency_code="USD")
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(booking=booking_of(ann()), refund=nothing)
    assert "the refund would be nothing" in seatline("cancel", "7K2M9Q", "--quote").stdout
    assert "This cancellation refunds nothing." in seatline("cancel", "7K2M9Q").stdout


def test_a_passenger_who_left_a_booking_sees_their_own_part_without_the_price(service: ScriptedService, seatline: Any) -> None:
    left = ann(1)
    left.number = 1
    own = booking_pb2.Booking(
        reference="7K2M9Q", state=booking_pb2.BOOKING_STATE_CANCELLED, cancelled_passengers=[left], **JOURNEY
    )
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=own, refund=money_pb2.Money(currency_code="USD", units=20)
    )
    shown = seatline("cancel", "7K2M9Q", "--passenger", "1").stdout
    assert "1. A-1" in shown
    assert "The refund is USD 20.00." in shown
    assert not [word for word in ("Price", "Booked by") if word in shown]
    service.answers["CancelBooking"] = booking_pb2.CancelBookingResponse(
        booking=own, validate_only=True, current_booking=_family()
    )
    quote = seatline("cancel", "7K2M9Q", "--passenger", "1", "--quote").stdout
    assert "Would cancel" in quote
    assert "1. A-1" in quote


def test_an_empty_section_says_so(service: ScriptedService, seatline: Any) -> None:
    service.answers["ListSectionBookings"] = booking_pb2.ListSectionBookingsResponse()
    assert seatline("section", "es9014", "2030-07-01", "a").stdout == "No passengers.\n"
    assert service.requests("ListSectionBookings")[0].section == "A"
    assert json.loads(seatline("section", "es9014", "2030-07-01", "A", "--json").stdout)["rows"] == []


def test_section_prints_names_in_any_script_and_neutralizes_their_markup(service: ScriptedService, seatline: Any) -> None:
    guest = passenger_pb2.Passenger(first_name="[red]李", last_name="\x1b[31m雷", email="li@example.com", seat=ann(3).seat)
    row = booking_pb2.SectionBooking(
        user=USER,
        passenger=guest,
        seat=guest.seat,
        reference="7K2M9Q",
        origin=JOURNEY["origin"],
        destination=JOURNEY["destination"],
    )
    service.answers["ListSectionBookings"] = booking_pb2.ListSectionBookingsResponse(rows=[row])
    shown = seatline("section", "es9014", "2030-07-01", "A").stdout
    assert "[red]李" in shown
    assert "\x1b" not in shown
    assert "by ann@example.com" in shown


def test_a_passenger_who_waits_for_a_seat_is_shown_as_waiting(service: ScriptedService, seatline: Any) -> None:
    tom = passenger_pb2.Passenger(first_name="Tom", last_name="Lee", number=2)
    booking = booking_of(ann(), tom)
    booking.waitlist_position = 1
    booking.free_cancellation = True
    service.answers["ChangeSeat"] = booking
    shown = seatline("change-seat", "7K2M9Q", "--passenger", "1").stdout
    for text in (
        "confirmed, 1 passenger waits for a seat at position 1",
        "A-1, coach 1: Ann Lee",
        "2. waits for a seat: Tom Lee",
        "free of charge until departure",
    ):
        assert text in shown
    receipt = receipt_of(ann(), tom)
    service.answers["GetReceipt"], service.answers["GetBooking"] = receipt, booking
    assert "confirmed, 1 passenger waits for a seat at position 1" in seatline("receipt", "7K2M9Q").stdout
    service.answers["ListReceipts"] = booking_pb2.ListReceiptsResponse(receipts=[receipt])
    listed = seatline("receipts", "ann@example.com").stdout
    assert ("A-1" in listed, "1 passenger waits for a seat" in listed, "no seat" in listed) == (True, True, False)


def test_a_booking_with_all_its_seats_says_nothing_about_waiting(service: ScriptedService, seatline: Any) -> None:
    service.answers["ChangeSeat"] = booking_of(ann())
    shown = seatline("change-seat", "7K2M9Q", "--passenger", "1").stdout
    assert ("waits" in shown, "Cancellation" in shown) == (False, False)
