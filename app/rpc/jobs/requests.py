"""Requests around jobs: messages to values of the domain.

Belongs here: states, kinds and ids. Does not belong here: what a job is (`app/domain/jobs.py`).
"""

import re

from app.domain.jobs import JobState
from app.domain.refusals import InvalidField
from app.pb.seatline.v1 import job_pb2

NAME_LENGTH_MAX = 300
# Refusals repeat a job's name, and trailers encode other characters than ASCII in several bytes.
_NAME = re.compile(rf"[\x20-\x7e]{{1,{NAME_LENGTH_MAX}}}")
_REQUESTED_STATES = {
    job_pb2.JOB_STATE_UNSPECIFIED: JobState.DEAD,
    job_pb2.JOB_STATE_PENDING: JobState.PENDING,
    job_pb2.JOB_STATE_DONE: JobState.DONE,
    job_pb2.JOB_STATE_DEAD: JobState.DEAD,
}


def job_state(message: job_pb2.JobState.ValueType) -> JobState:
    """Return the state of the jobs to list; DEAD where the request names none."""
    try:
        return _REQUESTED_STATES[message]
    except KeyError:
        raise InvalidField("state", "needs to be PENDING, DONE or DEAD") from None


def job_kind(text: str) -> str | None:
    """Return the kind of the jobs to list; None for all kinds."""
    return _name(text, "kind") if text else None


def job_or_kind(request: job_pb2.RetryJobsRequest) -> tuple[str, str]:
    """Return the job_id to retry, or the kind; the other one is empty."""
    if bool(request.job_id) == bool(request.kind):
        raise InvalidField("job_id", "is required, or kind, but not both")
    if request.job_id:
        return _name(request.job_id, "job_id"), ""
    return "", _name(request.kind, "kind")


def _name(text: str, field: str) -> str:
    if not _NAME.fullmatch(text):
        raise InvalidField(field, f"needs 1 to {NAME_LENGTH_MAX} printable ASCII characters")
    return text
