"""Verification money: each payment and each ledger entry, by itself and against what rests on it.

Belongs here: the way through payments and the ledger. Does not: payments as their bookings see them (`runs.py`), nor what
has to hold (`app/domain/audit/money.py`, `app/domain/audit/payments.py`).
"""

from collections.abc import Sequence
from datetime import timedelta

from app.domain.audit.money import check_entry, check_orphan_entry, check_payment
from app.domain.audit.payments import check_attempts, check_entry_sums, check_entry_token
from app.domain.audit.seats import Check, Finding
from app.domain.ledger import LedgerEntry
from app.domain.payments import AttemptKind, operation_key
from app.domain.reference import all_references
from app.domain.rules.create_booking import first_reference
from app.payments.ledger import NAME as LEDGER
from app.store.derived_fields import differing_fields
from app.store.ledger import entry_from
from app.store.payments import PAYMENT, StoredPayment, payment_document, payment_from
from app.usecases.payments import VOID_AFTER_SECONDS
from app.usecases.verification.report import PAGE, AuditContext


async def verify_payments(audit: AuditContext) -> None:
    """Look at each payment, the booking that rests on it, and the ledger's entry for it."""
    after, match = "", audit.scope.match("update_time")
    while documents := await audit.records.list_documents("payments", after, PAGE, match):
        audit.report.payments += len(documents)
        page = audit.report.readable("payments", documents, payment_from)
        for document, kept in page:
            audit.report.add_differing("payments", document["_id"], differing_fields(document, payment_document(kept), PAYMENT))
        await verify_payment_page(audit, [kept for _, kept in page])
        after = documents[-1]["_id"]
        audit.progress("payments", audit.report.payments)


async def verify_payment_page(audit: AuditContext, page: Sequence[StoredPayment]) -> None:
    """Look at payments that were read."""
    for kept in page:
        audit.report.add(check_attempts(kept.payment, kept.user_key, kept.request_id, kept.version))
    await _verify_bookings_of(audit, page)
    await _verify_entries_of(audit, page)


async def _verify_bookings_of(audit: AuditContext, page: Sequence[StoredPayment]) -> None:
    """Nearly all are found under the first reference of their request."""
    census = audit.records
    first = await census.find_paid_bookings([first_reference(kept.user_key, kept.request_id) for kept in page])
    rests = {booking.payment_id: [booking] for booking in first.values()}
    left = [kept for kept in page if kept.payment.payment_id not in rests]
    references = {kept.payment.payment_id: all_references(kept.user_key, kept.request_id) for kept in left}
    found = await census.find_paid_bookings([reference for ones in references.values() for reference in ones])
    open_max = timedelta(seconds=VOID_AFTER_SECONDS) + audit.tolerance
    now = audit.clock()
    for kept in page:
        own = references.get(kept.payment.payment_id, ())
        bookings = rests.get(kept.payment.payment_id) or [found[reference] for reference in own if reference in found]
        audit.report.add(check_payment(kept.payment, kept.request_id, bookings, now, open_max))


async def _verify_entries_of(audit: AuditContext, page: Sequence[StoredPayment]) -> None:
    keys = {kept.payment.payment_id: operation_key(kept.payment.payment_id, AttemptKind.AUTHORIZE) for kept in page}
    entries = await audit.records.find("ledger", list(keys.values()), entry_from)
    now = audit.clock()
    for kept in page:
        entry, payment = entries.get(keys[kept.payment.payment_id]), kept.payment
        if payment.provider == LEDGER:
            audit.report.add(check_entry(payment, entry, now, audit.tolerance))
            if entry is not None:
                audit.report.add(check_entry_token(payment, entry))
        elif entry is not None:
            text = f"says that {payment.provider} holds its money, and the ledger has an entry for it"
            audit.report.add([Finding(Check.LEDGER, f"payment {payment.payment_id}", text)])


async def verify_ledger(audit: AuditContext) -> None:
    """Look at each entry of our own ledger, also those that no payment knows."""
    after, match = "", audit.scope.match("update_time")
    while documents := await audit.records.list_documents("ledger", after, PAGE, match):
        audit.report.ledger_entries += len(documents)
        page = audit.report.readable("ledger", documents, entry_from)
        owners = {entry.key: _payment_of(entry) for _, entry in page}
        known = await audit.records.find("payments", list(owners.values()), lambda document: True)
        for document, entry in page:
            audit.report.add(check_entry_sums(entry, document["refundable_minor"]))
            if owners[entry.key] not in known:
                audit.report.add(check_orphan_entry(entry, audit.before))
        after = documents[-1]["_id"]
        audit.progress("ledger", audit.report.ledger_entries)


def _payment_of(entry: LedgerEntry) -> str:
    return entry.key.rpartition(":")[0]
