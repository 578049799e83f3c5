"""Payments in MongoDB.

Belongs here: statements to the collection `payments`, and the shape of its documents. Does not belong here: ledger entries
(`ledger.py`), or the states of a payment (`app/domain/payments.py`).

payments    {_id: payment_id, version, user_key, request_id, provider, amount_minor, currency, token, state, open_since, ...,
             attempts: [{kind, key, minor, outcome, detail, time, provider_id}], refunds: [{id, minor, state, attempts, ...}]}

`open_since` is set only until the payment is captured, voided or declined: payments that stay open have to be voided or
settled.
"""

from collections.abc import Collection as Collected
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app.domain.money import Money
from app.domain.payments import AttemptKind, AttemptOutcome, Payment, PaymentState, ProviderAttempt, Refund, RefundState
from app.store.adapter import adapter_of
from app.store.driver import Collection, Database, Document, insert_absent, translate_outages
from app.store.shapes import ListOf, OneOf, Shape
from app.store.shared_statement import SharedStatement
from app.store.snapshots import Snapshot
from app.store.unreadable import DecodedRecords, Records, decode_all, decode_by_id

# Payments of one statement: about 600 kB.
_PAYMENTS_MAX = 1_000
_OPEN_STATES = (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)


class StoredPayment(NamedTuple):
    """A payment with the request that it is for, and the version of its document."""

    payment: Payment
    user_key: str
    request_id: str
    version: int = 1


_ATTEMPT = Shape(
    {
        "key": str,
        "minor": int,
        "detail": str,
        "time": datetime,
        "provider_id": str,
        "kind": OneOf(AttemptKind),
        "outcome": OneOf(AttemptOutcome),
    }
)
_REFUND = Shape(
    {
        "id": str,
        "minor": int,
        "create_time": datetime,
        "provider_id": str,
        "state": OneOf(RefundState),
        "attempts": ListOf(_ATTEMPT),
    }
)
PAYMENT = Shape(
    {
        "_id": str,
        "version": int,
        "user_key": str,
        "request_id": str,
        "provider": str,
        "amount_minor": int,
        "currency": str,
        "token": str,
        "create_time": datetime,
        "update_time": datetime,
        "authorization_id": str,
        "captured_minor": int,
        "state": OneOf(PaymentState),
        "attempts": ListOf(_ATTEMPT),
        "refunds": ListOf(_REFUND),
    },
    {"open_since": datetime},
)


async def make_payment_indexes(database: Database) -> None:
    """Make the indexes of payments that are missing."""
    with translate_outages():
        # Open payments are voided or settled, the oldest first.
        await database["payments"].create_index("open_since", name="payments_open", sparse=True)
        # Pending refunds are counted; finished ones are not in the index.
        pending = {"refunds.state": RefundState.PENDING.value}
        await database["payments"].create_index("refunds.state", name="payments_refunding", partialFilterExpression=pending)


class Payments:
    """The collection `payments`. All methods refuse DATABASE_UNAVAILABLE in an outage."""

    def __init__(self, database: Database) -> None:
        self._adapter = adapter_of(database)
        self._payments: Collection = database["payments"]
        self._additions = SharedStatement("add payments", self._add, batch_max=_PAYMENTS_MAX)

    async def find(self, payment_ids: Sequence[str], snapshot: Snapshot | None = None) -> Records[StoredPayment]:
        """Those of these payments that there are, by id; as they were in the snapshot, where one is given."""
        if not payment_ids:
            return Records()
        query, most = {"_id": {"$in": list(payment_ids)}}, len(payment_ids)
        with translate_outages():
            if snapshot is None:
                found = await self._adapter.find_in_one_batch(self._payments, query, most=most)
            else:
                found = await snapshot.find(self._payments, query, most=most)
        return decode_by_id("payments", found, payment_from)

    async def add(self, stored: StoredPayment) -> bool:
        """Store a new payment. Return False if there is one with its id."""
        return await self._additions.ask(stored)

    async def save(self, stored: StoredPayment, payment: Payment) -> bool:
        """Replace a payment by its next value. Return False if another process replaced it first."""
        newer = stored._replace(payment=payment, version=stored.version + 1)
        guard = {"_id": payment.payment_id, "version": stored.version}
        with translate_outages():
            result = await self._payments.replace_one(guard, payment_document(newer))
        return bool(result.matched_count)

    async def list_open(self, before: datetime, limit: int, but_for: Collected[str] = ()) -> DecodedRecords[StoredPayment]:
        """List payments that have been open since before this time, oldest first, without those in `but_for`."""
        query: Document = {"open_since": {"$lt": before}}
        if but_for:
            query["_id"] = {"$nin": list(but_for)}
        with translate_outages():
            found = await self._payments.find(query).sort("open_since", 1).limit(limit).to_list(limit)
        return decode_all("payments", found, payment_from)

    async def _add(self, batch: Sequence[StoredPayment]) -> list[bool]:
        with translate_outages():
            existing = await insert_absent(self._payments, [payment_document(stored) for stored in batch])
        known = {document["_id"] for document in existing}
        return [stored.payment.payment_id not in known for stored in batch]


