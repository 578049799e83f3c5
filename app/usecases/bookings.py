"""Buying, looking at, changing and giving back seats.

Belongs here: the use cases of passengers. Does not: what operators do (`trains.py`).
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from app.domain.booking import Booking, CancelBooking, ChangeSeat, CreateBooking, UpdateBooking
from app.domain.changing import change_cancelled, changeable, visible
from app.domain.people import Caller, email_key, require_self_or_operator
from app.domain.refusals import Reason, Refusal
from app.domain.run import run_id
from app.store.bookings import ReceiptKey, ReceiptQuery, receipt_key
from app.store.store import Store

Change = UpdateBooking | ChangeSeat | CancelBooking


class BookingUseCases:
    """The use cases of passengers. `clock` gives the present moment; deadlines are in `time.monotonic` seconds."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    async def create(self, command: CreateBooking, deadline: float) -> Booking:
        """Sells seats; see `app.domain.selling.create_booking` and `Lane.submit` for what is refused."""
        if not command.user.first_name:  # somebody who books for others: as registered, where they are
            known = await self._store.users.names(command.user.key)
            command = replace(command, user=replace(known, email=command.user.email) if known else command.user)
        return await self._store.lanes.submit(run_id(command.train_id, command.travel_date), command, deadline)

    async def get(self, caller: Caller, reference: str) -> Booking:
        """A booking, for those who may see it."""
        return visible(await self._store.bookings.find(reference), caller, reference)

    async def change(self, command: Change, deadline: float) -> Booking:
        """Updates, moves or cancels; see `app.domain.changing` for what is refused."""
        booking = await self._find_changeable(command)
        if booking.is_live:
            key = booking.journey.run_id
            try:
                return await self._store.lanes.submit(key, command, deadline)
            except Refusal as refusal:
                # It was there and the caller's a moment ago; a run forgets only what is cancelled.
                if refusal.reason not in (Reason.BOOKING_NOT_FOUND, Reason.NOT_PERMITTED):
                    raise
            booking = await self._find_changeable(command)
        return change_cancelled(booking, command, self._clock())

    async def _find_changeable(self, command: Change) -> Booking:
        return changeable(await self._store.bookings.find(command.reference), command.caller, command.reference)

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
    ) -> tuple[list[Booking], ReceiptKey | None]:
        """A page of a person's bookings, and where the next one begins. Empty filters match all.

        Refuses NOT_PERMITTED, and USER_NOT_FOUND for an address that never registered, booked or travelled.
        """
        require_self_or_operator(caller, email)
        query = ReceiptQuery(
            email_key=email_key(email),
            travel_date=travel_date,
            origins=await self._store.trains.stop_names(origin) if origin else None,
            destinations=await self._store.trains.stop_names(destination) if destination else None,
        )
        found = await self._store.bookings.list_receipts(query, after, limit + 1)
        if not found and not await self._is_known(query.email_key):
            raise Refusal(Reason.USER_NOT_FOUND, f"nobody is known under {email}", resource=("user", email))
        page = found[:limit]
        return page, receipt_key(page[-1]) if len(found) > limit else None

    async def _is_known(self, key: str) -> bool:
        return await self._store.users.find(key) is not None or await self._store.bookings.knows(key)
