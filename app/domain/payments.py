"""A payment: what was asked of the payment provider, what it answered, and what that makes of the money.

Belongs here: the values, and how an answer changes them. Does not: asking the provider (`app/payments`), when to ask again, nor
where payments are kept.

A booking is paid by one payment. Money is first held (authorized), then taken (captured) or let go (voided); what was taken can
be given back in parts (refunds). Each is asked for as often as it takes, under a key that stays the same, and each answer is an
`ProviderAttempt`. Answers come late, twice and out of order; `after_attempt` says what each changes:

    state         what was asked, and the answer   state then
    ------------  -------------------------------  ----------
    AUTHORIZING   AUTHORIZE  DONE                  AUTHORIZED
                  AUTHORIZE  DECLINED, REJECTED    DECLINED
    AUTHORIZED    CAPTURE    DONE                  CAPTURED
                  VOID       DONE                  VOIDED
    CAPTURED      REFUND     DONE                  CAPTURED, and the refund is DONE

Any other answer to what can be asked in a state is kept there as an attempt, and changes nothing else. An answer about what is
already settled, such as a failure that arrives after the success, changes nothing at all. What nobody can have asked for, such
as a capture of what was voided, is a ValueError.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.values import value

# Of a payment, and of each refund: enough to see how it went. A refund may be asked for again for days.
ATTEMPTS_KEPT_MAX = 20
# Characters of an attempt's detail: one line for people.
DETAIL_LENGTH_MAX = 200


class PaymentState(StrEnum):
    """Where a payment stands. VOIDED and DECLINED are final."""

    AUTHORIZING = "AUTHORIZING"  # asked for, or about to be; whether money is held is not known
    AUTHORIZED = "AUTHORIZED"  # money is held
    CAPTURED = "CAPTURED"  # money was taken; some or all of it may have been given back
    VOIDED = "VOIDED"  # money was held and let go
    DECLINED = "DECLINED"  # no money was ever held; the last attempt says why


class AttemptKind(StrEnum):
    """What was asked of the provider."""

    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"


class AttemptOutcome(StrEnum):
    """What the provider answered."""

    DONE = "DONE"
    DECLINED = "DECLINED"  # final: the card says no
    FAILED = "FAILED"  # no answer, or none yet: to be asked again under the same key
    REJECTED = "REJECTED"  # final: the provider says that this cannot be asked


class RefundState(StrEnum):
    """Where a refund stands. It is PENDING, whatever was answered, until the provider has said that it is done."""

    PENDING = "PENDING"
    DONE = "DONE"


# Every change of state of a refund, with its cause; from None, the refund is new. `docs/states.md` is drawn from it.
REFUND_TRANSITIONS: Mapping[tuple[RefundState | None, RefundState], str] = {
    (None, RefundState.PENDING): "a booking gives money back",
    (RefundState.PENDING, RefundState.PENDING): "REFUND DECLINED, REJECTED or FAILED",
    (RefundState.PENDING, RefundState.DONE): "REFUND DONE",
}


@value(frozen=True, slots=True)
class ProviderAttempt:
    """Something asked of the provider under a key, and its answer.

    `detail` is a line for people: why not. `provider_id` is the provider's own id of the authorization or refund, where it is
    DONE.
    """

    kind: AttemptKind
    key: str
    amount: Money
    outcome: AttemptOutcome
    detail: str
    time: datetime
    provider_id: str = ""


@value(frozen=True, slots=True)
class Refund:
    """Money to be given back. `refund_id` is the key that it is asked for under."""

    refund_id: str
    amount: Money
    state: RefundState
    create_time: datetime
    attempts: tuple[ProviderAttempt, ...] = ()
    provider_id: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the provider's last answer was a final no. It is owed all the same: an operator has to see to it."""
        last = self.attempts[-1].outcome if self.attempts else None
        return self.state is RefundState.PENDING and last in (AttemptOutcome.DECLINED, AttemptOutcome.REJECTED)


