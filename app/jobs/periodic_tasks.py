"""Periodic tasks: functions that run at a fixed interval.

Belongs here: a task as a job that becomes due again and again. Does not belong here: any particular task.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from app.domain.jobs import PERIODIC_TASK_PREFIX, Job


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """A function that runs every `interval_seconds`, by one worker at a time whatever the number of processes.

    After downtime it runs once, soon. `run` must be safe to run twice: a worker that stands still for longer than its lease is
    taken for dead. The result of `run` is ignored. `name` is part of the stored job's id: renaming a task leaves the old job
    behind.
    """

    name: str
    interval_seconds: float
    run: Callable[[], Awaitable[object]]

    @property
    def job_id(self) -> str:
        """The id of the task's one job, which is also its kind."""
        return f"{PERIODIC_TASK_PREFIX}{self.name}"

    async def handle(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Run the task; the handler of its job."""
        await self.run()
        return {job.job_id: None for job in jobs}
