"""Bookings that may still be changed.

Belongs here: the checks that UpdateBooking, ChangeSeat and CancelBooking share. Does not belong here: who may change a booking
(`access.py`), what changes (one module of this folder for each command).
"""

from datetime import datetime
from typing import NoReturn

from app.domain.booking import Booking
from app.domain.commands import Change
from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.domain.rules.access import require_changeable
from app.domain.rules.departures import require_not_departed
from app.domain.run.train_run import TrainRun


def require_open_booking(run: TrainRun, caller: Caller, reference: str, etag: str, now: datetime) -> Booking:
    """Return the booking where the caller may change it now.

    Refuses what `require_changeable` and `require_live` refuse, and RUN_DEPARTED.
    """
    booking = require_changeable(run.find(reference), caller, reference)
    require_live(booking, etag)
    require_not_departed(run, booking.journey, now)
    return booking


def require_live(booking: Booking, etag: str) -> None:
    """Refuse ETAG_STALE, and BOOKING_CANCELLED for a booking that is not live."""
    if etag and etag != booking.etag:
        raise Refusal(Reason.ETAG_STALE, "the booking has changed since that etag; read it again")
    if not booking.is_live:
        raise Refusal(Reason.BOOKING_CANCELLED, f"booking {booking.reference} is {booking.state.value.lower()}")


def refuse_change_of_cancelled(booking: Booking, command: Change) -> NoReturn:
    """Refuse to change a booking that its run has forgotten, for the reason that its run would give."""
    booking = require_changeable(booking, command.caller, command.reference)
    require_live(booking, command.etag)
    raise ValueError(f"booking {booking.reference} is live: its run decides")
