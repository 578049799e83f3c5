"""Rules about trains.

Belongs here: what the service would not have stored of a train. Does not belong here: runs against their train (`runs.py`).
"""

from collections.abc import Iterator

from app.domain.refusals import Refusal
from app.domain.train import StoredTrain, check_train


def invalid_train(train: StoredTrain) -> Iterator[str]:
    """Check the train as CreateTrain does."""
    try:
        check_train(train.train)
    except Refusal as refusal:
        yield refusal.message
    if train.version < 1 or not train.request_id:
        yield "has no version, or was made by no request"
