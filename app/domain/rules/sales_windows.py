"""Whether the sections of a run are on sale.

Belongs here: the refusals outside a sales window, and when sales of a section open and close. Does not belong here: which of
several windows counts (`app/domain/run/section_sales.py`), setting a window (`set_sales_window.py`).

The rules:
1. Sales of a section open at its opening and close so long before the expected departure from the journey's origin. A delay
   opens them again.
2. A request that names a section is refused where that is not on sale: SALES_NOT_OPEN before the opening, SALES_CLOSED after
   the closing. Any section means those on sale; where none is, the refusal is SALES_NOT_OPEN with the earliest opening, or
   SALES_CLOSED where none will open in time.
3. A hold keeps its seats on sale for its owner until it expires.
4. Who has a booking may change to a section that has opened, closed or not; and the waitlist is promoted to such sections.
   Displaced passengers get seats of any section.
5. Nobody joins the waitlist for any section while a section that has closed has the seats: the next promotion would sell them.
6. Operators are no exception.
"""

from collections.abc import Sequence
from datetime import datetime

from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun
from app.domain.timetable import Journey

# The detail of SALES_NOT_OPEN: the opening as RFC 3339 text.
OPEN_TIME_DETAIL = "sales_open_time"


def require_section_on_sale(run: TrainRun, section: str, journey: Journey, now: datetime) -> Sequence[int] | None:
    """Refuse SALES_NOT_OPEN or SALES_CLOSED where the named section, or every section for an empty name, is not on sale.

    Return the indexes of the sections of which a request that names none gets seats; None for all. Refuses INVALID_FIELD for an
    unknown section.
    """
    if run.section_sales is None:
        return None
    if not section:
        return require_any_on_sale(run, journey, now)
    require_on_sale(run, run.section_index(section), journey, now)
    return None


def require_on_sale(run: TrainRun, section: int, journey: Journey, now: datetime) -> None:
    """Refuse SALES_NOT_OPEN or SALES_CLOSED where the section with that index is not on sale for the journey."""
    if run.section_sales is None:
        return
    require_opened(run, section, now)
    close_time = sales_close_time(run, section, journey)
    if now >= close_time:
        text = (
            f"sales of section {run.sections[section].name} of {_train(run)} closed at {_instant(close_time)} for this journey"
        )
        raise Refusal(Reason.SALES_CLOSED, f"{text}; choose another section or train")


def require_opened(run: TrainRun, section: int, now: datetime) -> None:
    """Refuse SALES_NOT_OPEN where sales of the section with that index have not opened yet."""
    open_time = sales_open_time(run, section)
    if open_time is not None and now < open_time:
        text = f"section {run.sections[section].name} of {_train(run)} is not on sale"
        raise _sales_not_open(text, open_time)


def require_any_on_sale(run: TrainRun, journey: Journey, now: datetime) -> Sequence[int]:
    """Return the indexes of the sections that are on sale for the journey, in the order of sale.

    Where none is: refuses SALES_NOT_OPEN with the earliest opening that comes before its closing, else SALES_CLOSED.
    """
    found = sections_on_sale(run, journey, now)
    if found:
        return found
    indexes = range(len(run.sections))
    close_times = [sales_close_time(run, index, journey) for index in indexes]
    openings = [sales_open_time(run, index) for index in indexes]
    coming = [
        opening
        for opening, closing in zip(openings, close_times, strict=True)
        if opening is not None and now < opening < closing
    ]
    if coming:
        raise _sales_not_open(f"no section of {_train(run)} is on sale", min(coming))
    text = f"no section of {_train(run)} is on sale any more; sales closed at {_instant(max(close_times))} for this journey"
    raise Refusal(Reason.SALES_CLOSED, f"{text}; choose another train")


def sections_on_sale(run: TrainRun, journey: Journey, now: datetime) -> Sequence[int]:
    """Return the indexes of the sections that are on sale for the journey, in the order of sale; empty where none is."""
    if run.schedule.misses(journey.legs):
        return ()
    depart = run.schedule.expected_journey(journey).depart
    if run.section_sales is None:
        return range(len(run.sections)) if now < depart else ()
    # Written out: at the opening of a hot train, this is asked for each booking.
    return [
        index
        for index, sales in enumerate(run.section_sales)
        if (sales.open_time is None or now >= sales.open_time) and now < depart - sales.closes_before
    ]


def is_on_sale(run: TrainRun, section: int, journey: Journey, now: datetime) -> bool:
    """Whether the section with that index is on sale for the journey: opened, not closed, and the train still comes."""
    return section in sections_on_sale(run, journey, now)


def has_opened(run: TrainRun, section: int, now: datetime) -> bool:
    """Whether sales of the section with that index have opened. They may have closed since."""
    return run.section_sales is None or run.section_sales[section].has_opened(now)


def opened_sections(run: TrainRun, now: datetime) -> Sequence[int] | None:
    """Return the indexes of the sections that have opened, closed or not; None for all."""
    if run.section_sales is None:
        return None
    found = [index for index, sales in enumerate(run.section_sales) if sales.has_opened(now)]
    return None if len(found) == len(run.sections) else found


def sales_open_time(run: TrainRun, section: int) -> datetime | None:
    """Return when sales of the section with that index open; None where they are open as soon as the run exists."""
    return None if run.section_sales is None else run.section_sales[section].open_time


def sales_close_time(run: TrainRun, section: int, journey: Journey) -> datetime:
    """Return when sales of the section with that index close for the journey: at the expected departure, or before it."""
    depart = run.schedule.expected_journey(journey).depart
    if run.section_sales is None:
        return depart
    return depart - run.section_sales[section].closes_before


def first_open_time(run: TrainRun) -> datetime | None:
    """Return when the first section of a run opens; None where one is open as soon as the run exists."""
    times = [sales_open_time(run, index) for index in range(len(run.sections))]
    opening = [time for time in times if time is not None]
    return min(opening) if len(opening) == len(times) else None


def last_close_time(run: TrainRun, journey: Journey) -> datetime:
    """Return when the last section of a run closes for the journey."""
    return max(sales_close_time(run, index, journey) for index in range(len(run.sections)))


def opening_times(run: TrainRun) -> tuple[datetime, ...]:
    """Return the instants at which sections open, each once and in order. Sections that were always open have none."""
    if run.section_sales is None:
        return ()
    return tuple(sorted({sales.open_time for sales in run.section_sales if sales.open_time is not None}))


def _sales_not_open(text: str, open_time: datetime) -> Refusal:
    opening = _instant(open_time)
    message = f"{text} before {opening}; come back then"
    return Refusal(Reason.SALES_NOT_OPEN, message, details={OPEN_TIME_DETAIL: opening})


def _train(run: TrainRun) -> str:
    return f"train {run.number} of {run.travel_date}"


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace("+00:00", "Z")
