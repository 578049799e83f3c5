"""Hidden runs: buyers do not see them, and cannot tell them from runs that do not exist.

Belongs here: who sees a run, and the refusal for a run that is not there. Does not belong here: hiding a run
(`update_train_run.py`), who sees a booking (`access.py`).

Operators see every run, sell its seats, and prepare it before anybody else does. Bookings that were made on a run stay as they
are while it is hidden: who may see or change them still may.
"""

from app.domain.people import Caller
from app.domain.refusals import Reason, Refusal
from app.domain.run.train_run import TrainRun


def require_visible_run(run: TrainRun, caller: Caller) -> None:
    """Refuse TRAIN_RUN_NOT_FOUND for a hidden run to everybody but operators."""
    if run.hidden and not caller.is_operator:
        raise run_not_found(run.run_id)


def run_not_found(run_id: str) -> Refusal:
    """Make the refusal for a run that does not exist, or that the caller does not see."""
    train_id, _, date = run_id.partition(":")
    return Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"train {train_id} does not run on {date}", resource=("train_run", run_id))
