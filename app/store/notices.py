"""Notices in MongoDB.

Belongs here: the collection `notices`, its indexes and statements. Does not belong here: its documents
(`notice_documents.py`), which notices there are and what the sender decides (`app/domain/notices`).

No document has an address or a name: `recipient_key` finds a person's notices, and the sender reads the address from the
booking. MongoDB itself deletes notices 90 days after they were made.
"""

from collections.abc import Collection as Values
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.notices.copies import thread_of
from app.domain.notices.notice import Notice, NoticeKind, NoticeState, NoticeThread, SkipReason
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, insert_absent, translate_outages
from app.store.notice_documents import notice_document, notice_from, progress_of
from app.store.unreadable import Records, decode_all, decode_by_id, decode_one, read_page

BOOKING_INDEX = "notices_by_booking"
RECIPIENT_INDEX = "notices_by_recipient"
OPEN_INDEX = "notices_open"
LIFETIME_INDEX = "notices_lifetime"
# A traveller who asks about a mail does so within a season; claims for delays are made within three months.
LIFETIME_SECONDS = 90 * 24 * 3_600
# Notices of one insert; a notice is some hundred bytes, and one message holds 48 MB.
_INSERT_BATCH = 1_000
# Delay notices of one booking that are read: those of ten recipients over three channels, for some twenty changes of the delay.
_TOLD_MAX = 600

# Notices that one notice replaces: those of changes of its booking within the minute before. Beyond that number, the sender of
# each notice finds the newer one and skips its own.
_SUPERSEDED_MAX = 100

