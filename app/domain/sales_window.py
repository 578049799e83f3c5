"""Sales windows: when the sale of a run opens and closes.

Belongs here: the value, what makes it valid, and the instants that follow from it. Does not belong here: which window counts
for a section of a run, and the refusals (`app/domain/rules/sales_windows.py`).
"""

from datetime import datetime, time

from app.domain.values import value


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
