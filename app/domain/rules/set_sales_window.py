"""SetSalesWindow: an operator sets when a run, or one section of it, is on sale.

Belongs here: the rule. Does not belong here: which of several windows counts (`app/domain/run/section_sales.py`), what is
refused outside it (`sales_windows.py`).

The new window counts from its commit on. Bookings and holds that exist stay as they are. Where a section opens by it, the
waitlist is promoted in the same commit.
"""

from datetime import date, datetime

from app.domain.people import require_operator
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.promote_waitlist import promote
from app.domain.run.section_sales import ALL_SECTIONS
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import SetSalesWindow
from app.domain.sales_window import SalesWindow, check_opens_in_time, check_sales_window, opening_time

_FIELD = "sales_window"


def set_sales_window(run: TrainRun, command: SetSalesWindow, now: datetime) -> None:
    """Set the window of the run, or of one section of it; without a window, that of the train counts again.

    The same again changes nothing. Refuses NOT_PERMITTED to all but operators, INVALID_FIELD (no such section, a window out of
    its limits, or one that would open after it has closed), RUN_CANCELLED, RUN_DEPARTED (nobody can board it any more).
    """
    require_operator(command.caller)
    if command.section:
        run.section_index(command.section)
    if command.sales_window is not None:
        _check_window(run, command.sales_window)
    if run.schedule.is_cancelled:
        raise Refusal(Reason.RUN_CANCELLED, f"train {run.number} of {run.travel_date} is cancelled; nothing of it is sold")
    if now >= _last_depart(run):
        raise Refusal(Reason.RUN_DEPARTED, f"train {run.number} of {run.travel_date} has left its last stop but one")
    windows = _windows_with(run, command.section, command.sales_window)
    if windows != run.sales_windows:
        run.set_sales_windows(windows)
        promote(run, now)


def _check_window(run: TrainRun, window: SalesWindow) -> None:
    """Refuse INVALID_FIELD for a window that is out of its limits, or opens after it has closed for every journey."""
    check_sales_window(window, _FIELD)
    try:
        open_time = opening_time(window, date.fromisoformat(run.travel_date), run.stops[0].time_zone)
    except KeyError:  # of a run that an earlier version made
        text = f"the time zone of {run.stops[0].name} is unknown; give an open_time"
        raise InvalidField(f"{_FIELD}.opens_before", text) from None
    if open_time is not None:
        check_opens_in_time(window, open_time, _last_depart(run), _FIELD)


def _last_depart(run: TrainRun) -> datetime:
    """Return when the train is expected to leave the last stop at which anybody can board it."""
    depart = run.schedule.expected_stops[run.schedule.last_stop - 1].depart
    if depart is None:
        raise ValueError("a stop before the last one has no departure")
    return depart


def _windows_with(run: TrainRun, section: str, window: SalesWindow | None) -> tuple[tuple[str, SalesWindow], ...]:
    """Return the run's own windows with this one. Leaves out those of sections that were removed, so that they are few."""
    windows = dict(run.sales_windows)
    windows.pop(section, None)
    if window is not None:
        windows[section] = window
    names = (ALL_SECTIONS, *(present.name for present in run.sections))
    return tuple((name, windows[name]) for name in names if name in windows)