_KINDS = frozenset(kind.value for kind in NoticeKind)
_OPEN_STATES = (NoticeState.SCHEDULED.value, NoticeState.SENDING.value)
_TOLD_STATES = (*_OPEN_STATES, NoticeState.SENT.value)
_NEWEST_FIRST = [("create_time", -1), ("_id", -1)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

# The place of a notice in a list, newest first: when it was made in milliseconds since 1970, its id.
NoticeKey = tuple[int, str]


async def make_notice_indexes(database: Database) -> None:
    """Create the indexes that are missing. Safe to call at every start and from many servers at once."""
    with translate_outages():
        notices = database["notices"]
        # ListNotices of a booking or a person, and the notices that replace each other.
        await notices.create_index([("reference", 1), *_NEWEST_FIRST], name=BOOKING_INDEX)
        await notices.create_index([("recipient_key", 1), *_NEWEST_FIRST], name=RECIPIENT_INDEX)
        # Statistics of those that are late. Final ones, which pile up, are not in it.
        counted = [("is_open", 1), ("due_time", 1), ("channel", 1), ("attempt_count", 1)]
        await notices.create_index(counted, name=OPEN_INDEX, partialFilterExpression={"is_open": True})
        # MongoDB itself deletes what is too old.
        await notices.create_index("create_time", name=LIFETIME_INDEX, expireAfterSeconds=LIFETIME_SECONDS)


def notice_key(notice: Notice) -> NoticeKey:
    """Return the place of a notice in a list."""
    return (notice.create_time - _EPOCH) // _MILLISECOND, notice.notice_id


class Notices:
    """The collection `notices`. Every method refuses DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._notices: Collection = database["notices"]

    async def insert_if_absent(self, notices: Sequence[Notice]) -> int:
        """Insert the notices whose ids are not stored yet, in whatever state; return their number."""
        inserted = 0
        with translate_outages():
            for start in range(0, len(notices), _INSERT_BATCH):
                documents = [notice_document(notice) for notice in notices[start : start + _INSERT_BATCH]]
                inserted += len(documents) - len(await insert_absent(self._notices, documents))
        return inserted

    async def find(self, notice_ids: Values[str]) -> Records[Notice]:
        """Return the notices with these ids."""
        if not notice_ids:
            return Records()
        with translate_outages():
            query = {"_id": {"$in": list(notice_ids)}}
            found = await self._adapter.find_in_one_batch(self._notices, query, most=len(notice_ids))
        return decode_by_id("notices", found, notice_from)

    async def begin(self, notice_id: str) -> Notice | None:
        """Make a SCHEDULED or SENDING notice SENDING and return it; None for one that is final or unknown.

        Refuses RECORD_UNREADABLE.
        """
        with translate_outages():
            unsent = {"_id": notice_id, "state": {"$in": list(_OPEN_STATES)}}
            document = await self._notices.find_one_and_update(unsent, {"$set": {"state": NoticeState.SENDING.value}})
        return (
            None if document is None else decode_one("notices", {**document, "state": NoticeState.SENDING.value}, notice_from)
        )

    async def supersede_older(self, notice: Notice, content_revision: int, now: datetime) -> list[NoticeKind]:
        """Skip the SCHEDULED notices that this one replaces: those of its thread up to that revision. Return the kind of each.

        One that another sender takes or skips meanwhile is not among them, nor one that is scheduled meanwhile: its own sender
        finds this notice.
        """
        siblings = _siblings(notice)
        if siblings is None:
            return []
        older = {**siblings, "state": NoticeState.SCHEDULED.value, "revision": {"$lte": content_revision}}
        skipped = {"state": NoticeState.SKIPPED.value, "skip_reason": SkipReason.SUPERSEDED.value, "final_time": now}
        update, superseded = {"$set": skipped, "$unset": {"is_open": ""}}, []
        with translate_outages():
            for found in await self._notices.find(older, {"kind": 1}).limit(_SUPERSEDED_MAX).to_list(_SUPERSEDED_MAX):
                unsent = {"_id": found["_id"], "state": NoticeState.SCHEDULED.value}
                if (await self._notices.update_one(unsent, update)).modified_count:
                    superseded.append(found.get("kind"))
        return [NoticeKind(kind) for kind in superseded if kind in _KINDS]  # a newer version may have further kinds

    async def has_newer(self, notice: Notice, revision: int) -> bool:
        """Whether a notice of the same thread is being or was sent with newer content.

        Newer is: SENT with a `content_revision` of at least `revision`; or SENDING with a higher revision than the notice's, or
        with the same one and a higher id.
        """
        siblings = _siblings(notice)
        if siblings is None:
            return False
        sending = {"state": NoticeState.SENDING.value}
        newer = [
            {"state": NoticeState.SENT.value, "content_revision": {"$gte": revision}},
            {**sending, "revision": {"$gt": notice.revision}},
            {**sending, "revision": notice.revision, "_id": {"$gt": notice.notice_id}},
        ]
        with translate_outages():
            return await self._notices.find_one({**siblings, "$or": newer}, {"_id": 1}) is not None

    async def record(self, notice: Notice) -> bool:
        """Write what an attempt or a decision changed. Return False where the notice is final or gone."""
        update: Document = {"$set": progress_of(notice)}
        if notice.is_final:
            update["$unset"] = {"is_open": ""}
        with translate_outages():
            guard = {"_id": notice.notice_id, "state": {"$in": list(_OPEN_STATES)}}
            return (await self._notices.update_one(guard, update)).matched_count > 0

    async def last_told_minutes(self, reference: str, recipient_keys: Values[str]) -> Mapping[str, int]:
        """Return the delay that each recipient of a booking was last told, or will be by a SCHEDULED or SENDING notice."""
        query = {
            "reference": reference,
            "recipient_key": {"$in": list(recipient_keys)},
            "thread": NoticeThread.DELAY.value,
            "state": {"$in": list(_TOLD_STATES)},
        }
        with translate_outages():
            found = await self._notices.find(query).sort(_NEWEST_FIRST).limit(_TOLD_MAX).to_list(_TOLD_MAX)
        told: dict[str, tuple[int, int]] = {}
        for notice in decode_all("notices", found, notice_from).values:
            if notice.told_minutes is not None:
                newest = (max(notice.revision, notice.content_revision), notice.told_minutes)
                told[notice.recipient_key] = max(told.get(notice.recipient_key, newest), newest)
        return {recipient_key: minutes for recipient_key, (_, minutes) in told.items()}

    async def list_page(self, recipient_key: str, reference: str, after: NoticeKey | None, limit: int) -> list[Notice]:
        """Return at most `limit` readable notices, the newest first, from behind `after`.

        An empty `recipient_key` stands for all recipients, an empty `reference` for all bookings. One of them must be given.
        """
        query = notices_query(recipient_key, reference)

        async def fetch(behind: NoticeKey | None, count: int) -> list[Document]:
            with translate_outages():
                return await self._notices.find(query | _older(behind)).sort(_NEWEST_FIRST).limit(count).to_list(count)

        def key_of(document: Mapping[str, Any]) -> NoticeKey:
            time = document.get("create_time")
            # An unreadable time sorts last.
            return ((time - _EPOCH) // _MILLISECOND if isinstance(time, datetime) else 0), str(document["_id"])

        return await read_page("notices", fetch, key_of, notice_from, after, limit)


def notices_query(recipient_key: str, reference: str) -> Document:
    """Return the query for the notices of a recipient, of a booking, or of both."""
    wanted = {"recipient_key": recipient_key, "reference": reference}
    return {name: text for name, text in wanted.items() if text}


def _older(after: NoticeKey | None) -> Document:
    if after is None:
        return {}
    moment = _EPOCH + after[0] * _MILLISECOND
    return {"$or": [{"create_time": {"$lt": moment}}, {"create_time": moment, "_id": {"$lt": after[1]}}]}


def _siblings(notice: Notice) -> Document | None:
    """Return the query for the other notices of the same recipient, booking, channel and thread; None for a copy."""
    thread = thread_of(notice)
    if thread is None:
        return None
    return {
        "reference": notice.reference,
        "recipient_key": notice.recipient_key,
        "channel": notice.channel.value,
        "thread": thread.value,
        "_id": {"$ne": notice.notice_id},
    }
