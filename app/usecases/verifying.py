"""Verifying: the whole database is gone through, and what is wrong with it is told.

Belongs here: the way through runs, money, events and jobs, and what comes of it. Does not: what has to hold
(`app/domain/invariants.py`, `app/domain/accounts.py`), nor the process and the words on a screen.

It changes nothing, and takes as much memory as one run with its bookings, whatever there is. It may go on while the service
sells: a run is looked at as it was at one moment, and everywhere else the record that follows is read before the one it
follows, so that a step under way looks like one that is to come, for which there is patience.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.domain.accounts import check_booking, check_entry, check_payment, check_unknown_entry
from app.domain.invariants import Check, Finding, check_outbox, check_references, check_run
from app.domain.jobs import JobState
from app.domain.payments import AttemptKind, operation_key
from app.domain.selling import first_reference, request_references
from app.payments.ledger import NAME as LEDGER
from app.store.census import Census, RunPicture, UnreadableError
from app.store.documents import events_from
from app.store.events import Events
from app.store.jobs import Jobs, job_key
from app.store.ledger import Ledger, entry_from
from app.store.payments import KeptPayment, Payments, payment_from
from app.store.unreadable import NOUNS, READ_ERRORS, what_is_wrong
from app.usecases.paying import LET_GO_AFTER_SECONDS

# Of runs, payments, entries and jobs alike: some hundred kilobytes.
_PAGE = 500
# Findings that are told one by one; a database with more of them has one cause, and the rest is counted.
FINDINGS_TOLD_MAX = 1_000

Value = TypeVar("Value")


@dataclass(slots=True)
class Report:
    """What was looked at, and what is wrong. `wrong` and `warnings` count all findings, told or not."""

    runs: int = 0
    bookings: int = 0
    payments: int = 0
    ledger_entries: int = 0
    wrong: int = 0
    warnings: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        """Counts findings, and keeps the first ones."""
        for one in findings:
            if one.is_warning:
                self.warnings += 1
            else:
                self.wrong += 1
            if len(self.findings) < FINDINGS_TOLD_MAX:
                self.findings.append(one)

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON can hold it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to look. `clock` gives the present moment."""

    census: Census
    payments: Payments
    ledger: Ledger
    events: Events
    jobs: Jobs
    clock: Callable[[], datetime]


