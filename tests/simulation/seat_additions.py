"""Seats that are added to a run while it is on sale.

Belongs here: one more seat at the end of a section, committed like any other change of a run, with a promotion of the waitlist.
The service has no call for this yet, but servers that have the run in memory must handle it. Does not belong here: when it
happens (`world.py`).
"""

from dataclasses import replace

from app.domain.events import EventType
from app.domain.layout.plan import LayoutCounts
from app.domain.refusals import Refusal
from app.domain.rules.expire_due import expire_due
from app.domain.rules.promote_waitlist import promote
from app.domain.run.layout_record import LayoutRequest
from tests.simulation.processes import Environment, Process
from tests.support.run_changes import lengthen


async def add_seat(process: Process, environment: Environment, run_id: str, section: int) -> None:
    """Add a seat to a section. Do nothing where another process commits first."""
    try:
        cached = await process.store.runs.load(run_id)
        if cached is None:
            raise LookupError(run_id)
        run, now = cached.run, environment.now()
        lengthen(run, section)
        expire_due(run, now)
        promote(run, now)
        revision = run.layout.revision + 1
        request = LayoutRequest(f"added-{revision}", "", "", now, LayoutCounts())
        run.set_layout(replace(run.layout, revision=revision, requests=(*run.layout.requests, request)))
        run.emit(EventType.LAYOUT_CHANGED, run_id, {"layout_revision": revision}, now)
        await process.store.runs.commit_each([cached])
    except Refusal:
        return
