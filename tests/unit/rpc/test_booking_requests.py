"""Requests around bookings become commands, or are refused under the path of the invalid field."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from app.domain.commands import CreateBooking
from app.domain.people import Caller, Person
from app.pb.seatline.v1 import booking_pb2, passenger_pb2
from app.rpc.bookings import requests
from tests.support.builders import a_caller
from tests.support.run_snapshots import invalid

JANE = a_caller("jane")


def a_passenger(who: str = "jane", **changes: str) -> passenger_pb2.Passenger:
    passenger = passenger_pb2.Passenger(first_name=who.capitalize(), last_name="Doe", email=f"{who}@example.com")
    for field, value in changes.items():
        setattr(passenger, field, value)
    return passenger


def create_request(*passengers: passenger_pb2.Passenger, **changes: object) -> booking_pb2.CreateBookingRequest:
    request = booking_pb2.CreateBookingRequest(
        request_id="click",
        train_id="es9014",
        travel_date="2026-09-01",
        origin="London St Pancras",
        destination="PNO",
        passengers=passengers or (a_passenger(),),
    )
    request.MergeFrom(booking_pb2.CreateBookingRequest(**changes))  # type: ignore[arg-type]
    return request


def create(request: booking_pb2.CreateBookingRequest, caller: Caller = JANE) -> CreateBooking:
    return requests.create_booking(caller, request)


def update_request(*passengers: passenger_pb2.Passenger, mask: tuple[str, ...] = ()) -> booking_pb2.UpdateBookingRequest:
    return booking_pb2.UpdateBookingRequest(
        reference="7k2mpq", passengers=passengers, update_mask=FieldMask(paths=mask), etag="3"
    )


# -- creating


def test_a_request_to_book_becomes_its_command() -> None:
    request = create_request(a_passenger(), a_passenger("bob", email="Bob+Rail@Example.com"), section="B", seat_numbers=[4, 2])
    command = create(request)
    assert command.passengers == (
        Person("Jane", "Doe", "jane@example.com"),
        Person("Bob", "Doe", "Bob+Rail@Example.com"),
    )
    assert (command.request_id, command.train_id, command.travel_date) == ("click", "es9014", "2026-09-01")
    assert (command.origin, command.destination, command.section) == ("London St Pancras", "PNO", "B")
    assert (command.seat_numbers, command.caller) == ((4, 2), JANE)


def test_a_booker_who_travels_has_the_names_of_the_passenger() -> None:
    assert create(create_request(a_passenger("bob"), a_passenger())).user == Person("Jane", "Doe", "jane@example.com")
    spelt = create(create_request(a_passenger(email="JANE@example.com")))
    assert spelt.user == Person("Jane", "Doe", "jane@example.com")


def test_a_booker_who_does_not_travel_has_no_names() -> None:
    assert create(create_request(a_passenger("bob"))).user == Person("", "", "jane@example.com")


def test_stops_lose_the_blanks_around_them() -> None:
    command = create(create_request(origin=" Lille ", destination="\tParis Gare du Nord\n"))
    assert (command.origin, command.destination) == ("Lille", "Paris Gare du Nord")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"request_id": "a b"}, "request_id"),
        ({"train_id": "ES 9014"}, "train_id"),
        ({"travel_date": "2026-02-30"}, "travel_date"),
        ({"origin": "x" * 101}, "origin"),
        ({"origin": "   "}, "origin"),
        ({"destination": "x" * 101}, "destination"),
        ({"destination": " "}, "destination"),
        ({"section": "A", "seat_numbers": [1, 2]}, "seat_numbers"),
        ({"seat_numbers": [1]}, "section"),
    ],
)
def test_a_field_that_is_malformed_is_refused_under_its_path(changes: dict[str, object], field: str) -> None:
    with invalid(field):
        create(create_request(**changes))


@pytest.mark.parametrize("field", ["request_id", "train_id", "travel_date", "origin", "destination", "passengers"])
def test_a_field_that_is_missing_is_refused_under_its_path(field: str) -> None:
    request = create_request()
    request.ClearField(field)  # type: ignore[arg-type]
    with invalid(field):
        create(request)


@pytest.mark.parametrize(
    ("second", "field"),
    [
        (a_passenger("bob", first_name=""), "passengers[1].first_name"),
        (a_passenger("bob", last_name="\n"), "passengers[1].last_name"),
        (a_passenger("bob", email="bob"), "passengers[1].email"),
        (a_passenger("jane"), "passengers[1].email"),
        (a_passenger("jane", email=" JANE@Example.com"), "passengers[1].email"),
        (a_passenger("jane", email=""), "passengers[1].email"),
        (a_passenger(first_name=" jANE", last_name="DOE ", email=""), "passengers[1].email"),
    ],
)
def test_an_invalid_field_of_a_passenger_is_refused_under_its_path(second: passenger_pb2.Passenger, field: str) -> None:
    with invalid(field):
        create(create_request(a_passenger(), second))


@pytest.mark.parametrize("count", [1, 9])
def test_one_to_nine_passengers_may_travel_together(count: int) -> None:
    passengers = [a_passenger(f"p{index}") for index in range(count)]
    assert len(create(create_request(*passengers)).passengers) == count


@pytest.mark.parametrize("count", [0, 10, 5_000])
def test_no_passenger_and_ten_are_refused(count: int) -> None:
    request = create_request()
    del request.passengers[:]
    request.passengers.extend(a_passenger(f"p{index}") for index in range(count))
    with invalid("passengers"):
        create(request)


def test_a_seat_named_twice_is_refused() -> None:
    with invalid("seat_numbers"):
        create(create_request(a_passenger(), a_passenger("bob"), section="A", seat_numbers=[3, 3]))


# -- updating


def test_without_a_mask_all_fields_of_the_passengers_change() -> None:
    command = requests.update_booking(JANE, update_request(a_passenger("ann"), a_passenger("bob")))
    assert command.fields == {"first_name", "last_name", "email"}
    assert (command.reference, command.etag) == ("7K2MPQ", "3")
    assert [person.first_name for person in command.passengers] == ["Ann", "Bob"]


@pytest.mark.parametrize(
    ("mask", "fields"),
    [
        (("passengers",), {"first_name", "last_name", "email"}),
        (("passengers.email",), {"email"}),
        (("passengers.first_name", "passengers.last_name"), {"first_name", "last_name"}),
        (("passengers.email", "passengers"), {"first_name", "last_name", "email"}),
    ],
)
def test_the_mask_says_which_fields_change(mask: tuple[str, ...], fields: set[str]) -> None:
    assert requests.update_booking(JANE, update_request(a_passenger(), mask=mask)).fields == fields


@pytest.mark.parametrize(
    "path", ["*", "", "seat", "origin", "passengers.", "passengers.seat", "passengers.*", "passengers.email.x", "Passengers"]
)
def test_a_mask_with_an_unchangeable_field_is_refused(path: str) -> None:
    with invalid("update_mask.paths[1]"):
        requests.update_booking(JANE, update_request(a_passenger(), mask=("passengers.email", path)))


def test_fields_outside_the_mask_are_not_read() -> None:
    sent = passenger_pb2.Passenger(first_name="\n", last_name="", email="ann@example.com")
    command = requests.update_booking(JANE, update_request(sent, mask=("passengers.email",)))
    assert command.passengers == (Person("", "", "ann@example.com"),)


def test_fields_inside_the_mask_are_checked_under_their_path() -> None:
    with invalid("passengers[1].first_name"):
        requests.update_booking(JANE, update_request(a_passenger(), a_passenger("bob", first_name="")))
    with invalid("passengers[0].email"):
        requests.update_booking(JANE, update_request(a_passenger(email="x"), mask=("passengers.email",)))
    with invalid("passengers"):
        requests.update_booking(JANE, update_request())
    with invalid("reference"):
        requests.update_booking(JANE, booking_pb2.UpdateBookingRequest(passengers=[a_passenger()]))


# -- moving and cancelling


def test_a_request_for_another_seat_becomes_its_command() -> None:
    request = booking_pb2.ChangeSeatRequest(
        reference="7k2mpq", passenger_email="jane@example.com", section="B", seat_number=7, etag="3"
    )
    command = requests.change_seat(JANE, request)
    assert (command.reference, command.passenger_email) == ("7K2MPQ", "jane@example.com")
    assert (command.section, command.seat_number, command.etag) == ("B", 7, "3")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (booking_pb2.ChangeSeatRequest(passenger_email="jane@example.com"), "reference"),
        (booking_pb2.ChangeSeatRequest(reference="7K2MPQ"), "passenger_email"),
        (booking_pb2.ChangeSeatRequest(reference="7K2MPQ", passenger_email="jane"), "passenger_email"),
        (booking_pb2.ChangeSeatRequest(reference="7K2MPQ", passenger_email="j@x.org", seat_number=-1), "seat_number"),
    ],
)
def test_a_malformed_request_for_another_seat_is_refused(request_: booking_pb2.ChangeSeatRequest, field: str) -> None:
    with invalid(field):
        requests.change_seat(JANE, request_)


def test_a_request_to_cancel_becomes_its_command() -> None:
    request = booking_pb2.CancelBookingRequest(
        reference="7k2mpq", passenger_emails=["jane@example.com", "BOB@example.com"], validate_only=True, etag="3"
    )
    command = requests.cancel_booking(JANE, request)
    assert command.passenger_emails == ("jane@example.com", "BOB@example.com")
    assert (command.reference, command.validate_only, command.etag) == ("7K2MPQ", True, "3")


def test_a_malformed_request_to_cancel_is_refused() -> None:
    emails = [f"p{index}@example.com" for index in range(10)]
    with invalid("passenger_emails"):
        requests.cancel_booking(JANE, booking_pb2.CancelBookingRequest(reference="7K2MPQ", passenger_emails=emails))
    with invalid("passenger_emails[1]"):
        requests.cancel_booking(JANE, booking_pb2.CancelBookingRequest(reference="7K2MPQ", passenger_emails=[emails[0], "x"]))
    with invalid("reference"):
        requests.cancel_booking(JANE, booking_pb2.CancelBookingRequest(reference="7K2MP"))