class Verifying:
    """One way through the database. What is under way for at most `patience` is not wrong for that."""

    def __init__(self, sources: Sources, patience: timedelta) -> None:
        self._sources, self._patience = sources, patience
        self._report = Report()

    async def verify(self) -> Report:
        """Looks at everything. Refuses DATABASE_UNAVAILABLE in an outage."""
        await self._verify_runs()
        await self._verify_payments()
        await self._verify_ledger()
        await self._verify_events()
        await self._verify_jobs()
        return self._report

    @property
    def _before(self) -> datetime:
        """What was due before then should be done."""
        return self._sources.clock() - self._patience

    async def _verify_runs(self) -> None:
        after = ""
        while page := await self._sources.census.list_run_ids(after, _PAGE):
            for run_id in page:
                await self._verify_run(run_id)
            after = page[-1]

    async def _verify_run(self, run_id: str) -> None:
        self._report.runs += 1
        try:
            picture = await self._sources.census.picture(run_id)
        except UnreadableError as error:
            self._report.add([Finding(Check.READABLE, f"run {run_id}", str(error))])
            return
        if picture is None:
            self._report.add([Finding(Check.READABLE, f"run {run_id}", "has bookings, and there is no such run")])
            return
        self._report.bookings += len(picture.bookings)
        self._report.add(check_run(picture.run, picture.bookings, self._sources.clock(), self._patience))
        self._report.add(check_references(run_id, picture.twice, picture.elsewhere))
        self._report.add(check_outbox(run_id, picture.outbox, self._before))
        self._verify_money(picture)

    def _verify_money(self, picture: RunPicture) -> None:
        now = self._sources.clock()
        for booking in picture.bookings.values():
            if booking.payment_id:
                kept = picture.payments.get(booking.payment_id)
                self._report.add(check_booking(booking, kept.payment if kept else None, now, self._patience))

    async def _verify_payments(self) -> None:
        after = ""
        while documents := await self._sources.census.list_documents("payments", after, _PAGE):
            page = self._readable("payments", documents, payment_from)
            self._report.payments += len(documents)
            await self._verify_bookings_of(page)
            await self._verify_entries_of([one for one in page if one.payment.provider == LEDGER])
            after = documents[-1]["_id"]

    async def _verify_bookings_of(self, page: Sequence[KeptPayment]) -> None:
        """Nearly all are found under the first reference of their request."""
        first = await self._sources.census.resting_on_payments(
            [first_reference(kept.user_key, kept.request_id) for kept in page]
        )
        rests = {one.payment_id: [one] for one in first.values()}
        left = [kept for kept in page if kept.payment.payment_id not in rests]
        references = {one.payment.payment_id: request_references(one.user_key, one.request_id) for one in left}
        found = await self._sources.census.resting_on_payments([one for ones in references.values() for one in ones])
        open_max = timedelta(seconds=LET_GO_AFTER_SECONDS) + self._patience
        now = self._sources.clock()
        for kept in page:
            own = references.get(kept.payment.payment_id, ())
            bookings = rests.get(kept.payment.payment_id) or [found[one] for one in own if one in found]
            self._report.add(check_payment(kept.payment, kept.request_id, bookings, now, open_max))

    async def _verify_entries_of(self, page: Sequence[KeptPayment]) -> None:
        keys = {one.payment.payment_id: operation_key(one.payment.payment_id, AttemptKind.AUTHORIZE) for one in page}
        entries = await self._sources.ledger.find_many(list(keys.values()))
        now = self._sources.clock()
        for kept in page:
            entry = entries.get(keys[kept.payment.payment_id])
            self._report.add(check_entry(kept.payment, entry, now, self._patience))

    async def _verify_ledger(self) -> None:
        after = ""
        while documents := await self._sources.census.list_documents("ledger", after, _PAGE):
            page = self._readable("ledger", documents, entry_from)
            self._report.ledger_entries += len(documents)
            owners = {entry.key: entry.key.rpartition(":")[0] for entry in page}
            known = await self._sources.payments.find(list(owners.values()))
            for entry in page:
                if owners[entry.key] not in known:
                    self._report.add(check_unknown_entry(entry, self._before))
            after = documents[-1]["_id"]

    async def _verify_events(self) -> None:
        before, after = self._before, ""
        while documents := await self._sources.census.list_documents("events", after, _PAGE):
            for commit, events in zip(documents, self._readable("events", documents, events_from), strict=False):
                for event in events if commit.get("is_new") and events[0].time < before else ():
                    since = f"{event.time:%Y-%m-%d %H:%M:%S}"
                    text = f"{event.event_type} of {event.subject} is not followed up since {since}; is a worker running?"
                    self._report.add([Finding(Check.EVENTS, f"event {event.event_id}", text)])
            after = documents[-1]["_id"]

    def _readable(self, collection: str, documents: Iterable[Mapping[str, Any]], decode: Callable[[Any], Value]) -> list[Value]:
        """Those of the documents that can be read; the others are findings."""
        values = []
        for document in documents:
            try:
                values.append(decode(document))
            except READ_ERRORS as error:
                subject = f"{NOUNS[collection]} {document['_id']}"
                self._report.add([Finding(Check.READABLE, subject, f"cannot be read: {what_is_wrong(error)}")])
        return values

    async def _verify_jobs(self) -> None:
        jobs = await self._sources.jobs.list_page(JobState.DEAD, None, None, _PAGE)
        while jobs:
            for job in jobs:
                text = f"is dead after {job.attempts} attempts: {job.last_error}"
                self._report.add([Finding(Check.JOBS, f"job {job.job_id}", text, is_warning=True)])
            jobs = await self._sources.jobs.list_page(JobState.DEAD, None, job_key(jobs[-1]), _PAGE)
