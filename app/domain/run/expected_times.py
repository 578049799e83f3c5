"""Expected times: the scheduled ones with the delay and the reported arrivals.

Belongs here: how the times of all stops follow from a timetable and a delay record. Does not belong here: the record
(`delay_record.py`), what is judged by the times (`app/domain/rules/`).

The rules:
1. Scheduled times stay for ever. A time is expected at its scheduled one plus the delay of its stop.
2. A reported arrival counts in place of the expected one.
3. Expected times never run backwards. A train does not leave a stop before it has arrived there, nor arrive before it has left
   the stop before. And it has left every stop before one at which it has arrived.
4. Nothing is expected before its scheduled departure: a train never leaves early.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.run.delay_record import DelayRecord
from app.domain.timetable import Stop


def expected_stops(stops: tuple[Stop, ...], record: DelayRecord) -> tuple[Stop, ...]:
    """Return the stops with their expected times; `stops` itself where nothing was reported."""
    if not record.is_reported:
        return stops
    arrived = {arrival.stop: arrival.time for arrival in record.arrivals}
    expected: list[Stop] = []
    latest: datetime | None = None
    for index, stop in enumerate(stops):
        late = timedelta(minutes=record.minutes[index] if record.minutes else 0)
        arrive = arrived.get(index) or _not_before(stop.arrive, late, latest)
        depart = _not_before(stop.depart, late, arrive or latest)
        latest = depart or arrive
        expected.append(replace(stop, arrive=arrive, depart=depart))
    return _left_before_arrivals(expected, arrived)


def _not_before(scheduled: datetime | None, late: timedelta, earliest: datetime | None) -> datetime | None:
    """Return the scheduled time with its delay, or the earliest possible one where that is later."""
    if scheduled is None:
        return None
    return scheduled + late if earliest is None else max(scheduled + late, earliest)


def _left_before_arrivals(expected: list[Stop], arrived: dict[int, datetime]) -> tuple[Stop, ...]:
    """Return the stops with no time after a later reported arrival."""
    if not arrived:
        return tuple(expected)
    last: datetime | None = None
    for index in reversed(range(len(expected))):
        stop = expected[index]
        if last is not None:
            depart = min(stop.depart, last) if stop.depart else None
            arrive = min(stop.arrive, last) if stop.arrive else None
            expected[index] = replace(stop, arrive=arrive, depart=depart)
        last = arrived.get(index, last)
    return tuple(expected)


def late_minutes(scheduled: Sequence[Stop], expected: Sequence[Stop], stop: int) -> int:
    """Return by how many whole minutes, rounded down, the train is expected to arrive late at a stop; never below 0."""
    planned, now_planned = scheduled[stop].arrive, expected[stop].arrive
    if planned is None or now_planned is None or now_planned <= planned:
        return 0
    return (now_planned - planned) // timedelta(minutes=1)
