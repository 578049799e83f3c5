"""The report of a verification, and what it looks at.

Belongs here: findings counted and kept, the scope, and telling of progress. Does not: looking (`runs.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from app.domain.audit.seats import Check, Finding
from app.domain.refusals import Refusal
from app.store.audit_records import AuditRecords
from app.store.audit_runs import AuditRuns
from app.store.unreadable import NOUNS, READ_ERRORS, what_is_wrong

# Findings that are told one by one; a database with more of them has one cause, and the rest is counted.
FINDINGS_LISTED_MAX = 1_000
# Of runs, payments, entries and jobs alike: some hundred kilobytes.
PAGE = 500

Value = TypeVar("Value")

# Told what is looked at now (a collection), and how many of its records were.
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong. `wrong` and `warnings` count all findings, told or not."""

    runs: int = 0
    bookings: int = 0
    payments: int = 0
    ledger_entries: int = 0
    events: int = 0
    jobs: int = 0
    wrong: int = 0
    warnings: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Counts findings, and keeps the first ones."""
        for finding in findings:
            if finding.is_warning:
                self.warnings += 1
            else:
                self.wrong += 1
            if len(self.findings) < FINDINGS_LISTED_MAX:
                self.findings.append(finding)

    def readable(
        self, collection: str, documents: Iterable[Mapping[str, Any]], decode: Callable[[Any], Value]
    ) -> list[tuple[Mapping[str, Any], Value]]:
        """Those of the documents that can be read, as they are stored and decoded; the others are findings."""
        values = []
        for document in documents:
            try:
                values.append((document, decode(document)))
            except (*READ_ERRORS, Refusal) as error:
                subject = f"{NOUNS[collection]} {document['_id']}"
                self.add([Finding(Check.READABLE, subject, f"cannot be read: {what_is_wrong(error)}")])
        return values

    def add_differing(self, collection: str, record_id: object, fields: Iterable[str]) -> None:
        """Adds a finding for each field that contradicts the rest of its record."""
        subject = f"{NOUNS[collection]} {record_id}"
        self.add(Finding(Check.FIELDS, subject, f"has another {name} than follows from it") for name in fields)

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: everything; with `since`, runs that travel on that date or later and records that were changed from
    its beginning (UTC) on; with `run_id`, one run with its bookings, payments and ledger entries.
    """

    since: date | None = None
    run_id: str = ""

    @property
    def first_date(self) -> str:
        """The first travel date that is looked at; empty for any."""
        return "" if self.since is None else self.since.isoformat()

    def match(self, moment: str) -> dict[str, Any]:
        """The question for records by the field that says when they were changed last."""
        if self.since is None:
            return {}
        return {moment: {"$not": {"$lt": datetime.combine(self.since, time(), UTC)}}}


@dataclass(frozen=True, slots=True)
class AuditContext:
    """What every part of a verification works with. What is under way for at most `tolerance` is not wrong for that."""

    census: AuditRuns
    records: AuditRecords
    clock: Callable[[], datetime]
    tolerance: timedelta
    scope: Scope
    report: Report
    progress: Progress

    @property
    def before(self) -> datetime:
        """What was due before then should be done."""
        return self.clock() - self.tolerance
