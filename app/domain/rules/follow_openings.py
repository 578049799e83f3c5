"""The opening of a section: waitlisted bookings that fit are promoted to its seats.

Belongs here: which openings have been followed by a promotion. Does not belong here: the promotion (`promote_waitlist.py`),
when a section opens (`sales_windows.py`).

A run may have a waitlist before one of its sections opens: the others opened earlier and are full. The bookings on it get the
new seats before anybody can buy them, since the promotion comes before all commands of the first commit after the opening.
"""

from datetime import datetime

from app.domain.rules.sales_windows import opening_times
from app.domain.run.train_run import TrainRun


def follow_openings(run: TrainRun, now: datetime) -> bool:
    """Return whether a section has opened since the last time that this was so. Does not promote the waitlist."""
    opening = next_opening(run)
    if opening is None or now < opening:
        return False
    run.set_opened_until(now)
    return True


def next_opening(run: TrainRun) -> datetime | None:
    """Return the earliest opening of a section for which the waitlist was not promoted yet; None without a waitlist."""
    if not run.waitlist or run.section_sales is None:
        return None
    return next((time for time in opening_times(run) if run.opened_until is None or time > run.opened_until), None)
