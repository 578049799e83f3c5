"""Notices of refunds: who booked hears that money was returned, once the provider has returned it.

Belongs here: making these notices after a settlement. Does not belong here: settling (`app/usecases/payments.py`), which
refunds are done (`app/domain/notices/refunds.py`).
"""

from collections.abc import Collection, Sequence
from datetime import timedelta

from app.domain.booking import Booking
from app.domain.notices.from_events import NoticeCause, make_notices
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.notices.preferences import DEFAULT_PREFERENCES, NotificationPreferences
from app.domain.notices.recipients import booker_of
from app.domain.notices.refunds import done_refunds, new_refunds
from app.domain.payments import Payment
from app.ports.clock import Clock
from app.store.store import Store
from app.usecases.notices.scheduling import schedule_notices


class RefundNotices:
    """Makes notices of refunds over the channels that are `enabled`. `clock` returns the present moment."""

    def __init__(self, store: Store, enabled: Collection[NoticeChannelName], clock: Clock) -> None:
        self._store, self._enabled, self._clock = store, enabled, clock

    async def after_settlement(self, references: Sequence[str]) -> None:
        """Make a notice for each refund of these bookings that is done. Refuses DATABASE_UNAVAILABLE.

        May be called again: the id of a notice follows from the refund's. The notices wait for a minute, and the first one that
        is due tells all refunds that are done by then.
        """
        bookings = await self._store.bookings.find_many(references)
        refunded = [booking for booking in bookings.values() if booking.refunds and booking.payment_id]
        payments = await self._store.payments.find([booking.payment_id for booking in refunded])
        preferences = await self._store.preferences.find({booking.user_key for booking in refunded})
        notices: list[Notice] = []
        for booking in refunded:
            stored = payments.get(booking.payment_id)
            chosen = preferences.get(booking.user_key, DEFAULT_PREFERENCES)
            notices += self._notices_of(booking, stored.payment if stored else None, chosen)
        await schedule_notices(self._store, notices)

    def _notices_of(self, booking: Booking, payment: Payment | None, chosen: NotificationPreferences) -> list[Notice]:
        now, booker = self._clock(), booker_of(booking)
        due_time = now + timedelta(seconds=KIND_POLICIES[NoticeKind.REFUNDED].gather_seconds)
        notices: list[Notice] = []
        done_count = len(done_refunds(payment, booking))
        for refund in new_refunds(payment, booking, now):
            cause = NoticeCause(NoticeKind.REFUNDED, refund.refund_id, done_count, due_time)
            notices += make_notices(cause, booking, booker, booker.passenger_numbers, chosen, self._enabled, now)
        return notices
