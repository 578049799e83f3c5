"""Reports of delays and arrivals in tests: the commands with small defaults, decided as the lane decides them.

Belongs here: building, deciding and committing reports, and the expected times in a short form. Does not belong here:
assertions.

The times of `a_run` are, in UTC: London 09:24, Ashford 09:55 to 09:58, Lille 10:48 to 10:52, Paris 11:56.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from app.domain.disruption import DisruptionReason
from app.domain.people import Caller
from app.domain.rules.decisions import decide
from app.domain.rules.expire_due import expire_due
from app.domain.run.train_run import TrainRun
from app.domain.run_commands import RecordArrival, SetDelay
from app.domain.timetable import Stop
from tests.support.builders import NOW, TRAIN_ID, TRAVEL_DATE, an_operator


def at(clock: str) -> datetime:
    """Return a time of the travel date in UTC, such as "10:48"; "10:48+1" is on the day after."""
    text, _, days = clock.partition("+")
    moment = datetime.combine(TRAVEL_DATE, datetime.strptime(text, "%H:%M").time(), UTC)  # noqa: DTZ007 - only the time
    return moment + timedelta(days=int(days or 0))


def times_of(stops: Sequence[Stop]) -> str:
    """Return all arrivals and departures in order, in UTC: "09:24 09:55 09:58 10:48 10:52 11:56"."""
    moments = [moment for stop in stops for moment in (stop.arrive, stop.depart) if moment is not None]
    return " ".join(f"{moment:%H:%M}" for moment in moments)


def expected_times(run: TrainRun) -> str:
    """Return the expected arrivals and departures of a run in order, as `times_of`."""
    return times_of(run.schedule.expected_stops)


def asks_to_delay(
    minutes: int,
    from_stop: str = "",
    *,
    reason: DisruptionReason | None = DisruptionReason.ROLLING_STOCK,
    evidence: str = "",
    reported: datetime | None = None,
    by: Caller | None = None,
) -> SetDelay:
    """Build a SetDelay, sent by an operator or by `by`. `reported` is when the delay was reported, None for now."""
    date = TRAVEL_DATE.isoformat()
    return SetDelay(by or an_operator(), TRAIN_ID, date, minutes, from_stop, reason, evidence, reported)


def asks_to_record_arrival(
    stop: str, time: datetime, *, reported: datetime | None = None, by: Caller | None = None
) -> RecordArrival:
    """Build a RecordArrival, sent by an operator or by `by`. `reported` is when the arrival was reported, None for now."""
    return RecordArrival(by or an_operator(), TRAIN_ID, TRAVEL_DATE.isoformat(), stop, time, reported)


def delay_run(
    run: TrainRun, minutes: int, from_stop: str = "", *, reported: datetime | None = None, now: datetime = NOW
) -> None:
    """Set the delay of a run, and commit."""
    report(run, asks_to_delay(minutes, from_stop, reported=reported), now)


def arrive(run: TrainRun, stop: str, clock: str, *, reported: datetime | None = None, now: datetime | None = None) -> None:
    """Record the arrival at a stop at a time such as "10:48", by default at that moment, and commit."""
    time = at(clock)
    report(run, asks_to_record_arrival(stop, time, reported=reported), now or time)


def report(run: TrainRun, command: SetDelay | RecordArrival, now: datetime) -> None:
    """Decide a report as the lane does, after what is due, and commit."""
    expire_due(run, now)
    decide(run, command, now, {})
    if run.change_set:
        run.committed()
