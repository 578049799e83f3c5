"""The update that a commit makes: the paths that changed in a run.

Belongs here: turning a change set into an update. Does not belong here: sending it (`runs.py`), how a field is written
(`run_fields.py`).

The update names only the paths that changed. So its size follows what was done and not the train.
"""

from datetime import datetime

from app.domain.run.train_run import TrainRun
from app.store.driver import Document
from app.store.run_fields import DERIVED_FIELDS, RUN_FIELDS, SECTION_FIELDS
from app.store.stored_fields import Update


def run_update(run: TrainRun, recent: list[Document], outbox: list[Document]) -> Document:
    """Make the update that writes the run's change set, `recent` and `outbox`, and nothing else."""
    update = Update({"version": run.version + 1, "recent": recent, "outbox": outbox})
    replaced = run.change_set.replaced
    if not replaced["sections"]:  # or one path of the update would be part of another, which MongoDB refuses
        for section_field in SECTION_FIELDS:
            if replaced[section_field.name]:
                section_field.write(run, replaced[section_field.name], update)
    for stored in RUN_FIELDS:
        if replaced[stored.name]:
            stored.write(run, replaced[stored.name], update)
    for derived in DERIVED_FIELDS:
        if any(map(replaced.__getitem__, derived.sources)):
            update.put(derived.path, derived.value(run))
    if run.change_set.events:
        update.values["unsettled_since"] = run.change_set.events[-1].time
    else:
        update.put("unsettled_since", _unarchived_since(recent, outbox))
    return {"$set": update.values, "$unset": update.gone} if update.gone else {"$set": update.values}


def _unarchived_since(recent: list[Document], outbox: list[Document]) -> datetime | None:
    """Return the time of the newest event or booking that a commit without events carries along; None where there is none.

    Another server may have archived them and emptied the document meanwhile, with this field. So it is written again.
    """
    times = [commit.get("time") for commit in outbox] or [booking.get("update_time") for booking in recent]
    # BSON has no zones, and some of these documents are decoded with one. An unreadable one has no time.
    return max((moment.replace(tzinfo=None) for moment in times if isinstance(moment, datetime)), default=None)
