"""Answers around jobs: values of the domain to messages.

Belongs here: the message Job. Does not belong here: what decides anything.
"""

from app.domain.jobs import Job, JobState
from app.pb.seatline.v1 import job_pb2
from app.rpc.wire_values import timestamp

_STATES = {
    JobState.PENDING: job_pb2.JOB_STATE_PENDING,
    JobState.DONE: job_pb2.JOB_STATE_DONE,
    JobState.DEAD: job_pb2.JOB_STATE_DEAD,
}


def job(value: Job) -> job_pb2.Job:
    """Return a job, without its payload."""
    return job_pb2.Job(
        job_id=value.job_id,
        kind=value.kind,
        state=_STATES[value.state],
        attempt_count=value.attempts,
        due_time=timestamp(value.due_time),
        create_time=timestamp(value.create_time),
        last_error=value.last_error,
        done_time=None if value.done_time is None else timestamp(value.done_time),
    )
