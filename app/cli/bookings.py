"""The commands of people who travel: book, receipts, change of seat, update, cancel, register.

Each reads what was typed, makes its calls and shows the answer; whether something is allowed is the service's to say. gRPC and
rich are imported inside the commands, so that `--help` does not wait for them.
"""

# ruff: noqa: PLC0415  imports inside the commands, for the reason above
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.arguments import comparison_key, parse_passenger_selectors, parse_passengers, parse_seats
from app.cli.failures import CommandError, Failure, UsageError
from app.cli.options import CallerOptions

if TYPE_CHECKING:
    from app.pb.seatline.v1 import booking_pb2, passenger_pb2

ReferenceArgument = Annotated[str, typer.Argument(metavar="REFERENCE", help="The booking: six or eight letters and digits.")]
TrainArgument = Annotated[str, typer.Argument(metavar="TRAIN", help="The train, such as es9014.")]
DateArgument = Annotated[str, typer.Argument(metavar="DATE", help="The travel date, YYYY-MM-DD.")]
SectionOption = Annotated[str, typer.Option("--section", metavar="SECTION", help="Such as A.")]
FromOption = Annotated[str, typer.Option("--from", metavar="STOP", help="Name or code of the stop where the journey begins.")]
ToOption = Annotated[str, typer.Option("--to", metavar="STOP", help="Name or code of the stop where the journey ends.")]
DateOption = Annotated[str, typer.Option("--date", metavar="DATE", help="Only this travel date, YYYY-MM-DD.")]
PageSizeOption = Annotated[
    int, typer.Option("--page-size", min=0, max=1000, metavar="N", help="One page of N entries instead of all.")
]
PageTokenOption = Annotated[str, typer.Option("--page-token", metavar="TOKEN", help="The page after the one that gave TOKEN.")]
IfFullOption = Annotated[
    Literal["wait", "reject"],
    typer.Option("--if-full", help="Where no seat is free: pay for a place on the waiting list, or buy nothing."),
]
RequestIdOption = Annotated[
    str, typer.Option("--request-id", metavar="ID", help="Repeats an earlier, doubtful try: the same ID never books twice.")
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
            help="Who travels; once for each person. After the first, 'FIRST LAST' is enough: your address stands for theirs.",
        ),
    ],
    section: SectionOption = "",
    seat: Annotated[
        list[str] | None, typer.Option("--seat", metavar="SEAT", help="17 or A-17; once for each passenger, in order.")
    ] = None,
    if_full: IfFullOption = "wait",
    hold_id: Annotated[
        str, typer.Option("--hold", metavar="HOLD_ID", help="Take the seats that 'hold' keeps, for as many passengers.")
    ] = "",
    payment_token: Annotated[
        str, typer.Option("--payment-token", metavar="TOKEN", help="What the payment provider gave for a means of payment.")
    ] = "",
    request_id: RequestIdOption = "",
) -> None:
    """Buy seats on a train, or a place on its waiting list."""
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
        passengers=[passenger_pb2.Passenger(**typed._asdict()) for typed in parse_passengers(passenger)],
        seat_numbers=seat_numbers,
        if_full=booking_pb2.IF_FULL_REJECT if if_full == "reject" else booking_pb2.IF_FULL_WAITLIST,
        hold_id=hold_id,
        payment_token=payment_token,
    )
    in_doubt = f"It may have been booked: repeat with --request-id {request.request_id} to find out."
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
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whose receipts.")],
    date: DateOption = "",
    origin: FromOption = "",
    destination: ToOption = "",
    page_size: PageSizeOption = 0,
    page_token: PageTokenOption = "",
) -> None:
    """List a person's receipts."""
    from app.cli.answers import waitlist_positions
    from app.cli.calls import Calls
    from app.cli.render.bookings import receipts_table
    from app.cli.render.screen import print_json, print_list
    from app.cli.station_clocks import StationClocks
    from app.pb.seatline.v1 import booking_pb2

    request = booking_pb2.ListReceiptsRequest(email=email, travel_date=date, origin=origin, destination=destination)
    with Calls(options) as calls:
        answer = calls.pages(calls.bookings.ListReceipts, request, page_size, page_token)
        if options.as_json:
            print_json(answer)
            return
        places, clocks = waitlist_positions(calls, answer.receipts), StationClocks(calls)
        print_list(
            lambda console: receipts_table(answer.receipts, places, clocks, console), len(answer.receipts), "receipt", answer
        )


