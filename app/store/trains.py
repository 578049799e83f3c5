"""Trains, the templates of runs, in MongoDB.

Belongs here: statements to the collection `trains`. Does not: runs (`runs.py`).
"""

import asyncio
import time

from app.domain.refusals import Reason, Refusal
from app.domain.timetable import stop_form, stop_forms
from app.domain.train import StoredTrain
from app.store.driver import Collection, Database, Document, DuplicateKeyError, any_of, translate_outages
from app.store.train_documents import train_document, train_from
from app.store.unreadable import decode_all, decode_one, read_page

# Trains that call at one station, whose spelling of its name is looked up. More would only spell it the same way again.
_SPELLINGS_MAX = 1_000
# How long the older forms of stations are taken for all there are. Only a server of an earlier version adds to them.
_OLDER_FORMS_SECONDS = 60.0


class Trains:
    """The collection `trains`."""

    def __init__(self, database: Database) -> None:
        self._trains: Collection = database["trains"]
        self._older_forms: dict[str, list[str]] = {}
        self._older_forms_until = 0.0
        self._older_forms_read = asyncio.Lock()

    async def insert(self, kept: StoredTrain) -> bool:
        """Keeps a new train. False when there is one with that train_id or made by that request."""
        try:
            with translate_outages():
                await self._trains.insert_one(train_document(kept))
        except DuplicateKeyError:
            return False
        return True

    async def get(self, train_id: str) -> StoredTrain:
        """The train. Refuses TRAIN_NOT_FOUND, RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._trains.find_one({"_id": train_id})
        if document is None:
            raise Refusal(Reason.TRAIN_NOT_FOUND, f"there is no train {train_id}", resource=("train", train_id))
        return decode_one("trains", document, train_from)

    async def find_conflicting(self, train_id: str, request_id: str) -> StoredTrain | None:
        """The train that was made by this request, or else the one with this train_id."""
        with translate_outages():
            document = await self._trains.find_one({"request_id": request_id}) or await self._trains.find_one({"_id": train_id})
        return None if document is None else decode_one("trains", document, train_from)

    async def list_page(self, after: str, limit: int) -> list[StoredTrain]:
        """At most `limit` trains by train_id, behind `after`, without those that are unreadable."""

        async def fetch(behind: str, count: int) -> list[Document]:
            with translate_outages():
                return await self._trains.find({"_id": {"$gt": behind}}).sort("_id", 1).limit(count).to_list(count)

        return await read_page("trains", fetch, lambda document: str(document["_id"]), train_from, after, limit)

    async def stop_names(self, text: str) -> tuple[str, ...]:
        """The names, as trains have them, of the stations whose name or code is `text` in any case."""
        form, stored = stop_form(text), await self.stored_forms(text)
        with translate_outages():
            found = await self._trains.find({"stop_forms": any_of(stored)}).to_list(_SPELLINGS_MAX)
        trains = decode_all("trains", found, train_from).values
        stops = (stop for kept in trains for stop in kept.train.stops)
        return tuple(dict.fromkeys(stop.name for stop in stops if form in stop_forms(stop)))

    async def stored_forms(self, text: str) -> tuple[str, ...]:
        """All forms under which trains and runs may have a station with that name or code, the present one first.

        Earlier versions kept the blanks around what was sent, and accented letters as they were encoded.
        """
        form = stop_form(text)
        return (form, *(await self._read_older_forms()).get(form, ()))

    async def _read_older_forms(self) -> dict[str, list[str]]:
        """The stored forms that are not what is compared now, by what they are compared as. Usually there are none."""
        async with self._older_forms_read:
            now = time.monotonic()
            if now >= self._older_forms_until:
                with translate_outages():
                    stored = await self._trains.distinct("stop_forms")
                self._older_forms = {}
                for form in stored:
                    if isinstance(form, str) and stop_form(form) != form:
                        self._older_forms.setdefault(stop_form(form), []).append(form)
                self._older_forms_until = now + _OLDER_FORMS_SECONDS
        return self._older_forms
