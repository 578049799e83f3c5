"""Layout fan-out: one job per run for each change of a train's layout.

Belongs here: finding the runs that a layout job concerns, and making their jobs. Does not belong here: what such a job does
(`layout_jobs.py`), nor the change of the train (`train_layouts.py`).

The change of a train stores its layout job in the train's document. Whoever comes first makes the jobs of its runs: the call
itself, or the periodic task of a worker, if the server died. Each step may be done twice. ScheduleTrainRuns may insert runs of
the older layout for as long as a call lasts, if it read the train before the change. So the runs are listed again until no
such call can be left; only then the layout job leaves the train's document. Not covered: where a run got the new layout and is
deleted, and such a call then makes a run of the same date, that run keeps the older layout.
"""

from datetime import datetime, timedelta

from app.domain.jobs import Job
from app.domain.layout.layout_jobs import LayoutJob, run_job_id
from app.ports.clock import Clock
from app.store.store import Store

# The kind of a run's job, as stored.
UPDATE_RUN_LAYOUT = "update run layout"
# A call lasts at most 300 seconds (SEATLINE_CALL_SECONDS_MAX); the clocks of two servers may differ.
_LIST_AGAIN_FOR = timedelta(seconds=330)
# A run of yesterday (UTC) may not have departed where the day begins later.
_FIRST_DATE_BACK = timedelta(days=1)


class LayoutFanOut:
    """Makes the jobs of runs. `clock` returns the current time. Every method refuses DATABASE_UNAVAILABLE."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._layout_jobs, self._jobs, self._clock = store.layout_jobs, store.jobs, clock

    async def list_dates(self, train_id: str, train_version: int) -> list[str]:
        """Return the travel dates of the runs that a layout of this version of the train concerns."""
        first_date = (self._clock() - _FIRST_DATE_BACK).date().isoformat()
        return await self._layout_jobs.list_dates_behind(train_id, train_version, first_date)

    async def start(self, layout_job: LayoutJob) -> int:
        """Make the jobs of all its runs; return the number of runs that had none.

        The dates are stored first: a run is not found any more once its job has changed it.
        """
        await self._layout_jobs.insert_if_absent(layout_job)
        now = self._clock()
        found = await self.list_dates(layout_job.train_id, layout_job.train_version)
        dates = await self._layout_jobs.add_dates(layout_job.layout_job_id, found)
        created = await self._jobs.insert_if_absent([_run_job(layout_job, date, now) for date in dates])
        await self._layout_jobs.complete(layout_job.layout_job_id, now)  # where there are no runs
        return created

    async def start_new(self) -> None:
        """Start the layout jobs that are new; a periodic task of workers."""
        for layout_job in await self._layout_jobs.list_new():
            is_last_time = self._clock() - layout_job.create_time > _LIST_AGAIN_FOR
            await self.start(layout_job)
            if is_last_time:
                await self._layout_jobs.remove_new(layout_job)

    async def catch_up(self, train_id: str, train_version: int) -> None:
        """Make the jobs of runs that were just made from this version of the train, for changes of its layout since then."""
        for layout_job in await self._layout_jobs.list_new(train_id):
            if layout_job.train_version > train_version:
                await self.start(layout_job)


def _run_job(layout_job: LayoutJob, travel_date: str, now: datetime) -> Job:
    payload = {"layout_job_id": layout_job.layout_job_id, "travel_date": travel_date}
    return Job(run_job_id(layout_job.layout_job_id, travel_date), UPDATE_RUN_LAYOUT, payload, now, now)
