"""The default provider: money is held, taken and given back in Seatline's own ledger, and no outside service is asked.

Belongs here: what the ledger answers, and the tokens that make it say no. Does not: where entries are kept (`LedgerStore` says
what it takes; `app/store/ledger.py` is one).

A token is not needed: any that begins with a letter and goes on with letters, digits, "-" and "_" pays, and so does none. What
else is sent as a token, such as the number of a card, is declined and not recorded. These are for trials, and stand for the
ways in which an outside provider fails:

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
from typing import Protocol

from app.domain.amounts import ANY_AMOUNT
from app.domain.ledger import EntryFault, EntryState, LedgerEntry
from app.domain.money import Money
from app.domain.refusals import Reason, Refusal
from app.payments.provider import Declined, ProviderUnavailable, Rejected, require_valid_request

NAME = "ledger"

DECLINES = "tok_decline"
TIMES_OUT = "tok_timeout"
FAILS_ONCE = "tok_fail_once"
SUCCEEDS_LATE = "tok_succeed_late"
CAPTURE_FAILS_ONCE = "tok_capture_fails_once"
CAPTURE_FAILS = "tok_capture_fails"
REFUND_FAILS_ONCE = "tok_refund_fails_once"
REFUND_FAILS = "tok_refund_fails"

# As long as the longest ids that payment providers hand out.
_TOKEN = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,254})?")
_FAULTS: Mapping[str, tuple[EntryFault, ...]] = {
    FAILS_ONCE: (EntryFault.CAPTURE_ONCE, EntryFault.VOID_ONCE, EntryFault.REFUND_ONCE),
    CAPTURE_FAILS_ONCE: (EntryFault.CAPTURE_ONCE,),
    CAPTURE_FAILS: (EntryFault.CAPTURE_ALWAYS,),
    REFUND_FAILS_ONCE: (EntryFault.REFUND_ONCE,),
    REFUND_FAILS: (EntryFault.REFUND_ALWAYS,),
}
_FIRST_STATES: Mapping[str, EntryState] = {DECLINES: EntryState.DECLINED, FAILS_ONCE: EntryState.UNANSWERED}


class LedgerStore(Protocol):
    """Where entries are kept. Each change is one atomic step, and safe to repeat.

    While the book cannot be reached, each refuses DATABASE_UNAVAILABLE; then the change may have been made or not.
    """

    async def add(self, entry: LedgerEntry) -> LedgerEntry | None:
        """Records an entry. Gives the one that was there before under its key, None where there was none."""

    async def find(self, key: str) -> LedgerEntry | None:
        """The entry with that key."""

    async def answer(self, key: str) -> None:
        """Makes an UNANSWERED entry AUTHORIZED."""

    async def capture(self, key: str, amount: Money) -> bool:
        """Makes an AUTHORIZED entry of at least that amount CAPTURED, unless a fault of captures is to happen.

        Whether it is captured with that amount now.
        """

    async def void(self, key: str) -> bool:
        """Makes an AUTHORIZED entry VOIDED, unless a fault of voids is to happen. Whether it is voided now."""

    async def refund(self, key: str, refund_key: str, amount: Money) -> bool:
        """Adds a refund to a CAPTURED entry with that much left, unless it has one with that key or a fault is to happen.

        Whether it was added.
        """

    async def take_fault(self, key: str, fault: EntryFault) -> bool:
        """Takes a fault off an entry. Whether it was there."""

    async def join(self) -> None:
        """Waits until nothing is under way."""


class LedgerProvider:
    """The provider over a book of entries. The id of an authorization or a refund is the key that asked for it."""

    name = NAME
    needs_token = False
    amounts = ANY_AMOUNT

    def __init__(self, ledger_store: LedgerStore) -> None:
        self._ledger_store = ledger_store

    def can_defer(self, token: str) -> bool:
        """Without a token there is nothing that could fail: nobody outside is asked."""
        return not token

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Records that the amount is held. Metadata is not kept: here the entry's key leads to all there is to know."""
        require_valid_request(key, amount)
        if _TOKEN.fullmatch(token) is None:
            raise Declined("no means of payment has such a token")
        if token == TIMES_OUT:
            raise ProviderUnavailable("the ledger was told to give no answer")
        state = _FIRST_STATES.get(token, EntryState.AUTHORIZED)
        entry = LedgerEntry(key, amount, token, description, state, faults=_FAULTS.get(token, ()))
        with _translate_outages():
            known = await self._ledger_store.add(entry)
            if known is None and (state is EntryState.UNANSWERED or token == SUCCEEDS_LATE):
                raise ProviderUnavailable("the ledger was told to give no answer once")
            if known is not None and (known.amount, known.token) != (amount, token):
                raise Rejected("the key stands for another authorization")
            if known is not None and known.state is EntryState.UNANSWERED:
                await self._ledger_store.answer(key)
        if state is EntryState.DECLINED:
            raise Declined("the card was declined")
        return key

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Records that the amount was taken. Asked for again under any key, the same capture is done already."""
        require_valid_request(key, amount)
        with _translate_outages():
            if await self._ledger_store.capture(authorization_id, amount):
                return
            entry = await self._fail_once(authorization_id, EntryFault.CAPTURE_ONCE)
        if entry.state is EntryState.CAPTURED and Money(entry.captured_minor, entry.amount.currency) == amount:
            return  # by another call, after this one had found the fault that is gone now
        allowed = entry.state is EntryState.AUTHORIZED and _fits(amount, entry.amount)
        if allowed and EntryFault.CAPTURE_ALWAYS not in entry.faults:
            raise _changed_meanwhile(entry)
        raise Rejected(f"{amount} of {entry.amount} cannot be captured: the authorization is {entry.state}")

    async def void(self, key: str, authorization_id: str) -> None:
        """Records that nothing is held any more."""
        require_valid_request(key)
        with _translate_outages():
            if await self._ledger_store.void(authorization_id):
                return
            entry = await self._fail_once(authorization_id, EntryFault.VOID_ONCE)
        if entry.state is EntryState.VOIDED:
            return
        if entry.state is EntryState.AUTHORIZED:
            raise _changed_meanwhile(entry)
        raise Rejected(f"nothing is held that could be let go: the authorization is {entry.state}")

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Records that the amount was given back."""
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
        """Waits until nothing is under way."""
        await self._ledger_store.join()

    async def _fail_once(self, authorization_id: str, fault: EntryFault) -> LedgerEntry:
        """The entry, unless the fault was to happen: then it happens now."""
        if await self._ledger_store.take_fault(authorization_id, fault):
            raise ProviderUnavailable("the ledger was told to give no answer once")
        entry = await self._ledger_store.find(authorization_id)
        if entry is None:
            raise Rejected("there is no such authorization")
        return entry


def _fits(amount: Money, most: Money) -> bool:
    return amount.currency == most.currency and amount.minor <= most.minor


def _changed_meanwhile(entry: LedgerEntry) -> ProviderUnavailable:
    """For an entry that allows now what it did not allow a moment ago: another call has changed it in between."""
    return ProviderUnavailable(f"{entry.key} was changed by another call in between")


@contextmanager
def _translate_outages() -> Iterator[None]:
    try:
        yield
    except Refusal as refusal:
        if refusal.reason is not Reason.DATABASE_UNAVAILABLE:
            raise
        raise ProviderUnavailable("the ledger's database does not answer") from refusal
