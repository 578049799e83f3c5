"""Random changes of a run's layout, straight on its sections.

Belongs here: changes that leave every booking and hold where it is, for tests of recording, undo and writing. Does not belong
here: layout operations and their rules.
"""

import random
from dataclasses import replace

from app.domain.run.seats import CoachSeats, SectionSeats
from app.domain.run.train_run import TrainRun
from tests.support.run_changes import a_layout_record, a_layout_reservation, lengthen, retire_section, retired

NAMES = ("longer", "shorter", "remove section", "bring back", "record", "reservation")


def change_layout(run: TrainRun, chance: random.Random) -> str:
    """Make one random change that the run allows; return its name."""
    return next(name for name in chance.sample(NAMES, len(NAMES)) if _change(run, name, chance))


def _change(run: TrainRun, name: str, chance: random.Random) -> bool:
    """Make the change of that name. Return False where the run does not allow it."""
    index = chance.randrange(len(run.sections))
    if name == "longer":
        lengthen(run, index, chance.randint(1, 3))
    elif name == "shorter":
        return _retire_some(run, index, chance)
    elif name == "remove section":
        if len(run.sections) == 1 or _is_used(run, run.sections[index]):
            return False
        retire_section(run, index)
    elif name == "bring back":
        return _bring_back(run)
    elif name == "record":
        run.set_layout(replace(a_layout_record(), revision=run.layout.revision + 1))
    else:
        reservation = None if run.layout_reservation else a_layout_reservation(chance.randint(1, 600))
        run.set_layout_reservation(None if reservation is None else replace(reservation, withdrawn=frozenset(), claims=()))
    return True


def _retire_some(run: TrainRun, index: int, chance: random.Random) -> bool:
    """Retire up to two seats on which nothing is sold."""
    section = run.sections[index]
    unsold = [number for number, sold in enumerate(section.sold_legs, 1) if not sold]
    gone = chance.sample(unsold, min(len(unsold), 2))
    if not gone or len(gone) == section.seat_count:
        return False
    run.set_sections([*run.sections[:index], retired(section, *gone), *run.sections[index + 1 :]])
    return True


def _is_used(run: TrainRun, section: SectionSeats) -> bool:
    """Whether somebody has a seat of the section, or waits for one."""
    waits = any(entry.section == section.name for entry in run.waitlist.values())
    is_sold = any(sold for number, sold in enumerate(section.sold_legs, 1) if not section.is_retired(number))
    return is_sold or waits


def _bring_back(run: TrainRun) -> bool:
    """Add the section again that was removed last, with new seats behind those that it had."""
    if not run.retired_sections:
        return False
    *others, back = run.retired_sections
    coach = CoachSeats(f"new{back.size}", back.size + 1, back.size + 2)
    longer = replace(back.copy(), coaches=(*back.coaches, coach), sold_legs=[*back.sold_legs, 0, 0])
    run.set_retired_sections(others)
    run.set_sections([*run.sections, longer])
    return True
