"""The calls of JobService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`).
"""

from app.pb.seatline.v1 import job_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.jobs import answers, requests
from app.store.jobs import job_key
from app.usecases.jobs import JobUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # a job is about 2 kB at most


class JobServicer:
    """The methods of JobService."""

    def __init__(self, use_cases: JobUseCases) -> None:
        self._jobs = use_cases

    async def ListJobs(self, request: job_pb2.ListJobsRequest, context: CallContext) -> job_pb2.ListJobsResponse:
        """List jobs in a state."""
        state, kind = requests.job_state(request.state), requests.job_kind(request.kind)
        filters = (state.value, request.kind)
        found, after = await page_filling.fill_page(
            lambda after, limit: self._jobs.list_page(state, kind, after, limit),
            answers.job,
            job_key,
            after=paging.JOBS.decode(request.page_token, *filters),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return job_pb2.ListJobsResponse(jobs=found, next_page_token=paging.JOBS.encode(after, *filters))

    async def RetryJobs(self, request: job_pb2.RetryJobsRequest, context: CallContext) -> job_pb2.RetryJobsResponse:
        """Retry a dead job, or all dead jobs of a kind."""
        job_id, kind = requests.job_or_kind(request)
        if kind:
            return job_pb2.RetryJobsResponse(retried_count=await self._jobs.retry_all(kind))
        await self._jobs.retry(job_id)
        return job_pb2.RetryJobsResponse(retried_count=1)
