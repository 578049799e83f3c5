"""One verification: the whole database, or a part of it, against every invariant.

Belongs here: the list of collections and the order in which they are checked. Does not belong here: how each is checked
(`runs.py`, `payments.py`, `records.py`), the rules (`app/domain/audit`), or the process and its output.

A verification changes nothing, and takes as much memory as one run with its bookings, whatever the database holds. It may run
while the service sells: a run is checked as of one moment, and everywhere else the record that follows from another is read
before it, so that a step under way looks like one that is still to come, and the tolerance covers it.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.ports.clock import Clock
from app.store.audit_records import AuditRecords
from app.store.audit_runs import AuditRuns
from app.store.driver import Database
from app.usecases.verification.layouts import verify_layout_jobs, verify_layout_outcomes, verify_train_versions
from app.usecases.verification.notices import verify_notices, verify_notification_preferences
from app.usecases.verification.payments import verify_ledger, verify_payments
from app.usecases.verification.records import (
    verify_deliveries,
    verify_events,
    verify_jobs,
    verify_trains,
    verify_users,
    verify_webhooks,
)
from app.usecases.verification.report import AuditContext, Progress, Report, Scope
from app.usecases.verification.runs import verify_one_run, verify_runs

# Every collection of the database, in the order in which they are checked. Payments come after runs and the ledger after
# payments: each is read before the record that it follows from. So are layout jobs before trains.
_PARTS: Sequence[Callable[[AuditContext], Awaitable[None]]] = (
    verify_runs,
    verify_payments,
    verify_ledger,
    verify_events,
    verify_notices,
    verify_notification_preferences,
    verify_jobs,
    verify_layout_outcomes,
    verify_layout_jobs,
    verify_train_versions,
    verify_trains,
    verify_users,
    verify_webhooks,
    verify_deliveries,
)


@dataclass(frozen=True, slots=True)
class AuditSources:
    """Where the records come from. `clock` gives the present time, `provider_names` the payment providers there are."""

    runs: AuditRuns
    records: AuditRecords
    provider_names: Collection[str]
    clock: Clock


def audit_sources(database: Database, provider_names: Collection[str], clock: Clock) -> AuditSources:
    """Return the sources of one database."""
    return AuditSources(AuditRuns(database), AuditRecords(database), provider_names, clock)


class Verification:
    """One verification. Nothing is wrong because it was due less than `tolerance` ago."""

    def __init__(
        self,
        sources: AuditSources,
        tolerance: timedelta,
        scope: Scope | None = None,
        progress: Progress = lambda collection, count: None,
    ) -> None:
        self._context = AuditContext(
            runs=sources.runs,
            records=sources.records,
            provider_names=sources.provider_names,
            clock=sources.clock,
            tolerance=tolerance,
            scope=scope or Scope(),
            report=Report(),
            progress=progress,
        )

    async def verify(self) -> Report:
        """Check everything in the scope. Refuses DATABASE_UNAVAILABLE in an outage."""
        context = self._context
        if context.scope.run_id:
            await verify_one_run(context, context.scope.run_id)
        else:
            for verify_part in _PARTS:
                await verify_part(context)
        return context.report
