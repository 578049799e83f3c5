"""UpdateTrainRun: an operator hides a run from buyers, or shows it.

Belongs here: the rule. Does not belong here: what is hidden from whom (`hidden_runs.py`).
"""

from datetime import datetime

from app.domain.layout.commands import UpdateTrainRun
from app.domain.people import require_operator
from app.domain.run.train_run import TrainRun


def update_train_run(run: TrainRun, command: UpdateTrainRun, now: datetime) -> None:
    """Hide the run, or show it; the same again changes nothing. Refuses NOT_PERMITTED to all but operators."""
    require_operator(command.caller)
    if run.hidden is not command.hidden:
        run.set_hidden(hidden=command.hidden)
