"""The default provider: it holds, captures and refunds money in Seatline's own ledger and calls no outside service.

Belongs here: what the ledger answers, the tokens that make it fail, and its entry in the registry. Does not belong here: where
entries are stored (`app/store/ledger.py` implements the port `LedgerStore`).

No token is needed: an empty one pays, and so does any that begins with a letter and continues with letters, digits, "-" and
"_". Any other text, such as a card number, is declined and not recorded. These tokens are for trials; they imitate the ways in
which an outside provider fails:

    token                    what happens
    -----------------------  -----------------------------------------------------------------------------
    tok_decline              the authorization is declined
    tok_timeout              no authorization is ever answered, and none is recorded
    tok_fail_once            of each kind of operation, the first one asked for is not answered; the next is done
    tok_succeed_late         the authorization is recorded but not answered; asked for again, it is found
    tok_capture_fails_once   the first capture is not answered and not done; the next is done
    tok_capture_fails        no capture is ever done: each is rejected
    tok_refund_fails_once    the first refund is not answered and not done; the next is done
    tok_refund_fails         no refund is ever done: each is rejected
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from app.domain.amounts import ANY_AMOUNT
from app.domain.ledger import EntryFault, EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.payments.registry import ProviderEntry, ProviderParts, ProviderSettings
from app.payments.request_check import require_valid_request
from app.ports.ledger_store import LedgerStore
from app.ports.payment_provider import Declined, ProviderUnavailable, Rejected

NAME = "ledger"

DECLINES = "tok_decline"
TIMES_OUT = "tok_timeout"
FAILS_ONCE = "tok_fail_once"
SUCCEEDS_LATE = "tok_succeed_late"
CAPTURE_FAILS_ONCE = "tok_capture_fails_once"
CAPTURE_FAILS = "tok_capture_fails"
REFUND_FAILS_ONCE = "tok_refund_fails_once"
REFUND_FAILS = "tok_refund_fails"

# As long as the longest ids of payment providers.
_TOKEN = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,254})?")
_FAULTS: Mapping[str, tuple[EntryFault, ...]] = {
    FAILS_ONCE: (EntryFault.CAPTURE_ONCE, EntryFault.VOID_ONCE, EntryFault.REFUND_ONCE),
    CAPTURE_FAILS_ONCE: (EntryFault.CAPTURE_ONCE,),
    CAPTURE_FAILS: (EntryFault.CAPTURE_ALWAYS,),
    REFUND_FAILS_ONCE: (EntryFault.REFUND_ONCE,),
    REFUND_FAILS: (EntryFault.REFUND_ALWAYS,),
}
_FIRST_STATES: Mapping[str, EntryState] = {DECLINES: EntryState.DECLINED, FAILS_ONCE: EntryState.UNANSWERED}


class LedgerProvider:
    """The provider over a store of entries. The id of an authorization or a refund is the key of its request."""

    name = NAME
    needs_token = False
    amounts = ANY_AMOUNT

    def __init__(self, ledger_store: LedgerStore) -> None:
        self._ledger_store = ledger_store

    def can_defer(self, token: str) -> bool:
        """Allow it without a token: then no call can fail, since no outside service is involved."""
        return not token

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Record that the amount is held. Metadata is not stored: the key of the entry leads to the booking."""
        require_valid_request(key, amount)
        if _TOKEN.fullmatch(token) is None:
            raise Declined("no means of payment has such a token")
        if token == TIMES_OUT:
            raise ProviderUnavailable("a fault for tests: no answer")
        state = _FIRST_STATES.get(token, EntryState.AUTHORIZED)
        entry = LedgerEntry(key, amount, token, description, state, faults=_FAULTS.get(token, ()))
        with _translate_outages():
            known = await self._ledger_store.add(entry)
            if known is None and (state is EntryState.UNANSWERED or token == SUCCEEDS_LATE):
                raise ProviderUnavailable("a fault for tests: no answer once")
            if known is not None and (known.amount, known.token) != (amount, token):
                raise Rejected("the key stands for another authorization")
            if known is not None and known.state is EntryState.UNANSWERED:
                await self._ledger_store.answer(key)
        if state is EntryState.DECLINED:
            raise Declined("the card was declined")
        return key

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Record that the amount was captured. The same capture is done already if it is repeated under any key."""
        require_valid_request(key, amount)
        with _translate_outages():
            if await self._ledger_store.capture(authorization_id, amount):
                return
            entry = await self._fail_once(authorization_id, EntryFault.CAPTURE_ONCE)
        if entry.state is EntryState.CAPTURED and Money(entry.captured_minor, entry.amount.currency) == amount:
            return  # by another call, after this one found the fault that is gone now
        allowed = entry.state is EntryState.AUTHORIZED and _fits(amount, entry.amount)
        if allowed and EntryFault.CAPTURE_ALWAYS not in entry.faults:
            raise _changed_meanwhile(entry)
        raise Rejected(f"{amount} of {entry.amount} cannot be captured: the authorization is {entry.state}")

    async def void(self, key: str, authorization_id: str) -> None:
        """Record that the amount was released."""
        require_valid_request(key)
        with _translate_outages():
            if await self._ledger_store.void(authorization_id):
                return
            entry = await self._fail_once(authorization_id, EntryFault.VOID_ONCE)
        if entry.state is EntryState.VOIDED:
            return
        if entry.state is EntryState.AUTHORIZED:
            raise _changed_meanwhile(entry)
        raise Rejected(f"nothing can be voided: the authorization is {entry.state}")

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Record that the amount was refunded."""
        require_valid_request(key, amount)
        with _translate_outages():
            if await self._ledger_store.refund(authorization_id, key, amount):
                return key
            entry = await self._fail_once(authorization_id, EntryFault.REFUND_ONCE)
        for refund in entry.refunds:
            if refund.key == key:
                if Money(refund.amount_minor, entry.amount.currency) != amount:
                    raise Rejected("the key stands for another refund")
                return key
        left = Money(entry.captured_minor - sum(refund.amount_minor for refund in entry.refunds), entry.amount.currency)
        if entry.state is EntryState.CAPTURED and _fits(amount, left) and EntryFault.REFUND_ALWAYS not in entry.faults:
            raise _changed_meanwhile(entry)
        raise Rejected(f"{amount} of {left} left cannot be refunded: the authorization is {entry.state}")

    async def close(self) -> None:
        """Wait until no statement is under way."""
        await self._ledger_store.join()

    async def _fail_once(self, authorization_id: str, fault: EntryFault) -> LedgerEntry:
        """Return the entry, or fail once if the fault is set."""
        if await self._ledger_store.take_fault(authorization_id, fault):
            raise ProviderUnavailable("a fault for tests: no answer once")
        entry = await self._ledger_store.find(authorization_id)
        if entry is None:
            raise Rejected("there is no such authorization")
        return entry


def _fits(amount: Money, most: Money) -> bool:
    return amount.currency == most.currency and amount.minor <= most.minor


def _changed_meanwhile(entry: LedgerEntry) -> ProviderUnavailable:
    """Make the error for an entry that allows the operation now but did not a moment ago: another call changed it meanwhile."""
    return ProviderUnavailable(f"{entry.key} was changed by another call meanwhile")


@contextmanager
def _translate_outages() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if refusal.reason is not Reason.DATABASE_UNAVAILABLE:
            raise
        raise ProviderUnavailable("the ledger's database does not answer") from refusal


def make_ledger(settings: ProviderSettings, parts: ProviderParts) -> LedgerProvider:
    """Make the provider. It is not wrapped in retries: its only outside service is the database, whose client has its own."""
    return LedgerProvider(parts.ledger_store)


LEDGER = ProviderEntry(NAME, ProviderSettings, make_ledger)
