"""Requests around jobs: messages to values of the domain.

Belongs here: states, kinds and ids. Does not belong here: what a job is (`app/domain/jobs.py`).
"""

import re

from app.domain.jobs import JobState
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import job_pb2

NAME_LENGTH_MAX = 300
# Refusals repeat a job's name, and only ASCII is as short in their trailers as it looks.
_NAME = re.compile(rf"[\x20-\x7e]{{1,{NAME_LENGTH_MAX}}}")
_ASKED_STATES = {
    job_pb2.JOB_STATE_UNSPECIFIED: JobState.DEAD,
    job_pb2.JOB_STATE_PENDING: JobState.PENDING,
    job_pb2.JOB_STATE_DONE: JobState.DONE,
    job_pb2.JOB_STATE_DEAD: JobState.DEAD,
}


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
