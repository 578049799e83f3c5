"""The use of a hold by a booking: the seats stay sold, and the booking has them.

Belongs here: whether a request fits its hold, and the end of a used hold. Does not belong here: the sale (`create_booking.py`).
"""

from datetime import datetime

from app.domain.commands import CreateBooking
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.holds import find_hold, forget_ended, remember_ended, require_hold_owner
from app.domain.run.hold import Hold, ended_hold
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey


def require_usable_hold(run: TrainRun, command: CreateBooking, journey: Journey) -> Hold:
    """Return the hold that a request names. Changes nothing.

    Refuses HOLD_EXPIRED, NOT_PERMITTED, and INVALID_FIELD where the request does not fit the hold.
    """
    hold = find_hold(run, command.hold_id)
    if hold is None:
        raise Refusal(
            Reason.HOLD_EXPIRED,
            "the hold is over: it has expired, was released, or was used",
            resource=("hold", command.hold_id),
        )
    require_hold_owner(hold, command.caller)
    if hold.legs != journey.legs:
        raise InvalidField("hold_id", "holds seats for another journey")
    if len(hold.seats) != len(command.passengers):
        raise InvalidField("passengers", f"has {len(command.passengers)} passengers; the hold has {len(hold.seats)} seats")
    if command.section and command.section != hold.seats[0].section:
        raise InvalidField("section", f"the hold has seats in section {hold.seats[0].section}")
    if command.seat_numbers:
        raise InvalidField("seat_numbers", "must be empty with hold_id, which says which seats")
    return hold


def use_hold(run: TrainRun, hold: Hold, now: datetime) -> None:
    """End a hold whose seats a booking takes over."""
    run.use_hold(hold)
    remember_ended(run, ended_hold(hold, was_used=True), now)
    forget_ended(run, now)
