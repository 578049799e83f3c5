"""Rules about trains and their earlier versions.

Belongs here: what the service would not have stored of a train. Does not belong here: runs against their train (`runs.py`).
"""

from collections.abc import Iterator
from datetime import datetime

from app.domain.refusals import Refusal
from app.domain.train import StoredTrain, check_train
from app.domain.values import value

FIRST_TRAIN_VERSION = 1


@value(frozen=True, slots=True)
class AuditedTrainVersion:
    """A version of a train that was replaced, with its id and when it will be deleted, and the train, read earlier."""

    record_id: str
    stored: StoredTrain
    newest: StoredTrain | None
    purge_time: datetime | None


def invalid_train(train: StoredTrain) -> Iterator[str]:
    """Check the train as CreateTrain does."""
    try:
        check_train(train.train)
    except Refusal as refusal:
        yield refusal.message
    if not 1 <= train.layout_version <= train.version or not train.request_id:
        yield "has no version, a layout of a later one, or was made by no request"


def invalid_train_version(record: AuditedTrainVersion) -> Iterator[str]:
    """Check an earlier version of a train as CreateTrain and UpdateTrain do."""
    yield from invalid_train(record.stored)


def wrong_train_version(record: AuditedTrainVersion) -> Iterator[str]:
    """Compare an earlier version of a train with the train as it is now, and with its own id."""
    earlier, newest = record.stored, record.newest
    if record.record_id != f"{earlier.train.train_id}:{earlier.version}":
        yield "is stored under the id of another version"
    if newest is None:
        yield "is of a train that is not stored"
        return
    # A version is stored before it is replaced, so that the newest one may be there as well.
    if earlier.version > newest.version or earlier.layout_version > newest.layout_version:
        yield f"is later than the train, which has version {newest.version}"
    if (earlier.request_id, earlier.create_time) != (newest.request_id, newest.create_time):
        yield "was made by another request or at another time than its train"
    if (record.purge_time is None) != (earlier.version == FIRST_TRAIN_VERSION):
        yield "is the first version and will be deleted, or a later one and will not"
