"""Copying bookings and events from the documents of runs to the archive: the collections `bookings` and `events`.

Belongs here: the statements that archive. Does not belong here: when to archive (`app/lanes/archive.py`), and which bookings a
commit leaves out of the document afterwards (`runs.py`).
"""

import logging
from collections.abc import Iterable, Sequence

from app.store.adapter import adapter_of
from app.store.cached_run import CachedRun, PendingBooking
from app.store.driver import Collection, Database, Document, insert_absent, translate_outages
from app.store.shapes import UnreadableError
from app.store.unreadable import unreadable_records

_log = logging.getLogger(__name__)

# Bookings of one statement: about a megabyte.
_BOOKINGS_MAX = 1_000
# Event batches of one statement: each has at most some hundred events, so about ten megabytes.
_EVENT_BATCHES_MAX = 100


class RunArchive:
    """The collections `bookings` and `events`, as far as runs are archived to them."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._bookings: Collection = database["bookings"]
        self._events: Collection = database["events"]

    async def archive(self, batch: Sequence[CachedRun]) -> None:
        """Copy the pending bookings and events of these runs. The next commit of each run leaves them out of its document.

        Several servers may do it at once and again: a copy only replaces an older revision.
        """
        events = [(cached, commit, document) for cached in batch for commit, document in cached.pending_events.items()]
        for start in range(0, len(events), _EVENT_BATCHES_MAX):
            await self._archive_events(events[start : start + _EVENT_BATCHES_MAX])
        bookings = [(cached, reference, booking) for cached in batch for reference, booking in cached.pending_bookings.items()]
        for start in range(0, len(bookings), _BOOKINGS_MAX):
            await self._archive_bookings(bookings[start : start + _BOOKINGS_MAX])

    async def _archive_events(self, pending: list[tuple[CachedRun, str, Document]]) -> None:
        with translate_outages():
            await insert_absent(self._events, [document for _, _, document in pending])
        for cached, commit, _ in pending:
            if cached.pending_events.pop(commit, None) is not None:
                cached.archived_events.add(commit)

    async def _archive_bookings(self, pending: list[tuple[CachedRun, str, PendingBooking]]) -> None:
        with translate_outages():
            present = await insert_absent(self._bookings, [booking.document for _, _, booking in pending])
            foreign = await self._replace_older(present) if present else set()
        for cached, reference, booking in pending:
            # A booking that has changed meanwhile is pending in its new revision.
            if cached.pending_bookings.get(reference) is booking and (reference, cached.run.run_id) not in foreign:
                del cached.pending_bookings[reference]
                cached.archived_revisions[reference] = booking.revision

    async def _replace_older(self, documents: list[Document]) -> set[tuple[str, str]]:
        """Replace older revisions. Return (reference, run) of those whose reference belongs to a booking of another run.

        That takes two runs that sold under one reference within the same milliseconds, which is one in 10^9, or one client that
        sent one request_id for both at once. The booking then stays in `recent`, where it is found first.
        """
        references = [document["_id"] for document in documents]
        wanted = {"run_id": 1, "revision": 1}
        found = await self._bookings.find({"_id": {"$in": references}}, wanted).to_list(len(references))
        archived = {document["_id"]: document for document in found if _has_revision(document)}
        older = [
            ({"_id": new["_id"], "run_id": new["run_id"], "revision": {"$lt": new["revision"]}}, new)
            for new in documents
            if new["_id"] in archived and archived[new["_id"]]["revision"] < new["revision"]
        ]
        await self._adapter.replace_many(self._bookings, older)
        return _foreign(documents, archived)


def _has_revision(document: Document) -> bool:
    """Whether a booking's document has a revision. Report it else: it stays as it is, and the new one stays in `recent`."""
    if isinstance(document.get("revision"), int):
        return True
    unreadable_records.report("bookings", document["_id"], UnreadableError("revision is no whole number"))
    return False


def _foreign(documents: Iterable[Document], archived: dict[str, Document]) -> set[tuple[str, str]]:
    """Return (reference, run) of the documents whose reference is archived for another run, or unreadable."""
    foreign = {
        (document["_id"], document["run_id"])
        for document in documents
        if archived.get(document["_id"], {}).get("run_id") != document["run_id"]
    }
    for reference, run_id in foreign:
        _log.error("run %s: the reference %s is archived for another run", run_id, reference)
    return foreign
