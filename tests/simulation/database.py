"""A database in memory, for tasks of the simulation's scheduler.

Belongs here: the statements that the service's store sends, and outages. A statement is atomic, and other tasks may run before
and after it. After an outage the statement was done or not. Does not belong here: what the documents mean.

Documents pass through BSON on their way in and out, so that the service gets a copy, and exactly what MongoDB would return.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from bson import CodecOptions, decode, encode
from pymongo.errors import AutoReconnect, BulkWriteError, DuplicateKeyError

from tests.simulation.scheduler import YIELD_POINT

Document = dict[str, Any]
# Whether the next statement fails: None, "before" it is done, or "after" it.
Fault = Callable[[str], str | None]
# Called for each change with the collection, the document before (None for a new one), and the document now.
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
            found.sort(key=lambda document: tuple(document[path] for path, _ in self._order))
        return [self._collection.read(document, self._projection) for document in found[: self._limit or length]]


class SimulatedCollection:
    """A collection. Calls `watch` for each change, in the step that makes it."""

    database = None

    def __init__(self, name: str, fault: Fault, watch: Watcher) -> None:
        self.name = name
        self.documents: dict[str, Document] = {}
        self._fault, self._watch = fault, watch
        self._encoded: dict[str, bytes] = {}  # encoded documents, until they change

    # -- one statement

    async def before(self, statement: str) -> str | None:
        """Deliver a statement, or lose it: other tasks may run first."""
        await YIELD_POINT
        fault = self._fault(f"{statement} {self.name}")
        if fault is None or (fault == "after" and statement != "read"):
            return fault
        raise AutoReconnect(f"the statement to {self.name} was not done")

    async def after(self, fault: str | None) -> None:
        """Deliver the answer, or lose it: other tasks may run first."""
        await YIELD_POINT
        if fault:
            raise AutoReconnect(f"the statement to {self.name} was done, and its answer is lost")

    # -- reading

    async def find_one(self, query: Document, projection: Document | None = None) -> Document | None:
        await self.before("read")
        return next((self.read(document, projection) for document in self.matching(query)), None)

    def read(self, document: Document, projection: Document | None) -> Document:
        if projection or self.documents.get(document["_id"]) is not document:  # a part of the document, or an older one
            return copied(shown(document, projection))
        encoded = self._encoded.get(document["_id"])
        if encoded is None:
            encoded = self._encoded[document["_id"]] = encode(document)
        return decode(encoded, _OPTIONS)

    def find(self, query: Document, projection: Document | None = None) -> Cursor:
        return Cursor(self, lambda: self.matching(query), projection)

    def aggregate(self, pipeline: Sequence[Document], session: object = None) -> Cursor:
        return Cursor(self, lambda: self._through(pipeline))

    def _through(self, pipeline: Sequence[Document]) -> Iterator[Document]:
        """Run the one pipeline that selling needs: the recent bookings of runs."""
        *_, last = pipeline
        for run in self.matching(pipeline[0]["$match"]):
            yield from (booking for booking in run["recent"] if matches(booking, last["$match"]))

    def matching(self, query: Document) -> Iterator[Document]:
        key = query.get("_id")
        if isinstance(key, str):
            candidates: Iterable[Document] = [self.documents[key]] if key in self.documents else []
        elif isinstance(key, dict) and "$in" in key:
            candidates = [self.documents[name] for name in dict.fromkeys(key["$in"]) if name in self.documents]
        else:
            candidates = list(self.documents.values())
        return (document for document in candidates if matches(document, query))

    # -- writing

    async def insert_many(self, documents: Sequence[Document], *, ordered: bool) -> None:
        fault = await self.before("insert")
        errors = []
        for index, document in enumerate(documents):
            if document["_id"] in self.documents:
                errors.append({"index": index, "code": _DUPLICATE_KEY})
            else:
                self._put(None, copied(document))
        await self.after(fault)
        if errors:
            raise BulkWriteError({"writeErrors": errors, "writeConcernErrors": []})

    async def insert_one(self, document: Document) -> None:
        fault = await self.before("insert")
        if document["_id"] in self.documents:
            raise DuplicateKeyError("the key is taken")
        self._put(None, copied(document))
        await self.after(fault)

    async def find_one_and_update(self, query: Document, update: Document, projection: Document) -> Document | None:
        return {"_id": query["_id"]} if (await self._update("swap", query, update, 1)).matched_count else None

    async def update_one(self, query: Document, update: Document, *, upsert: bool = False) -> Written:
        if upsert and not any(self.matching(query)):
            return await self._upsert(query, update)
        return await self._update("update", query, update, 1)

    async def _upsert(self, query: Document, update: Document) -> Written:
        """Insert the document that the query and the update describe, unless another task has meanwhile."""
        fault = await self.before("upsert")
        new = copied(query | update.get("$setOnInsert", {}) | update.get("$set", {}))
        if new["_id"] in self.documents:
            raise DuplicateKeyError("the key is taken")
        self._put(None, new)
        await self.after(fault)
        return Written(0, 0)

    async def count_documents(self, query: Document) -> int:
        await self.before("read")
        return sum(1 for _ in self.matching(query))

    async def update_many(self, query: Document, update: Document) -> Written:
        return await self._update("update", query, update, 0)

    async def _update(self, what: str, query: Document, update: Document, limit: int) -> Written:
        fault = await self.before(what)
        found = list(self.matching(query))
        found = found[:limit] if limit else found
        for document in found:
            self._put(document, updated(document, update))
        await self.after(fault)
        return Written(len(found), len(found))

    async def replace_one(self, query: Document, document: Document) -> Written:
        fault = await self.before("replace")
        found = list(self.matching(query))[:1]
        for before in found:
            self._put(before, copied(document))
        await self.after(fault)
        return Written(len(found), len(found))

    def _put(self, before: Document | None, document: Document) -> None:
        self.documents[document["_id"]] = document
        self._encoded.pop(document["_id"], None)
        self._watch(self.name, before, document)


class SimulatedDatabase:
    """The collections, made when they are used first. All servers and workers share them."""

    def __init__(self, fault: Fault, watch: Watcher) -> None:
        self._fault, self._watch = fault, watch
        self._collections: dict[str, SimulatedCollection] = {}

    def __getitem__(self, name: str) -> SimulatedCollection:
        if name not in self._collections:
            self._collections[name] = SimulatedCollection(name, self._fault, self._watch)
        return self._collections[name]


def updated(document: Document, update: Document) -> Document:
    """Return a new document: this one after `$set`, `$unset` and `$inc` on dotted paths, and changes of its lists."""
    unknown = update.keys() - {"$set", "$unset", "$inc", "$setOnInsert", *_LIST_CHANGES}
    if unknown:
        raise NotImplementedError(f"the simulated database does not support {unknown}")
    newer = dict(document)
    for path, value in copied(update.get("$set", {})).items():
        container, key = _container(newer, path)
        container[key] = value
    for path in update.get("$unset", {}):
        container, key = _container(newer, path)
        container.pop(key, None)
    for path, value in update.get("$inc", {}).items():
        container, key = _container(newer, path)
        container[key] += value
    for name, change in _LIST_CHANGES.items():
        for field, operand in copied(update.get(name, {})).items():
            newer[field] = change(newer.get(field, []), operand)
    return newer


def _added(members: list[Any], operand: Document) -> list[Any]:
    return [*members, *(member for member in operand["$each"] if member not in members)]


# What adds to a list or removes from it; each returns a new list.
_LIST_CHANGES: dict[str, Callable[[list[Any], Any], list[Any]]] = {
    "$push": lambda members, operand: [*members, operand],
    "$pull": lambda members, operand: [member for member in members if not matches(member, operand)],
    "$addToSet": _added,
}


def _container(document: Document, path: str) -> tuple[Any, Any]:
    """Return the container and key at a path. Copies every container on the way, so that the old document stays as it is."""
    *parents, last = path.split(".")
    place: Any = document
    for step in parents:
        key = int(step) if isinstance(place, list) else step
        place[key] = place[key].copy()
        place = place[key]
    return place, int(last) if isinstance(place, list) else last


def shown(document: Document, projection: Document | None) -> Document:
    """Return the fields of a projection, and of a list with `$elemMatch` its one member. Not a copy."""
    if not projection:
        return document
    if 0 in projection.values():
        return {field: value for field, value in document.items() if field not in projection}
    fields = {path.partition(".")[0] for path in projection} | {"_id"}
    part = {field: document[field] for field in document if field in fields}
    for path, wanted in projection.items():
        if isinstance(wanted, dict):
            part[path] = [member for member in part[path] if matches(member, wanted["$elemMatch"])][:1]
    return part


def matches(document: Document, query: Document) -> bool:
    """Whether a document matches a query."""
    for path, wanted in query.items():
        if path == "$or":
            if not any(matches(document, part) for part in wanted):
                return False
        elif type(wanted) is str and type(document.get(path)) is str:  # a short cut: most queries are of this kind
            if document[path] != wanted:
                return False
        elif not _fits(_values(document, path.split(".")), wanted):
            return False
    return True


def _values(place: Any, steps: list[str]) -> list[Any]:
    """Return the values at a path; of a list, those of each of its members."""
    if not steps:
        return [place]
    if isinstance(place, list):
        return [value for member in place for value in _values(member, steps)]
    return _values(place[steps[0]], steps[1:]) if isinstance(place, dict) and steps[0] in place else []


def _fits(values: list[Any], wanted: Any) -> bool:
    if not isinstance(wanted, dict):  # in these queries a document is always one of operators
        if wanted is None and not values:
            return True
        return any(value == wanted or (isinstance(value, list) and wanted in value) for value in values)
    return all(_fits_one(values, comparison, operand) for comparison, operand in wanted.items())


def _fits_one(values: list[Any], comparison: str, operand: Any) -> bool:
    if comparison == "$exists":
        return bool(values) is operand
    if comparison == "$not":
        return not _fits(values, operand)
    return any(_compares(value, comparison, operand) for value in values)


def _compares(value: Any, comparison: str, operand: Any) -> bool:
    if comparison in ("$in", "$nin"):
        return (value in operand) is (comparison == "$in")
    if comparison == "$elemMatch":
        return any(matches(member, operand) for member in value)
    if comparison == "$size":
        return isinstance(value, list) and len(value) == operand
    if comparison == "$all":
        return isinstance(value, list) and all(member in value for member in operand)
    if value is None or isinstance(value, list | dict):
        return False
    return bool(_COMPARISONS[comparison](value, operand))
