"""Unreadable records: a document that this version cannot read is skipped, and everything else goes on.

Belongs here: reading one document or many so that an unreadable one is found, counted and logged, and blocks nothing else. Does
not belong here: the shapes (`shapes.py`), statements, the metric and its alert (`app/telemetry`, `deploy/observability`).

An unreadable record has another shape: a field is missing or of another type, or an enum has a value of another version.
Whoever asks for that record alone is refused with RECORD_UNREADABLE. A list, a batch or a lookup for many leaves it out, names
it to its caller, and goes on with the rest. Nothing is ever written over it.
"""

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, TypeVar

from app.domain.refusals import Reason, Refusal
from app.store.shapes import UnreadableError

_log = logging.getLogger(__name__)

Document = Mapping[str, Any]
Value = TypeVar("Value")
Key = TypeVar("Key")

# What decoding a document of another shape raises.
READ_ERRORS = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)
# The collections, and the noun for their documents. The metric has a series for each, and no others.
NOUNS = {
    "bookings": "booking",
    "events": "event",
    "jobs": "job",
    "layout_jobs": "layout job",
    "layout_outcomes": "layout outcome",
    "ledger": "ledger entry",
    "notices": "notice",
    "notification_preferences": "notification preferences",
    "payments": "payment",
    "train_runs": "train run",
    "trains": "train",
    "train_versions": "version of a train",
    "users": "user",
    "webhook_deliveries": "webhook delivery",
    "webhooks": "webhook",
}
# Collections whose ids are addresses, which no log may have.
_PERSONAL = frozenset({"notification_preferences", "users"})

# A record is logged once in this time, however often it is read: workers read some of them every second.
_LOG_INTERVAL_SECONDS = 600.0
# A broken release makes thousands unreadable at once; the first lines of each minute are enough to see why.
_LINES_PER_MINUTE_MAX = 20
_MINUTE_SECONDS = 60.0
# Records whose last log time is remembered: some hundred kilobytes.
_LOGGED_RECORDS_MAX = 1_000

# Documents of one further statement of a page, and such statements before a page is refused: with ten thousand unreadable
# records in a row, this version cannot serve the collection.
_REFILL = 200
_REFILLS_MAX = 50
# How long decoding blocks the event loop at most: far less than anybody notices.
_TURN_SECONDS = 0.005
# Bookings that are decoded in about that time.
_TURN_DOCUMENTS = 100


class DecodedRecords(NamedTuple, Generic[Value]):
    """The decoded values of many documents, in their order, and the ids of those that are unreadable."""

    values: list[Value]
    unreadable: list[str]


class Records(dict[str, Value]):
    """The decoded records by id. `unreadable` are the ids of those that exist and cannot be read."""

    def __init__(self, readable: Mapping[str, Value] | None = None, unreadable: Iterable[str] = ()) -> None:
        super().__init__(readable or {})
        self.unreadable = frozenset(unreadable)


