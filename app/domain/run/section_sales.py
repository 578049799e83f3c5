"""When each section of a run is on sale.

Belongs here: which of several windows counts for a section, and its opening on the run's date. Does not belong here: the window
(`app/domain/sales_window.py`), what is refused outside it (`app/domain/rules/sales_windows.py`).

Of several windows, the most special one counts, and it counts as a whole:

    1. the run's own for the section        SetSalesWindow with a section
    2. the run's own                        SetSalesWindow
    3. that of the train for the section    Train.sections.sales_window, as the run was scheduled with it
    4. that of the train                    Train.sales_window, likewise
"""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from app.domain.sales_window import SalesWindow, opening_time
from app.domain.terms import SalesTerms
from app.domain.values import value

# The section of a run's own window for all sections.
ALL_SECTIONS = ""


@value(frozen=True, slots=True)
class SectionSales:
    """A section opens at `open_time`, or with the run where it is None, and closes `closes_before` the departure."""

    open_time: datetime | None
    closes_before: timedelta

    def has_opened(self, now: datetime) -> bool:
        """Whether sales have opened. They may have closed since."""
        return self.open_time is None or now >= self.open_time


_ALWAYS = SectionSales(None, timedelta(0))


def counting_window(section: str, run_windows: Iterable[tuple[str, SalesWindow]], terms: SalesTerms) -> SalesWindow:
    """Return the window that counts for a section. `run_windows` are the run's own."""
    own, of_train = dict(run_windows), dict(terms.section_windows)
    for windows, name in ((own, section), (own, ALL_SECTIONS), (of_train, section)):
        if name in windows:
            return windows[name]
    return terms.sales_window


def sales_of_sections(
    sections: Iterable[str],
    run_windows: tuple[tuple[str, SalesWindow], ...],
    terms: SalesTerms,
    travel_date: str,
    zone_name: str,
) -> tuple[SectionSales, ...] | None:
    """Return when each section is on sale, in their order; None where all are open from the beginning until the departure.

    `zone_name` is the time zone of the first stop.
    """
    if not run_windows and not terms.has_sales_windows:
        return None
    sales: list[SectionSales] = []
    for section in sections:
        window = counting_window(section, run_windows, terms)
        open_time = opening_time(window, date.fromisoformat(travel_date), zone_name)
        sales.append(SectionSales(open_time, timedelta(minutes=window.closes_minutes_before)))
    return None if all(section_sales == _ALWAYS for section_sales in sales) else tuple(sales)
