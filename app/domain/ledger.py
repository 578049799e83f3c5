"""An entry of Seatline's own ledger: money held, captured and refunded without an outside provider.

Belongs here: the value that the store and the ledger provider share. Does not belong here: statements (`app/store/ledger.py`),
or tokens and answers (`app/payments/ledger.py`).
"""

from datetime import datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.values import value


class EntryState(StrEnum):
    """The state of an entry. DECLINED, VOIDED and CAPTURED are final; a captured amount can be refunded."""

    UNANSWERED = "UNANSWERED"  # requested once and not answered: a fault for tests
    AUTHORIZED = "AUTHORIZED"
    CAPTURED = "CAPTURED"
    VOIDED = "VOIDED"
    DECLINED = "DECLINED"


class EntryFault(StrEnum):
    """A fault that an entry will have, for tests. A fault that happens once is removed when it has happened."""

    CAPTURE_ONCE = "CAPTURE_ONCE"
    CAPTURE_ALWAYS = "CAPTURE_ALWAYS"
    VOID_ONCE = "VOID_ONCE"
    REFUND_ONCE = "REFUND_ONCE"
    REFUND_ALWAYS = "REFUND_ALWAYS"


@value(frozen=True, slots=True)
class EntryRefund:
    """A refund, under the key of its request."""

    key: str
    amount_minor: int


@value(frozen=True, slots=True)
class LedgerEntry:
    """One authorization and what followed. `key` is both the key of the request and the id of the authorization.

    `captured_minor` is the captured amount, 0 until then. `faults` are those still to happen. The times are None until the
    entry is stored.
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
