"""A train that gets more seats while it is sold.

Belongs here: one more seat at the end of a section, committed as any other change of a run is, with a promotion of those who
wait. The service has no call for it yet; servers that have the run in memory have to bear it. Does not: when that happens.
"""

from dataclasses import replace
from typing import Any

from app.domain.events import EventType
from app.domain.refusals import Refusal
from app.domain.rules.decisions import tidy
from app.domain.rules.waitlist import promote
from app.domain.run.seats import SectionSeats
from app.store.cached_run import KeptRun
from app.store.documents import section_document
from app.store.driver import outage_refused
from tests.simulation.processes import Ground, Process


async def grow(process: Process, ground: Ground, run_id: str, section: int) -> None:
    """Adds a seat, unless somebody else commits first."""
    try:
        kept = await process.store.runs.load(run_id)
        if kept is None:
            raise LookupError(run_id)
        run = kept.run
        run.sections[section] = _with_a_seat_more(run.sections[section])
        tidy(run, ground.now())
        promote(run, ground.now())
        run.tell(EventType.LAYOUT_CHANGED, run_id, {"section": run.sections[section].name}, ground.now())
        guard, update = _swap(process, kept, section)
        with outage_refused():
            await ground.database["train_runs"].find_one_and_update(guard, update, {"_id": 1})
    except Refusal:
        return


def _with_a_seat_more(seats: SectionSeats) -> SectionSeats:
    *coaches, last = seats.coaches
    longer = (*coaches, replace(last, last=last.last + 1))
    sold, freed = [*seats.sold_legs, 0], dict(seats.freed)
    return SectionSeats(seats.name, seats.fare, longer, seats.all_legs, sold, seats.next_number, freed)


def _swap(process: Process, kept: KeptRun, section: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The commit of what is in the journal, with the whole section in place of its single paths."""
    swap = process.store.runs._prepare(kept).swap
    place = f"sections.{section}"
    update = {
        operator: {path: value for path, value in paths.items() if not path.startswith(f"{place}.")}
        for operator, paths in swap.update.items()
    }
    update["$set"][place] = section_document(kept.run.sections[section])
    return swap.guard, update
