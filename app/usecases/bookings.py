"""Buying, looking at, changing and giving back seats.

Belongs here: the use cases of passengers. Does not: what operators do (`trains.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from app.domain.booking import (
    Booking,
    BookingState,
    CancelBooking,
    Cancellation,
    Change,
    ChangeSeat,
    CreateBooking,
    HoldSeats,
    Passenger,
    QuoteBooking,
    ReleaseHold,
    UpdateBooking,
    WaitlistedBooking,
)
from app.domain.money import Money
from app.domain.payments import Payment
from app.domain.people import Caller, require_self_or_operator
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.access import can_see, own_passengers, require_cancellable, require_changeable, require_visible
from app.domain.rules.change_booking import decide_cancelled
from app.domain.rules.decisions import Outcome
from app.domain.run.hold import Hold, split_hold_id
from app.domain.run.train_run import run_id
from app.lanes.bus import CommandBus
from app.store.bookings import ReceiptKey, ReceiptQuery, receipt_key
from app.store.snapshots import Snapshot
from app.store.store import Store
from app.usecases.duplicate_refusals import DuplicateRefusals
from app.usecases.payments import BookingPayments


@dataclass(frozen=True, slots=True)
class BookingView:
    """A booking and what stands elsewhere of it: its place in the line, 0 where it does not wait, and its payment, None while
    nothing was asked of the provider.

    `own` is None for who may see the booking; for a passenger who is off it, those of the own address: all to be shown.
    """

    booking: Booking
    waitlist_position: int = 0
    payment: Payment | None = None
    own: tuple[Passenger, ...] | None = None


@dataclass(frozen=True, slots=True)
class CancellationView:
    """A booking after a cancellation and what it gives back; in a quote, `current` is the booking as it is."""

    booking: BookingView
    refund: Money
    current: BookingView | None


class BookingUseCases:
    """The use cases of passengers. `clock` gives the present moment; deadlines are in `time.monotonic` seconds."""

    def __init__(self, store: Store, bus: CommandBus, paying: BookingPayments, clock: Callable[[], datetime]) -> None:
        self._store, self._bus, self._paying = store, bus, paying
        self._clock = clock
        self._duplicate_refusals = DuplicateRefusals()

    async def create(self, command: CreateBooking, payment_token: str, deadline: float) -> BookingView:
        """Sells seats; see `app.domain.rules.create_booking` and `CommandBus.submit` for what is refused, and in which order.

        Refuses TOO_MANY_REFUSALS for a caller who has to wait, before anything is authorized.
        """
        if not command.user.first_name:  # somebody who books for others: as registered, where they are
            known = await self._store.users.names(command.user.email)
            command = replace(command, user=replace(known, email=command.user.email) if known else command.user)
        run = run_id(command.train_id, command.travel_date)
        payment = self._paying.deferred_authorization(payment_token)
        begin = self._clock()
        must_wait = self._duplicate_refusals.refusal_for(command.caller, begin)
        if payment is None or must_wait is not None:
            quote = await self._bus.submit(run, QuoteBooking(command, self._paying.amounts), deadline)
            if not isinstance(quote, Money):  # a repeated request, whose booking exists
                return await self._sold(quote)
            if must_wait is not None:
                raise must_wait
            payment = await self._paying.authorize_booking(command, payment_token, quote)
            begin = self._clock()
        try:
            outcome = await self._bus.submit(run, command.paid_by(payment), deadline)
        except Refusal as refusal:
            self._duplicate_refusals.record(command.caller, refusal, self._clock())
            raise
        if isinstance(outcome, Booking) and outcome.update_time >= begin and outcome.state is BookingState.CONFIRMED:
            return BookingView(outcome)  # which is new: nothing can be known of its payment yet
        return await self._sold(outcome)

    async def _sold(self, outcome: Outcome) -> BookingView:
        """A booking as its request gives it: in the line, with its place there; else with its payment."""
        if isinstance(outcome, WaitlistedBooking):
            return BookingView(outcome.booking, outcome.position)
        return await self._view(_booking(outcome))

    async def get(self, caller: Caller, reference: str) -> BookingView:
        """A booking, for those who may see it, with its payment as both were at one moment."""

        async def look(snapshot: Snapshot) -> BookingView:
            found = await self._store.bookings.find(snapshot, reference)
            return await self._view_in(snapshot, require_visible(found, caller, reference))

        return await self._store.snapshots.read(look)

    async def change(self, command: UpdateBooking | ChangeSeat, deadline: float) -> BookingView:
        """Updates or moves; see `app.domain.rules.change_booking` for what is refused.

        Refuses TOO_MANY_REFUSALS for an update by a caller who has to wait.
        """
        booking = await self._find_changeable(command)
        must_wait = self._duplicate_refusals.refusal_for(command.caller, self._clock())
        if must_wait is not None and isinstance(command, UpdateBooking):
            raise must_wait
        try:
            return await self._view(_booking(await self._change(command, booking, deadline)))
        except Refusal as refusal:
            self._duplicate_refusals.record(command.caller, refusal, self._clock())
            raise

    async def cancel(self, command: CancelBooking, deadline: float) -> CancellationView:
        """Cancel, or with `validate_only` say what a cancellation would leave and give back, and change nothing."""
        command = replace(command, amounts=self._paying.amounts)
        outcome = await self._change(command, await self._find_changeable(command), deadline)
        if not isinstance(outcome, Cancellation):
            booking = _booking(outcome)  # it was cancelled before
            outcome = Cancellation(booking, Money(0, booking.currency), booking)
        after = await self._view_for(command.caller, outcome.booking)
        before = await self._view_for(command.caller, outcome.before) if command.validate_only else None
        return CancellationView(after, outcome.refund, before)

    async def hold(self, command: HoldSeats, deadline: float) -> Hold:
        """Keeps seats for a while; see `app.domain.rules.hold_seats`."""
        outcome = await self._bus.submit(run_id(command.train_id, command.travel_date), command, deadline)
        if not isinstance(outcome, Hold):
            raise TypeError("holding seats gives a hold")
        return outcome

    async def release(self, command: ReleaseHold, deadline: float) -> None:
        """Gives held seats back; see `app.domain.rules.hold_seats`."""
        parts = split_hold_id(command.hold_id)
        if parts is None:
            raise InvalidField("hold_id", "is no name of a hold")
        await self._bus.submit(run_id(parts[0], parts[1]), command, deadline)

    async def _view_for(self, caller: Caller, booking: Booking) -> BookingView:
        """A booking as this caller, who may have been its passenger, is to see it."""
        return (
            await self._view(booking) if can_see(booking, caller) else BookingView(booking, own=own_passengers(booking, caller))
        )

    async def _view(self, booking: Booking) -> BookingView:
        """A booking as a command has left it, for its buyer."""
        return await self._store.snapshots.read(lambda snapshot: self._view_in(snapshot, booking))

    async def _view_in(self, snapshot: Snapshot, booking: Booking) -> BookingView:
        """A booking as its buyer is to see it, with what the snapshot says of it elsewhere."""
        position, payment = 0, None
        if booking.state is BookingState.WAITLISTED:
            position = await self._store.runs.find_waitlist_position(snapshot, booking.journey.run_id, booking.waiting_number)
        if booking.payment_id:
            kept = await self._store.payments.find([booking.payment_id], snapshot)
            payment = kept[booking.payment_id].payment if kept else None
        return BookingView(booking, position, payment)

    async def _change(self, command: Change, booking: Booking, deadline: float) -> Outcome:
        if booking.is_live:
            key = booking.journey.run_id
            try:
                return await self._bus.submit(key, command, deadline)
            except Refusal as refusal:
                # It was there and the caller's a moment ago; a run forgets only what is cancelled.
                if refusal.reason not in (Reason.BOOKING_NOT_FOUND, Reason.NOT_PERMITTED):
                    raise
            booking = await self._find_changeable(command)
        return decide_cancelled(booking, command, self._clock())

    async def _find_changeable(self, command: Change) -> Booking:
        reference = command.reference
        found = await self._store.snapshots.read(lambda snapshot: self._store.bookings.find(snapshot, reference))
        return (
            require_cancellable(found, command)
            if isinstance(command, CancelBooking)
            else require_changeable(found, command.caller, reference)
        )

    async def list_receipts(
        self,
        caller: Caller,
        email: str,
        *,
        travel_date: str,
        origin: str,
        destination: str,
        after: ReceiptKey | None,
        limit: int,
    ) -> tuple[list[BookingView], ReceiptKey | None]:
        """A page of a person's bookings as of one moment, and where the next one begins. Empty filters match all.

        Refuses NOT_PERMITTED, and USER_NOT_FOUND for an address that never registered, booked or travelled.
        """
        require_self_or_operator(caller, email)
        query = ReceiptQuery(
            email=email,
            travel_date=travel_date,
            origins=await self._store.trains.stop_names(origin) if origin else None,
            destinations=await self._store.trains.stop_names(destination) if destination else None,
        )

        async def look(snapshot: Snapshot) -> tuple[list[BookingView], ReceiptKey | None]:
            found = await self._store.bookings.list_receipts(snapshot, query, after, limit + 1)
            if not found and not await self._is_known(snapshot, email):
                raise Refusal(Reason.USER_NOT_FOUND, f"nobody is known under {email}", resource=("user", email))
            page = found[:limit]
            return await self._views_in(snapshot, page), receipt_key(page[-1]) if len(found) > limit else None

        return await self._store.snapshots.read(look)

    async def _views_in(self, snapshot: Snapshot, bookings: Sequence[Booking]) -> list[BookingView]:
        paid = [booking.payment_id for booking in bookings if booking.payment_id]
        kept = await self._store.payments.find(paid, snapshot)
        payments = {payment_id: stored.payment for payment_id, stored in kept.items()}
        return [BookingView(booking, payment=payments.get(booking.payment_id)) for booking in bookings]

    async def _is_known(self, snapshot: Snapshot, email: str) -> bool:
        return await self._store.users.find(email) is not None or await self._store.bookings.knows(snapshot, email)


def _booking(outcome: Outcome) -> Booking:
    if not isinstance(outcome, Booking):
        raise TypeError("this command gives a booking")
    return outcome