def change_seat(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: Annotated[str, typer.Option("--passenger", metavar="NUMBER|EMAIL", help="Who moves.")],
    section: SectionOption = "",
    seat: Annotated[str, typer.Option("--seat", metavar="SEAT", help="17 or A-17; without it the next free one.")] = "",
) -> None:
    """Move one passenger to another seat. Where the fare is lower, the difference is given back."""
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
        str, typer.Option("--passenger", metavar="NUMBER|EMAIL", help="Whose fields change, by the address so far.")
    ],
    first_name: Annotated[str | None, typer.Option("--first-name", metavar="NAME", help="The new first name.")] = None,
    last_name: Annotated[str | None, typer.Option("--last-name", metavar="NAME", help="The new last name.")] = None,
    email: Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="The new address.")] = None,
) -> None:
    """Correct a passenger's name or address."""
    from app.cli.answers import show_booking
    from app.cli.calls import Calls
    from app.pb.seatline.v1 import booking_pb2

    changes = {"first_name": first_name, "last_name": last_name, "email": email}
    changes_given = {field: value for field, value in changes.items() if value is not None}
    if not changes_given:
        raise UsageError("nothing to change: give --first-name, --last-name or --email")
    with Calls(options) as calls:
        booking = calls.call(calls.bookings.GetBooking, booking_pb2.GetBookingRequest(reference=reference))
        request = _update_request(booking, passenger, changes_given)
        show_booking(calls, calls.call(calls.bookings.UpdateBooking, request, _advice_to_check(reference)))


def _update_request(booking: booking_pb2.Booking, named: str, changes: dict[str, str]) -> booking_pb2.UpdateBookingRequest:
    """One passenger's new fields, with the number and the etag of what was read. Raises `CommandError`."""
    from app.pb.seatline.v1 import booking_pb2

    person = _find_passenger(booking, named)
    request = booking_pb2.UpdateBookingRequest(reference=booking.reference, etag=booking.etag)
    request.update_mask.paths.extend(f"passengers.{field}" for field in changes)
    # A server of before knows no numbers, and takes all passengers in their order.
    for other in [person] if person.number else booking.passengers:
        sent = request.passengers.add(first_name=other.first_name, last_name=other.last_name, email=other.email)
        sent.number = other.number
        if other is person:
            for field, value in changes.items():
                setattr(sent, field, value)
    return request


def _find_passenger(booking: booking_pb2.Booking, named: str) -> passenger_pb2.Passenger:
    """The passenger with that number or address, as long as it is one; the booker's address stands for an empty one."""
    numbers, _ = parse_passenger_selectors([named])
    addresses = [person.email or booking.user.email for person in booking.passengers]
    found = [
        person
        for person, address in zip(booking.passengers, addresses, strict=True)
        if (person.number in numbers if numbers else comparison_key(address) == comparison_key(named))
    ]
    if not found:
        message = f"no passenger {named} on booking {booking.reference}; it has {', '.join(addresses) or 'none'}"
        raise CommandError(Failure("NOT_FOUND", message))
    if len(found) > 1:
        shared = ", ".join(str(person.number) for person in found)
        raise CommandError(Failure("INVALID_ARGUMENT", f"{named} is the address of passengers {shared}; give one number"))
    return found[0]


def cancel(
    options: CallerOptions,
    reference: ReferenceArgument,
    passenger: Annotated[
        list[str] | None,
        typer.Option("--passenger", metavar="NUMBER|EMAIL", help="Who no longer travels; without it everybody."),
    ] = None,
    is_quote: Annotated[
        bool, typer.Option("--quote", "--dry-run", help="Show what would come back and what would be left, change nothing.")
    ] = False,
) -> None:
    """Give back the seats of some or all passengers, or their places on the waiting list.

    A passenger of somebody else's booking can take itself off it, and sees it no more.
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


def _advice_to_check(reference: str) -> str:
    return f"It may have been done: see 'seatline receipt {reference}' before trying again."
