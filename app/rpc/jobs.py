"""Jobs on the wire: their requests to values of the domain, and back.

Belongs here: the fields and messages around jobs. Does not: the calls (`job_calls.py`).
"""

import re

from app.domain.jobs import Job, JobState
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import job_pb2
from app.rpc.responses import timestamp

NAME_LENGTH_MAX = 300
# Refusals repeat a job's name, and only ASCII is as short in their trailers as it looks.
_NAME = re.compile(rf"[\x20-\x7e]{{1,{NAME_LENGTH_MAX}}}")
_STATES = {
    JobState.PENDING: job_pb2.JOB_STATE_PENDING,
    JobState.DONE: job_pb2.JOB_STATE_DONE,
    JobState.DEAD: job_pb2.JOB_STATE_DEAD,
}
_ASKED_STATES = {
    job_pb2.JOB_STATE_UNSPECIFIED: JobState.DEAD,
    **{message: state for state, message in _STATES.items()},
}


# -- requests


def job_state(message: job_pb2.JobState.ValueType) -> JobState:
    """The state of the jobs that are asked for; the dead ones where none is named."""
    try:
        return _ASKED_STATES[message]
    except KeyError:
        raise InvalidField("state", "needs to be PENDING, DONE or DEAD") from None


def job_kind(text: str) -> str | None:
    """A kind of jobs; None for all of them."""
    return _name(text, "kind") if text else None


def job_or_kind(request: job_pb2.RetryJobsRequest) -> tuple[str, str]:
    """Which job is to be tried again, or which kind; the other one is empty."""
    if bool(request.job_id) == bool(request.kind):
        raise InvalidField("job_id", "is required, or kind, but not both")
    if request.job_id:
        return _name(request.job_id, "job_id"), ""
    return "", _name(request.kind, "kind")


def _name(text: str, field: str) -> str:
    if not _NAME.fullmatch(text):
        raise InvalidField(field, f"needs 1 to {NAME_LENGTH_MAX} printable ASCII characters")
    return text


# -- answers


def job(value: Job) -> job_pb2.Job:
    """A job, without what it needs to know."""
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
