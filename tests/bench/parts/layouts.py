"""What does a change of the layout cost?

Belongs here: planning and removing coaches full of passengers, one call at a time. Does not belong here: whether the passengers
get the right seats (`tests/unit/layouts`).
"""

from __future__ import annotations

from dataclasses import dataclass

from app.pb.seatline.v1 import layout_pb2
from tests.bench import requests
from tests.bench.figures import Volley
from tests.bench.load.calls import Call
from tests.bench.requests import COACH_SEATS_MAX, RunKey
from tests.bench.stage import Stage, document_id

CALLERS = 64


@dataclass(frozen=True)
class Case:
    """A run with so many seats whose first coaches are full, and are removed."""

    name: str
    seats: int
    coaches: int

    @property
    def displaced(self) -> int:
        """Return how many passengers sit there."""
        return self.coaches * COACH_SEATS_MAX


CASES = (Case("layout", 1_000, 1), Case("large_layout", 5_000, 5))


def measure_layouts(stage: Stage) -> None:
    """Measure a plan and a change of each case, each round on a new run whose other coaches have room for everybody."""
    for case in CASES:
        plans: list[Volley] = []
        changes: list[Volley] = []
        for number, run in enumerate(stage.fresh_runs(case.seats, stage.scale.layout_changes)):
            stage.sell([run] * case.displaced, CALLERS)
            coaches = [str(coach) for coach in range(1, case.coaches + 1)]
            plans.append(_fire(stage, case, run, requests.remove_coaches_call(run, coaches)))
            change = requests.remove_coaches_call(run, coaches, request_id=f"{case.name}-{number}")
            changes.append(_fire(stage, case, run, change))
        stage.results.add_volleys(f"{case.name}_plan", plans)
        stage.results.add_volleys(f"{case.name}_change", changes)


def _fire(stage: Stage, case: Case, run: RunKey, call: Call) -> Volley:
    """Send one call. It moves all displaced passengers, and is one commit, or none for a plan."""
    version = _version(stage, run)
    answers: list[bytes] = []
    volley = stage.fire([stage.host.service], [call], 1, keep=answers)
    plans = [layout_pb2.LayoutPlan.FromString(answer) for answer in answers]
    moved = [plan.counts.moved_passengers for plan in plans]
    if moved != [case.displaced]:
        stage.results.problems.append(f"{case.name}: moved {moved} of {case.displaced} passengers")
    commits = _version(stage, run) - version
    if plans and commits != (0 if plans[0].validate_only else 1):
        stage.results.problems.append(f"{case.name}: {commits} commits")
    return volley


def _version(stage: Stage, run: RunKey) -> int:
    document = stage.runs.find_one({"_id": document_id(run)}, {"version": 1}) or {}
    return int(document.get("version", 0))