@value(frozen=True, slots=True)
class Payment:
    """The money of one booking. Values never change; a changed payment is a new value.

    `provider` names who holds the money, since another one may be in use by the time it is given back. `token` stands for the
    means of payment: it is needed to ask again after a crash, and is no card number. `authorization_id` is the provider's own
    id, empty until money is held. `captured_minor` is what was taken.
    """

    payment_id: str
    provider: str
    amount: Money
    token: str
    state: PaymentState
    create_time: datetime
    update_time: datetime
    authorization_id: str = ""
    captured_minor: int = 0
    attempts: tuple[ProviderAttempt, ...] = ()
    refunds: tuple[Refund, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to be asked of the provider, unless a refund is added."""
        if self.state in (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED):
            return False
        return all(refund.state is RefundState.DONE for refund in self.refunds)

    @property
    def is_paid(self) -> bool:
        """Whether the money was taken."""
        return self.state is PaymentState.CAPTURED


_DONE, _DECLINED, _REJECTED = AttemptOutcome.DONE, AttemptOutcome.DECLINED, AttemptOutcome.REJECTED

# The transitions of the docstring, which `docs/states.md` is drawn from; any other answer leaves the state as it is.
PAYMENT_TRANSITIONS: Mapping[tuple[PaymentState, AttemptKind, AttemptOutcome], PaymentState] = {
    (PaymentState.AUTHORIZING, AttemptKind.AUTHORIZE, _DONE): PaymentState.AUTHORIZED,
    (PaymentState.AUTHORIZING, AttemptKind.AUTHORIZE, _DECLINED): PaymentState.DECLINED,
    (PaymentState.AUTHORIZING, AttemptKind.AUTHORIZE, _REJECTED): PaymentState.DECLINED,
    (PaymentState.AUTHORIZED, AttemptKind.CAPTURE, _DONE): PaymentState.CAPTURED,
    (PaymentState.AUTHORIZED, AttemptKind.VOID, _DONE): PaymentState.VOIDED,
}
# What can be asked for in a state.
_ALLOWED_OPERATIONS: Mapping[PaymentState, frozenset[AttemptKind]] = {
    PaymentState.AUTHORIZING: frozenset({AttemptKind.AUTHORIZE}),
    PaymentState.AUTHORIZED: frozenset({AttemptKind.CAPTURE, AttemptKind.VOID}),
    PaymentState.CAPTURED: frozenset({AttemptKind.REFUND}),
    PaymentState.VOIDED: frozenset(),
    PaymentState.DECLINED: frozenset(),
}
# What was asked for on the way to a state, so that answers to it may still arrive, and whether one of them can be DONE.
_LATE_ANSWERS: Mapping[PaymentState, Mapping[AttemptKind, bool]] = {
    PaymentState.AUTHORIZING: {},
    PaymentState.AUTHORIZED: {AttemptKind.AUTHORIZE: True},
    PaymentState.CAPTURED: {AttemptKind.AUTHORIZE: True, AttemptKind.CAPTURE: True, AttemptKind.VOID: False},
    PaymentState.VOIDED: {AttemptKind.AUTHORIZE: True, AttemptKind.VOID: True, AttemptKind.CAPTURE: False},
    PaymentState.DECLINED: {AttemptKind.AUTHORIZE: False},
}


def new_payment(payment_id: str, provider: str, amount: Money, token: str, now: datetime) -> Payment:
    """A payment for which nothing was asked yet. Raises ValueError for an amount under one minor unit: nobody pays nothing."""
    if amount.minor < 1:
        raise ValueError(f"payment {payment_id} of {amount}: a payment is of at least one minor unit")
    return Payment(payment_id, provider, amount, token, PaymentState.AUTHORIZING, now, now)


def operation_key(payment_id: str, kind: AttemptKind) -> str:
    """The key under which a payment is authorized, captured or voided, by every server and every retry."""
    if kind is AttemptKind.REFUND:
        raise ValueError("a payment has many refunds: each is asked for under its own id")
    return f"{payment_id}:{kind.value.lower()}"


def after_attempt(payment: Payment, attempt: ProviderAttempt) -> Payment:
    """The payment once the provider has answered. Gives `payment` itself where the answer changes nothing.

    Raises ValueError for an answer to what cannot have been asked: an amount over what was held or in another currency, a
    refund that is not there, or a success that contradicts the state.
    """
    _require_possible(payment, attempt)
    attempt = replace(attempt, detail=attempt.detail[:DETAIL_LENGTH_MAX])
    if attempt.kind not in _ALLOWED_OPERATIONS[payment.state]:
        return payment
    if attempt.kind is AttemptKind.REFUND:
        return _after_refund(payment, attempt)
    if attempt in payment.attempts:
        return payment
    update_time = max(payment.update_time, attempt.time)
    changed = replace(payment, attempts=_append_attempt(payment.attempts, attempt), update_time=update_time)
    state = PAYMENT_TRANSITIONS.get((payment.state, attempt.kind, attempt.outcome), payment.state)
    if state is PaymentState.AUTHORIZED and payment.state is not state:
        return replace(changed, state=state, authorization_id=attempt.provider_id)
    if state is PaymentState.CAPTURED:
        return replace(changed, state=state, captured_minor=attempt.amount.minor)
    return replace(changed, state=state)


def with_pending_refund(payment: Payment, refund_id: str, amount: Money, now: datetime) -> Payment:
    """The payment with a refund to be asked for. Gives `payment` itself where that refund is there already.

    Raises ValueError where more would be given back than was taken, counting refunds that are still pending, where the id
    stands for another amount, or where nothing was taken.
    """
    for refund in payment.refunds:
        if refund.refund_id == refund_id:
            if refund.amount != amount:
                raise ValueError(f"refund {refund_id} is of {refund.amount}, not of {amount}")
            return payment
    left = refundable_amount(payment)
    if amount.currency != left.currency or not 1 <= amount.minor <= left.minor:
        raise ValueError(f"a refund of {amount}: payment {payment.payment_id} has {left} to give back")
    added = Refund(refund_id, amount, RefundState.PENDING, now)
    return replace(payment, refunds=(*payment.refunds, added), update_time=now)


def refundable_amount(payment: Payment) -> Money:
    """What may still be given back: what was taken less all refunds, pending ones too."""
    asked = sum(refund.amount.minor for refund in payment.refunds)
    return Money(payment.captured_minor - asked, payment.amount.currency)


def balance(payment: Payment) -> Money:
    """What the payer has paid as of now: what was taken less what was given back. Pending refunds still count as paid."""
    given_back = sum(refund.amount.minor for refund in payment.refunds if refund.state is RefundState.DONE)
    return Money(payment.captured_minor - given_back, payment.amount.currency)


def pending_refunds(payment: Payment) -> tuple[Refund, ...]:
    """The refunds that the provider has not said are done, oldest first; those that it refused are among them."""
    return tuple(refund for refund in payment.refunds if refund.state is RefundState.PENDING)


def _require_possible(payment: Payment, attempt: ProviderAttempt) -> None:
    kind, state = attempt.kind, payment.state
    late = _LATE_ANSWERS[state]
    if kind not in _ALLOWED_OPERATIONS[state] and (kind not in late or (attempt.outcome is _DONE and not late[kind])):
        raise ValueError(f"payment {payment.payment_id} is {state}; {kind} cannot be {attempt.outcome}")
    if attempt.amount.currency != payment.amount.currency or not 1 <= attempt.amount.minor <= payment.amount.minor:
        raise ValueError(f"payment {payment.payment_id} is of {payment.amount}; {kind} cannot be of {attempt.amount}")
    if kind is AttemptKind.AUTHORIZE and attempt.amount != payment.amount:
        raise ValueError(f"payment {payment.payment_id} is of {payment.amount}; no part of it is authorized alone")
    if attempt.outcome is _DONE and kind in (AttemptKind.AUTHORIZE, AttemptKind.REFUND) and not attempt.provider_id:
        raise ValueError(f"payment {payment.payment_id}: {kind} cannot be done without the provider's id for it")


def _after_refund(payment: Payment, attempt: ProviderAttempt) -> Payment:
    refund = next((one for one in payment.refunds if one.refund_id == attempt.key), None)
    if refund is None:
        raise ValueError(f"payment {payment.payment_id} has no refund {attempt.key}")
    if attempt.amount != refund.amount:
        raise ValueError(f"refund {refund.refund_id} is of {refund.amount}, not of {attempt.amount}")
    if refund.state is RefundState.DONE or attempt in refund.attempts:
        return payment
    changed = replace(refund, attempts=_append_attempt(refund.attempts, attempt))
    if attempt.outcome is _DONE:
        changed = replace(changed, state=RefundState.DONE, provider_id=attempt.provider_id)
    refunds = tuple(changed if one is refund else one for one in payment.refunds)
    return replace(payment, refunds=refunds, update_time=max(payment.update_time, attempt.time))


def _append_attempt(attempts: tuple[ProviderAttempt, ...], attempt: ProviderAttempt) -> tuple[ProviderAttempt, ...]:
    return (*attempts, attempt)[-ATTEMPTS_KEPT_MAX:]