def payment_document(stored: StoredPayment) -> Document:
    """Encode a payment."""
    payment = stored.payment
    document: Document = {
        "_id": payment.payment_id,
        "version": stored.version,
        "user_key": stored.user_key,
        "request_id": stored.request_id,
        "provider": payment.provider,
        "amount_minor": payment.amount.minor,
        "currency": payment.amount.currency,
        "token": payment.token,
        "state": payment.state.value,
        "create_time": payment.create_time,
        "update_time": payment.update_time,
        "authorization_id": payment.authorization_id,
        "captured_minor": payment.captured_minor,
        "attempts": [_attempt_document(attempt) for attempt in payment.attempts],
        "refunds": [_refund_document(refund) for refund in payment.refunds],
    }
    if payment.state in _OPEN_STATES:
        document["open_since"] = payment.create_time
    return document


def payment_from(document: Document) -> StoredPayment:
    """Decode a payment. Raises UnreadableError."""
    PAYMENT.check(document)
    currency = document["currency"]
    payment = Payment(
        payment_id=document["_id"],
        provider=document["provider"],
        amount=Money(document["amount_minor"], currency),
        token=document["token"],
        state=PaymentState(document["state"]),
        create_time=document["create_time"],
        update_time=document["update_time"],
        authorization_id=document["authorization_id"],
        captured_minor=document["captured_minor"],
        attempts=tuple(_attempt_from(attempt, currency) for attempt in document["attempts"]),
        refunds=tuple(_refund_from(refund, currency) for refund in document["refunds"]),
    )
    return StoredPayment(payment, document["user_key"], document["request_id"], document["version"])


def _attempt_document(attempt: ProviderAttempt) -> Document:
    return {
        "kind": attempt.kind.value,
        "key": attempt.key,
        "minor": attempt.amount.minor,
        "outcome": attempt.outcome.value,
        "detail": attempt.detail,
        "time": attempt.time,
        "provider_id": attempt.provider_id,
    }


def _attempt_from(document: Document, currency: str) -> ProviderAttempt:
    return ProviderAttempt(
        AttemptKind(document["kind"]),
        document["key"],
        Money(document["minor"], currency),
        AttemptOutcome(document["outcome"]),
        document["detail"],
        document["time"],
        document["provider_id"],
    )


def _refund_document(refund: Refund) -> Document:
    return {
        "id": refund.refund_id,
        "minor": refund.amount.minor,
        "state": refund.state.value,
        "create_time": refund.create_time,
        "attempts": [_attempt_document(attempt) for attempt in refund.attempts],
        "provider_id": refund.provider_id,
    }


def _refund_from(document: Document, currency: str) -> Refund:
    return Refund(
        document["id"],
        Money(document["minor"], currency),
        RefundState(document["state"]),
        document["create_time"],
        tuple(_attempt_from(attempt, currency) for attempt in document["attempts"]),
        document["provider_id"],
    )
