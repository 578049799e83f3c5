"""Jobs: what operators do with them.

Belongs here: looking at jobs, and having dead ones tried again. Does not: doing them (`app/jobs/worker.py`).
"""

from collections.abc import Callable
from datetime import datetime

from app.domain.jobs import Job, JobState
from app.domain.people import Caller, require_operator
from app.domain.refusals import Reason, Refusal
from app.store.jobs import JobKey, job_key
from app.store.store import Store


class JobUseCases:
    """The use cases around jobs. `clock` gives the present moment."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._jobs, self._clock = store.jobs, clock

    async def list_page(
        self, caller: Caller, state: JobState, kind: str | None, after: JobKey | None, limit: int
    ) -> tuple[list[Job], JobKey | None]:
        """A page of jobs in a state, of one kind or of all, by kind and job_id, and where the next page begins."""
        require_operator(caller)
        found = await self._jobs.list_page(state, kind, after, limit + 1)
        page = found[:limit]
        return page, job_key(page[-1]) if len(found) > limit else None

    async def retry(self, caller: Caller, job_id: str) -> None:
        """Has a dead job tried again; of callers at once, each may be told that it was. Refuses JOB_NOT_FOUND."""
        require_operator(caller)
        job = await self._jobs.get(job_id)
        if job is None:
            raise _not_found(job_id, f"there is no job {job_id!r}")
        if job.state is not JobState.DEAD:
            raise _not_found(job_id, f"job {job_id!r} is {job.state.value}, not DEAD; only dead jobs are retried")
        await self._jobs.retry(job_id, self._clock())

    async def retry_all(self, caller: Caller, kind: str) -> int:
        """Has all dead jobs of a kind tried again; gives how many."""
        require_operator(caller)
        return await self._jobs.retry_all(kind, self._clock())


def _not_found(job_id: str, text: str) -> Refusal:
    return Refusal(Reason.JOB_NOT_FOUND, text, resource=("job", job_id))
