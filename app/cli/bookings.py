"""Commands on bookings: book, receipt, receipts, change-seat, update, cancel, section.

Belongs here: building each request from what was typed, and the call. Does not belong here: what is allowed, which the service
decides, and the layout of answers (`app.cli.render.bookings`). gRPC and rich are imported inside the commands, so that `--help`
does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.arguments import comparison_key, parse_passenger_selectors, parse_passengers, parse_seats
from app.cli.failures import CommandError, Failure, UsageError
from app.cli.options import CallerOptions
from app.cli.parameters import (
    DateArgument,
    DateOption,
    FromOption,
    PageSizeOption,
    PageTokenOption,
    ReferenceArgument,
    RequestIdOption,
    SectionOption,
    ToOption,
    TrainArgument,
)

if TYPE_CHECKING:
    from app.pb.seatline.v1 import booking_pb2, passenger_pb2

IfFullOption = Annotated[
    Literal["wait", "reject"],
    typer.Option("--if-full", help="If no seat is free: pay and join the waitlist (wait), or buy nothing (reject)."),
]


def book(  # noqa: PLR0913, PLR0917  one parameter for each option
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    origin: FromOption,
    destination: ToOption,
    passenger: Annotated[
        list[str],
        typer.Option(
            "--passenger",
            metavar="'FIRST LAST <EMAIL>'",
            help="A passenger; repeat for each one. After the first, 'FIRST LAST' is enough: your address is used.",
        ),
    ],
    section: SectionOption = "",
    seat: Annotated[
        list[str] | None,
        typer.Option("--seat", metavar="SEAT", help="Seat, such as 17 or A-17; repeat for each passenger, in order."),
    ] = None,
    if_full: IfFullOption = "wait",
    hold_id: Annotated[
        str, typer.Option("--hold", metavar="HOLD_ID", help="Book the seats of this hold, for as many passengers.")
    ] = "",
    payment_token: Annotated[
        str, typer.Option("--payment-token", metavar="TOKEN", help="Token of a payment method, from the payment provider.")
    ] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Book seats on a train run, or join its waitlist."""
    from app.cli.answers import show_new_booking
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2, passenger_pb2

    section_name, seat_numbers = parse_seats(seat or [], section)
    request = booking_pb2.CreateBookingRequest(
        request_id=request_id or str(uuid.uuid4()),
        train_id=train,
        travel_date=date,
        origin=origin,
        destination=destination,
        section=section_name,
        passengers=[passenger_pb2.Passenger(**parsed._asdict()) for parsed in parse_passengers(passenger)],
        seat_numbers=seat_numbers,
        if_full=booking_pb2.IF_FULL_REJECT if if_full == "reject" else booking_pb2.IF_FULL_WAITLIST,
        hold_id=hold_id,
        payment_token=payment_token,
    )
    in_doubt = f"The booking may exist: repeat with --request-id {request.request_id} to find out."
    with Calls(options) as calls:
        show_new_booking(calls, calls.call(calls.bookings.CreateBooking, request, in_doubt))


def receipt(options: CallerOptions, reference: ReferenceArgument) -> None:
    """Show the receipt of a booking."""
    from app.cli.answers import show_receipt
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    with Calls(options) as calls:
        answer = calls.call(calls.bookings.GetReceipt, booking_pb2.GetReceiptRequest(reference=reference))
        show_receipt(calls, answer)


def receipts(
    options: CallerOptions,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Address of the user.")],
    date: DateOption = "",
    origin: FromOption = "",
    destination: ToOption = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List a user's receipts."""
    from app.cli.answers import show_receipts
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    request = booking_pb2.ListReceiptsRequest(email=email, travel_date=date, origin=origin, destination=destination)
    with Calls(options) as calls:
        show_receipts(calls, calls.pages(calls.bookings.ListReceipts, request, page_size, page_token))


def change_seat(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: Annotated[str, typer.Option("--passenger", metavar="NUMBER|EMAIL", help="The passenger to move.")],
    section: SectionOption = "",
    seat: Annotated[
        str, typer.Option("--seat", metavar="SEAT", help="New seat, such as 17 or A-17. Default: the next free seat.")
    ] = "",
) -> None:
    """Move one passenger to another seat. If the new fare is lower, the difference is refunded."""
    from app.cli.answers import show_booking
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    section_name, seat_numbers = parse_seats([seat] if seat else [], section)
    numbers, emails = parse_passenger_selectors([passenger])
    request = booking_pb2.ChangeSeatRequest(
        reference=reference,
        passenger_number=sum(numbers),
        passenger_email="".join(emails),
        section=section_name,
        seat_number=sum(seat_numbers),
    )
    with Calls(options) as calls:
        show_booking(calls, calls.call(calls.bookings.ChangeSeat, request, _advice_to_check(reference)))


def update(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: Annotated[
        str, typer.Option("--passenger", metavar="NUMBER|EMAIL", help="The passenger to correct, by number or current address.")
    ],
    first_name: Annotated[str | None, typer.Option("--first-name", metavar="NAME", help="New first name.")] = None,
    last_name: Annotated[str | None, typer.Option("--last-name", metavar="NAME", help="New last name.")] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="New address.")] = None,
) -> None:
    """Correct a passenger's name or address."""
    from app.cli.answers import show_booking
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    fields = {"first_name": first_name, "last_name": last_name, "email": email}
    changes = {field: value for field, value in fields.items() if value is not None}
    if not changes:
        raise UsageError("nothing to change: give --first-name, --last-name or --email")
    with Calls(options) as calls:
        booking = calls.call(calls.bookings.GetBooking, booking_pb2.GetBookingRequest(reference=reference))
        request = _update_request(booking, passenger, changes)
        show_booking(calls, calls.call(calls.bookings.UpdateBooking, request, _advice_to_check(reference)))