class UnreadableRecords:
    """Counts and logs the unreadable records that this process reads. `timer` returns seconds."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._observers: list[Callable[[str], None]] = []
        self._logged: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._minute_begun, self._lines, self._suppressed = float("-inf"), 0, 0

    def watch(self, observer: Callable[[str], None]) -> None:
        """Call `observer` with the collection of each unreadable record from now on."""
        self._observers.append(observer)

    def unwatch(self, observer: Callable[[str], None]) -> None:
        """Stop calling that observer."""
        self._observers.remove(observer)

    def report(self, collection: str, record_id: object, error: Exception) -> None:
        """Count an unreadable record, and log it within the limits."""
        for observer in self._observers:
            observer(collection)
        now, name = self._timer(), _loggable_id(collection, record_id)
        if now - self._logged.get((collection, name), float("-inf")) < _LOG_INTERVAL_SECONDS:
            return
        if now - self._minute_begun >= _MINUTE_SECONDS:
            self._minute_begun, self._lines = now, 0
        if self._lines >= _LINES_PER_MINUTE_MAX:
            self._suppressed += 1
            return
        self._lines += 1
        self._logged[collection, name] = now
        self._logged.move_to_end((collection, name))
        if len(self._logged) > _LOGGED_RECORDS_MAX:
            self._logged.popitem(last=False)
        suppressed, self._suppressed = self._suppressed, 0
        fields: dict[str, object] = {"collection": collection, "record": name, "what": what_is_wrong(error)}
        _log.error(
            "unreadable %s skipped", NOUNS[collection], extra=fields | ({"suppressed": suppressed} if suppressed else {})
        )


# One for the process, like the log: all code that decodes documents reports here, and every metrics port shows it.
unreadable_records = UnreadableRecords()


def what_is_wrong(error: Exception) -> str:
    """Return what is wrong with a document. Never quotes a stored value."""
    return str(error) if isinstance(error, UnreadableError) else type(error).__name__


def record_unreadable(collection: str) -> Refusal:
    """Make the refusal for a requested record that cannot be read."""
    text = f"the {NOUNS[collection]} cannot be read by this version of the service; nothing was changed, and operators see it"
    return Refusal(Reason.RECORD_UNREADABLE, text)


@contextmanager
def reading(collection: str, record_id: object) -> Iterator[None]:
    """Refuse RECORD_UNREADABLE where the block raises an error of decoding. The block decodes that record and does nothing
    else.
    """
    try:
        yield
    except Refusal as refusal:
        if refusal.reason is Reason.RECORD_UNREADABLE:
            raise
        unreadable_records.report(collection, record_id, refusal)
        raise record_unreadable(collection) from refusal
    except READ_ERRORS as error:
        unreadable_records.report(collection, record_id, error)
        raise record_unreadable(collection) from error


def decode_one(collection: str, document: Document, decode: Callable[[Any], Value]) -> Value:
    """Decode the requested document. Refuses RECORD_UNREADABLE."""
    with reading(collection, document.get("_id")):
        return decode(document)


def decode_all(collection: str, documents: Iterable[Document], decode: Callable[[Any], Value]) -> DecodedRecords[Value]:
    """Decode many documents. Report, leave out and name those that are unreadable."""
    values: list[Value] = []
    unreadable: list[str] = []
    for document in documents:
        try:
            values.append(decode(document))
        except (*READ_ERRORS, Refusal) as error:
            record_id = document.get("_id") if isinstance(document, Mapping) else None
            unreadable_records.report(collection, record_id, error)
            unreadable.append(record_id)  # type: ignore[arg-type]  # as it is stored: statements are to find it again
    return DecodedRecords(values, unreadable)


def decode_by_id(collection: str, documents: Iterable[Document], decode: Callable[[Any], Value]) -> Records[Value]:
    """Decode many documents whose ids are texts. Report, leave out and name those that are unreadable."""
    readable: dict[str, Value] = {}
    unreadable: list[str] = []
    for document in documents:
        try:
            readable[document["_id"]] = decode(document)
        except (*READ_ERRORS, Refusal) as error:
            unreadable_records.report(collection, document["_id"], error)
            unreadable.append(document["_id"])
    return Records(readable, unreadable)


async def decode_in_turns(
    collection: str, documents: Sequence[Document], decode: Callable[[Any], Value], turn_documents: int = _TURN_DOCUMENTS
) -> Records[Value]:
    """Decode as `decode_by_id` does, so many at a time that the event loop runs other calls in between."""
    readable: dict[str, Value] = {}
    unreadable: set[str] = set()
    for start in range(0, len(documents), turn_documents):
        turn = decode_by_id(collection, documents[start : start + turn_documents], decode)
        readable |= turn
        unreadable |= turn.unreadable
        await asyncio.sleep(0)
    return Records(readable, unreadable)


async def read_page(
    collection: str,
    fetch: Callable[[Key, int], Awaitable[list[dict[str, Any]]]],
    key_of: Callable[[Document], Key],
    decode: Callable[[Any], Value],
    after: Key,
    limit: int,
) -> list[Value]:
    """Read a page of at most `limit` records after `after`. Read on past unreadable records.

    `fetch` returns at most so many documents after a key, in the order of `key_of`. Fewer than `limit` records mean that there
    are no more. The event loop runs other calls between documents. Refuses RECORD_UNREADABLE where ten thousand in a row are
    unreadable.
    """
    found: list[Value] = []
    wanted = limit
    for _ in range(_REFILLS_MAX):
        documents = await fetch(after, wanted)
        turn_ends = time.monotonic() + _TURN_SECONDS
        for document in documents:
            found += decode_all(collection, [document], decode).values
            if time.monotonic() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = time.monotonic() + _TURN_SECONDS
        if len(documents) < wanted or len(found) >= limit:
            return found[:limit]
        after, wanted = key_of(documents[-1]), _REFILL
    raise record_unreadable(collection)


def _loggable_id(collection: str, record_id: object) -> str:
    if not isinstance(record_id, str):
        return f"a {type(record_id).__name__}"
    if collection in _PERSONAL:
        return hashlib.blake2b(record_id.encode(), digest_size=6).hexdigest()
    return record_id[:200]
