"""Trains, from which runs are made, in MongoDB.

Belongs here: statements to the collection `trains`, and the names of stops. Does not belong here: runs (`runs.py`), earlier
versions of trains (`train_versions.py`), except for the names that their stops had: runs and bookings still have them.
"""

import asyncio
import time

from app.domain.refusals import Reason, Refusal
from app.domain.timetable import stop_form, stop_forms
from app.domain.train import StoredTrain
from app.store.driver import Collection, Database, Document, DuplicateKeyError, any_of, translate_outages
from app.store.train_documents import changeable_fields, train_document, train_from, train_version_from
from app.store.unreadable import decode_all, decode_one, read_page

# Trains that call at one station, and as many earlier versions of trains, whose spellings of its name are read. More would not
# add other spellings.
_SPELLINGS_MAX = 1_000
# How long the older forms of stations are cached. Only a server of an earlier version adds to them.
_OLDER_FORMS_SECONDS = 60.0


class Trains:
    """The collection `trains`."""

    def __init__(self, database: Database) -> None:
        self._trains: Collection = database["trains"]
        self._versions: Collection = database["train_versions"]
        self._older_forms: dict[str, list[str]] = {}
        self._older_forms_until = 0.0
        self._older_forms_read = asyncio.Lock()

    async def insert(self, stored: StoredTrain) -> bool:
        """Store a new train. Return False where there is one with that train_id or made by that request."""
        try:
            with translate_outages():
                await self._trains.insert_one(train_document(stored))
        except DuplicateKeyError:
            return False
        return True

    async def swap(self, changed: StoredTrain, replaced_version: int, layout_job: Document | None = None) -> bool:
        """Store a changed train in place of `replaced_version`. Return False where that is not the newest any more.

        With a `layout_job`, which brings a change of the layout to the train's runs, the train's document keeps that job in
        `new_layout_jobs` until it is copied from there (`layout_jobs.py`).
        """
        change: Document = {"$set": changeable_fields(changed)}
        if layout_job is not None:
            change["$push"] = {"new_layout_jobs": layout_job}
        with translate_outages():
            result = await self._trains.update_one({"_id": changed.train.train_id, "version": replaced_version}, change)
        return result.matched_count == 1

    async def get(self, train_id: str) -> StoredTrain:
        """Return the train. Refuses TRAIN_NOT_FOUND, RECORD_UNREADABLE."""
        with translate_outages():
            document = await self._trains.find_one({"_id": train_id})
        if document is None:
            raise Refusal(Reason.TRAIN_NOT_FOUND, f"there is no train {train_id}", resource=("train", train_id))
        return decode_one("trains", document, train_from)

    async def find_conflicting(self, train_id: str, request_id: str) -> StoredTrain | None:
        """Return the train that was made by this request, or else the one with this train_id, or None."""
        with translate_outages():
            document = await self._trains.find_one({"request_id": request_id}) or await self._trains.find_one({"_id": train_id})
        return None if document is None else decode_one("trains", document, train_from)

    async def list_page(self, after: str, limit: int, *, with_horizon: bool = False) -> list[StoredTrain]:
        """Return at most `limit` trains by train_id, after `after`, without those that are unreadable.

        With `with_horizon`, only those that the service schedules by itself.
        """
        scheduled: Document = {"schedule_horizon_days": {"$gt": 0}} if with_horizon else {}

        async def fetch(behind: str, count: int) -> list[Document]:
            query = {"_id": {"$gt": behind}, **scheduled}
            with translate_outages():
                return await self._trains.find(query).sort("_id", 1).limit(count).to_list(count)

        return await read_page("trains", fetch, lambda document: str(document["_id"]), train_from, after, limit)

    async def set_scheduled_until(self, train_id: str, travel_date: str) -> None:
        """Note that the train was scheduled by itself up to this date. Never goes back."""
        with translate_outages():
            await self._trains.update_one({"_id": train_id}, {"$max": {"scheduled_until": travel_date}})

    async def stop_names(self, text: str) -> tuple[str, ...]:
        """Return the names, as trains have or had them, of the stations whose name or code is `text` in any case."""
        form, calls = stop_form(text), {"stop_forms": any_of(await self.stored_forms(text))}
        with translate_outages():
            found = await self._trains.find(calls).to_list(_SPELLINGS_MAX)
            earlier = await self._versions.find(calls).to_list(_SPELLINGS_MAX)
        trains = decode_all("trains", found, train_from).values
        trains += decode_all("train_versions", earlier, train_version_from).values
        stops = (stop for stored in trains for stop in stored.train.stops)
        return tuple(dict.fromkeys(stop.name for stop in stops if form in stop_forms(stop)))

    async def stored_forms(self, text: str) -> tuple[str, ...]:
        """Return all forms under which trains and runs may have a station with that name or code, the present one first.

        Earlier versions stored blanks around a text, and accented letters as they were encoded.
        """
        form = stop_form(text)
        return (form, *(await self._read_older_forms()).get(form, ()))

    async def _read_older_forms(self) -> dict[str, list[str]]:
        """Return the stored forms that differ from the present ones, by their present form. Usually there are none."""
        async with self._older_forms_read:
            now = time.monotonic()
            if now >= self._older_forms_until:
                with translate_outages():
                    stored = await self._trains.distinct("stop_forms") + await self._versions.distinct("stop_forms")
                self._older_forms = {}
                for form in stored:
                    if isinstance(form, str) and stop_form(form) != form:
                        self._older_forms.setdefault(stop_form(form), []).append(form)
                self._older_forms_until = now + _OLDER_FORMS_SECONDS
        return self._older_forms
