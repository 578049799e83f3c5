"""Trains: creating and reading them.

Belongs here: the use cases around trains. Does not belong here: their runs (`train_runs.py`).
"""

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.train import StoredTrain, Train, check_train, with_trimmed_texts
from app.ports.clock import Clock
from app.store.store import Store


class TrainUseCases:
    """The use cases around trains. `clock` returns the current time, `amounts` says what can be paid."""

    def __init__(self, store: Store, clock: Clock, amounts: AmountRules = ANY_AMOUNT) -> None:
        self._store, self._clock, self._amounts = store, clock, amounts

    async def create(self, train: Train, request_id: str, *, validate_only: bool) -> StoredTrain:
        """Store a new train, or return the train that this request has created before.

        With `validate_only`, a new train has version 0 and is not stored.

        Refuses INVALID_FIELD (also a new train's fare that the payment provider cannot take), REQUEST_ID_REUSED,
        TRAIN_ALREADY_EXISTS.
        """
        train = with_trimmed_texts(train)
        check_train(train)
        stored = StoredTrain(train, request_id, self._clock(), version=0 if validate_only else 1)
        other = await self._store.trains.find_conflicting(train.train_id, request_id)
        if other is None:
            self._require_chargeable(train)
        if other is None and (validate_only or await self._store.trains.insert(stored)):
            return stored
        other = other or await self._store.trains.find_conflicting(train.train_id, request_id)
        if other is None:
            raise RuntimeError("a conflicting train no longer exists")
        return _require_same_request(other, stored)

    def _require_chargeable(self, train: Train) -> None:
        """Refuse fares that the payment provider cannot charge. Seats may be free of charge."""
        for index, section in enumerate(train.sections):
            problem = self._amounts.problem_of_charge(section.fare) if section.fare.minor else ""
            if problem:
                raise InvalidField(f"train.sections[{index}].fare", f"{section.fare} cannot be paid here: {problem}")

    async def get(self, train_id: str) -> StoredTrain:
        """Return a train. Refuses TRAIN_NOT_FOUND."""
        return await self._store.trains.get(train_id)

    async def list_page(self, after: tuple[str] | None, limit: int) -> tuple[list[StoredTrain], tuple[str] | None]:
        """Return a page of trains by train_id, and the key of the next page."""
        found = await self._store.trains.list_page(after[0] if after else "", limit + 1)
        page = found[:limit]
        return page, (page[-1].train.train_id,) if len(found) > limit else None


def _require_same_request(other: StoredTrain, wanted: StoredTrain) -> StoredTrain:
    name = other.train.train_id
    if other.request_id != wanted.request_id:
        raise Refusal(Reason.TRAIN_ALREADY_EXISTS, f"there is a train {name}", resource=("train", name))
    if with_trimmed_texts(other.train) != wanted.train:  # earlier versions stored texts as they were sent
        raise Refusal(
            Reason.REQUEST_ID_REUSED, f"this request_id made train {name} from another request", resource=("train", name)
        )
    return other
