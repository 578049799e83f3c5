"""The rolling schedule: on which dates a train needs runs, as far ahead as it says.

Belongs here: the dates. Does not belong here: making the runs (`app/usecases/run_scheduling.py`).
"""

from datetime import date, datetime, timedelta

from app.domain.limits import TRAVEL_DATE_MAX
from app.domain.train import Train
from app.domain.zones import load_zone


def dates_due(train: Train, scheduled_until: str, now: datetime) -> list[date]:
    """Return the dates for which the service has to schedule the train by itself, in order; at most a horizon and a day.

    They go from today, by the clock of the first stop, to `schedule_horizon_days` later. Dates up to `scheduled_until`
    (YYYY-MM-DD, empty for none) were done before, so that a run that was deleted does not come back.
    """
    if not train.schedule_horizon_days:
        return []
    today = now.astimezone(load_zone(train.stops[0].time_zone)).date()
    first = today
    if scheduled_until:
        first = max(today, date.fromisoformat(scheduled_until) + timedelta(days=1))
    last = min(today + timedelta(days=train.schedule_horizon_days), TRAVEL_DATE_MAX)
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
