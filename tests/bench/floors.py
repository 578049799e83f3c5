"""Floors: limits that figures must keep.

Belongs here: each floor with its limit, and the judgement. Does not belong here: measuring.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.results import Results

RSS_MB_MAX = 150.0
LAYOUT_CHANGE_MS_MAX = 250.0
TICKET_PDF_MS_MAX = 20.0
MAILS_PER_SECOND_AND_CORE_MIN = 20.0  # what a worker sends by default (SEATLINE_SMTP_PER_SECOND_MAX), on one core
MAIL_TO_PDF_MAX = 5.0
MAIL_WORKER_RSS_MB_MAX = 256.0  # what the chart requests for a worker


@dataclass(frozen=True)
class Floor:
    """A limit of one figure: a minimum where `at_least`, else a maximum."""

    name: str
    title: str
    limit: float
    at_least: bool


@dataclass(frozen=True)
class Verdict:
    """A floor and its figure; None where the part that measures it did not run."""

    floor: Floor
    value: float | None

    @property
    def is_met(self) -> bool:
        """Whether the figure keeps the limit. A figure that was not measured does not fail."""
        if self.value is None:
            return True
        return self.value >= self.floor.limit if self.floor.at_least else self.value <= self.floor.limit

    def to_dict(self) -> dict[str, object]:
        """Return the verdict for the JSON file."""
        sign = ">=" if self.floor.at_least else "<="
        result = None if self.value is None else self.is_met
        return {"name": self.floor.name, "value": self.value, "floor": f"{sign} {self.floor.limit:g}", "met": result}


FLOORS = (
    Floor("hot_run_to_echo_256", "one run, 256 callers, to a bare echo", 0.7, at_least=True),
    Floor("hot_run_to_naive", "one run to read-swap-retry, 64 callers", 50.0, at_least=True),
    Floor("spread_to_echo", "50 runs, 256 callers, to a bare echo", 0.5, at_least=True),
    Floor("seats_2000_to_100", "cost of a booking, 2,000 seats to 100", 1.3, at_least=False),
    Floor("commit_bytes_2000_to_100", "bytes of a commit, 2,000 seats to 100", 1.1, at_least=False),
    Floor("lone_p50_to_update", "p50 of a lone caller to a bare update", 2.5, at_least=False),
    Floor("two_replicas_to_one", "two servers on one run, rate to one alone", 0.8, at_least=True),
    Floor("two_replicas_p99_to_one", "two servers on one run, p99 to one alone", 3.0, at_least=False),
    Floor("two_replicas_share_min", "two servers, the smaller one's fair share", 0.5, at_least=True),
    Floor("traced_to_untraced", "1 % of the calls traced, to none", 0.95, at_least=True),
    Floor("layout_change_p50", "removing a coach with 100 passengers, ms", LAYOUT_CHANGE_MS_MAX, at_least=False),
    Floor("ticket_pdf_p50", "a ticket as PDF with its QR, ms", TICKET_PDF_MS_MAX, at_least=False),
    Floor("ticket_mails_per_second_and_core", "ticket mails per second and core", MAILS_PER_SECOND_AND_CORE_MIN, at_least=True),
    Floor("ticket_mail_to_pdf", "cost of a ticket's mail, to its PDF", MAIL_TO_PDF_MAX, at_least=False),
    Floor("ticket_mail_worker_rss_peak", "memory of a worker that sends mails, MB", MAIL_WORKER_RSS_MB_MAX, at_least=False),
    Floor("rss_mb_after_100k", "memory after 100,000 bookings, MB", RSS_MB_MAX, at_least=False),
    Floor("rss_growth_after_100k", "memory after more bookings, to before", 1.1, at_least=False),
)


def judge(results: Results) -> list[Verdict]:
    """Return every floor with its figure."""
    return [Verdict(floor, _figure(results, floor.name)) for floor in FLOORS]


def _figure(results: Results, name: str) -> float | None:
    if name == "rss_mb_after_100k":
        return results.rss_mb_after_100k
    return results.ratios.get(name, results.value(name))
