"""Reports of delays and arrivals: what both have in common.

Belongs here: when a report counts, and what follows from new expected times. Does not belong here: what a report may say
(`set_delay.py`, `record_arrival.py`), the expected times (`app/domain/run/expected_times.py`).

The rules:
1. Reports are ordered by the time at which they were reported. An older one is refused, so that a late message of a feed
   changes nothing. Of several with the same time, the one that comes last counts. A report without a time is of now: it is
   never late, also where the clock of who reported before was ahead.
2. The same report again changes nothing. A newer report that says the same has no event: a feed may repeat itself.
3. Later times bring a run back: it has not departed or arrived, and its waitlist is open again. Bookings that have expired and
   holds that have ended stay so.
"""

from datetime import datetime, timedelta

from app.domain import limits
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.follow_clock import turn_back_clock
from app.domain.rules.promote_waitlist import promote
from app.domain.run.delay_record import DelayRecord
from app.domain.run.train_run import TrainRun


def report_time_of(given: datetime | None, known: datetime | None, now: datetime, what: str) -> datetime:
    """Return when something was reported. `known` is the time of the last report of the same thing, None for none.

    A report that does not say when it was made is of now, and never late. Refuses INVALID_FIELD for a time in the future, and
    REPORT_STALE for one before the last report of `what`.
    """
    if given is None:
        return now if known is None else max(now, known)
    if given > latest_time(now):
        raise InvalidField("report_time", f"lies in the future; it is {as_text(now)} here: check the clock of who reports")
    if known is not None and given < known:
        text = f"a newer report of {what} is known, of {as_text(known)}; send what is known now, with its report_time"
        raise Refusal(Reason.REPORT_STALE, text)
    return given


def latest_time(now: datetime) -> datetime:
    """Return the latest time that a report may name: the clock of who reports may be ahead a little."""
    return now + timedelta(seconds=limits.REPORT_AHEAD_SECONDS_MAX)


def require_served(run: TrainRun, stop: int) -> None:
    """Refuse RUN_CANCELLED where the train does not come to a stop, given by index."""
    schedule = run.schedule
    if schedule.is_cancelled:
        raise Refusal(Reason.RUN_CANCELLED, f"train {run.number} of {run.travel_date} is cancelled")
    if stop > schedule.last_stop:
        text = f"train {run.number} of {run.travel_date} is cancelled from {run.stops[schedule.last_stop].name} on"
        raise Refusal(Reason.RUN_CANCELLED, f"{text}, and does not come to {run.stops[stop].name}")


def last_arrived_stop(record: DelayRecord) -> int:
    """Return the index of the last stop at which an arrival was reported; 0 where none was."""
    return max((arrival.stop for arrival in record.arrivals), default=0)


def record_report(run: TrainRun, record: DelayRecord, now: datetime, *, is_repeated: bool) -> None:
    """Put the record of delays and arrivals in place of the one before, and let the clock and the waitlist follow.

    The caller emits the event, unless the report `is_repeated`: unless it says the same as the one before, only later.
    """
    run.set_delay(record, is_repeated=is_repeated)
    turn_back_clock(run, now)
    if run.waitlist:
        promote(run, now)


def as_text(moment: datetime) -> str:
    """Return a moment as refusals name it."""
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
