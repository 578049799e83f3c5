"""Which refunds of a booking have been returned.

Belongs here: comparing a booking with its payment. Does not belong here: making refunds (`app/domain/reconciliation.py`).
"""

from datetime import datetime, timedelta

from app.domain.booking import Booking, RefundDue
from app.domain.payments import AttemptOutcome, Payment, RefundState

# Notices of older refunds were made long ago, and may be deleted by now (`app/store/notices.py`): none is made a second time.
_NEWS_FOR = timedelta(days=30)


def done_refunds(payment: Payment | None, booking: Booking) -> tuple[RefundDue, ...]:
    """Return the refunds of a booking that the provider has made, in the booking's order; none without a payment.

    Their number only grows. So it serves as the revision of REFUNDED notices: a refund may be made long after the commit that
    owes it, and after refunds of later commits.
    """
    if payment is None:
        return ()
    done = {refund.refund_id for refund in payment.refunds if refund.state is RefundState.DONE}
    return tuple(refund for refund in booking.refunds if refund.refund_id in done)


def new_refunds(payment: Payment | None, booking: Booking, now: datetime) -> tuple[RefundDue, ...]:
    """Return the refunds of a booking that the provider has made within the last 30 days, in the booking's order."""
    if payment is None:
        return ()
    times = {
        refund.refund_id: attempt.time
        for refund in payment.refunds
        for attempt in refund.attempts
        if attempt.outcome is AttemptOutcome.DONE
    }
    done = done_refunds(payment, booking)
    return tuple(refund for refund in done if now - times.get(refund.refund_id, refund.time) < _NEWS_FOR)
