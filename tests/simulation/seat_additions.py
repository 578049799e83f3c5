"""Seats that are added to a run while it is on sale.

Belongs here: one more seat at the end of a section, committed like any other change of a run, with a promotion of the waitlist.
The service has no call for this yet, but servers that have the run in memory must handle it. Does not belong here: when it
happens (`world.py`).
"""

from dataclasses import replace
from typing import Any

from app.domain.events import EventType
from app.domain.refusals import Refusal
from app.domain.rules.decisions import expire_due
from app.domain.rules.waitlist import promote
from app.domain.run.seats import SectionSeats
from app.store.cached_run import CachedRun
from app.store.driver import translate_outages
from app.store.run_fields import section_document
from tests.simulation.processes import Environment, Process


async def add_seat(process: Process, environment: Environment, run_id: str, section: int) -> None:
    """Add a seat to a section. Do nothing where another process commits first."""
    try:
        cached = await process.store.runs.load(run_id)
        if cached is None:
            raise LookupError(run_id)
        run = cached.run
        run.sections[section] = _with_one_more_seat(run.sections[section])
        expire_due(run, environment.now())
        promote(run, environment.now())
        run.emit(EventType.LAYOUT_CHANGED, run_id, {"section": run.sections[section].name}, environment.now())
        guard, update = _swap(process, cached, section)
        with translate_outages():
            await environment.database["train_runs"].find_one_and_update(guard, update, {"_id": 1})
    except Refusal:
        return


def _with_one_more_seat(seats: SectionSeats) -> SectionSeats:
    *coaches, last = seats.coaches
    longer = (*coaches, replace(last, last=last.last + 1))
    sold, freed = [*seats.sold_legs, 0], dict(seats.freed)
    return SectionSeats(seats.name, seats.fare, longer, seats.all_legs, sold, seats.next_number, freed)


def _swap(process: Process, cached: CachedRun, section: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the commit of the change set, with the whole section in place of its single paths."""
    swap = process.store.runs._prepare(cached).swap
    place = f"sections.{section}"
    update = {
        operator: {path: value for path, value in paths.items() if not path.startswith(f"{place}.")}
        for operator, paths in swap.update.items()
    }
    update["$set"][place] = section_document(cached.run.sections[section])
    return swap.guard, update
