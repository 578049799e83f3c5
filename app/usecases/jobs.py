"""What operators do with jobs.

Belongs here: listing jobs, and retrying dead ones. Does not belong here: running jobs (`app/jobs`).
"""

from app.domain.jobs import Job, JobState
from app.domain.refusals import Reason, Refusal
from app.ports.clock import Clock
from app.store.jobs import JobKey, job_key
from app.store.store import Store


class JobUseCases:
    """Use cases of jobs. `clock` returns the present moment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._jobs, self._clock = store.jobs, clock

    async def list_page(
        self, state: JobState, kind: str | None, after: JobKey | None, limit: int
    ) -> tuple[list[Job], JobKey | None]:
        """Return a page of jobs in a state, of one kind or of all, by kind and job_id, and the key of the next page."""
        found = await self._jobs.list_page(state, kind, after, limit + 1)
        page = found[:limit]
        return page, job_key(page[-1]) if len(found) > limit else None

    async def retry(self, job_id: str) -> None:
        """Retry a dead job. Of simultaneous callers, each may be answered that it was retried. Refuses JOB_NOT_FOUND."""
        job = await self._jobs.get(job_id)
        if job is None:
            raise _not_found(job_id, f"there is no job {job_id!r}")
        if job.state is not JobState.DEAD:
            raise _not_found(job_id, f"job {job_id!r} is {job.state.value}, not DEAD; only dead jobs are retried")
        await self._jobs.retry(job_id, self._clock())

    async def retry_all(self, kind: str) -> int:
        """Retry all dead jobs of a kind; return their number."""
        return await self._jobs.retry_all(kind, self._clock())


def _not_found(job_id: str, text: str) -> Refusal:
    return Refusal(Reason.JOB_NOT_FOUND, text, resource=("job", job_id))
