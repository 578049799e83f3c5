"""Rules about the sale of a run: its own windows, and who bought before the sale opened.

Belongs here: the windows of a run's document, and bookings against the opening. Does not belong here: the terms of a train
(`trains.py`), which are compared with those of the run in `runs.py`.
"""

from collections.abc import Iterator
from datetime import date, datetime

from app.domain.audit.check import WarningText
from app.domain.audit.run_record import AuditedRun
from app.domain.booking import Booking
from app.domain.refusals import InvalidField
from app.domain.run.section_sales import ALL_SECTIONS, counting_window
from app.domain.run.train_run import TrainRun
from app.domain.sales_window import check_sales_window, opening_time


def wrong_sales_windows(record: AuditedRun) -> Iterator[str]:
    """Find windows of a run for no section, twice for one, or out of the limits."""
    run = record.run
    if run.opened_until is not None and run.opened_until > record.now + record.tolerance:
        yield f"has promoted its waitlist to what opens until {run.opened_until}"
    names = [name for name, _ in run.sales_windows]
    if len(set(names)) < len(names):
        yield f"has two sales windows for one of the sections {', '.join(names)}"
    for name, window in run.sales_windows:
        if name != ALL_SECTIONS and name not in _sections(run):
            yield f"has a sales window for section {name}, which it does not have"
        try:
            check_sales_window(window, "sales_window")
        except InvalidField as refusal:
            yield f"has the sales window {window} for section {name or 'any'}: {refusal.message}"


def sold_before_opening(record: AuditedRun) -> Iterator[str]:
    """Find bookings that were made before the sale opened in every section that they may have asked for.

    A window may have changed since: that is impossible where no commit of the run was without an event, and else a question to
    an operator.
    """
    run = record.run
    if not run.sales_windows and not run.terms.has_sales_windows:
        return
    opening = {name: _opening(run, name) for name in _sections(run)}
    early = sorted(
        (booking.create_time, booking.reference)
        for booking in record.bookings.values()
        if _is_before(booking.create_time, _openings_of(booking, opening))
    )
    if early:
        create_time, reference = early[0]
        text = f"{len(early)} bookings were made before the sale opened, first {reference} at {create_time}"
        yield text if not run.eventless_version else WarningText(f"{text}; was the sales window changed since?")


def _sections(run: TrainRun) -> list[str]:
    return [section.name for section in (*run.sections, *run.retired_sections)]


def _opening(run: TrainRun, section: str) -> datetime | None:
    window = counting_window(section, run.sales_windows, run.terms)
    return opening_time(window, date.fromisoformat(run.travel_date), run.stops[0].time_zone)


def _openings_of(booking: Booking, opening: dict[str, datetime | None]) -> list[datetime | None]:
    """Return the openings of the sections that a booking may have been sold in."""
    return [opening[booking.wanted_section]] if booking.wanted_section in opening else list(opening.values())


def _is_before(create_time: datetime, openings: list[datetime | None]) -> bool:
    return all(opening is not None and create_time < opening for opening in openings)
