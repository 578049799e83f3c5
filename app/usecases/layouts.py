"""Layouts: changing the sections, coaches and seats of a run, or of a train and its future runs.

Belongs here: the use cases around layouts. Does not belong here: what a change does (`app/domain/rules/update_layout.py`),
nor bringing a train's change to its runs (`layout_jobs.py`).
"""

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.layout.commands import UpdateLayout
from app.domain.layout.layout_jobs import LayoutJob, LayoutOutcome, LayoutProgress
from app.domain.layout.operations import AddSection, LayoutOperation, SetFare
from app.domain.layout.plan import LayoutPlan
from app.domain.refusals import InvalidField
from app.lanes.bus import CommandBus
from app.ports.clock import Clock
from app.store.store import Store


class LayoutUseCases:
    """The use cases around layouts. `clock` returns the current time, `amounts` says what can be paid."""

    def __init__(self, store: Store, bus: CommandBus, clock: Clock, amounts: AmountRules = ANY_AMOUNT) -> None:
        self._store, self._bus, self._clock, self._amounts = store, bus, clock, amounts

    async def update(self, command: UpdateLayout, deadline: float) -> LayoutPlan:
        """Change the layout of a run or, without a `travel_date`, of the train; or only plan it.

        `deadline` is in `time.monotonic` seconds. `app/domain/rules/update_layout.py` and `CommandBus.submit` say what is
        refused for a run. INVALID_FIELD is refused also for a fare that the payment provider cannot take.
        """
        self._require_chargeable(command.operations)
        if command.travel_date:
            return await self._bus.submit(command, deadline)
        raise NotImplementedError

    def _require_chargeable(self, operations: tuple[LayoutOperation, ...]) -> None:
        """Refuse fares that the payment provider cannot charge. Seats may be free of charge."""
        for index, operation in enumerate(operations):
            if not isinstance(operation, SetFare | AddSection) or not operation.fare.minor:
                continue
            problem = self._amounts.problem_of_charge(operation.fare)
            if problem:
                kind = "set_fare" if isinstance(operation, SetFare) else "add_section"
                raise InvalidField(f"operations[{index}].{kind}.fare", f"{operation.fare} cannot be paid here: {problem}")

    async def get_job(self, layout_job_id: str) -> tuple[LayoutJob, LayoutProgress]:
        """Return a layout job, and how far it has come. Refuses LAYOUT_JOB_NOT_FOUND."""
        raise NotImplementedError

    async def list_outcomes(
        self, layout_job_id: str, after: tuple[str] | None, limit: int
    ) -> tuple[list[LayoutOutcome], tuple[str] | None]:
        """Return a page of the outcomes of a layout job by travel date, and the key of the next page.

        Refuses LAYOUT_JOB_NOT_FOUND.
        """
        raise NotImplementedError
