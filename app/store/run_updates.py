"""The update that a commit makes: what changed in a run, path by path.

Belongs here: turning a journal into an update. Does not: sending it (`runs.py`), the shape of what it holds (`documents.py`).

It names only the paths that changed, so that its size follows what was done and not the train.
"""

from datetime import datetime

from app.domain.rules.waitlist import waitlist_closing_time
from app.domain.run.train_run import TrainRun
from app.store.documents import ended_hold_document, freed_document, hold_document, waitlist_entry_document
from app.store.driver import Document


def run_update(run: TrainRun, recent: list[Document], outbox: list[Document]) -> Document:
    """The update that writes what changed in `run` since its last commit, `recent` and `outbox`, and nothing else."""
    values: Document = {"version": run.version + 1, "recent": recent, "outbox": outbox}
    gone: Document = {}
    _write_seats(run, values, gone)
    if run.change_set.holds or run.change_set.waitlist:
        _write_holds_and_waitlist(run, values, gone)
        due = next_due(run)
        if due is None:
            gone["next_due"] = ""
        else:
            values["next_due"] = due
    if run.change_set.events:
        values["unsettled_since"] = run.change_set.events[-1].time
    return {"$set": values, "$unset": gone} if gone else {"$set": values}


def next_due(run: TrainRun) -> datetime | None:
    """When something is due on the run without anybody asking: a hold ends, or the line closes."""
    moments = [hold.expire_time for hold in run.holds.values()]
    if run.waitlist:
        moments.append(waitlist_closing_time(run))
    return min(moments, default=None)


def _write_seats(run: TrainRun, values: Document, gone: Document) -> None:
    change_set = run.change_set
    for section, number in change_set.sold:
        values[f"sections.{section}.sold_legs.{number - 1}"] = run.sections[section].sold_legs[number - 1]
    for section in change_set.counters:
        values[f"sections.{section}.next_number"] = run.sections[section].next_number
    for section, number in change_set.freed:
        entries = run.sections[section].freed.get(number)
        path = f"sections.{section}.freed.{number}"
        if entries:
            values[path] = freed_document(entries)
        else:
            gone[path] = ""
    if change_set.freed_sequence is not None:
        values["freed_sequence"] = run.freed_sequence


def _write_holds_and_waitlist(run: TrainRun, values: Document, gone: Document) -> None:
    for key in run.change_set.holds:
        hold = run.holds.get(key)
        if hold is None:
            gone[f"holds.{key}"] = ""
        else:
            values[f"holds.{key}"] = hold_document(hold)
    for key in run.change_set.ended_holds:
        ended = run.ended_holds.get(key)
        if ended is None:
            gone[f"ended_holds.{key}"] = ""
        else:
            values[f"ended_holds.{key}"] = ended_hold_document(ended)
    for number in run.change_set.waitlist:
        place = run.waitlist.get(number)
        if place is None:
            gone[f"waiting.{number}"] = ""
        else:
            values[f"waiting.{number}"] = waitlist_entry_document(place)
    if run.change_set.last_ticket_number is not None:
        values["waiting_number"] = run.last_ticket_number
