"""What the job engine and the outbox need of the store's jobs.

Belongs here: the protocols. Does not belong here: statements (`app/store/jobs.py`).
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from app.domain.jobs import Job


class JobSink(Protocol):
    """Takes new jobs."""

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int:
        """Insert the jobs whose ids are not stored yet, in whatever state; return their number.

        Refuses DATABASE_UNAVAILABLE.
        """


class JobStore(JobSink, Protocol):
    """Jobs and the leases on them. Every method refuses DATABASE_UNAVAILABLE."""

    async def bring_forward(self, job_id: str, due_time: datetime) -> None:
        """Make a job due at `due_time`, if it is due later and nobody holds it."""

    async def lease_due(self, kinds: Collection[str], now: datetime, lease_seconds: float, owner: str, limit: int) -> list[Job]:
        """Lease at most `limit` due jobs of these kinds, the earliest ready first; fewer do not mean that there are no more.

        All carry one `lease_owner`, which is new with each call and begins with `owner`.
        """

    async def renew(self, job_ids: Sequence[str], lease_owner: str, lease_until: datetime) -> int:
        """Extend the lease; return how many of the jobs it still holds."""

    async def release(self, job_ids: Sequence[str], lease_owner: str, now: datetime) -> int:
        """Give back jobs that were taken and not started; return how many of them the lease still held."""

    async def record_outcomes(self, jobs: Sequence[Job], lease_owner: str) -> int:
        """Write the outcomes of the jobs that the lease still holds; return their number. The others stay as they are."""

    async def next_ready_time(self, kinds: Collection[str]) -> datetime | None:
        """Return when the first pending job of these kinds may be taken, which may have passed; None if there is none."""
