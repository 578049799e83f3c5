"""The port of the ledger's storage: what the ledger provider asks of the database.

Belongs here: the protocol. Does not belong here: what the ledger answers (`app/payments/ledger.py`), or statements
(`app/store/ledger.py`).
"""

from typing import Protocol

from app.domain.ledger import EntryFault, LedgerEntry
from app.domain.money import Money


class LedgerStore(Protocol):
    """Stores ledger entries. Each change is one atomic step and safe to repeat.

    While the database cannot be reached, each method refuses DATABASE_UNAVAILABLE; the change may have been made or not.
    """

    async def add(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Add an entry. Return the entry that already has its key, or None."""

    async def find(self, key: str) -> LedgerEntry | None:
        """Return the entry with that key, or None."""

    async def answer(self, key: str) -> None:
        """Change an UNANSWERED entry to AUTHORIZED."""

    async def capture(self, key: str, amount: Money) -> bool:
        """Change an AUTHORIZED entry of at least that amount to CAPTURED, unless a capture fault is set.

        Return whether it is captured with that amount now.
        """

    async def void(self, key: str) -> bool:
        """Change an AUTHORIZED entry to VOIDED, unless a void fault is set. Return whether it is voided now."""

    async def refund(self, key: str, refund_key: str, amount: Money) -> bool:
        """Add a refund to a CAPTURED entry with that much left, unless it has that key already or a refund fault is set.

        Return whether it was added.
        """

    async def take_fault(self, key: str, fault: EntryFault) -> bool:
        """Remove a fault from an entry. Return whether it was set."""

    async def join(self) -> None:
        """Wait until no statement is under way."""
