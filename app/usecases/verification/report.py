"""The report of a verification, and the context that its parts share.

Belongs here: counting and listing findings, the scope, progress, and paging through a collection. Does not belong here: which
records are read (`runs.py`, `payments.py`, `records.py`).
"""

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeVar

from app.domain.audit.check import Check, Finding
from app.domain.refusals import Refusal
from app.ports.clock import Clock
from app.store.audit_records import AuditRecords
from app.store.audit_runs import AuditRuns
from app.store.unreadable import NOUNS, READ_ERRORS, what_is_wrong

# Findings that are listed; a database with more of them has one cause, and the rest is only counted.
FINDINGS_LISTED_MAX = 1_000
# Documents read at a time, of runs, payments, entries and jobs alike: some hundred kilobytes.
PAGE = 500

Value = TypeVar("Value")
Document = Mapping[str, Any]

# Called with a collection and the number of its records that were checked.
Progress = Callable[[str, int], None]


@dataclass(slots=True)
class Report:
    """The number of records that were checked, and the findings. `wrong` and `warnings` count all findings, listed or not."""

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
        """Count findings, and list the first ones."""
        for finding in findings:
            if finding.is_warning:
                self.warnings += 1
            else:
                self.wrong += 1
            if len(self.findings) < FINDINGS_LISTED_MAX:
                self.findings.append(finding)

    def decode_readable(
        self, collection: str, documents: Iterable[Document], decode: Callable[[Any], Value]
    ) -> list[tuple[Document, Value]]:
        """Return the readable documents with what they decode to. Add a finding for each of the others."""
        values = []
        for document in documents:
            try:
                values.append((document, decode(document)))
            except (*READ_ERRORS, Refusal) as error:
                subject = f"{NOUNS[collection]} {document['_id']}"
                self.add([Finding(Check.READABLE, subject, f"cannot be read: {what_is_wrong(error)}")])
        return values

    def add_differing(self, collection: str, record_id: object, fields: Iterable[str]) -> None:
        """Add a finding for each field that contradicts the rest of its record."""
        subject = f"{NOUNS[collection]} {record_id}"
        self.add(Finding(Check.FIELDS, subject, f"has a {name} that contradicts its other fields") for name in fields)

    @property
    def document(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Scope:
    """The part of the database that is checked: by default, everything.

    With `since`: runs from that travel date on, and records that were changed from the beginning of that day (UTC) on. With
    `run_id`: one run with its bookings, payments and ledger entries.
    """

    since: date | None = None
    run_id: str = ""

    @property
    def first_date(self) -> str:
        """The first travel date that is checked; empty for any."""
        return "" if self.since is None else self.since.isoformat()

    def match(self, time_field: str) -> dict[str, Any]:
        """Return the query for records in the scope. `time_field` is the field with the time of their last change."""
        if self.since is None or not time_field:
            return {}
        return {time_field: {"$not": {"$lt": datetime.combine(self.since, time(), UTC)}}}


@dataclass(frozen=True, slots=True)
class AuditContext:
    """What every part of a verification works with. Nothing is wrong because it was due less than `tolerance` ago."""

    runs: AuditRuns
    records: AuditRecords
    provider_names: Collection[str]
    clock: Clock
    tolerance: timedelta
    scope: Scope
    report: Report
    progress: Progress

    @property
    def before(self) -> datetime:
        """What was due before this time should be done."""
        return self.clock() - self.tolerance

    async def pages(self, collection: str, time_field: str = "") -> AsyncIterator[list[dict[str, Any]]]:
        """Read a collection page by page, within the scope, and report the progress."""
        after, count, query = "", 0, self.scope.match(time_field)
        while documents := await self.records.list_documents(collection, after, PAGE, query):
            yield documents
            after, count = documents[-1]["_id"], count + len(documents)
            self.progress(collection, count)
