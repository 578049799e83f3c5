"""What follows from the schedule, the delay, the cancellation and the sales windows of a run's document.

Belongs here: expected times, missing legs, openings and closings, written a second time, without the code under test. Does not
belong here: what must hold (`disruption_invariants.py`).
"""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Document = dict[str, Any]
Times = list[tuple[datetime | None, datetime | None]]

LATE_MINUTES_REFUNDED = 60
_COMPACTED_AFTER = timedelta(hours=24)


def delay_of(run: Document) -> Document:
    return run.get("delay") or {"minutes": [], "arrivals": [], "report_time": None, "reason": None}


def expected_times(run: Document) -> Times:
    """Return arrival and departure of each stop: late by its minutes, as reported, and never backwards."""
    delay, stops = delay_of(run), run["stops"]
    minutes = delay["minutes"] or [0] * len(stops)
    reported = {stop: time for stop, time, _ in delay["arrivals"]}
    times: Times = []
    clock = datetime.min.replace(tzinfo=stops[0]["depart"].tzinfo)
    for index, stop in enumerate(stops):
        late = timedelta(minutes=minutes[index])
        arrive = depart = None
        if stop["arrive"] is not None:
            arrive = clock = reported.get(index) or max(clock, stop["arrive"] + late)
        if stop["depart"] is not None:
            depart = clock = max(clock, stop["depart"] + late)
        times.append((arrive, depart))
    for arrived in sorted(reported, reverse=True):  # it has left every stop before one where it was seen
        limit = reported[arrived]
        times[:arrived] = [_not_after(limit, pair) for pair in times[:arrived]]
    for index, time in reported.items():
        times[index] = (time, times[index][1])
    return times


def _not_after(limit: datetime, pair: tuple[datetime | None, datetime | None]) -> tuple[datetime | None, datetime | None]:
    arrive, depart = pair
    return arrive and min(arrive, limit), depart and min(depart, limit)


def ends_of(legs: int) -> tuple[int, int]:
    """Return the indexes of the first and last stop of a journey."""
    return (legs & -legs).bit_length() - 1, legs.bit_length()


def departs_at(run: Document, legs: int = 1) -> datetime:
    """Return when the train is expected to leave the origin of a journey; its first stop by default."""
    depart = expected_times(run)[ends_of(legs)[0]][1]
    assert depart is not None
    return depart


def late_minutes(run: Document, legs: int) -> int:
    """Return by how many minutes the train is expected late at the destination of a journey."""
    stop = ends_of(legs)[1]
    expected, scheduled = expected_times(run)[stop][0], run["stops"][stop]["arrive"]
    return max(0, int((expected - scheduled).total_seconds() // 60)) if expected else 0


# -- cancelled legs


def missing_legs(run: Document) -> int:
    """Return the legs that the train does not run."""
    cancellation = run.get("cancellation")
    if cancellation is None:
        return 0
    return sum(1 << leg for leg in range(cancellation["from_stop"], len(run["stops"]) - 1))


def is_cancelled(run: Document) -> bool:
    return run.get("cancellation") is not None and run["cancellation"]["from_stop"] == 0


def is_cancellation_open(run: Document) -> bool:
    return run.get("cancellation") is not None and run["cancellation"]["complete_time"] is None


def last_stop(run: Document) -> int:
    """Return the index of the stop at which the train ends."""
    cancellation = run.get("cancellation")
    return (cancellation["from_stop"] if cancellation else 0) or len(run["stops"]) - 1


def ends_at(run: Document) -> datetime:
    """Return when the train is expected at its last stop."""
    arrive = expected_times(run)[last_stop(run)][0]
    assert arrive is not None
    return arrive


# -- the clock


def clock_state_at(run: Document, now: datetime) -> str:
    """Return the state by the clock: before departure, under way, or over."""
    if is_cancelled(run) or now < departs_at(run):
        return "SCHEDULED"
    return "DEPARTED" if now < ends_at(run) else "COMPLETED"


def compacted_at(run: Document) -> datetime:
    """Return when what only sales need is removed."""
    scheduled: datetime = run["stops"][last_stop(run)]["arrive"]
    return max(ends_at(run), scheduled + _COMPACTED_AFTER)


def clock_due(run: Document) -> datetime | None:
    """Return when the clock changes something on the run next; None for never."""
    state = run.get("clock_state")
    if state is None:
        return None
    if not is_cancelled(run) and state != "COMPLETED":
        return departs_at(run) if state == "SCHEDULED" else ends_at(run)
    return None if run.get("is_compacted") or is_cancellation_open(run) else compacted_at(run)


def waitlist_closes_at(run: Document) -> datetime:
    return departs_at(run) - timedelta(minutes=run["terms"]["waitlist_closes_minutes_before"])


# -- sales windows


def _window(run: Document, section: str) -> Document | None:
    """Return the window that counts for a section: of the run for it, of the run, of the train for it, of the train."""
    own, of_train = dict(run.get("sales_windows", [])), dict(run["terms"].get("section_windows", []))
    candidates = (own.get(section), own.get(""), of_train.get(section), run["terms"].get("sales_window"))
    return next((window for window in candidates if window is not None), None)


def opens_at(run: Document, section: str) -> datetime | None:
    """Return when the sale of a section opens; None for always."""
    window = _window(run, section)
    if window is None:
        return None
    if window["open_days_before"] is None:
        opening: datetime | None = window["open_time"]
        return opening
    day = date.fromisoformat(run["_id"].rpartition(":")[2]) - timedelta(days=window["open_days_before"])
    zone = ZoneInfo(run["stops"][0]["time_zone"])
    local = datetime.fromisoformat(f"{day.isoformat()}T{window['open_at']}").replace(tzinfo=zone)
    return local.astimezone(run["stops"][0]["depart"].tzinfo)


def has_opened(run: Document, section: str, now: datetime) -> bool:
    opening = opens_at(run, section)
    return opening is None or opening <= now


def next_opening(run: Document) -> datetime | None:
    """Return the first opening that was not followed by a promotion yet; None where nobody waits."""
    openings = [opens_at(run, section["name"]) for section in run["sections"]]
    followed = run.get("opened_until")
    left = [opening for opening in openings if opening is not None and (followed is None or opening > followed)]
    return min(left, default=None) if run["waiting"] else None


def closes_at(run: Document, section: str, legs: int) -> datetime:
    """Return when the sale of a section closes for a journey."""
    window = _window(run, section)
    minutes = window["closes_minutes_before"] if window else 0
    return departs_at(run, legs) - timedelta(minutes=minutes)
