"""A database in memory, for tasks without an event loop.

Belongs here: the statements that the service's store sends, each one step that nothing comes between, before and after which
others have a turn; and outages, after which the statement was done or not. Does not: what is kept.

Documents go in and come out by way of BSON, so that what the service gets is what MongoDB would give it, and a copy.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bson import CodecOptions, decode, encode
from pymongo.errors import AutoReconnect, BulkWriteError

from tests.simulation.tasks import YIELD_POINT

Document = dict[str, Any]
# Whether the next statement fails: None, "before" it is done, or "after".
Fault = Callable[[str], str | None]
# Told of each change: the collection, what there was before (None if nothing), and what there is now.
Watcher = Callable[[str, Document | None, Document], None]

_OPTIONS: CodecOptions[Document] = CodecOptions(tz_aware=True)
_DUPLICATE_KEY = 11000
_COMPARISONS = {"$lt": operator.lt, "$lte": operator.le, "$gt": operator.gt, "$gte": operator.ge}


def copied(document: Document) -> Document:
    return decode(encode(document), _OPTIONS)


class Written(NamedTuple):
    matched_count: int
    modified_count: int


class Cursor:
    def __init__(
        self, collection: "SimulatedCollection", found: Callable[[], Iterable[Document]], projection: Document | None = None
    ) -> None:
        self._collection, self._found, self._projection = collection, found, projection
        self._order: list[tuple[str, int]] = []
        self._limit = 0

    def sort(self, order: str | list[tuple[str, int]], direction: int = 1) -> "Cursor":
        self._order = [(order, direction)] if isinstance(order, str) else order
        return self

    def limit(self, limit: int) -> "Cursor":
        self._limit = limit
        return self

    async def to_list(self, length: int) -> list[Document]:
        await self._collection.before("read")
        found = list(self._found())
        if self._order:
            found.sort(key=lambda one: tuple(one[path] for path, _ in self._order))
        return [self._collection.read(one, self._projection) for one in found[: self._limit or length]]


class SimulatedCollection:
    """A collection. `watch` hears of changes within the step that makes them."""

    database = None

    def __init__(self, name: str, fault: Fault, watch: Watcher) -> None:
        self.name = name
        self.kept: dict[str, Document] = {}
        self._fault, self._watch = fault, watch
        self._packed: dict[str, bytes] = {}  # as they were read last, until they change

    # -- one statement

    async def before(self, what: str) -> str | None:
        """The way to the database: others have a turn, and it may be cut."""
        await YIELD_POINT
        fault = self._fault(f"{what} {self.name}")
        if fault is None or (fault == "after" and what != "read"):
            return fault
        raise AutoReconnect(f"the statement to {self.name} was not done")

    async def after(self, fault: str | None) -> None:
        """The way back."""
        await YIELD_POINT
        if fault:
            raise AutoReconnect(f"the statement to {self.name} was done, and nobody was told")

    # -- reading

    async def find_one(self, query: Document, projection: Document | None = None) -> Document | None:
        await self.before("read")
        return next((self.read(one, projection) for one in self.matching(query)), None)

    def read(self, document: Document, projection: Document | None) -> Document:
        if projection or self.kept.get(document["_id"]) is not document:  # a part of one
            return copied(shown(document, projection))
        packed = self._packed.get(document["_id"])
        if packed is None:
            packed = self._packed[document["_id"]] = encode(document)
        return decode(packed, _OPTIONS)

    def find(self, query: Document, projection: Document | None = None) -> Cursor:
        return Cursor(self, lambda: self.matching(query), projection)

    def aggregate(self, pipeline: Sequence[Document], session: object = None) -> Cursor:
        return Cursor(self, lambda: self._through(pipeline))

    def _through(self, pipeline: Sequence[Document]) -> Iterator[Document]:
        """The recent bookings of runs: the one pipeline that selling needs."""
        *_, last = pipeline
        for run in self.matching(pipeline[0]["$match"]):
            yield from (one for one in run["recent"] if matches(one, last["$match"]))

    def matching(self, query: Document) -> Iterator[Document]:
        key = query.get("_id")
        if isinstance(key, str):
            candidates: Iterable[Document] = [self.kept[key]] if key in self.kept else []
        elif isinstance(key, dict) and "$in" in key:
            candidates = [self.kept[one] for one in dict.fromkeys(key["$in"]) if one in self.kept]
        else:
            candidates = list(self.kept.values())
        return (one for one in candidates if matches(one, query))

    # -- writing

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        fault = await self.before("insert")
        errors = []
        for index, document in enumerate(documents):
            if document["_id"] in self.kept:
                errors.append({"index": index, "code": _DUPLICATE_KEY})
            else:
                self._put(None, copied(document))
        await self.after(fault)
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})

    async def find_one_and_update(self, query: Document, update: Document, projection: Document) -> Document | None:
        return {"_id": query["_id"]} if (await self._update("swap", query, update, 1)).matched_count else None

    async def update_one(self, query: Document, update: Document) -> Written:
        return await self._update("update", query, update, 1)

    async def update_many(self, query: Document, update: Document) -> Written:
        return await self._update("update", query, update, 0)

    async def _update(self, what: str, query: Document, update: Document, limit: int) -> Written:
        fault = await self.before(what)
        found = list(self.matching(query))
        found = found[:limit] if limit else found
        for one in found:
            self._put(one, updated(one, update))
        await self.after(fault)
        return Written(len(found), len(found))

    async def replace_one(self, query: Document, document: Document) -> Written:
        fault = await self.before("replace")
        found = list(self.matching(query))[:1]
        for one in found:
            self._put(one, copied(document))
        await self.after(fault)
        return Written(len(found), len(found))

    def _put(self, before: Document | None, document: Document) -> None:
        self.kept[document["_id"]] = document
        self._packed.pop(document["_id"], None)
        self._watch(self.name, before, document)


class SimulatedDatabase:
    """The collections, made as they are asked for. All servers and workers share them."""

    def __init__(self, fault: Fault, watch: Watcher) -> None:
        self._fault, self._watch = fault, watch
        self._collections: dict[str, SimulatedCollection] = {}

    def __getitem__(self, name: str) -> SimulatedCollection:
        if name not in self._collections:
            self._collections[name] = SimulatedCollection(name, self._fault, self._watch)
        return self._collections[name]


def updated(document: Document, update: Document) -> Document:
    """The document after `$set`, `$unset` and `$inc` on dotted paths, as a new one."""
    unknown = update.keys() - {"$set", "$unset", "$inc"}
    if unknown:
        raise NotImplementedError(f"the simulated database knows no {unknown}")
    newer = dict(document)
    for path, value in copied(update.get("$set", {})).items():
        place, last = _place(newer, path)
        place[last] = value
    for path in update.get("$unset", {}):
        place, last = _place(newer, path)
        place.pop(last, None)
    for path, value in update.get("$inc", {}).items():
        place, last = _place(newer, path)
        place[last] += value
    return newer


def _place(document: Document, path: str) -> tuple[Any, Any]:
    """Where a path leads, by way of new lists and documents: the old ones stay as they are."""
    *parents, last = path.split(".")
    place: Any = document
    for step in parents:
        key = int(step) if isinstance(place, list) else step
        place[key] = place[key].copy()
        place = place[key]
    return place, int(last) if isinstance(place, list) else last


def shown(document: Document, projection: Document | None) -> Document:
    """What a projection asks for; whole fields, but for the one member of a list that it names. No copy."""
    if not projection:
        return document
    if 0 in projection.values():
        return {field: value for field, value in document.items() if field not in projection}
    fields = {path.partition(".")[0] for path in projection} | {"_id"}
    part = {field: document[field] for field in document if field in fields}
    for path, wanted in projection.items():
        if isinstance(wanted, dict):
            part[path] = [one for one in part[path] if matches(one, wanted["$elemMatch"])][:1]
    return part


def matches(document: Document, query: Document) -> bool:
    """Whether a document is what a query asks for."""
    for path, wanted in query.items():
        if type(wanted) is str and type(document.get(path)) is str:  # which most are
            if document[path] != wanted:
                return False
        elif not _fits(_values(document, path.split(".")), wanted):
            return False
    return True


def _values(place: Any, steps: list[str]) -> list[Any]:
    """What stands at a path; of lists, what stands there in each of their members."""
    if not steps:
        return [place]
    if isinstance(place, list):
        return [value for one in place for value in _values(one, steps)]
    return _values(place[steps[0]], steps[1:]) if isinstance(place, dict) and steps[0] in place else []


def _fits(values: list[Any], wanted: Any) -> bool:
    if not isinstance(wanted, dict):  # here, a document that is asked for is always one of operators
        if wanted is None and not values:
            return True
        return any(value == wanted or (isinstance(value, list) and wanted in value) for value in values)
    return all(any(_compares(value, comparison, operand) for value in values) for comparison, operand in wanted.items())


def _compares(value: Any, comparison: str, operand: Any) -> bool:
    if comparison in ("$in", "$nin"):
        return (value in operand) is (comparison == "$in")
    if comparison == "$elemMatch":
        return any(matches(one, operand) for one in value)
    if value is None or isinstance(value, list | dict):
        return False
    return bool(_COMPARISONS[comparison](value, operand))
