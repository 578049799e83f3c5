"""Layouts: changing the sections, coaches and seats of a run, or of a train and its future runs.

Belongs here: the use cases around layouts. Does not belong here: what a change does (`app/domain/rules/update_layout.py`),
nor bringing a train's change to its runs (`layout_jobs.py`).
"""

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutProgress
from app.domain.layout.operations import AddSection, LayoutOperation, SetFare, operation_path
from app.domain.layout.plan import LayoutPlan
from app.domain.refusals import InvalidField, Reason, Refusal
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.store import Store
from app.usecases.layout_fan_out import LayoutFanOut
from app.usecases.train_layouts import TrainLayouts


class LayoutUseCases:
    """The use cases around layouts. `clock` returns the current time, `amounts` says what can be paid."""

    def __init__(self, store: Store, bus: CommandBus, clock: Clock, amounts: AmountRules = ANY_AMOUNT) -> None:
        self._layout_jobs, self._bus, self._amounts = store.layout_jobs, bus, amounts
        self._train_layouts = TrainLayouts(store, bus, clock, LayoutFanOut(store, clock))

    async def update(self, command: UpdateLayout, deadline: float) -> LayoutPlan:
        """Change the layout of a run or, without a `travel_date`, of the train; or only plan it.

        `deadline` is in `time.monotonic` seconds. `app/domain/rules/update_layout.py` and `CommandBus.submit` say what is
        refused for a run, `TrainLayouts.update` what is refused for a train. Also refuses INVALID_FIELD for a fare that the
        payment provider cannot charge.
        """
        self._require_chargeable(command.operations)
        if command.travel_date:
            return await self._bus.submit(command, deadline)
        return await self._train_layouts.update(command, deadline)

    def _require_chargeable(self, operations: tuple[LayoutOperation, ...]) -> None:
        """Refuse fares that the payment provider cannot charge. Seats may be free of charge."""
        for index, operation in enumerate(operations):
            if not isinstance(operation, SetFare | AddSection) or not operation.fare.minor:
                continue
            problem = self._amounts.problem_of_charge(operation.fare)
            if problem:
                path = operation_path(index, operation)
                raise InvalidField(f"{path}.fare", f"{operation.fare} cannot be paid here: {problem}")

    async def get_job(self, layout_job_id: str) -> tuple[LayoutJob, LayoutProgress]:
        """Return a layout job, and how far it has come. Refuses LAYOUT_JOB_NOT_FOUND, RECORD_UNREADABLE."""
        layout_job = await self._layout_jobs.get(layout_job_id)
        if layout_job is None:
            raise _job_not_found(layout_job_id)
        return layout_job, await self._layout_jobs.progress(layout_job_id)

    async def list_outcomes(
        self, layout_job_id: str, after: tuple[str] | None, limit: int
    ) -> tuple[list[LayoutOutcome], tuple[str] | None]:
        """Return a page of the outcomes of a layout job by travel date, and the key of the next page.

        Refuses LAYOUT_JOB_NOT_FOUND, RECORD_UNREADABLE.
        """
        found = await self._layout_jobs.list_outcomes(layout_job_id, after[0] if after else "", limit + 1)
        if not found and await self._layout_jobs.get(layout_job_id) is None:
            raise _job_not_found(layout_job_id)
        page = found[:limit]
        return page, (page[-1].travel_date,) if len(found) > limit else None


def _job_not_found(layout_job_id: str) -> Refusal:
    text = f"there is no layout job {layout_job_id!r}, or it is over for more than 90 days"
    return Refusal(Reason.LAYOUT_JOB_NOT_FOUND, text, resource=("layout_job", layout_job_id))
