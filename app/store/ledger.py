"""Ledger entries in MongoDB.

Belongs here: statements to the collection `ledger`. Does not belong here: what the ledger answers (`app/payments/ledger.py`).

Each authorization is one document, whose `_id` is the key of its request. Every change is one update that matches the document
only in the state that allows it: a repetition, or the same change by several servers at once, changes nothing. A hot train has
hundreds of authorizations, captures and voids at a time; they share statements.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain.ledger import EntryFault, EntryRefund, EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.refusals import Refusal
from app.ports.clock import Clock
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, insert_absent, translate_outages
from app.store.shapes import ListOf, OneOf, Shape
from app.store.shared_statement import SharedStatement
from app.store.unreadable import Records, decode_by_id, decode_one, record_unreadable

# Entries of one statement: about 300 kB, and a few milliseconds.
_ENTRIES_MAX = 1_000

_CAPTURE_FAULTS = [EntryFault.CAPTURE_ONCE.value, EntryFault.CAPTURE_ALWAYS.value]
_REFUND_FAULTS = [EntryFault.REFUND_ONCE.value, EntryFault.REFUND_ALWAYS.value]

ENTRY = Shape(
    {
        "_id": str,
        "amount_minor": int,
        "currency": str,
        "token": str,
        "description": str,
        "captured_minor": int,
        "refundable_minor": int,
        "create_time": datetime,
        "update_time": datetime,
        "state": OneOf(EntryState),
        "refunds": ListOf(Shape({"key": str, "amount_minor": int, "create_time": datetime})),
        "faults": ListOf(OneOf(EntryFault)),
    }
)


class _Settlement(NamedTuple):
    """A change of an authorized entry: capture that amount, or void the entry if there is none."""

    key: str
    captured: Money | None


class Ledger:
    """The collection `ledger`. `clock` gives the present time, in UTC and whole milliseconds."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._adapter = adapter_of(database)
        self._ledger: Collection = database["ledger"]
        self._clock = clock
        self._additions: SharedStatement[LedgerEntry, LedgerEntry | Refusal | None] = SharedStatement(
            "add ledger entries", self._add, batch_max=_ENTRIES_MAX
        )
        self._settlements = SharedStatement("settle ledger entries", self._settle, batch_max=_ENTRIES_MAX)

    async def add(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Add an entry. Return the entry that already has its key, or None. Refuses RECORD_UNREADABLE."""
        before = await self._additions.ask(entry)
        if isinstance(before, Refusal):
            raise before
        return before

    async def find(self, key: str) -> LedgerEntry | None:
        """Return the entry with that key, or None. Refuses RECORD_UNREADABLE."""
        with translate_outages():
            found = await self._adapter.find_in_one_batch(self._ledger, {"_id": key}, most=1)
        return decode_one("ledger", found[0], entry_from) if found else None

    async def find_many(self, keys: Sequence[str]) -> Records[LedgerEntry]:
        """Find the entries with these keys, by key."""
        if not keys:
            return Records()
        with translate_outages():
            found = await self._adapter.find_in_one_batch(self._ledger, {"_id": {"$in": list(keys)}}, most=len(keys))
        return decode_by_id("ledger", found, entry_from)

    async def answer(self, key: str) -> None:
        """Change an UNANSWERED entry to AUTHORIZED."""
        guard = {"_id": key, "state": EntryState.UNANSWERED.value}
        await self._change(guard, {"$set": {"state": EntryState.AUTHORIZED.value, "update_time": self._clock()}})

    async def capture(self, key: str, amount: Money) -> bool:
        """Change an AUTHORIZED entry of at least that amount to CAPTURED, unless a capture fault is set.

        Return whether it is captured with that amount now.
        """
        return await self._settlements.ask(_Settlement(key, amount))

    async def void(self, key: str) -> bool:
        """Change an AUTHORIZED entry to VOIDED, unless a void fault is set. Return whether it is voided now."""
        return await self._settlements.ask(_Settlement(key, None))

    async def refund(self, key: str, refund_key: str, amount: Money) -> bool:
        """Add a refund to a CAPTURED entry with that much left, unless it has that key already or a refund fault is set.

        Return whether it was added.
        """
        guard: Document = {
            "_id": key,
            "state": EntryState.CAPTURED.value,
            "currency": amount.currency,
            "refundable_minor": {"$gte": amount.minor},
            "refunds.key": {"$ne": refund_key},
            "faults": {"$nin": _REFUND_FAULTS},
        }
        refund = {"key": refund_key, "amount_minor": amount.minor, "create_time": self._clock()}
        change: Document = {
            "$push": {"refunds": refund},
            "$inc": {"refundable_minor": -amount.minor},
            "$set": {"update_time": self._clock()},
        }
        return await self._change(guard, change)

    async def take_fault(self, key: str, fault: EntryFault) -> bool:
        """Remove a fault from an entry. Return whether it was set."""
        return await self._change({"_id": key, "faults": fault.value}, {"$pull": {"faults": fault.value}})

    async def join(self) -> None:
        """Wait until no statement is under way."""
        await self._additions.wait_idle()
        await self._settlements.wait_idle()

    async def _change(self, guard: Document, change: Document) -> bool:
        with translate_outages():
            before = await self._ledger.find_one_and_update(guard, change, projection={"_id": 1})
        return before is not None

    async def _add(self, entries: Sequence[LedgerEntry]) -> list[LedgerEntry | Refusal | None]:
        now = self._clock()
        documents = [_document(entry, now) for entry in entries]
        with translate_outages():
            existing = await insert_absent(self._ledger, documents)
            if not existing:
                return [None] * len(entries)
            keys = [document["_id"] for document in existing]
            found = await self._adapter.find_in_one_batch(self._ledger, {"_id": {"$in": keys}}, most=len(keys))
        known: dict[str, LedgerEntry | Refusal] = {}
        entries_before = decode_by_id("ledger", found, entry_from)
        known.update(entries_before)
        known.update({key: record_unreadable("ledger") for key in entries_before.unreadable})
        # By identity: of two requests with one key at once, one was added.
        refused = {id(document) for document in existing}
        return [known[document["_id"]] if id(document) in refused else None for document in documents]

    async def _settle(self, settlements: Sequence[_Settlement]) -> list[bool]:
        """Make one update for each amount. Seats of one section cost the same, so there are few amounts."""
        groups: dict[Money | None, list[str]] = {}
        for key, captured in settlements:
            groups.setdefault(captured, []).append(key)
        done: set[_Settlement] = set()
        for captured, keys in groups.items():
            settled = await self._settle_alike(captured, keys)
            done.update(_Settlement(key, captured) for key in settled)
        return [settlement in done for settlement in settlements]

    async def _settle_alike(self, captured: Money | None, keys: list[str]) -> list[str]:
        """Capture or void these entries. Return the keys of those that are so now, by this update or an earlier one."""
        guard, settled, left = _captured(captured) if captured else _VOIDED
        change = {"$set": {**settled, **left, "update_time": self._clock()}}
        with translate_outages():
            result = await self._ledger.update_many(
                {"_id": {"$in": keys}, "state": EntryState.AUTHORIZED.value, **guard}, change
            )
            if result.matched_count == len(keys):
                return keys
            found = await self._adapter.find_in_one_batch(
                self._ledger, {"_id": {"$in": keys}, **settled}, most=len(keys), projection={"_id": 1}
            )
        return [document["_id"] for document in found]


def _captured(amount: Money) -> tuple[Document, Document, Document]:
    """Return which authorized entries can be captured with that amount, their fields then, and what can be refunded."""
    guard = {"currency": amount.currency, "amount_minor": {"$gte": amount.minor}, "faults": {"$nin": _CAPTURE_FAULTS}}
    settled = {"state": EntryState.CAPTURED.value, "currency": amount.currency, "captured_minor": amount.minor}
    return guard, settled, {"refundable_minor": amount.minor}


_VOIDED: tuple[Document, Document, Document] = (
    {"faults": {"$ne": EntryFault.VOID_ONCE.value}},
    {"state": EntryState.VOIDED.value},
    {},
)


def _document(entry: LedgerEntry, now: datetime) -> Document:
    """Encode a new entry. `refundable_minor` is what can still be refunded, so that one comparison guards a refund."""
    return {
        "_id": entry.key,
        "amount_minor": entry.amount.minor,
        "currency": entry.amount.currency,
        "token": entry.token,
        "description": entry.description,
        "state": entry.state.value,
        "captured_minor": 0,
        "refundable_minor": 0,
        "refunds": [],
        "faults": [fault.value for fault in entry.faults],
        "create_time": now,
        "update_time": now,
    }


def entry_from(document: Document) -> LedgerEntry:
    """Decode an entry. Raises UnreadableError."""
    ENTRY.check(document)
    return LedgerEntry(
        key=document["_id"],
        amount=Money(document["amount_minor"], document["currency"]),
        token=document["token"],
        description=document["description"],
        state=EntryState(document["state"]),
        create_time=document["create_time"],
        captured_minor=document["captured_minor"],
        refunds=tuple(EntryRefund(refund["key"], refund["amount_minor"]) for refund in document["refunds"]),
        faults=tuple(EntryFault(fault) for fault in document["faults"]),
        update_time=document["update_time"],
    )
