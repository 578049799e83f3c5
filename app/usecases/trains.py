"""Trains: creating, reading and changing them.

Belongs here: the use cases around trains. Does not belong here: their runs (`train_runs.py`), their layouts
(`layouts.py`).
"""

from dataclasses import replace

from app.domain.amounts import ANY_AMOUNT, AmountRules
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.train import StoredTrain, Train, check_train, require_etag, updated_train, with_trimmed_texts
from app.ports.clock import Clock
from app.store.store import Store


class TrainUseCases:
    """The use cases around trains. `clock` returns the current time, `amounts` says what can be paid."""

    def __init__(self, store: Store, clock: Clock, amounts: AmountRules = ANY_AMOUNT) -> None:
        self._store, self._clock, self._amounts = store, clock, amounts

    async def create(self, train: Train, request_id: str, *, validate_only: bool) -> StoredTrain:
        """Store a new train, or return the train that this request has created before.

        With `validate_only`, a new train has version 0 and is not stored. A train that was changed since is returned as it is
        now.

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
        _require_same_request(other, await self._first_version(other), stored)
        return other

    async def _first_version(self, stored: StoredTrain) -> Train:
        """Return the train as it was created."""
        first = None if stored.version == 1 else await self._store.train_versions.find(stored.train.train_id, 1)
        return (first or stored).train

    async def update(self, train: Train, fields: frozenset[str], etag: str, *, validate_only: bool) -> StoredTrain:
        """Change the `fields` (of `UPDATED_FIELDS`) of the train with that train_id, for runs that are made from now on.

        Where nothing changes, and with `validate_only`, nothing is stored, and the version stays. A call that is repeated gives
        the train that it made, as long as that is the newest version.

        Refuses TRAIN_NOT_FOUND, INVALID_FIELD, ETAG_STALE.
        """
        stored = await self._store.trains.get(train.train_id)
        if await self._is_repeated(stored, train, fields, etag):
            return stored
        require_etag(stored, etag)
        changed = replace(stored, train=updated_train(stored.train, train, fields))
        if validate_only or changed.train == stored.train:
            return changed
        changed = replace(changed, version=stored.version + 1)
        await self._store.train_versions.put(stored, self._clock())
        if await self._store.trains.swap(changed, stored.version):
            return changed
        newest = await self._store.trains.get(train.train_id)
        if not await self._is_repeated(newest, train, fields, etag):
            require_etag(newest, etag)
        return newest

    async def _is_repeated(self, stored: StoredTrain, train: Train, fields: frozenset[str], etag: str) -> bool:
        """Whether this change of the version with that etag made the newest version."""
        if etag != str(stored.version - 1):
            return False
        before = await self._store.train_versions.find(train.train_id, stored.version - 1)
        return before is not None and updated_train(before.train, train, fields) == stored.train

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


def _require_same_request(other: StoredTrain, created: Train, wanted: StoredTrain) -> None:
    """Refuse a request that conflicts with another train, which was `created` by its own request."""
    name = created.train_id
    if other.request_id != wanted.request_id:
        raise Refusal(Reason.TRAIN_ALREADY_EXISTS, f"there is a train {name}", resource=("train", name))
    if with_trimmed_texts(created) != wanted.train:  # earlier versions stored texts as they were sent
        raise Refusal(
            Reason.REQUEST_ID_REUSED, f"this request_id made train {name} from another request", resource=("train", name)
        )
