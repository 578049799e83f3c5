"""What is due by the clock on a run, before each decision.

Belongs here: the order in which things end that are due. Does not belong here: the end of each (`expire_holds.py`,
`layout_reservation.py`, `follow_openings.py`, `close_waitlist.py`, `follow_clock.py`).
"""

from datetime import datetime

from app.domain.rules.close_waitlist import close_waitlist
from app.domain.rules.expire_holds import expire_holds
from app.domain.rules.follow_clock import follow_clock
from app.domain.rules.follow_openings import follow_openings
from app.domain.rules.layout_reservation import expire_reservation
from app.domain.rules.promote_waitlist import promote
from app.domain.run.train_run import TrainRun


def expire_due(run: TrainRun, now: datetime) -> None:
    """Expire holds and the reservation of a layout plan, promote the waitlist, close it, and follow the run's clock.

    The lane calls it before each batch. The waitlist is promoted where seats have come free or a section has opened.
    """
    came_free = bool(run.holds) and expire_holds(run, now)
    if run.layout_reservation is not None and expire_reservation(run, now):
        came_free = True
    if follow_openings(run, now) or came_free:
        promote(run, now)
    if run.waitlist:
        close_waitlist(run, now)
    follow_clock(run, now)
