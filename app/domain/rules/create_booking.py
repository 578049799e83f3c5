"""The decision to sell.

Belongs here: CreateBooking on a train run, and the order in which it is checked. Does not: changes to a booking
(`change_booking.py`), which seats come next (`seating.py`), the line of those who wait (`waitlist.py`).

A request may have several faults; it gets the refusal of the first check that finds one, in this order:

    check         refuses                                                             made by
    ------------  ------------------------------------------------------------------  -------------------------------
    SHAPE         INVALID_FIELD: what is missing or malformed whatever the run        the edge, `app/rpc/<resource>/requests.py`
    RUN_EXISTS    TRAIN_RUN_NOT_FOUND                                                 the run's lane
    SAME_REQUEST  REQUEST_ID_REUSED; a repeated request gets its booking as it is     here
    RUN           INVALID_FIELD (no such stop, section, seat), RUN_DEPARTED           here
    HOLD          HOLD_EXPIRED, NOT_PERMITTED, INVALID_FIELD (does not fit the hold)  here
    PRICE         PAYMENT_REJECTED: the provider cannot take the amount               here, for `quote_booking`
    PAYMENT       PAYMENT_DECLINED and the like; PAYMENT_STALE, PAYMENT_INSUFFICIENT  the provider; then here
    ROOM          BOOKER_LIMIT, SEAT_TAKEN, SECTION_FULL, WAITLIST_CLOSED and _FULL   here
    DUPLICATE     PASSENGER_ALREADY_BOOKED                                            here

Money is authorized between PRICE and PAYMENT: `quote_booking` makes the checks up to PRICE before the provider is asked, and
`create_booking` makes all of them again, by the same table. So nothing is authorized for a request that cannot be sold, and a
repeated request finds its booking whatever has become of its hold, the price or the seats. The duplicate comes last: who asks
without a seat and without paying learns nothing of who travels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count

from app.domain import limits
from app.domain.amounts import AmountRules
from app.domain.booking import Booking, BookingState, Passenger, Seat, own_payment_id
from app.domain.commands import CreateBooking, IfFull, QuoteBooking
from app.domain.events import EventType
from app.domain.money import Money
from app.domain.passenger import identity_of
from app.domain.people import email_key
from app.domain.reference import all_references, earlier_references, reference_for
from app.domain.refusals import Reason, Refusal
from app.domain.rules.hold_seats import require_usable_hold, use_hold
from app.domain.rules.seating import choose_seats, require_seats_exist, take_seats
from app.domain.rules.waitlist import event_data, require_waitlist_room, waitlist_fare
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey, require_not_departed

# Bookings of other runs under references that this batch may want, by reference.
BookingsOfOtherRuns = Mapping[str, Booking]


class SaleCheck(StrEnum):
    """The checks of a sale, in their order; the module's docstring says what each refuses."""

    SHAPE = "SHAPE"
    RUN_EXISTS = "RUN_EXISTS"
    SAME_REQUEST = "SAME_REQUEST"
    RUN = "RUN"
    HOLD = "HOLD"
    PRICE = "PRICE"
    PAYMENT = "PAYMENT"
    ROOM = "ROOM"
    DUPLICATE = "DUPLICATE"


@dataclass(slots=True)
class _Sale:
    """A sale while it is decided: what was asked for, and what the checks have found so far.

    `identities` are the passengers' addresses, as compared, and keys. `choice` is the section's index, the seat numbers, and
    whether the counter gave them out; None for a place in the line.
    """

    run: TrainRun
    command: CreateBooking
    now: datetime
    bookings_of_other_runs: BookingsOfOtherRuns
    user_key: str
    fingerprint: str
    amounts: AmountRules | None = None
    reference: str = ""
    existing: Booking | None = None
    journey: Journey = field(init=False)
    hold: Hold | None = None
    identities: list[tuple[str, str]] = field(init=False)
    choice: tuple[int, list[int], bool] | None = None


def create_booking(
    run: TrainRun, command: CreateBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns
) -> Booking:
    """Sells seats on `run`, or a place in its line, or finds what this request sold before.

    Gives the booking. Refuses what the module's docstring says, in that order; then the run is unchanged.
    """
    sale = _Sale(run, command, now, bookings_of_other_runs, email_key(command.user.email), command.fingerprint)
    for check in _SALE_CHECKS:
        check(sale)
        if sale.existing is not None:
            return sale.existing
    if sale.hold is not None:
        return _sell_held(sale, sale.hold)
    return _join_waitlist(sale) if sale.choice is None else _sell_next(sale, *sale.choice)


