"""Which refunds of a booking have been returned.

Belongs here: comparing a booking with its payment. Does not belong here: making refunds (`app/domain/reconciliation.py`).
"""

from app.domain.booking import Booking, RefundDue
from app.domain.payments import Payment, RefundState


def done_refunds(payment: Payment | None, booking: Booking) -> tuple[RefundDue, ...]:
    """Return the refunds of a booking that the provider has made, in the booking's order; none without a payment.

    Their number only grows. So it serves as the revision of REFUNDED notices: a refund may be made long after the commit that
    owes it, and after refunds of later commits.
    """
    if payment is None:
        return ()
    done = {refund.refund_id for refund in payment.refunds if refund.state is RefundState.DONE}
    return tuple(refund for refund in booking.refunds if refund.refund_id in done)
