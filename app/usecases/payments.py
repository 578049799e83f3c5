"""BookingPayments: money is set aside before a sale, taken after it, and given back as bookings say.

Belongs here: asking the provider, and keeping what it answered. Does not: what is to be asked
(`app/domain/reconciliation.py`), nor
when to try again (the worker's jobs).

The order is authorize, sell, capture. Before a sale the payment is written down, then the provider is asked, so that what was
set aside is known whatever happens next. After the sale, a job settles the payment; every step of it is safe to repeat. What
was set aside and came to no sale is let go by `void_abandoned`, once it is too old for any sale to rest on it: so the two
never cross.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from opentelemetry.trace import SpanKind

from app.domain import limits
from app.domain.amounts import AmountRules
from app.domain.booking import DEFERRED_AUTHORIZATION, Authorization, Booking
from app.domain.commands import CancelUnpaid, CreateBooking
from app.domain.jobs import PermanentJobError
from app.domain.money import Money
from app.domain.payments import (
    AttemptKind,
    AttemptOutcome,
    Payment,
    PaymentState,
    ProviderAttempt,
    after_attempt,
    new_payment,
)
from app.domain.people import Caller, email_key
from app.domain.reconciliation import (
    AUTHORIZATIONS_PER_REQUEST_MAX,
    PaymentStep,
    add_due_refunds,
    give_up_unanswered,
    has_failed,
    next_step,
    payment_id_for,
    was_rejected,
)
from app.domain.reference import request_references
from app.domain.refusals import InvalidField, Reason, Refusal
from app.lanes.bus import CommandBus
from app.ports.payment_provider import Declined, PaymentError, Provider, Rejected, attempt_outcome
from app.store.payments import StoredPayment
from app.store.store import Store
from app.store.unreadable import record_unreadable
from app.telemetry.tracing.context import continue_trace, current_trace_parent
from app.telemetry.tracing.work import payment_request_span

_log = logging.getLogger(__name__)

# Authorize, capture, and the refunds of nine passengers who leave one by one and once more for a cheaper seat.
_STEPS_MAX = 40
# Well below what a sale may rest on, so that time is left to sell.
_REUSED_SECONDS_MAX = limits.AUTHORIZATION_SECONDS_MAX / 2
# Well above it with all that a call may take before, and above any difference between servers' clocks.
VOID_AFTER_SECONDS = limits.AUTHORIZATION_SECONDS_MAX * 4
_VOID_PAGE_SIZE = 100
# Such pages of one sweep, so that payments which cannot be let go keep no others from their turn.
_VOID_PAGES_MAX = 10
_CANCEL_SECONDS_MAX = 30.0


class UnsettledPaymentError(Exception):
    """The provider has not done yet what a payment needs; to be tried again."""


class BookingPayments:
    """Payments by one provider. `clock` gives the present moment, `monotonic` seconds as deadlines count them."""

    def __init__(
        self, store: Store, bus: CommandBus, provider: Provider, clock: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._store, self._bus, self._provider = store, bus, provider
        self._clock, self._monotonic = clock, monotonic

    # -- before a sale

    def deferred_authorization(self, token: str) -> Authorization | None:
        """What a sale may rest on where the provider cannot say no, and may as well be asked after it; else None."""
        return DEFERRED_AUTHORIZATION if self._provider.can_defer(token) else None

    @property
    def amounts(self) -> AmountRules:
        """Which amounts the provider can take and give back."""
        return self._provider.amounts

    async def authorize_booking(self, command: CreateBooking, token: str, price: Money) -> Authorization | None:
        """Authorizes the price of this request; None where nothing is to be paid.

        Refuses PAYMENT_DECLINED, PAYMENT_REJECTED, PAYMENT_UNAVAILABLE, and INVALID_FIELD for a missing token.
        """
        if not price.minor:
            return None
        if self._provider.needs_token and not token:
            raise InvalidField("payment_token", "is required: this service takes payment by card")
        kept = await self._payment_of(command, token, price)
        payment = kept.payment
        if payment.state is PaymentState.AUTHORIZING:
            payment = await self._authorize(kept, command)
        return Authorization(payment.payment_id, payment.authorization_id, payment.amount, payment.update_time)

    async def _payment_of(self, command: CreateBooking, token: str, price: Money) -> StoredPayment:
        """The payment that this request goes on with, or a new one."""
        user_key, now = email_key(command.user.email), self._clock()
        ids = [payment_id_for(user_key, command.request_id, one) for one in range(AUTHORIZATIONS_PER_REQUEST_MAX)]
        found = await self._store.payments.find(ids)
        if found.unreadable:  # which may have set money aside already
            raise record_unreadable("payments")
        for payment_id in ids:
            kept = found.get(payment_id)
            if kept is None:
                payment = new_payment(payment_id, self._provider.name, price, token, now)
                kept = StoredPayment(payment, user_key, command.request_id)
                if await self._store.payments.add(kept):
                    return kept
                there = await self._store.payments.find([payment_id])
                if there.unreadable:
                    raise record_unreadable("payments")
                kept = there[payment_id]
            if self._is_usable(kept.payment, now) or await self._booking_of(kept) is not None:
                return kept
            if was_rejected(kept.payment):
                raise Refusal(Reason.PAYMENT_REJECTED, "the payment provider refused this payment; send a new request")
            if kept.payment.state is PaymentState.DECLINED:
                raise Refusal(Reason.PAYMENT_DECLINED, "the payment was declined; send a new request with another one")
        raise Refusal(Reason.PAYMENT_REJECTED, "this request was paid and let go too often; send a new one")

    def _is_usable(self, payment: Payment, now: datetime) -> bool:
        """Whether a sale may rest on it; an older one may be let go at any moment, by the time at which it was made."""
        is_new = now - payment.create_time < timedelta(seconds=_REUSED_SECONDS_MAX)
        return is_new and payment.state in (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)

    async def _authorize(self, kept: StoredPayment, command: CreateBooking) -> Payment:
        step = next_step(kept.payment, None)
        if step is None:
            raise ValueError("a payment that is being authorized has a next step")
        payment, error = await self._ask(kept.payment, step)
        await self._store.payments.save(kept, payment)  # somebody else may have kept the same answer first
        if isinstance(error, Declined):
            raise Refusal(Reason.PAYMENT_DECLINED, f"the payment was declined: {error.reason}") from error
        if isinstance(error, Rejected):
            raise Refusal(Reason.PAYMENT_REJECTED, f"the payment provider refuses this payment: {error.reason}") from error
        if error is not None:
            raise Refusal(Reason.PAYMENT_UNAVAILABLE, "the payment is not answered; send the same request again") from error
        return payment

    # -- after a sale

    async def settle(
        self, references: Sequence[str], trace_parents: Mapping[str, str] | None = None
    ) -> Mapping[str, Exception | None]:
        """Has the payments of these bookings come to what the bookings say; gives for each None, or why not yet.

        `trace_parents` are the trace contexts that this goes on with, by reference.
        """
        traces = trace_parents or {}
        bookings = await self._store.bookings.find_many(references)
        kept = await self._store.payments.find([one.payment_id for one in bookings.values() if one.payment_id])
        payable = [one for one in bookings.values() if one.payment_id and one.payment_id not in kept.unreadable]
        unreadable = [one.reference for one in bookings.values() if one.payment_id in kept.unreadable]
        errors = await asyncio.gather(
            *(self._try_settle(one, kept.get(one.payment_id), traces.get(one.reference, "")) for one in payable)
        )
        # A booking that is not to be found was never committed: nothing rests on it.
        outcomes: dict[str, Exception | None] = dict.fromkeys(references)
        outcomes |= dict.fromkeys(bookings.unreadable, record_unreadable("bookings"))
        outcomes |= dict.fromkeys(unreadable, record_unreadable("payments"))
        return outcomes | {one.reference: error for one, error in zip(payable, errors, strict=True)}

    async def _try_settle(self, booking: Booking, kept: StoredPayment | None, trace_parent: str) -> Exception | None:
        try:
            with continue_trace(trace_parent, "settle payment", SpanKind.CONSUMER):
                await self._settle(booking, kept)
        except Exception as error:  # it is this booking's outcome, and not that of the batch
            return error
        return None

    async def _settle(self, booking: Booking, kept: StoredPayment | None) -> None:
        before = kept.payment if kept else None
        payment = before
        if payment is None:
            if not booking.charged_minor:
                return
            amount = Money(booking.charged_minor, booking.currency)
            payment = new_payment(booking.payment_id, self._provider.name, amount, "", self._clock())
        payment, error = await self._advance(payment, booking)
        if kept is None:
            is_kept = await self._store.payments.add(StoredPayment(payment, booking.user_key, booking.request_id))
        else:
            is_kept = payment is before or await self._store.payments.save(kept, payment)
        if not is_kept:
            raise UnsettledPaymentError(f"payment {payment.payment_id} was changed by another worker at the same time")
        if has_failed(payment) and (booking.is_live or booking.charged_minor):
            await self._cancel_unpaid(booking)
        if isinstance(error, Declined | Rejected) and not has_failed(payment):
            raise PermanentJobError(f"payment {payment.payment_id}: refused for good: {error.detail}")
        if error is not None and not has_failed(payment):
            raise UnsettledPaymentError(f"payment {payment.payment_id}: {error.detail}")

    async def _advance(self, payment: Payment, booking: Booking | None) -> tuple[Payment, PaymentError | None]:
        """Takes all steps that can be taken; gives the payment then, and what the provider said where it did not go on."""
        refused: dict[str, PaymentError] = {}
        for _ in range(_STEPS_MAX):
            if booking is not None:
                payment = add_due_refunds(payment, booking)
            step = next_step(payment, booking, refused)
            if step is None:
                return payment, next(iter(refused.values()), None)
            payment, error = await self._ask(payment, step)
            if isinstance(error, Declined | Rejected) and step.kind is AttemptKind.REFUND:
                refused[step.key] = error
            elif error is not None and not (has_failed(payment) and step.kind is AttemptKind.CAPTURE):
                return payment, error
        raise UnsettledPaymentError(f"payment {payment.payment_id} takes more than {_STEPS_MAX} steps")

    async def _cancel_unpaid(self, booking: Booking) -> None:
        command = CancelUnpaid(Caller(trace_parent=current_trace_parent()), booking.reference, booking.journey.run_id)
        deadline = self._monotonic() + _CANCEL_SECONDS_MAX
        await self._bus.submit(command, deadline)
        _log.warning("booking %s comes to nothing: its payment is lost", booking.reference)

    # -- without a sale

    async def void_abandoned(self) -> None:
        """Lets go of what was set aside too long ago for a sale to rest on it; settles what was sold."""
        before = self._clock() - timedelta(seconds=VOID_AFTER_SECONDS)
        looked_at: set[str] = set()
        for _ in range(_VOID_PAGES_MAX):
            page = await self._store.payments.list_open(before, _VOID_PAGE_SIZE, but_for=looked_at)
            for kept in page.values:
                await self._try_void_abandoned(kept)
            if len(page.values) + len(page.unreadable) < _VOID_PAGE_SIZE:
                return
            looked_at.update(page.unreadable, (kept.payment.payment_id for kept in page.values))

    async def _try_void_abandoned(self, kept: StoredPayment) -> None:
        """Let one payment go. What is wrong with it stops none of the others; an outage stops all."""
        payment_id = kept.payment.payment_id
        try:
            await self._void_abandoned_payment(kept)
        except Refusal as refusal:
            if refusal.reason is Reason.DATABASE_UNAVAILABLE:
                raise
            _log.warning("payment %s cannot be let go yet: %s", payment_id, refusal.reason.value)
        except (UnsettledPaymentError, PermanentJobError) as stuck:
            _log.warning("payment %s cannot be settled yet: %s", payment_id, type(stuck).__name__)
        except Exception:
            _log.exception("payment %s cannot be let go yet", payment_id)

    async def _void_abandoned_payment(self, kept: StoredPayment) -> None:
        booking = await self._booking_of(kept)
        if booking is not None:
            await self._settle(booking, kept)
            return
        payment, error = await self._advance(give_up_unanswered(kept.payment, self._clock()), None)
        if payment is not kept.payment:
            await self._store.payments.save(kept, payment)
        if error is not None:
            _log.warning("payment %s cannot be let go yet: %s", payment.payment_id, type(error).__name__)

    async def _booking_of(self, kept: StoredPayment) -> Booking | None:
        references = request_references(kept.user_key, kept.request_id)
        found = await self._store.bookings.find_many(references)
        if found.unreadable:  # which may rest on it
            raise record_unreadable("bookings")
        return next((one for one in found.values() if one.payment_id == kept.payment.payment_id), None)

    # -- the provider

    async def _ask(self, payment: Payment, step: PaymentStep) -> tuple[Payment, PaymentError | None]:
        provider_id, error = "", None
        try:
            with payment_request_span(self._provider.name, step.kind.value.lower(), payment.payment_id):
                provider_id = await self._call_provider(payment, step)
        except PaymentError as raised:
            error = raised
        outcome = AttemptOutcome.DONE if error is None else attempt_outcome(error)
        detail = "" if error is None else error.detail
        attempt = ProviderAttempt(step.kind, step.key, step.amount, outcome, detail, self._clock(), provider_id)
        return after_attempt(payment, attempt), error

    async def _call_provider(self, payment: Payment, step: PaymentStep) -> str:
        """Asks the provider; gives the provider's own name for what was done, where there is one. Raises PaymentError."""
        match step.kind:
            case AttemptKind.AUTHORIZE:
                text, metadata = f"Seatline {payment.payment_id}", {"payment_id": payment.payment_id}
                return await self._provider.authorize(step.key, step.amount, payment.token, text, metadata)
            case AttemptKind.CAPTURE:
                await self._provider.capture(step.key, payment.authorization_id, step.amount)
            case AttemptKind.VOID:
                await self._provider.void(step.key, payment.authorization_id)
            case AttemptKind.REFUND:
                return await self._provider.refund(step.key, payment.authorization_id, step.amount)
        return ""
