"""The calls of RunService about layouts.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`), the other calls of the service
(`app/rpc/train_runs/servicer.py`).
"""

from app.pb.seatline.v1 import layout_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.layouts import answers, requests
from app.usecases.layouts import LayoutUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # an answer then mostly has 20 kB


class LayoutCalls:
    """The methods of RunService about layouts."""

    def __init__(self, layouts: LayoutUseCases) -> None:
        self._layouts = layouts

    async def UpdateLayout(self, request: layout_pb2.UpdateLayoutRequest, context: CallContext) -> layout_pb2.LayoutPlan:
        """Change a layout, or plan the change."""
        command = requests.update_layout(context.caller, request)
        return answers.layout_plan(await self._layouts.update(command, context.deadline))

    async def GetLayoutJob(self, request: layout_pb2.GetLayoutJobRequest, context: CallContext) -> layout_pb2.LayoutJob:
        """Return a layout job."""
        return answers.layout_job(*await self._layouts.get_job(requests.layout_job_id(request.layout_job_id)))

    async def ListLayoutOutcomes(
        self, request: layout_pb2.ListLayoutOutcomesRequest, context: CallContext
    ) -> layout_pb2.ListLayoutOutcomesResponse:
        """List the outcomes of a layout job."""
        layout_job_id = requests.layout_job_id(request.layout_job_id)
        outcomes, after = await page_filling.fill_page(
            lambda after, limit: self._layouts.list_outcomes(layout_job_id, after, limit),
            answers.layout_outcome,
            lambda outcome: (outcome.travel_date,),
            after=paging.LAYOUT_OUTCOMES.decode(request.page_token, layout_job_id),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
        )
        return layout_pb2.ListLayoutOutcomesResponse(
            outcomes=outcomes, next_page_token=paging.LAYOUT_OUTCOMES.encode(after, layout_job_id)
        )
