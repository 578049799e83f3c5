"""Who receives a notice of a delay.

Belongs here: the delay of a journey, and whether its change is worth a notice. Does not belong here: making the notices
(`app/usecases/notices/delay_announcements.py`), the expected times (`app/domain/run/expected_times.py`).
"""

from datetime import datetime, timedelta

from app.domain.notices.kinds import TOLD_DELAY_MINUTES
from app.domain.run.run_schedule import RunSchedule
from app.domain.timetable import Journey

_MINUTE = timedelta(minutes=1)


def told_minutes_of(schedule: RunSchedule, journey: Journey) -> int:
    """Return the delay of a journey that its travellers hear of, in whole minutes.

    It is the greater one of those at the departure from the origin and at the arrival at the destination.
    """
    expected = schedule.expected_journey(journey)
    return max((expected.depart - journey.depart) // _MINUTE, schedule.late_minutes(journey), 0)


def is_delay_news(minutes: int, told_minutes: int | None) -> bool:
    """Whether a traveller receives a notice of a delay of `minutes`. `told_minutes` is what the last one said; None for none.

    A change of less than TOLD_DELAY_MINUTES is no news, except that the train is on time again.
    """
    before = told_minutes or 0
    return minutes != before and (minutes == 0 or abs(minutes - before) >= TOLD_DELAY_MINUTES)


def delay_cause(report_time: datetime) -> str:
    """Return the cause of the notices of a delay: the same for all jobs that find this report as the newest one."""
    return f"delay {report_time.isoformat()}"
