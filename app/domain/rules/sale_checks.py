"""The checks of a sale, in their order.

Belongs here: what a request for a booking is checked for, and in which order. Does not belong here: the sale
(`create_booking.py`), the price alone (`quote_booking.py`).

A request may have several faults. It gets the refusal of the first check that finds one, in this order:

    check         refuses                                                             made by
    ------------  ------------------------------------------------------------------  -------------------------------
    SHAPE         INVALID_FIELD: a field is missing or malformed, whatever the run    the edge, `app/rpc/bookings/`
    RUN_EXISTS    TRAIN_RUN_NOT_FOUND                                                 the run's lane
    SAME_REQUEST  REQUEST_ID_REUSED; a repeated request gets its booking as it is     here
    RUN           TRAIN_RUN_NOT_FOUND (hidden), INVALID_FIELD (no such stop, section, here
                  seat), RUN_CANCELLED, RUN_DEPARTED; except with a hold
                  SALES_NOT_OPEN, SALES_CLOSED
    HOLD          HOLD_EXPIRED, NOT_PERMITTED, INVALID_FIELD (does not fit the hold)  here
    PRICE         PAYMENT_REJECTED: the provider cannot take the amount               here, for `quote_booking`
    PAYMENT       PAYMENT_DECLINED and the like; PAYMENT_STALE, PAYMENT_INSUFFICIENT  the provider; then here
    ROOM          BOOKER_LIMIT, SEAT_TAKEN, SECTION_FULL, WAITLIST_CLOSED and _FULL   here
    DUPLICATE     PASSENGER_ALREADY_BOOKED                                            here

The payment is authorized between PRICE and PAYMENT: `quote_booking` makes the checks up to PRICE before the provider is asked,
and `create_booking` makes all of them again. So nothing is authorized for a request that cannot be sold, and a repeated request
gets its booking even if its hold, the price or the seats have changed. The duplicate comes last: a caller without a free seat
and without a payment does not learn who travels.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from app.domain import limits
from app.domain.amounts import AmountRules
from app.domain.booking import Booking
from app.domain.commands import CreateBooking, IfFull
from app.domain.money import Money
from app.domain.passenger import identity_of
from app.domain.reference import earlier_references, reference_for
from app.domain.refusals import Reason, Refusal
from app.domain.rules.departures import require_running
from app.domain.rules.hidden_runs import require_visible_run
from app.domain.rules.sales_windows import opened_sections, require_section_on_sale
from app.domain.rules.seating import choose_seats, next_free_seats, require_seats_exist
from app.domain.rules.use_hold import require_usable_hold
from app.domain.rules.waitlist import require_waitlist_room, waitlist_fare
from app.domain.run.hold import Hold
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey

# Bookings of other runs under references that the batch may use, by reference.
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
class Sale:
    """A sale while it is checked: what was asked for, and what the checks have found so far.

    `reference` is the one that is free for the booking, `existing` the booking that the request made before. `identities` are
    the passengers' addresses, as compared, and keys. `on_sale` are the sections of which a request that names none gets seats,
    by index; None for all. `choice` is the section's index, the seat numbers, and whether the counter gave them out; None for a
    place on the waitlist or a hold.
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
    on_sale: Sequence[int] | None = None
    identities: list[tuple[str, str]] = field(init=False)
    choice: tuple[int, list[int], bool] | None = None

    @property
    def price_at_most(self) -> Money:
        """The most that the sale can cost, on the run as it is."""
        if self.hold is not None:
            return self.hold.price
        fare = waitlist_fare(self.run, self.command.section)
        return Money(fare.minor * len(self.command.passengers), fare.currency)


def _check_same_request(sale: Sale) -> None:
    """Find the booking that this request made before, or the reference that is free for it."""
    sale.reference, existing = _find_request(sale)
    if existing is None:
        return
    if existing.fingerprint != sale.fingerprint:
        raise Refusal(
            Reason.REQUEST_ID_REUSED,
            f"this request_id made booking {existing.reference} from another request; choose a new one",
            resource=("booking", existing.reference),
        )
    sale.existing = existing


def _check_run(sale: Sale) -> None:
    """Find the journey. Refuse a hidden run, unknown stops, sections and seats, and a train that is cancelled or has left."""
    run, command = sale.run, sale.command
    if run.hidden:
        require_visible_run(run, command.caller)
    sale.journey = run.journey(command.origin, command.destination)
    if command.section:
        index = run.section_index(command.section)
        if command.seat_numbers:
            require_seats_exist(run, index, command.seat_numbers)
    require_running(run, sale.journey, sale.now)
    if run.section_sales is not None and not command.hold_id:
        sale.on_sale = require_section_on_sale(run, command.section, sale.journey, sale.now)


def _check_hold(sale: Sale) -> None:
    """Find the hold that the request uses."""
    if sale.command.hold_id:
        sale.hold = require_usable_hold(sale.run, sale.command, sale.journey)


