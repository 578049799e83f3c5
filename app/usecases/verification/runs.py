"""Verification: the whole database is gone through, and what is wrong with it is told.

Belongs here: the way through runs with their bookings and payments. Does not: money by itself (`money.py`), all other
records (`records.py`), what has to hold (`app/domain`), nor the process and the words on a screen.

It changes nothing, and takes as much memory as one run with its bookings, whatever there is. It may go on while the service
sells: a run is looked at as it was at one moment, and everywhere else the record that follows is read before the one it
follows, so that a step under way looks like one that is to come, for which there is tolerance.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.audit.bookings import check_bookings, check_history
from app.domain.audit.money import check_booking_balance
from app.domain.audit.payments import check_authorization
from app.domain.audit.runs import check_layout, wrong_holds
from app.domain.audit.seats import Check, Finding, check_outbox, check_references, check_run
from app.store.audit_records import AuditRecords
from app.store.audit_runs import AuditRuns, RunSize, RunSnapshot
from app.store.driver import Database
from app.usecases.verification.money import verify_ledger, verify_payment_page, verify_payments
from app.usecases.verification.records import verify_events, verify_jobs, verify_others
from app.usecases.verification.report import FINDINGS_LISTED_MAX, PAGE, AuditContext, Progress, Report, Scope

# Runs of one picture: their documents are read in one answer of at most 16 MB, and of the largest train one takes 60 kB.
_RUNS_MAX = 100
# Bookings of one picture, unless a single run has more: ten megabytes.
_BOOKINGS_MAX = 5_000


@dataclass(frozen=True, slots=True)
class AuditSources:
    """Where to look. `clock` gives the present moment."""

    census: AuditRuns
    records: AuditRecords
    clock: Callable[[], datetime]


def audit_sources(database: Database, clock: Callable[[], datetime]) -> AuditSources:
    """All that is looked at in one database."""
    return AuditSources(AuditRuns(database), AuditRecords(database), clock)


class Verification:
    """One way through the database. What is under way for at most `tolerance` is not wrong for that."""

    def __init__(
        self,
        sources: AuditSources,
        tolerance: timedelta,
        scope: Scope | None = None,
        progress: Progress = lambda collection, count: None,
    ) -> None:
        self._report = Report()
        self._audit = AuditContext(
            sources.census, sources.records, sources.clock, tolerance, scope or Scope(), self._report, progress
        )

    async def verify(self) -> Report:
        """Looks at everything in the scope. Refuses DATABASE_UNAVAILABLE in an outage."""
        if self._audit.scope.run_id:
            await self._verify_batch([self._audit.scope.run_id])
            return self._report
        await self._verify_runs()
        await verify_payments(self._audit)
        await verify_ledger(self._audit)
        await verify_events(self._audit)
        await verify_jobs(self._audit)
        await verify_others(self._audit)
        return self._report

    async def _verify_runs(self) -> None:
        after = ""
        while page := await self._audit.census.list_runs(after, PAGE, self._audit.scope.first_date):
            for batch in _batches(page):
                await self._verify_batch(batch)
            after = page[-1].run_id
        for reference in await self._audit.census.list_stray_bookings(FINDINGS_LISTED_MAX):
            text = "cannot be read: run_id is no text"
            self._report.add([Finding(Check.READABLE, f"booking {reference}", text)])

    async def _verify_batch(self, run_ids: list[str]) -> None:
        for picture in await self._audit.census.read_run_snapshots(run_ids, self._audit.clock()):
            self._report.runs += 1
            self._report.bookings += len(picture.bookings)
            self._verify_run(picture)
            if self._audit.scope.run_id:
                await verify_payment_page(self._audit, list(picture.payments.values()))
        self._audit.progress("train_runs", self._report.runs)

    def _verify_run(self, picture: RunSnapshot) -> None:
        report, now, tolerance, run = self._report, self._audit.clock(), self._audit.tolerance, picture.run
        subject = f"run {picture.run_id}"
        report.add(Finding(Check.READABLE, *fault) for fault in picture.unreadable)
        report.add(Finding(Check.FIELDS, *fault) for fault in picture.contradicting)
        if picture.is_missing:
            text = "has bookings, and there is no such run" if picture.bookings else "is not there"
            report.add([Finding(Check.READABLE, subject, text)])
        if run is not None:
            bookings = picture.bookings
            report.add(check_run(run, bookings, now, tolerance))
            report.add(check_bookings(run, bookings))
            report.add(check_history(run, bookings, picture.commits, now - tolerance, now))
            report.add(Finding(Check.HOLDS, subject, text) for text in wrong_holds(run, now))
            if picture.moments is not None:
                report.add(check_layout(run, picture.train, picture.moments))
            if not picture.has_last_commit:
                report.add([Finding(Check.HISTORY, subject, f"has version {run.version}, of which there are no events")])
        report.add(check_references(picture.run_id, picture.duplicated, picture.bookings_of_other_runs))
        report.add(check_outbox(picture.run_id, picture.outbox, now - tolerance))
        self._verify_money(picture, now)

    def _verify_money(self, picture: RunSnapshot, now: datetime) -> None:
        for booking in picture.bookings.values():
            if booking.payment_id:
                kept = picture.payments.get(booking.payment_id)
                payment = None if kept is None else kept.payment
                self._report.add(check_booking_balance(booking, payment, now, self._audit.tolerance))
                if payment is not None:
                    self._report.add(check_authorization(booking, payment))


def _batches(page: list[RunSize]) -> Iterator[list[str]]:
    """Runs that are read together."""
    batch: list[str] = []
    bookings = 0
    for run in page:
        if batch and (len(batch) == _RUNS_MAX or bookings + run.bookings > _BOOKINGS_MAX):
            yield batch
            batch, bookings = [], 0
        batch.append(run.run_id)
        bookings += run.bookings
    if batch:
        yield batch
