"""The leases that a worker holds.

Belongs here: which jobs each lease still holds, and renewing it. Does not belong here: taking jobs (`worker.py`), nor
statements (`app/store/jobs.py`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.domain.jobs import Job
from app.ports.clock import Clock
from app.ports.jobs import JobStore

# A lease that was taken or renewed a moment ago is not renewed yet.
_RENEW_BELOW = 0.7  # of a lease's length


@dataclass(slots=True)
class Lease:
    """One statement's jobs: until when they are held, and those whose outcome is not written yet."""

    owner: str
    until: datetime
    job_ids: set[str]


class Leases:
    """The leases of one worker on jobs of `jobs`, each of the given length. `clock` returns the present moment."""

    def __init__(self, jobs: JobStore, clock: Clock, length: timedelta) -> None:
        self._jobs, self._clock, self._length = jobs, clock, length
        self._leases: dict[str, Lease] = {}

    def add(self, jobs: Sequence[Job], taken_at: datetime) -> Lease:
        """Return the lease on jobs that were taken together at `taken_at`, and renew it from now on."""
        lease = Lease(jobs[0].lease_owner, taken_at + self._length, {job.job_id for job in jobs})
        self._leases[lease.owner] = lease
        return lease

    def forget(self, lease: Lease, job_ids: Iterable[str]) -> None:
        """Stop renewing the lease for these jobs."""
        lease.job_ids.difference_update(job_ids)
        if not lease.job_ids:
            self._leases.pop(lease.owner, None)

    async def renew(self) -> None:
        """Renew each lease that has used up a good part of its length. Refuses DATABASE_UNAVAILABLE."""
        for lease in list(self._leases.values()):
            now = self._clock()
            if lease.job_ids and lease.until - now < _RENEW_BELOW * self._length:
                until = now + self._length
                if await self._jobs.renew(list(lease.job_ids), lease.owner, until):
                    lease.until = until