def quote_booking(
    run: TrainRun, command: QuoteBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns
) -> Booking | Money:
    """Gives the most that a request can cost, or what it sold before. Changes nothing.

    Refuses what the checks before PAYMENT refuse, as `create_booking` would.
    """
    request = command.request
    sale = _Sale(run, request, now, bookings_of_other_runs, email_key(request.user.email), request.fingerprint, command.amounts)
    for check in _QUOTE_CHECKS:
        check(sale)
        if sale.existing is not None:
            return sale.existing
    return _price_at_most(sale)


def first_reference(email: str, request_id: str) -> str:
    """Give the reference under which nearly every request has its booking."""
    return reference_for(email_key(email), request_id, 0)


def request_references(email: str, request_id: str) -> list[str]:
    """List all references under which the booking of this person's request may stand, the first one first."""
    return all_references(email_key(email), request_id)


# -- the checks


def _check_same_request(sale: _Sale) -> None:
    """Finds the booking that this request made before; or the reference that is free for it."""
    command = sale.command
    sale.reference, existing = _find_request(sale.run, sale.user_key, command.request_id, sale.bookings_of_other_runs)
    sale.existing = None if existing is None else _same_again(existing, sale.fingerprint)


def _check_run(sale: _Sale) -> None:
    """Finds the journey. Refuses stops, a section and seats that the run does not have, and a run that has left the origin."""
    run, command = sale.run, sale.command
    sale.journey = run.journey(command.origin, command.destination)
    if command.section:
        index = run.section_index(command.section)
        if command.seat_numbers:
            require_seats_exist(run, index, command.seat_numbers)
    require_not_departed(sale.journey, sale.now)


def _check_hold(sale: _Sale) -> None:
    if sale.command.hold_id:
        sale.hold = require_usable_hold(sale.run, sale.command, sale.journey)


def _check_price(sale: _Sale) -> None:
    """Refuses an amount that the payment provider cannot take, where its rules are known."""
    if sale.amounts is None:
        return
    price = _price_at_most(sale)
    problem = sale.amounts.problem_of_charge(price) if price.minor else ""
    if problem:
        raise Refusal(Reason.PAYMENT_REJECTED, f"this costs {price}, which cannot be paid here: {problem}")


def _check_payment(sale: _Sale) -> None:
    """Refuses a sale for which too little money is authorized, or was too long ago: then it may have been voided by now."""
    payment = sale.command.payment
    if payment is None or payment.limit is None:
        return
    if sale.now - payment.time > timedelta(seconds=limits.AUTHORIZATION_SECONDS_MAX):
        raise Refusal(Reason.PAYMENT_STALE, "the payment was set aside too long ago; send the same request again")
    price = _price_at_most(sale)
    if payment.limit.currency != price.currency or payment.limit.minor < price.minor:
        raise Refusal(Reason.PAYMENT_INSUFFICIENT, f"it costs {price}, and {payment.limit} was set aside; send a new request")


def _check_room(sale: _Sale) -> None:
    """Chooses seats, or finds that there is room in the line."""
    _require_booker_room(sale)
    if sale.hold is not None:
        return
    run, command = sale.run, sale.command
    try:
        sale.choice = choose_seats(run, command.section, command.seat_numbers, sale.journey.legs, len(command.passengers))
    except Refusal as refusal:
        if refusal.reason is not Reason.SECTION_FULL or command.if_full is IfFull.REJECT:
            raise
        require_waitlist_room(run, command, sale.user_key, sale.now)


def _check_duplicate(sale: _Sale) -> None:
    sale.identities = [identity_of(person, sale.user_key) for person in sale.command.passengers]
    for _, key in sale.identities:
        require_no_live_booking(sale.run, key)


# The checks of this module, in the order of `SaleCheck`.
CHECKS: Mapping[SaleCheck, Callable[[_Sale], None]] = {
    SaleCheck.SAME_REQUEST: _check_same_request,
    SaleCheck.RUN: _check_run,
    SaleCheck.HOLD: _check_hold,
    SaleCheck.PRICE: _check_price,
    SaleCheck.PAYMENT: _check_payment,
    SaleCheck.ROOM: _check_room,
    SaleCheck.DUPLICATE: _check_duplicate,
}
_SALE_CHECKS = tuple(CHECKS.values())
_QUOTE_CHECKS = _SALE_CHECKS[: list(CHECKS).index(SaleCheck.PAYMENT)]


def _price_at_most(sale: _Sale) -> Money:
    """The most that the sale can cost, on the run as it is."""
    if sale.hold is not None:
        return sale.hold.price
    fare = waitlist_fare(sale.run, sale.command.section)
    return Money(fare.minor * len(sale.command.passengers), fare.currency)


# -- the sale


def _sell_next(sale: _Sale, section: int, numbers: list[int], by_counter: bool) -> Booking:
    run = sale.run
    seats = [run.seat(section, number) for number in numbers]
    booking = _booking(sale, BookingState.CONFIRMED, seats, run.sections[section].fare)
    take_seats(run, section, numbers, sale.journey.legs, by_counter=by_counter)
    return _record_sale(sale, booking, EventType.BOOKING_CONFIRMED)


