"""Verification of runs with their bookings and the payments of these.

Belongs here: the way through runs, in batches that share a snapshot. Does not belong here: payments and other records by
themselves (`payments.py`, `records.py`), or the rules (`app/domain/audit`).
"""

from collections.abc import Iterator

from app.domain.audit.check import Check, Finding, run_rules
from app.domain.audit.money import AuditedCharge
from app.domain.audit.rules import CHARGE_RULES, REFERENCE_RULES, RUN_RULES
from app.store.audit_runs import RunSize, RunSnapshot
from app.usecases.verification.payments import verify_payment_page
from app.usecases.verification.report import FINDINGS_LISTED_MAX, PAGE, AuditContext

# Runs of one snapshot: their documents are read in one answer of at most 16 MB, and one of the largest train takes 60 kB.
_RUNS_MAX = 100
# Bookings of one snapshot, unless a single run has more: ten megabytes.
_BOOKINGS_MAX = 5_000


async def verify_runs(audit: AuditContext) -> None:
    """Check each run of the scope with its bookings and their payments."""
    after = ""
    while page := await audit.runs.list_runs(after, PAGE, audit.scope.first_date):
        for batch in _batches(page):
            await _verify_batch(audit, batch)
        after = page[-1].run_id
    for reference in await audit.runs.list_stray_bookings(FINDINGS_LISTED_MAX):
        text = "cannot be read: run_id is no text"
        audit.report.add([Finding(Check.READABLE, f"booking {reference}", text)])


async def verify_one_run(audit: AuditContext, run_id: str) -> None:
    """Check one run with its bookings, payments and ledger entries."""
    for snapshot in await _verify_batch(audit, [run_id]):
        await verify_payment_page(audit, list(snapshot.payments.values()))


async def _verify_batch(audit: AuditContext, run_ids: list[str]) -> list[RunSnapshot]:
    snapshots = await audit.runs.read_run_snapshots(run_ids, audit.clock())
    for snapshot in snapshots:
        audit.report.runs += not snapshot.is_deleted
        audit.report.bookings += len(snapshot.bookings)
        _verify_run(audit, snapshot)
        _verify_charges(audit, snapshot)
    audit.progress("train_runs", audit.report.runs)
    return snapshots


def _verify_run(audit: AuditContext, snapshot: RunSnapshot) -> None:
    report, subject = audit.report, f"run {snapshot.run_id}"
    report.add(Finding(Check.READABLE, *fault) for fault in snapshot.unreadable)
    report.add(Finding(Check.FIELDS, *fault) for fault in snapshot.contradicting)
    if snapshot.is_missing:
        text = "has bookings, and there is no such run" if snapshot.bookings else "is not stored"
        report.add([Finding(Check.READABLE, subject, text)])
    if snapshot.is_deleted and snapshot.bookings:
        report.add([Finding(Check.READABLE, subject, "has bookings, and was deleted")])
    if snapshot.run is not None:
        record = snapshot.audited_run(snapshot.run, audit.clock(), audit.tolerance)
        report.add(run_rules(RUN_RULES, subject, record))
    report.add(run_rules(REFERENCE_RULES, subject, snapshot.references))


def _verify_charges(audit: AuditContext, snapshot: RunSnapshot) -> None:
    before = audit.before
    for booking in snapshot.bookings.values():
        if booking.payment_id:
            stored = snapshot.payments.get(booking.payment_id)
            record = AuditedCharge(booking, None if stored is None else stored.payment, before)
            audit.report.add(run_rules(CHARGE_RULES, f"booking {booking.reference}", record))


def _batches(page: list[RunSize]) -> Iterator[list[str]]:
    """Group runs that are read together."""
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
