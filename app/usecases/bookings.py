"""Bookings: creating, reading, changing and cancelling them.

Belongs here: the use cases around bookings. Does not belong here: holds (`holds.py`), what settles a payment (`payments.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.booking import Booking, BookingState, Passenger, RefundReason
from app.domain.commands import (
    BookingResult,
    CancelBooking,
    Change,
    ChangeSeat,
    Command,
    CreateBooking,
    QuoteBooking,
    ResultT,
    UpdateBooking,
)
from app.domain.money import Money
from app.domain.payments import Payment
from app.domain.people import Caller, require_self_or_operator
from app.domain.refusals import Reason, Refusal
from app.domain.rules.access import can_see, own_passengers, require_cancellable, require_changeable, require_visible
from app.domain.rules.cancel_booking import cancel_again
from app.domain.rules.open_booking import refuse_change_of_cancelled
from app.domain.run.run_schedule import RunSchedule
from app.domain.run.train_run import run_id
from app.domain.timetable import RunState
from app.domain.values import value
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.bookings import ReceiptKey, ReceiptQuery, RowKey, receipt_key, row_key
from app.store.snapshots import Snapshot
from app.store.store import Store
from app.usecases.duplicate_refusals import DuplicateRefusals
from app.usecases.payments import BookingPayments


@value(frozen=True, slots=True)  # each sale makes one
class BookingView:
    """A booking with its waitlist position, 0 unless passengers of it wait, and its payment, None before the first attempt.

    `schedule` and `run_state` are those of its run, None where the run cannot be read. `own` is None for a caller who may see
    the whole booking. For a passenger who has left it, `own` has the passengers of the caller's address, and only they may be
    shown.
    """

    booking: Booking
    waitlist_position: int = 0
    payment: Payment | None = None
    own: tuple[Passenger, ...] | None = None
    schedule: RunSchedule | None = None
    run_state: RunState | None = None


@dataclass(frozen=True, slots=True)
class CancellationView:
    """A booking after a cancellation, the refund, and why it is what it is; in a quote, `current` is the booking as it is."""

    booking: BookingView
    refund: Money
    refund_reason: RefundReason | None
    current: BookingView | None


class BookingUseCases:
    """The use cases around bookings. `clock` returns the current time; deadlines are in `time.monotonic` seconds."""

    def __init__(self, store: Store, bus: CommandBus, payments: BookingPayments, clock: Clock) -> None:
        self._store, self._bus, self._payments = store, bus, payments
        self._clock = clock
        self._duplicate_refusals = DuplicateRefusals()

    async def create(self, command: CreateBooking, payment_token: str, deadline: float) -> BookingView:
        """Sell seats or a place on the waitlist, and authorize the payment.

        `app/domain/rules/sale_checks.py` and `CommandBus.submit` say what is refused, and in which order. Refuses
        TOO_MANY_REFUSALS for a caller who has to wait, before anything is authorized.
        """
        if not command.user.first_name:  # a booker who does not travel: use the registered name, if there is one
            known = await self._store.users.find_person(command.user.email)
            command = replace(command, user=replace(known, email=command.user.email) if known else command.user)
        payment = self._payments.deferred_authorization(payment_token)
        begin = self._clock()
        must_wait = self._duplicate_refusals.refusal_for(command.caller, begin)
        if payment is None or must_wait is not None:
            quote = await self._bus.submit(QuoteBooking(command, self._payments.amounts), deadline)
            if quote.existing is not None:  # a repeated request
                return await self._created(quote.existing)
            if must_wait is not None:
                raise must_wait
            payment = await self._payments.authorize_booking(command, payment_token, quote.price)
            begin = self._clock()
        try:
            result = await self._bus.submit(command.paid_by(payment), deadline)
        except Refusal as refusal:
            self._duplicate_refusals.record(command.caller, refusal, self._clock())
            raise
        booking = result.booking
        if booking.state is BookingState.CONFIRMED and booking.update_time >= begin:
            # A new booking: its payment has no attempt yet. (Arguments by name take three times as long here.)
            return BookingView(booking, 0, None, None, result.schedule, result.schedule.state_at(begin))
        return await self._created(result)

    async def _created(self, result: BookingResult) -> BookingView:
        """Return a booking as its request gets it: with its waitlist position, or with its payment."""
        if result.waitlist_position:
            state = result.schedule.state_at(self._clock())
            return BookingView(result.booking, result.waitlist_position, schedule=result.schedule, run_state=state)
        return await self._view(result.booking)

    async def get(self, caller: Caller, reference: str) -> BookingView:
        """Return a booking with its payment, both as of one moment. Refuses NOT_PERMITTED, BOOKING_NOT_FOUND."""

        async def read(snapshot: Snapshot) -> BookingView:
            found = await self._store.bookings.find(snapshot, reference)
            return await self._view_in(snapshot, require_visible(found, caller, reference))

        return await self._store.snapshots.read(read)

    async def change(self, command: UpdateBooking | ChangeSeat, deadline: float) -> BookingView:
        """Change the passengers' fields, or move one to another seat; `app/domain/rules/` says what is refused.

        Refuses TOO_MANY_REFUSALS for an update by a caller who has to wait.
        """
        booking = await self._find_changeable(command)
        must_wait = self._duplicate_refusals.refusal_for(command.caller, self._clock())
        if must_wait is not None and isinstance(command, UpdateBooking):
            raise must_wait
        try:
            changed = await self._submit_change(replace(command, run_id=booking.journey.run_id), booking, deadline)
            if changed is None:
                cancelled = await self._find_changeable(command) if booking.is_live else booking
                refuse_change_of_cancelled(cancelled, command)
            return await self._view(changed)
        except Refusal as refusal:
            self._duplicate_refusals.record(command.caller, refusal, self._clock())
            raise

    async def cancel(self, command: CancelBooking, deadline: float) -> CancellationView:
        """Cancel some or all passengers. With `validate_only`, return what a cancellation would do, and change nothing."""
        booking = await self._find_changeable(command)
        command = replace(command, amounts=self._payments.amounts, run_id=booking.journey.run_id)
        cancellation = await self._submit_change(command, booking, deadline)
        if cancellation is None:
            cancelled = await self._find_changeable(command) if booking.is_live else booking
            cancellation = cancel_again(cancelled, command)
        after = await self._view_for(command.caller, cancellation.booking)
        before = await self._view_for(command.caller, cancellation.before) if command.validate_only else None
        return CancellationView(after, cancellation.refund, cancellation.refund_reason, before)

    async def _view_for(self, caller: Caller, booking: Booking) -> BookingView:
        """Return as much of a booking as the caller may see, who may be a passenger that has left it."""
        view = await self._view(booking)
        return view if can_see(booking, caller) else replace(view, own=own_passengers(booking, caller))

    async def _view(self, booking: Booking) -> BookingView:
        """Return the whole booking as a command has left it."""
        return await self._store.snapshots.read(lambda snapshot: self._view_in(snapshot, booking))

    async def _view_in(self, snapshot: Snapshot, booking: Booking) -> BookingView:
        """Return the whole booking, with its waitlist position and payment as the snapshot has them."""
        position, payment = 0, None
        if booking.ticket_number:
            position = await self._store.runs.find_waitlist_position(snapshot, booking.journey.run_id, booking.ticket_number)
        if booking.payment_id:
            found = await self._store.payments.find([booking.payment_id], snapshot)
            payment = found[booking.payment_id].payment if found else None
        schedules = await self._store.run_schedules.find(snapshot, [booking.journey.run_id])
        return self._with_schedule(BookingView(booking, position, payment), schedules)

    def _with_schedule(self, view: BookingView, schedules: Mapping[str, RunSchedule]) -> BookingView:
        """Return the view with the schedule of its run, by run id, and the state of the run at this moment."""
        schedule = schedules.get(view.booking.journey.run_id)
        return view if schedule is None else replace(view, schedule=schedule, run_state=schedule.state_at(self._clock()))

    async def _submit_change(self, command: Command[ResultT], booking: Booking, deadline: float) -> ResultT | None:
        """Have the run decide a change of a booking. None where the run does not know the booking, which is cancelled then."""
        if not booking.is_live:
            return None
        try:
            return await self._bus.submit(command, deadline)
        except Refusal as refusal:
            # The booking was there and the caller's a moment ago; a run forgets only cancelled bookings.
            if refusal.reason not in (Reason.BOOKING_NOT_FOUND, Reason.NOT_PERMITTED):
                raise
        return None

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
        """Return a page of a person's bookings as of one moment, and the key of the next page. Empty filters match all.

        Refuses NOT_PERMITTED, and USER_NOT_FOUND for an address that never registered, booked or travelled.
        """
        require_self_or_operator(caller, email)
        query = ReceiptQuery(
            email=email,
            travel_date=travel_date,
            origins=await self._store.trains.stop_names(origin) if origin else None,
            destinations=await self._store.trains.stop_names(destination) if destination else None,
        )

        async def read(snapshot: Snapshot) -> tuple[list[BookingView], ReceiptKey | None]:
            found = await self._store.bookings.list_receipts(snapshot, query, after, limit + 1)
            if not found and not await self._is_known(snapshot, email):
                raise Refusal(Reason.USER_NOT_FOUND, f"nobody is known under {email}", resource=("user", email))
            page = found[:limit]
            return await self._views_in(snapshot, page), receipt_key(page[-1]) if len(found) > limit else None

        return await self._store.snapshots.read(read)

    async def list_section(
        self, train_id: str, travel_date: str, section: str, after: RowKey | None, limit: int
    ) -> tuple[list[tuple[Booking, Passenger]], RowKey | None]:
        """Return a page of the passengers of a section as of one moment, by seat number, and the key of the next page.

        Refuses TRAIN_RUN_NOT_FOUND, INVALID_FIELD (no such section).
        """
        run = await self._store.runs.get(run_id(train_id, travel_date))
        run.section_index(section)
        found = await self._store.snapshots.read(
            lambda snapshot: self._store.bookings.list_section(snapshot, run.run_id, section, after, limit + 1)
        )
        page = found[:limit]
        return page, row_key(page[-1]) if len(found) > limit else None

    async def _views_in(self, snapshot: Snapshot, bookings: Sequence[Booking]) -> list[BookingView]:
        paid = [booking.payment_id for booking in bookings if booking.payment_id]
        found = await self._store.payments.find(paid, snapshot)
        payments = {payment_id: stored.payment for payment_id, stored in found.items()}
        schedules = await self._store.run_schedules.find(snapshot, {booking.journey.run_id for booking in bookings})
        return [
            self._with_schedule(BookingView(booking, payment=payments.get(booking.payment_id)), schedules)
            for booking in bookings
        ]

    async def _is_known(self, snapshot: Snapshot, email: str) -> bool:
        return await self._store.users.find(email) is not None or await self._store.bookings.knows(snapshot, email)
