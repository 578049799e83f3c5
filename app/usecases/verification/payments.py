"""Verification of payments and of the ledger.

Belongs here: the way through both collections, and the bookings and entries that they are compared with. Does not belong here:
payments as their bookings see them (`runs.py`), or the rules (`app/domain/audit`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from app.domain.audit.check import run_rules
from app.domain.audit.money import AuditedEntry, AuditedPayment, PaidBooking
from app.domain.audit.payments import PaymentRecord
from app.domain.audit.rules import LEDGER_ENTRY_RULES, PAYMENT_MONEY_RULES, PAYMENT_RULES
from app.domain.ledger import LedgerEntry
from app.domain.payments import AttemptKind, operation_key
from app.domain.reference import all_references, first_reference
from app.payments.ledger import NAME as LEDGER_NAME
from app.store.derived_fields import differing_fields
from app.store.ledger import entry_from
from app.store.payments import PAYMENT, StoredPayment, payment_document, payment_from
from app.usecases.payments import VOID_AFTER_SECONDS
from app.usecases.verification.report import AuditContext


async def verify_payments(audit: AuditContext) -> None:
    """Check each payment, the booking that names it, and its ledger entry."""
    async for documents in audit.pages("payments", "update_time"):
        audit.report.payments += len(documents)
        page = audit.report.decode_readable("payments", documents, payment_from)
        for document, stored in page:
            differing = differing_fields(document, payment_document(stored), PAYMENT)
            audit.report.add_differing("payments", document["_id"], differing)
        await verify_payment_page(audit, [stored for _, stored in page])


async def verify_payment_page(audit: AuditContext, page: Sequence[StoredPayment]) -> None:
    """Check payments that were read."""
    bookings, entries = await _find_bookings(audit, page), await _find_entries(audit, page)
    open_max = timedelta(seconds=VOID_AFTER_SECONDS) + audit.tolerance
    now = audit.clock()
    for stored in page:
        payment, subject = stored.payment, f"payment {stored.payment.payment_id}"
        record = PaymentRecord(payment, stored.user_key, stored.request_id, stored.version, audit.provider_names)
        audit.report.add(run_rules(PAYMENT_RULES, subject, record))
        audited = AuditedPayment(
            payment=payment,
            request_id=stored.request_id,
            bookings=bookings[payment.payment_id],
            entry=entries.get(_entry_key(stored)),
            now=now,
            tolerance=audit.tolerance,
            open_max=open_max,
            ledger_name=LEDGER_NAME,
        )
        audit.report.add(run_rules(PAYMENT_MONEY_RULES, subject, audited))


async def _find_bookings(audit: AuditContext, page: Sequence[StoredPayment]) -> Mapping[str, Sequence[PaidBooking]]:
    """Find the bookings that each payment's request may have made, by payment id.

    Nearly all are found under the first reference of their request, so the other references are looked up for the rest alone.
    """
    first = await audit.records.find_paid_bookings([first_reference(stored.user_key, stored.request_id) for stored in page])
    named = {booking.payment_id: [booking] for booking in first.values()}
    references = {
        stored.payment.payment_id: all_references(stored.user_key, stored.request_id)
        for stored in page
        if stored.payment.payment_id not in named
    }
    wanted = [reference for of_payment in references.values() for reference in of_payment]
    found = await audit.records.find_paid_bookings(wanted)
    others = {
        payment_id: [found[reference] for reference in of_payment if reference in found]
        for payment_id, of_payment in references.items()
    }
    return {**named, **others}


async def _find_entries(audit: AuditContext, page: Sequence[StoredPayment]) -> Mapping[str, LedgerEntry]:
    return await audit.records.find("ledger", [_entry_key(stored) for stored in page], entry_from)


def _entry_key(stored: StoredPayment) -> str:
    return operation_key(stored.payment.payment_id, AttemptKind.AUTHORIZE)


async def verify_ledger(audit: AuditContext) -> None:
    """Check each ledger entry, also those without a payment."""
    async for documents in audit.pages("ledger", "update_time"):
        audit.report.ledger_entries += len(documents)
        page = audit.report.decode_readable("ledger", documents, entry_from)
        payment_ids = {entry.key: entry.key.rpartition(":")[0] for _, entry in page}
        known = await audit.records.find("payments", list(payment_ids.values()), lambda document: True)
        for document, entry in page:
            record = AuditedEntry(entry, document["refundable_minor"], payment_ids[entry.key] in known, audit.before)
            audit.report.add(run_rules(LEDGER_ENTRY_RULES, f"ledger entry {entry.key}", record))