def _sell_held(sale: _Sale, hold: Hold) -> Booking:
    fare = Money(hold.fare_minor, hold.currency)
    booking = _booking(sale, BookingState.CONFIRMED, list(hold.seats), fare)
    use_hold(sale.run, hold, sale.now)
    return _record_sale(sale, booking, EventType.BOOKING_CONFIRMED)


def _join_waitlist(sale: _Sale) -> Booking:
    run, command, people = sale.run, sale.command, len(sale.identities)
    entry = run.join_waitlist(sale.reference, command.section, sale.journey.legs, people)
    fare = waitlist_fare(run, command.section)
    booking = _booking(sale, BookingState.WAITLISTED, [None] * people, fare, entry.ticket_number)
    return _record_sale(sale, booking, EventType.BOOKING_WAITLISTED)


def _booking(sale: _Sale, state: BookingState, seats: list[Seat] | list[None], fare: Money, ticket_number: int = 0) -> Booking:
    command, reference, fingerprint, now = sale.command, sale.reference, sale.fingerprint, sale.now
    payment, fare_minor = command.payment, fare.minor
    return Booking(
        reference,
        command.request_id,
        fingerprint,
        state,
        command.user,
        sale.user_key,
        tuple(
            [
                Passenger(person, number, address, key, seat, fare_minor)
                for number, person, (address, key), seat in zip(
                    count(1), command.passengers, sale.identities, seats, strict=False
                )
            ]
        ),
        (),
        sale.journey,
        fare.currency,
        now,
        now,
        sale.run.version + 1,
        command.section,
        ticket_number,
        (payment.payment_id or own_payment_id(reference, fingerprint)) if payment else "",
        payment.authorization_id if payment else "",
        fare_minor * len(seats),
    )


def _record_sale(sale: _Sale, booking: Booking, kind: EventType) -> Booking:
    sale.run.put_booking(booking)
    sale.run.emit(kind, booking.reference, event_data(booking), sale.now, sale.command.caller.trace_parent)
    return booking


def _find_request(
    run: TrainRun, user_key: str, request_id: str, bookings_of_other_runs: BookingsOfOtherRuns
) -> tuple[str, Booking | None]:
    """Find the booking that this request made before; or give None, and the reference that is free for it."""

    def booking_at(reference: str) -> Booking | None:
        return run.find(reference) or bookings_of_other_runs.get(reference)

    reference = reference_for(user_key, request_id, 0)
    found = booking_at(reference)
    if found is None or _is_of_request(found, user_key, request_id):
        return reference, found
    for reference in earlier_references(user_key, request_id):
        found = booking_at(reference)
        if found is not None and _is_of_request(found, user_key, request_id):
            return reference, found
    for attempt in range(1, limits.REFERENCE_ATTEMPTS_MAX):
        reference = reference_for(user_key, request_id, attempt)
        found = booking_at(reference)
        if found is None or _is_of_request(found, user_key, request_id):
            return reference, found
    raise Refusal(Reason.INTERNAL, "no free booking reference was found")


def _is_of_request(booking: Booking, user_key: str, request_id: str) -> bool:
    return booking.request_id == request_id and booking.user_key == user_key


def _same_again(existing: Booking, fingerprint: str) -> Booking:
    if existing.fingerprint != fingerprint:
        raise Refusal(
            Reason.REQUEST_ID_REUSED,
            f"this request_id made booking {existing.reference} from another request; choose a new one",
            resource=("booking", existing.reference),
        )
    return existing


def _require_booker_room(sale: _Sale) -> None:
    """Refuse a booker who would have more passengers on this run than the terms allow. Operators book for whom they like.

    A name is part of a passenger's identity: without a bound, made-up names would hoard any number of seats.
    """
    most, asked = sale.run.terms.passengers_per_booker_max, len(sale.command.passengers)
    booked = sale.run.passenger_index.passenger_counts.get(sale.user_key, 0)
    if booked + asked > most and not sale.command.caller.is_operator:
        text = f"you may book {most} passengers on this train, and have booked {booked}: {asked} more are too many"
        raise Refusal(Reason.BOOKER_LIMIT, text)


def require_no_live_booking(run: TrainRun, key: str) -> None:
    """Refuses a passenger who travels on this run already, or waits to.

    The refusal repeats who was asked for, and says nothing of the other booking, which may be somebody else's.
    """
    if run.live_reference(key) is not None:
        raise Refusal(
            Reason.PASSENGER_ALREADY_BOOKED,
            f"{key} already has a booking on train {run.number} of {run.travel_date}",
            resource=("passenger", key.partition(" ")[0]),
        )
