"""A payment: the requests to the payment provider, its answers, and the state they lead to.

Belongs here: the values, and how an answer changes them. Does not belong here: calling the provider (`app/payments`), when to
call again, or where payments are stored.

A booking is paid by one payment. Money is first held (authorized), then taken (captured) or released (voided); a captured
amount can be given back in parts (refunded). Each request is repeated until it is answered, under a key that stays the same,
and each answer is a `ProviderAttempt`. Answers come late, twice and out of order; `after_attempt` applies them:

    state         request and answer               next state
    ------------  -------------------------------  ----------
    AUTHORIZING   AUTHORIZE  DONE                  AUTHORIZED
                  AUTHORIZE  DECLINED, REJECTED    DECLINED
    AUTHORIZED    CAPTURE    DONE                  CAPTURED
                  VOID       DONE                  VOIDED
    CAPTURED      REFUND     DONE                  CAPTURED, and the refund is DONE

Any other answer to a request that is possible in a state is recorded as an attempt, and changes nothing else. An answer to an
earlier request, such as a failure that arrives after the success, changes nothing at all. An answer to an impossible request,
such as a capture of a voided payment, is a ValueError.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from app.domain.money import Money
from app.domain.values import value

# Of a payment, and of each refund: enough to see what happened. A refund may be retried for days.
ATTEMPTS_KEPT_MAX = 20
# Characters of an attempt's detail: one line for people.
DETAIL_LENGTH_MAX = 200


class PaymentState(StrEnum):
    """The state of a payment. VOIDED and DECLINED are final."""

    AUTHORIZING = "AUTHORIZING"  # requested, or about to be; whether money is held is not known
    AUTHORIZED = "AUTHORIZED"  # money is held
    CAPTURED = "CAPTURED"  # money was taken; some or all of it may have been refunded
    VOIDED = "VOIDED"  # money was held and released
    DECLINED = "DECLINED"  # no money was ever held; the last attempt says why


class AttemptKind(StrEnum):
    """The kind of a request to the provider."""

    AUTHORIZE = "AUTHORIZE"
    CAPTURE = "CAPTURE"
    VOID = "VOID"
    REFUND = "REFUND"


class AttemptOutcome(StrEnum):
    """The answer of the provider."""

    DONE = "DONE"
    DECLINED = "DECLINED"  # final: the card was refused
    FAILED = "FAILED"  # no answer, or none yet: to be repeated under the same key
    REJECTED = "REJECTED"  # final: the provider refuses the request


class RefundState(StrEnum):
    """The state of a refund. It is PENDING, whatever the answers, until the provider says that it is done."""

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
    """A request to the provider under a key, and its answer.

    `detail` is a line for people that says why it was refused. `provider_id` is the provider's own id of an authorization or
    refund that is DONE.
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
    """Money to be refunded. `refund_id` is the key of the request."""

    refund_id: str
    amount: Money
    state: RefundState
    create_time: datetime
    attempts: tuple[ProviderAttempt, ...] = ()
    provider_id: str = ""

    @property
    def is_refused(self) -> bool:
        """Whether the provider's last answer was a final refusal. The refund is still due: an operator has to act."""
        last = self.attempts[-1].outcome if self.attempts else None
        return self.state is RefundState.PENDING and last in (AttemptOutcome.DECLINED, AttemptOutcome.REJECTED)


