"""Sales windows: when the sale of a run opens and closes.

Belongs here: the value, what makes it valid, and the instants that follow from it. Does not belong here: which window counts
for a section of a run (`app/domain/run/section_sales.py`), and the refusals (`app/domain/rules/sales_windows.py`).

A local time of opening is on the clock of the first stop. Sales open at the first instant at which that clock shows this time
or a later one:

- A local time that occurs twice (clocks go back): the first one.
- A local time that does not occur (clocks go forward over it): the instant at which the clocks change. Nobody has to wait for
  a time that was skipped. A timetable is another matter (`local_times.py`): a train keeps its running times.
"""

from datetime import UTC, date, datetime, time, timedelta

from app.domain import limits
from app.domain.refusals import InvalidField
from app.domain.values import value
from app.domain.zones import load_zone

_MILLISECOND = 1_000  # microseconds; MongoDB stores whole milliseconds
_SECOND = timedelta(seconds=1)  # clocks change at whole seconds


@value(frozen=True, slots=True)
class SalesWindow:
    """When sales open and close.

    They open at `open_time`, or `open_days_before` the travel date at the local time `open_at` of the first stop; with neither,
    as soon as the run exists. They close `closes_minutes_before` the expected departure from the journey's origin.
    """

    open_time: datetime | None = None
    open_days_before: int | None = None
    open_at: time = time()
    closes_minutes_before: int = 0


# Open from the beginning until the departure.
ALWAYS_OPEN = SalesWindow()


def check_sales_window(window: SalesWindow, field: str) -> None:
    """Refuse INVALID_FIELD for a window out of its limits. `field` is the path of the message SalesWindow."""
    opening = window.open_time
    if opening is not None:
        if window.open_days_before is not None:
            raise InvalidField(field, "has open_time and opens_before; sales open at one time, so give one of them")
        if not limits.TRAVEL_DATE_MIN <= opening.date() <= limits.TRAVEL_DATE_MAX:
            raise InvalidField(f"{field}.open_time", f"needs {limits.TRAVEL_DATE_MIN} to {limits.TRAVEL_DATE_MAX}")
        if opening.microsecond % _MILLISECOND:
            raise InvalidField(f"{field}.open_time", "needs whole milliseconds")
    if window.open_days_before is not None and not 0 <= window.open_days_before <= limits.SALES_OPEN_DAYS_BEFORE_MAX:
        raise InvalidField(f"{field}.opens_before.days_before", f"needs 0 to {limits.SALES_OPEN_DAYS_BEFORE_MAX}")
    if window.open_at.second or window.open_at.microsecond:
        raise InvalidField(f"{field}.opens_before.local_time", "needs whole minutes")
    if not 0 <= window.closes_minutes_before <= limits.SALES_CLOSES_MINUTES_MAX:
        raise InvalidField(f"{field}.closes_before", "needs 0 seconds to 30 days")


def check_opens_in_time(window: SalesWindow, open_time: datetime, last_depart: datetime, field: str) -> None:
    """Refuse INVALID_FIELD for a window in which sales open when they have closed for every journey.

    `open_time` is its opening, `last_depart` the last departure of the train, `field` the path of the message SalesWindow.
    """
    close_time = last_depart - timedelta(minutes=window.closes_minutes_before)
    if open_time >= close_time:
        opening = "open_time" if window.open_days_before is None else "opens_before"
        text = f"sales would open at {open_time:%Y-%m-%d %H:%M} UTC, and close before at {close_time:%Y-%m-%d %H:%M} UTC"
        raise InvalidField(f"{field}.{opening}", f"{text} at the latest; let them open earlier, or close later")


def opening_time(window: SalesWindow, travel_date: date, zone_name: str) -> datetime | None:
    """Return the instant, in UTC, at which sales open; None where they are open as soon as the run exists.

    `zone_name` is the time zone of the first stop. Raises KeyError where no zone has that name.
    """
    if window.open_days_before is None:
        return window.open_time
    local = datetime.combine(travel_date - timedelta(days=window.open_days_before), window.open_at)
    return _first_instant_at(local, zone_name)


def _first_instant_at(local: datetime, zone_name: str) -> datetime:
    """Return the first instant at which the clock of a zone shows this local time or a later one."""
    zone = load_zone(zone_name)
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    # Clocks go forward over it. Read with the offset after the change, it is before the change; and the other way round.
    early, late = second, first
    while late - early > _SECOND:
        middle = early + (late - early) // 2 // _SECOND * _SECOND
        if middle.astimezone(zone).replace(tzinfo=None) >= local:
            late = middle
        else:
            early = middle
    return late