def _check_price(sale: Sale) -> None:
    """Refuse an amount that the payment provider cannot take, where its rules are known."""
    if sale.amounts is None:
        return
    price = sale.price_at_most
    problem = sale.amounts.problem_of_charge(price) if price.minor else ""
    if problem:
        raise Refusal(Reason.PAYMENT_REJECTED, f"this costs {price}, which cannot be paid here: {problem}")


def _check_payment(sale: Sale) -> None:
    """Refuse an authorization that is too small, or so old that it may be voided already.

    A booking for which nothing was authorized since it cost nothing, and which still does, has no payment.
    """
    payment = sale.command.payment
    if payment is None or payment.limit is None:
        return
    if sale.now - payment.time > timedelta(seconds=limits.AUTHORIZATION_SECONDS_MAX):
        raise Refusal(Reason.PAYMENT_STALE, "the payment was authorized too long ago; send the same request again")
    price = sale.price_at_most
    if not payment.limit.minor:
        if price.minor:
            text = f"the booking cost nothing when you asked, and costs {price} now; send the same request again"
            raise Refusal(Reason.PAYMENT_STALE, text)
        sale.command = sale.command.paid_by(None)
        return
    if payment.limit.currency != price.currency or payment.limit.minor < price.minor:
        text = f"the booking costs {price}, and {payment.limit} was authorized; send a new request"
        raise Refusal(Reason.PAYMENT_INSUFFICIENT, text)


def _check_room(sale: Sale) -> None:
    """Choose seats, or find that the booking may join the waitlist."""
    _require_booker_room(sale)
    if sale.hold is not None:
        return
    run, command = sale.run, sale.command
    legs, count = sale.journey.legs, len(command.passengers)
    try:
        sale.choice = choose_seats(run, command.section, command.seat_numbers, legs, count, sale.on_sale)
    except Refusal as refusal:
        if refusal.reason is not Reason.SECTION_FULL or command.if_full is IfFull.REJECT:
            raise
        _require_no_seat_after_closing(sale)
        require_waitlist_room(run, command, sale.user_key, sale.now)


def _require_no_seat_after_closing(sale: Sale) -> None:
    """Refuse SECTION_FULL to who would wait for any section while seats are free where sales have closed.

    The waitlist gets seats of such sections, so the booking would take one with the next promotion.
    """
    if sale.on_sale is None:
        return
    run, count = sale.run, len(sale.command.passengers)
    if next_free_seats(run, "", sale.journey.legs, count, opened_sections(run, sale.now)) is not None:
        text = "seats are free only in sections whose sales have closed for this journey; name a section to wait for it"
        raise Refusal(Reason.SECTION_FULL, text)


def _check_duplicate(sale: Sale) -> None:
    """Refuse a passenger who has a live booking on the run."""
    sale.identities = [identity_of(person, sale.user_key) for person in sale.command.passengers]
    for _, key in sale.identities:
        require_no_live_booking(sale.run, key)


# The checks of this module, in the order of `SaleCheck`.
CHECKS: Mapping[SaleCheck, Callable[[Sale], None]] = {
    SaleCheck.SAME_REQUEST: _check_same_request,
    SaleCheck.RUN: _check_run,
    SaleCheck.HOLD: _check_hold,
    SaleCheck.PRICE: _check_price,
    SaleCheck.PAYMENT: _check_payment,
    SaleCheck.ROOM: _check_room,
    SaleCheck.DUPLICATE: _check_duplicate,
}
SALE_CHECKS = tuple(CHECKS.values())
QUOTE_CHECKS = SALE_CHECKS[: list(CHECKS).index(SaleCheck.PAYMENT)]


def require_no_live_booking(run: TrainRun, key: str) -> None:
    """Refuse a passenger who has a live booking on this run, a WAITLISTED one included.

    The text repeats the passenger who was asked for, and says nothing of the other booking, which may be somebody else's.
    """
    if run.live_reference(key) is not None:
        raise Refusal(
            Reason.PASSENGER_ALREADY_BOOKED,
            f"{key} already has a booking on train {run.number} of {run.travel_date}",
            resource=("passenger", key.partition(" ")[0]),
        )


def _find_request(sale: Sale) -> tuple[str, Booking | None]:
    """Return the reference and the booking that this request made before; or the reference that is free for it, and None."""
    run, others = sale.run, sale.bookings_of_other_runs
    user_key, request_id = sale.user_key, sale.command.request_id

    def booking_at(reference: str) -> Booking | None:
        return run.find(reference) or others.get(reference)

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


def _require_booker_room(sale: Sale) -> None:
    """Refuse a booker who would have more passengers on this run than the terms allow. Operators have no limit.

    A name is part of a passenger's identity: without a limit, made-up names could take any number of seats.
    """
    most, asked = sale.run.terms.passengers_per_booker_max, len(sale.command.passengers)
    booked = sale.run.passenger_index.passenger_counts.get(sale.user_key, 0)
    if booked + asked > most and not sale.command.caller.is_operator:
        text = f"you may book {most} passengers on this train, and have booked {booked}: {asked} more are too many"
        raise Refusal(Reason.BOOKER_LIMIT, text)
