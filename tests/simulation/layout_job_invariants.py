"""Invariants of layout jobs, as functions over stored documents.

Belongs here: the order of a train's changes on a run, and what holds when all layout jobs have ended. Does not belong here:
what a change does to seats and bookings (`layout_invariants.py`), nor when these are checked (`record.py`, `final_state.py`).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from tests.simulation.invariants import Document, retired_numbers

Documents = Mapping[str, Document]

_NEW: Document = {"train_version": 1, "is_own": False}


def train_changes_come_in_order(before: Document, run: Document, layout_jobs: Documents) -> Iterator[str]:
    """A train's change comes to a run once, after the change before it, and never over a layout of the run's own."""
    old, new = before.get("layout", _NEW), run["layout"]
    if new["train_version"] == old["train_version"]:
        if not new["is_own"]:
            yield f"the run's own change leaves the layout of version {new['train_version']}"
        return
    job = layout_jobs.get(f"{run['_id'].rpartition(':')[0]}:{new['train_version']}")
    if old["is_own"]:
        yield f"the layout of version {new['train_version']} is made over a layout of the run's own"
    if new["train_version"] < old["train_version"]:
        yield f"the layout of version {new['train_version']} follows that of version {old['train_version']}"
    if job is None or old["train_version"] < job["layout_version_before"]:
        yield f"the layout of version {new['train_version']} is made on that of {old['train_version']}: {job}"


def layout_jobs_have_ended(
    runs: Documents, trains: Documents, layout_jobs: Documents, outcomes: Documents, now: datetime
) -> Iterator[str]:
    """Each change of a train has left its document. Each run to come has it, or an outcome that says why not."""
    for name, run in runs.items():
        train_id, _, date = name.rpartition(":")
        newest, known = trains[train_id].get("layout_version", 1), run.get("layout", _NEW)["train_version"]
        if run["stops"][0]["depart"] > now and known < newest and f"{train_id}:{newest}:{date}" not in outcomes:
            yield f"run {name} has the layout of version {known}, and no outcome for version {newest}"
    for name, train in trains.items():
        if train.get("new_layout_jobs"):
            yield f"train {name} still has the layout jobs {[job['_id'] for job in train['new_layout_jobs']]}"
        if train.get("layout_version", 1) > 1 and f"{name}:{train['layout_version']}" not in layout_jobs:
            yield f"version {train['layout_version']} of train {name} has no layout job"
    for name, job in layout_jobs.items():
        missing = [date for date in job.get("travel_dates", ["all"]) if f"{name}:{date}" not in outcomes]
        if missing or "complete_time" not in job:
            yield f"layout job {name} has no outcome for {missing}, or is not complete"


def outcomes_are_true(runs: Documents, trains: Documents, layout_jobs: Documents, outcomes: Documents) -> Iterator[str]:
    """A change was made on the runs whose outcome says so. A run with all changes has the layout of its train."""
    for name, outcome in outcomes.items():
        run = runs[f"{layout_jobs[outcome['layout_job_id']]['train_id']}:{outcome['travel_date']}"]
        layout, version = run.get("layout", _NEW), layout_jobs[outcome["layout_job_id"]]["train_version"]
        is_applied, has_layout = outcome["state"] == "APPLIED", layout["train_version"] >= version
        if is_applied and not has_layout:
            yield f"{name} is APPLIED, and the run has the layout of version {layout['train_version']}"
        made = [request["request_id"] for request in layout.get("requests", [])]
        if not is_applied and name in made:
            yield f"{name} is {outcome['state']}, and was made"
    for run in runs.values():
        train, layout = trains[run["_id"].rpartition(":")[0]], run.get("layout", _NEW)
        is_newest = layout["train_version"] == train.get("layout_version", 1)
        if is_newest and not layout["is_own"] and _layout_of_run(run) != _layout_of_train(train):
            yield f"run {run['_id']} has the layout {_layout_of_run(run)}, and its train {_layout_of_train(train)}"


def _layout_of_run(run: Document) -> list[tuple[str, int, dict[str, int]]]:
    sections = []
    for section in run["sections"]:
        counts: dict[str, int] = {}
        for coach in section["coaches"]:
            live = set(range(coach["first"], coach["last"] + 1)) - retired_numbers(section)
            counts[coach["name"]] = counts.get(coach["name"], 0) + len(live)
        sections.append((section["name"], section["fare_minor"], {name: count for name, count in counts.items() if count}))
    return sections


def _layout_of_train(train: Document) -> list[tuple[str, int, dict[str, int]]]:
    return [
        (section["name"], section["fare_minor"], _coaches_of(train["coaches"], section["name"]))
        for section in train["sections"]
    ]


def _coaches_of(coaches: Iterable[Document], section: str) -> dict[str, int]:
    return {coach["name"]: coach["seat_count"] for coach in coaches if coach["section"] == section}