@value(frozen=True, slots=True)
class Payment:
    """The money of one booking. Values never change; a changed payment is a new value.

    `provider` names the provider that holds the money, since another one may be configured by the time of a refund. `token`
    stands for the means of payment: a retry after a crash needs it, and it is no card number. `authorization_id` is the
    provider's own id, empty until money is held. `captured_minor` is the captured amount.
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
        """Whether no request is left to make, unless a refund is added."""
        if self.state in (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED):
            return False
        return all(refund.state is RefundState.DONE for refund in self.refunds)

    @property
    def is_paid(self) -> bool:
        """Whether the money was captured."""
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
# The requests that are possible in a state.
_ALLOWED_OPERATIONS: Mapping[PaymentState, frozenset[AttemptKind]] = {
    PaymentState.AUTHORIZING: frozenset({AttemptKind.AUTHORIZE}),
    PaymentState.AUTHORIZED: frozenset({AttemptKind.CAPTURE, AttemptKind.VOID}),
    PaymentState.CAPTURED: frozenset({AttemptKind.REFUND}),
    PaymentState.VOIDED: frozenset(),
    PaymentState.DECLINED: frozenset(),
}
# Requests made on the way to a state, whose answers may still arrive, and whether such an answer can be DONE.
_LATE_ANSWERS: Mapping[PaymentState, Mapping[AttemptKind, bool]] = {
    PaymentState.AUTHORIZING: {},
    PaymentState.AUTHORIZED: {AttemptKind.AUTHORIZE: True},
    PaymentState.CAPTURED: {AttemptKind.AUTHORIZE: True, AttemptKind.CAPTURE: True, AttemptKind.VOID: False},
    PaymentState.VOIDED: {AttemptKind.AUTHORIZE: True, AttemptKind.VOID: True, AttemptKind.CAPTURE: False},
    PaymentState.DECLINED: {AttemptKind.AUTHORIZE: False},
}


def new_payment(payment_id: str, provider: str, amount: Money, token: str, now: datetime) -> Payment:
    """Make a payment before its first request. Raise ValueError for an amount under one minor unit."""
    if amount.minor < 1:
        raise ValueError(f"payment {payment_id} of {amount}: a payment is of at least one minor unit")
    return Payment(payment_id, provider, amount, token, PaymentState.AUTHORIZING, now, now)


def operation_key(payment_id: str, kind: AttemptKind) -> str:
    """Return the key under which every server and every retry authorizes, captures or voids a payment."""
    if kind is AttemptKind.REFUND:
        raise ValueError("a payment has many refunds: each has its own id as key")
    return f"{payment_id}:{kind.value.lower()}"


def after_attempt(payment: Payment, attempt: ProviderAttempt) -> Payment:
    """Return the payment after an answer of the provider, or `payment` itself if the answer changes nothing.

    Raise ValueError for an answer to an impossible request: an amount over the held one or in another currency, an unknown
    refund, or a success that contradicts the state.
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
    """Return the payment with a refund to request, or `payment` itself if it has that refund already.

    Raise ValueError if more would be refunded than was captured, counting pending refunds, if the id is that of a refund of
    another amount, or if nothing was captured.
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
    """Return what can still be refunded: the captured amount less all refunds, pending ones included."""
    asked = sum(refund.amount.minor for refund in payment.refunds)
    return Money(payment.captured_minor - asked, payment.amount.currency)


def balance(payment: Payment) -> Money:
    """Return what the payer has paid so far: the captured amount less finished refunds."""
    given_back = sum(refund.amount.minor for refund in payment.refunds if refund.state is RefundState.DONE)
    return Money(payment.captured_minor - given_back, payment.amount.currency)


def pending_refunds(payment: Payment) -> tuple[Refund, ...]:
    """Return the refunds that are not done, oldest first; those that the provider refused are among them."""
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
    refund = next((refund for refund in payment.refunds if refund.refund_id == attempt.key), None)
    if refund is None:
        raise ValueError(f"payment {payment.payment_id} has no refund {attempt.key}")
    if attempt.amount != refund.amount:
        raise ValueError(f"refund {refund.refund_id} is of {refund.amount}, not of {attempt.amount}")
    if refund.state is RefundState.DONE or attempt in refund.attempts:
        return payment
    changed = replace(refund, attempts=_append_attempt(refund.attempts, attempt))
    if attempt.outcome is _DONE:
        changed = replace(changed, state=RefundState.DONE, provider_id=attempt.provider_id)
    refunds = tuple(changed if other is refund else other for other in payment.refunds)
    return replace(payment, refunds=refunds, update_time=max(payment.update_time, attempt.time))


def _append_attempt(attempts: tuple[ProviderAttempt, ...], attempt: ProviderAttempt) -> tuple[ProviderAttempt, ...]:
    return (*attempts, attempt)[-ATTEMPTS_KEPT_MAX:]
