"""An entry of Seatline's own ledger: what is held, taken and given back where no outside provider holds the money.

Belongs here: the value, as the store keeps it and the ledger provider reads it. Does not: statements (`app/store/ledger.py`),
what tokens mean and what is answered (`app/payments/ledger.py`).
"""

from datetime import datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.values import value


class EntryState(StrEnum):
    """Where an entry stands. DECLINED, VOIDED and CAPTURED are final; what was captured can be refunded."""

    UNANSWERED = "UNANSWERED"  # asked for once, and not answered: a fault for tests
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    DECLINED = "DECLINED"


class EntryFault(StrEnum):
    """What goes wrong with an entry, for tests. A fault that happens once is taken off the entry when it has happened."""

    CAPTURE_ONCE = "CAPTURE_ONCE"
    CAPTURE_ALWAYS = "CAPTURE_ALWAYS"
    VOID_ONCE = "VOID_ONCE"
    REFUND_ONCE = "REFUND_ONCE"
    REFUND_ALWAYS = "REFUND_ALWAYS"


@value(frozen=True, slots=True)
class EntryRefund:
    """A part given back, under the key that it was asked for."""

    key: str
    amount_minor: int


@value(frozen=True, slots=True)
class LedgerEntry:
    """One authorization and what became of it. `key` is both the key that asked for it and its id.

    `captured_minor` is what was taken, 0 until then. `faults` are those still to happen. The times are None until it is kept.
    """

    key: str
    amount: Money
    token: str
    description: str
    state: EntryState
    create_time: datetime | None = None
    captured_minor: int = 0
    refunds: tuple[EntryRefund, ...] = ()
    faults: tuple[EntryFault, ...] = ()
    update_time: datetime | None = None
