"""QuoteBooking: the most that a request can cost, before a payment is authorized.

Belongs here: the quote. Does not belong here: the checks before it (`sale_checks.py`), the sale (`create_booking.py`).
"""

from datetime import datetime

from app.domain.commands import Quote, QuoteBooking
from app.domain.people import email_key
from app.domain.rules.create_booking import with_position
from app.domain.rules.sale_checks import QUOTE_CHECKS, BookingsOfOtherRuns, Sale
from app.domain.run.train_run import TrainRun


def quote_booking(run: TrainRun, command: QuoteBooking, now: datetime, bookings_of_other_runs: BookingsOfOtherRuns) -> Quote:
    """Return the most that a request can cost, and the booking that it made before, if any. Changes nothing.

    Refuses what the checks before PAYMENT refuse, as `create_booking` would.
    """
    request = command.request
    sale = Sale(run, request, now, bookings_of_other_runs, email_key(request.user.email), request.fingerprint, command.amounts)
    for check in QUOTE_CHECKS:
        check(sale)
        if sale.existing is not None:
            return Quote(sale.existing.price, with_position(run, sale.existing))
    return Quote(sale.price_at_most)
