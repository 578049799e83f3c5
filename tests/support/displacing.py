"""Layout changes that displace passengers, without the rule of UpdateLayout.

Belongs here: taking seats away from a run, and placing who sat there. Does not belong here: the whole rule with its plan
(`app/domain/rules/update_layout.py`).
"""

from collections.abc import Mapping
from datetime import datetime

from app.domain.layout.operations import LayoutOperation, RemoveSeats
from app.domain.rules.displaced_bookings import cancel_unit, let_unit_wait, move_unit
from app.domain.rules.displacement import DisplacedUnit, Placement, displaced_units, place_unit
from app.domain.rules.layout_sections import change_sections
from app.domain.rules.promote_waitlist import promote
from app.domain.run.train_run import TrainRun
from tests.support.builders import NOW

# Each unit and its seats, in the order of placing; None for a unit without seats.
Placed = list[tuple[DisplacedUnit, Placement | None]]


def displace(
    run: TrainRun, *operations: LayoutOperation, allow_lower: bool = False, cancels: bool = False, now: datetime = NOW
) -> Placed:
    """Change the layout, move who is displaced, and let them wait (or cancel them) where no seat fits. Promote, and commit."""
    change = change_sections(run, operations, _passenger_counts(run))
    run.set_sections(change.sections)
    run.set_retired_sections(change.retired_sections)
    placed: Placed = []
    for unit in displaced_units(run, change.removed):
        placement = place_unit(run.sections, unit.demand, allow_lower=allow_lower)
        if placement is not None:
            move_unit(run, unit, placement, now)
        elif cancels:
            cancel_unit(run, unit, now)
        else:
            let_unit_wait(run, unit, now)
        placed.append((unit, placement))
    promote(run, now)
    run.committed()
    return placed


def remove_seats(
    run: TrainRun, section: str, *numbers: int, allow_lower: bool = False, cancels: bool = False, now: datetime = NOW
) -> Placed:
    """Remove these seats of a section as `displace` does."""
    return displace(run, RemoveSeats(section, numbers), allow_lower=allow_lower, cancels=cancels, now=now)


def _passenger_counts(run: TrainRun) -> Mapping[tuple[str, int], int]:
    counts: dict[tuple[str, int], int] = {}
    for booking in run.bookings.values():
        if booking.is_live:
            for passenger in booking.passengers:
                if passenger.seat is not None:
                    place = passenger.seat.section, passenger.seat.number
                    counts[place] = counts.get(place, 0) + 1
    return counts
