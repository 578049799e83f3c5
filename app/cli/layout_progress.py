"""Following a layout job: its progress bar, its end, and its report.

Belongs here: how far the job has come, and printing its outcomes. Does not belong here: polling and the bar
(`app.cli.progress`), the layout of the report (`app.cli.render.layouts`).
"""

from __future__ import annotations

from app.cli.calls import Calls
from app.cli.progress import Work, WorkDone, follow
from app.cli.render.layouts import job_page, outcomes_table, progress_text
from app.cli.render.screen import print_json_values, print_page
from app.pb.seatline.v1 import layout_pb2


def watch_job(calls: Calls, layout_job_id: str) -> None:
    """Show the progress of a layout job until it is complete. Raises `CallError`. Interrupting it does not end the job."""
    request = layout_pb2.GetLayoutJobRequest(layout_job_id=layout_job_id)
    resume = f"The job goes on by itself: see 'seatline layout status {layout_job_id} --watch'."

    def ask() -> WorkDone:
        return _work_done(calls.call(calls.train_runs.GetLayoutJob, request))

    follow(Work(f"Layout job {layout_job_id}", "changing runs", resume, ask))


def _work_done(job: layout_pb2.LayoutJob) -> WorkDone:
    """Return how many runs are done. How many there are is known once they are listed."""
    is_complete = job.state == layout_pb2.LAYOUT_JOB_STATE_COMPLETE
    done = job.applied_count + job.skipped_count + job.refused_count
    return WorkDone(done, job.run_count or (0 if is_complete else None), progress_text(job), is_complete)


def show_job(calls: Calls, layout_job_id: str, *, shows_all: bool) -> int:
    """Print a layout job and the runs that it skipped or that refused it, or all of its runs. Return how many refused it."""
    job = calls.call(calls.train_runs.GetLayoutJob, layout_pb2.GetLayoutJobRequest(layout_job_id=layout_job_id))
    request = layout_pb2.ListLayoutOutcomesRequest(layout_job_id=layout_job_id)
    outcomes = calls.pages(calls.train_runs.ListLayoutOutcomes, request).outcomes
    if calls.options.as_json:
        print_json_values(job=job, outcomes=list(outcomes))
        return job.refused_count
    print_page(job_page(job))
    applied = layout_pb2.LAYOUT_OUTCOME_STATE_APPLIED
    shown = [outcome for outcome in outcomes if shows_all or outcome.state != applied]
    if shown:
        print_page(outcomes_table(shown))
    return job.refused_count
