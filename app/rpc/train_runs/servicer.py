"""The calls of RunService.

Belongs here: for each call the same few lines: request to values, use case, answer to message. Does not belong here: the
meaning of messages (`requests.py`, `answers.py`), who may call (`app/rpc/policies.py`), the calls about layouts
(`app/rpc/layouts/servicer.py`).
"""

from app.pb.seatline.v1 import train_run_pb2
from app.rpc import fields, page_filling, paging
from app.rpc.context import CallContext
from app.rpc.layouts.servicer import LayoutCalls
from app.rpc.train_runs import answers, requests
from app.store.run_lists import run_key
from app.usecases.layouts import LayoutUseCases
from app.usecases.train_runs import RunView, TrainRunUseCases

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200  # an answer then mostly has about 200 kB


class RunServicer(LayoutCalls):
    """The methods of RunService; those about layouts are inherited."""

    def __init__(self, train_runs: TrainRunUseCases, layouts: LayoutUseCases) -> None:
        super().__init__(layouts)
        self._train_runs = train_runs

    async def ListTrainRuns(
        self, request: train_run_pb2.ListTrainRunsRequest, context: CallContext
    ) -> train_run_pb2.ListTrainRunsResponse:
        """List runs by date."""
        date = fields.iso_date(request.travel_date, "travel_date").isoformat() if request.travel_date else ""
        filters = (request.origin, request.destination, date)
        origin, destination = fields.stop(request.origin, "origin"), fields.stop(request.destination, "destination")
        runs, after = await page_filling.fill_page(
            lambda after, limit: self._train_runs.list_page(
                origin=origin, destination=destination, travel_date=date, after=after, limit=limit, caller=context.caller
            ),
            lambda view: answers.train_run(view, context.caller),
            lambda view: run_key(view.run),
            after=paging.RUNS.decode(request.page_token, *filters),
            count_max=fields.page_size(request.page_size, default=PAGE_SIZE_DEFAULT, most=PAGE_SIZE_MAX),
            read_max=page_filling.LARGE_ITEMS_READ_MAX,
        )
        return train_run_pb2.ListTrainRunsResponse(train_runs=runs, next_page_token=paging.RUNS.encode(after, *filters))

    async def GetTrainRun(self, request: train_run_pb2.GetTrainRunRequest, context: CallContext) -> train_run_pb2.TrainRun:
        """Return a run."""
        return answers.train_run(await self._view(request, context), context.caller)

    async def GetSeatMap(self, request: train_run_pb2.GetSeatMapRequest, context: CallContext) -> train_run_pb2.SeatMap:
        """Return every seat of a run."""
        return answers.seat_map(await self._view(request, context))

    async def _view(
        self, request: train_run_pb2.GetTrainRunRequest | train_run_pb2.GetSeatMapRequest, context: CallContext
    ) -> RunView:
        return await self._train_runs.get(
            fields.train_id(request.train_id),
            fields.iso_date(request.travel_date, "travel_date").isoformat(),
            fields.stop(request.origin, "origin"),
            fields.stop(request.destination, "destination"),
            context.caller,
        )

    async def ScheduleTrainRuns(
        self, request: train_run_pb2.ScheduleTrainRunsRequest, context: CallContext
    ) -> train_run_pb2.ScheduleTrainRunsResponse:
        """Create the runs of a range of dates."""
        train_id = fields.train_id(request.train_id)
        dates, created = await self._train_runs.schedule(
            train_id,
            fields.iso_date(request.first_date, "first_date"),
            fields.iso_date(request.last_date, "last_date"),
            hidden=request.hidden,
        )
        keys = [train_run_pb2.TrainRunKey(train_id=train_id, travel_date=travel_date.isoformat()) for travel_date in dates]
        return train_run_pb2.ScheduleTrainRunsResponse(train_runs=keys, created_count=created)

    async def PromoteWaitlist(
        self, request: train_run_pb2.PromoteWaitlistRequest, context: CallContext
    ) -> train_run_pb2.PromoteWaitlistResponse:
        """Give free seats to the waitlist."""
        command = requests.promote_waitlist(context.caller, request)
        promotion = await self._train_runs.promote_waitlist(command, context.deadline)
        return train_run_pb2.PromoteWaitlistResponse(
            promoted_references=promotion.references, waiting_count=promotion.still_waiting
        )

    async def UpdateTrainRun(
        self, request: train_run_pb2.UpdateTrainRunRequest, context: CallContext
    ) -> train_run_pb2.TrainRun:
        """Hide a run, or show it."""
        command = requests.update_train_run(context.caller, request)
        return answers.train_run(await self._train_runs.change(command, context.deadline), context.caller)

    async def DeleteTrainRun(
        self, request: train_run_pb2.DeleteTrainRunRequest, context: CallContext
    ) -> train_run_pb2.DeleteTrainRunResponse:
        """Delete a run on which nothing was booked."""
        await self._train_runs.delete(*requests.run_key(request))
        return train_run_pb2.DeleteTrainRunResponse()

    async def SetDelay(self, request: train_run_pb2.SetDelayRequest, context: CallContext) -> train_run_pb2.TrainRun:
        """Set the delay of a run."""
        command = requests.set_delay(context.caller, request)
        return answers.train_run(await self._train_runs.change(command, context.deadline), context.caller)

    async def RecordArrival(self, request: train_run_pb2.RecordArrivalRequest, context: CallContext) -> train_run_pb2.TrainRun:
        """Record when a train arrived at a stop."""
        command = requests.record_arrival(context.caller, request)
        return answers.train_run(await self._train_runs.change(command, context.deadline), context.caller)

    async def CancelTrainRun(
        self, request: train_run_pb2.CancelTrainRunRequest, context: CallContext
    ) -> train_run_pb2.TrainRun:
        """Cancel a run, or its last legs."""
        command = requests.cancel_train_run(context.caller, request)
        answer = answers.train_run(await self._train_runs.cancel(command, context.deadline), context.caller)
        answer.validate_only = request.validate_only
        return answer

    async def SetSalesWindow(
        self, request: train_run_pb2.SetSalesWindowRequest, context: CallContext
    ) -> train_run_pb2.TrainRun:
        """Set the sales window of a run."""
        command = requests.set_sales_window(context.caller, request)
        return answers.train_run(await self._train_runs.change(command, context.deadline), context.caller)
