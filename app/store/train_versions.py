"""Earlier versions of trains in MongoDB.

Belongs here: statements to the collection `train_versions`. Does not belong here: the newest versions (`trains.py`).

A version is written before it is replaced. So the version that a run was made from is always found: here, or in `trains`.
"""

from datetime import datetime, timedelta

from app.domain.train import StoredTrain
from app.store.driver import Collection, Database, DuplicateKeyError, translate_outages
from app.store.train_documents import train_version_document, train_version_from, train_version_id
from app.store.unreadable import decode_one

# Runs are scheduled up to a year ahead; a month more lets `verify` compare them with the version that they were made from.
_RETENTION = timedelta(days=400)
# What is never replaced as the answer to a repeated CreateTrain: one version a train, as the trains themselves.
_FIRST_VERSION = 1


async def make_train_version_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        versions = database["train_versions"]
        await versions.create_index("purge_time", name="train_versions_lifetime", expireAfterSeconds=0)
        # The names that stops of runs had when these were made.
        await versions.create_index("stop_forms", name="train_versions_by_station")


class TrainVersions:
    """The collection `train_versions`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._versions: Collection = database["train_versions"]

    async def put(self, stored: StoredTrain, now: datetime) -> None:
        """Store a version that is about to be replaced. Doing it again only prolongs its time.

        The first version is kept for ever: a repeated CreateTrain is compared with it.
        """
        document = train_version_document(stored)
        key = {"_id": document.pop("_id")}
        lifetime = {} if stored.version == _FIRST_VERSION else {"$set": {"purge_time": now + _RETENTION}}
        with translate_outages():
            try:
                await self._versions.update_one(key, {"$setOnInsert": document, **lifetime}, upsert=True)
            except DuplicateKeyError:  # another server has just stored it: two upserts of one key at once
                await self._versions.update_one(key, {"$setOnInsert": document, **lifetime}, upsert=True)

    async def find(self, train_id: str, version: int) -> StoredTrain | None:
        """Return a version that was replaced, or None. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._versions.find_one({"_id": train_version_id(train_id, version)})
        return None if document is None else decode_one("train_versions", document, train_version_from)
