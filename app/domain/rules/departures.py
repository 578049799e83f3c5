"""Departures: whether the train may still be boarded at the origin of a journey.

Belongs here: what every rule refuses of a journey whose train does not run, or has left. Does not belong here: the expected
times (`app/domain/run/expected_times.py`), what is cancelled (`cancel_train_run.py`), when sales close (`sales_windows.py`).
"""

from datetime import datetime

from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey


def require_running(run: TrainRun, journey: Journey, now: datetime) -> None:
    """Refuse RUN_CANCELLED where the journey has cancelled legs, and RUN_DEPARTED once the train is expected to have left.

    `journey` has the scheduled times. Before these, a train that is not cancelled is always fine: it never leaves early.
    """
    if run.cancellation is not None:
        require_not_cancelled(run, journey)
    if now >= journey.depart:
        require_not_departed(run, journey, now)


def require_not_cancelled(run: TrainRun, journey: Journey) -> None:
    """Refuse RUN_CANCELLED where the train does not run on all legs of the journey."""
    schedule = run.schedule
    if not schedule.misses(journey.legs):
        return
    train = f"train {run.number} of {run.travel_date}"
    if schedule.is_cancelled:
        raise Refusal(Reason.RUN_CANCELLED, f"{train} is cancelled")
    last_stop = run.stops[schedule.last_stop].name
    raise Refusal(Reason.RUN_CANCELLED, f"{train} is cancelled from {last_stop} on, and does not run to {journey.destination}")


def require_not_departed(run: TrainRun, journey: Journey, now: datetime) -> None:
    """Refuse RUN_DEPARTED once the train is expected to have left the journey's origin. A cancelled journey never departs."""
    schedule = run.schedule
    if now >= schedule.expected_journey(journey).depart and not schedule.misses(journey.legs):
        raise Refusal(Reason.RUN_DEPARTED, f"train {run.number} of {run.travel_date} has left {journey.origin}")