def _update_request(booking: booking_pb2.Booking, selector: str, changes: dict[str, str]) -> booking_pb2.UpdateBookingRequest:
    """Build the request that changes one passenger's fields, with the etag of `booking`. Raises `CommandError`."""
    from app.pb.seatline.v1 import booking_pb2

    person = _find_passenger(booking, selector)
    request = booking_pb2.UpdateBookingRequest(reference=booking.reference, etag=booking.etag)
    request.update_mask.paths.extend(f"passengers.{field}" for field in changes)
    # Older servers send no passenger numbers; they expect all passengers in order.
    for other in [person] if person.number else booking.passengers:
        sent = request.passengers.add(first_name=other.first_name, last_name=other.last_name, email=other.email)
        sent.number = other.number
        if other is person:
            for field, value in changes.items():
                setattr(sent, field, value)
    return request


def _find_passenger(booking: booking_pb2.Booking, selector: str) -> passenger_pb2.Passenger:
    """Find the only passenger with that number or address. A passenger without an address has the booker's.

    Raises `CommandError` if there is none, or if several share the address.
    """
    numbers, _ = parse_passenger_selectors([selector])
    addresses = [person.email or booking.user.email for person in booking.passengers]
    found = [
        person
        for person, address in zip(booking.passengers, addresses, strict=True)
        if (person.number in numbers if numbers else comparison_key(address) == comparison_key(selector))
    ]
    if not found:
        message = f"booking {booking.reference} has no passenger {selector}; it has {', '.join(addresses) or 'none'}"
        raise CommandError(Failure("NOT_FOUND", message))
    if len(found) > 1:
        shared = ", ".join(str(person.number) for person in found)
        message = f"passengers {shared} share the address {selector}; give one passenger number"
        raise CommandError(Failure("INVALID_ARGUMENT", message))
    return found[0]


def cancel(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: Annotated[
        list[str] | None,
        typer.Option("--passenger", metavar="NUMBER|EMAIL", help="A passenger to cancel; can be repeated. Default: all."),
    ] = None,
    is_quote: Annotated[
        bool, typer.Option("--quote", "--dry-run", help="Show the refund and what would remain, without cancelling.")
    ] = False,
) -> None:
    """Cancel a booking, or some of its passengers.

    A passenger who is not the booker can cancel only their own seat, and no longer sees the booking afterwards.
    """
    from app.cli.answers import show_cancellation
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    numbers, emails = parse_passenger_selectors(passenger or [])
    request = booking_pb2.CancelBookingRequest(
        reference=reference, passenger_numbers=numbers, passenger_emails=emails, validate_only=is_quote
    )
    with Calls(options) as calls:
        answer = calls.call(calls.bookings.CancelBooking, request, "" if is_quote else _advice_to_check(reference))
        show_cancellation(calls, answer, is_quote)


def section(
    options: CallerOptions,
    train: TrainArgument,
    date: DateArgument,
    section: Annotated[str, typer.Argument(metavar="SECTION", help="Section, such as A.")],
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List the passengers in a section of a train run."""
    from app.cli.calls import Calls
    from app.cli.render.bookings import section_table
    from app.cli.render.screen import print_list
    from app.pb.seatline.v1 import booking_pb2

    request = booking_pb2.ListSectionBookingsRequest(train_id=train, travel_date=date, section=section.upper())
    with Calls(options) as calls:
        answer = calls.pages(calls.bookings.ListSectionBookings, request, page_size, page_token)
    print_list(answer, answer.rows, "passenger", section_table, as_json=options.as_json)


def _advice_to_check(reference: str) -> str:
    return f"The change may be done: run 'seatline receipt {reference}' before you try again."
