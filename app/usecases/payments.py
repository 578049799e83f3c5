"""Payments of bookings: authorize before a sale, capture after it, refund what bookings give back.

Belongs here: calling the provider, and storing its answers. Does not belong here: what to ask next
(`app/domain/reconciliation.py`), or when to try again (the worker's jobs).

The order is authorize, sell, capture. Before a sale the payment is stored, then the provider is asked, so that an authorization
is known whatever happens next. After the sale, a job settles the payment; every step of it is safe to repeat. An authorization
without a sale is voided by `void_abandoned`, once it is too old for any sale to use it: so the two never meet.
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
from app.ports.clock import Clock
from app.ports.payment_provider import Declined, PaymentError, Provider, Rejected, attempt_outcome
from app.store.payments import StoredPayment
from app.store.store import Store
from app.store.unreadable import record_unreadable
from app.telemetry.tracing.context import continue_trace, current_trace_parent
from app.telemetry.tracing.work import payment_request_span

_log = logging.getLogger(__name__)

# Authorize, capture, and two refunds for each of nine passengers: one for a cheaper seat, one for leaving.
_STEPS_MAX = 40
# Well below the age that a sale accepts, so that time is left to sell.
_REUSED_SECONDS_MAX = limits.AUTHORIZATION_SECONDS_MAX / 2
# Well above that age with everything a call may take before, and above any difference between servers' clocks.
VOID_AFTER_SECONDS = limits.AUTHORIZATION_SECONDS_MAX * 4
_VOID_PAGE_SIZE = 100
# Pages of one run of the task, so that payments which cannot be voided do not keep the others waiting.
_VOID_PAGES_MAX = 10
_CANCEL_SECONDS_MAX = 30.0


class UnsettledPaymentError(Exception):
    """The provider has not yet done what a payment needs. To be tried again."""


class BookingPayments:
    """Payments through one provider. `clock` gives the present time, `monotonic` the seconds that deadlines count."""

    def __init__(self, store: Store, bus: CommandBus, provider: Provider, clock: Clock, monotonic: Callable[[], float]) -> None:
        self._store, self._bus, self._provider = store, bus, provider
        self._clock, self._monotonic = clock, monotonic

    # -- before a sale

    def deferred_authorization(self, token: str) -> Authorization | None:
        """Return the authorization for a sale that is authorized after it, where the provider allows that; else None."""
        return DEFERRED_AUTHORIZATION if self._provider.can_defer(token) else None

    @property
    def amounts(self) -> AmountRules:
        """The amounts that the provider can charge and refund."""
        return self._provider.amounts

    async def authorize_booking(self, command: CreateBooking, token: str, price: Money) -> Authorization:
        """Authorize the price of this request. No payment is made where the price is zero.

        Refuses PAYMENT_DECLINED, PAYMENT_REJECTED, PAYMENT_UNAVAILABLE, and INVALID_FIELD for a missing token.
        """
        if not price.minor:
            return Authorization("", "", price, self._clock())
        if self._provider.needs_token and not token:
            raise InvalidField("payment_token", "is required: this service takes payment by card")
        stored = await self._payment_of(command, token, price)
        payment = stored.payment
        if payment.state is PaymentState.AUTHORIZING:
            payment = await self._authorize(stored, command)
        return Authorization(payment.payment_id, payment.authorization_id, payment.amount, payment.update_time)

    async def _payment_of(self, command: CreateBooking, token: str, price: Money) -> StoredPayment:
        """Return the payment that this request continues, or a new one."""
        user_key, now = email_key(command.user.email), self._clock()
        ids = [payment_id_for(user_key, command.request_id, attempt) for attempt in range(AUTHORIZATIONS_PER_REQUEST_MAX)]
        found = await self._store.payments.find(ids)
        if found.unreadable:  # one of which may be authorized already
            raise record_unreadable("payments")
        for payment_id in ids:
            stored = found.get(payment_id)
            if stored is None:
                payment = new_payment(payment_id, self._provider.name, price, token, now)
                stored = StoredPayment(payment, user_key, command.request_id)
                if await self._store.payments.add(stored):
                    return stored
                known = await self._store.payments.find([payment_id])
                if known.unreadable:
                    raise record_unreadable("payments")
                stored = known[payment_id]
            if self._is_usable(stored.payment, now) or await self._booking_of(stored) is not None:
                return stored
            if was_rejected(stored.payment):
                raise Refusal(Reason.PAYMENT_REJECTED, "the payment provider refused this payment; send a new request")
            if stored.payment.state is PaymentState.DECLINED:
                raise Refusal(Reason.PAYMENT_DECLINED, "the payment was declined; send a new request with another one")
        raise Refusal(Reason.PAYMENT_REJECTED, "this request was authorized and voided too often; send a new one")

    def _is_usable(self, payment: Payment, now: datetime) -> bool:
        """Whether a sale may use the payment. An older one may be voided at any moment, judged by its create time."""
        is_new = now - payment.create_time < timedelta(seconds=_REUSED_SECONDS_MAX)
        return is_new and payment.state in (PaymentState.AUTHORIZING, PaymentState.AUTHORIZED)

    async def _authorize(self, stored: StoredPayment, command: CreateBooking) -> Payment:
        step = next_step(stored.payment, None)
        if step is None:
            raise ValueError("a payment that is being authorized has a next step")
        payment, error = await self._ask(stored.payment, step)
        await self._store.payments.save(stored, payment)  # another server may have stored the same answer first
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
        """Settle the payments of these bookings. Return for each reference None, or the error that a retry may mend.

        `trace_parents` are the trace contexts to continue, by reference.
        """
        traces = trace_parents or {}
        bookings = await self._store.bookings.find_many(references)
        stored = await self._store.payments.find([booking.payment_id for booking in bookings.values() if booking.payment_id])
        with_payment = [booking for booking in bookings.values() if booking.payment_id]
        payable = [booking for booking in with_payment if booking.payment_id not in stored.unreadable]
        unreadable = [booking.reference for booking in with_payment if booking.payment_id in stored.unreadable]
        errors = await asyncio.gather(
            *(
                self._try_settle(booking, stored.get(booking.payment_id), traces.get(booking.reference, ""))
                for booking in payable
            )
        )
        # A booking that is not found was never committed: no payment of it is settled.
        outcomes: dict[str, Exception | None] = dict.fromkeys(references)
        outcomes |= dict.fromkeys(bookings.unreadable, record_unreadable("bookings"))
        outcomes |= dict.fromkeys(unreadable, record_unreadable("payments"))
        return outcomes | {booking.reference: error for booking, error in zip(payable, errors, strict=True)}

    async def _try_settle(self, booking: Booking, stored: StoredPayment | None, trace_parent: str) -> Exception | None:
        try:
            with continue_trace(trace_parent, "settle payment", SpanKind.CONSUMER):
                await self._settle(booking, stored)
        except Exception as error:  # the outcome of this booking alone, not of the batch
            return error
        return None

    async def _settle(self, booking: Booking, stored: StoredPayment | None) -> None:
        before = stored.payment if stored else None
        payment = before
        if payment is None:
            if not booking.charged_minor:
                return
            amount = Money(booking.charged_minor, booking.currency)
            payment = new_payment(booking.payment_id, self._provider.name, amount, "", self._clock())
        payment, error = await self._advance(payment, booking)
        if stored is None:
            is_stored = await self._store.payments.add(StoredPayment(payment, booking.user_key, booking.request_id))
        else:
            is_stored = payment is before or await self._store.payments.save(stored, payment)
        if not is_stored:
            raise UnsettledPaymentError(f"payment {payment.payment_id} was changed by another worker at the same time")
        if has_failed(payment) and (booking.is_live or booking.charged_minor):
            await self._cancel_unpaid(booking)
        if isinstance(error, Declined | Rejected) and not has_failed(payment):
            raise PermanentJobError(f"payment {payment.payment_id}: refused for good: {error.detail}")
        if error is not None and not has_failed(payment):
            raise UnsettledPaymentError(f"payment {payment.payment_id}: {error.detail}")

    async def _advance(self, payment: Payment, booking: Booking | None) -> tuple[Payment, PaymentError | None]:
        """Take all steps that are possible. Return the payment then, and the provider's error where one stopped it."""
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
        _log.warning("booking %s: payment failed; booking cancelled", booking.reference)

    # -- without a sale

    async def void_abandoned(self) -> None:
        """Void authorizations that are too old for a sale to use them. Settle those that a sale did use."""
        before = self._clock() - timedelta(seconds=VOID_AFTER_SECONDS)
        seen: set[str] = set()
        for _ in range(_VOID_PAGES_MAX):
            page = await self._store.payments.list_open(before, _VOID_PAGE_SIZE, but_for=seen)
            for stored in page.values:
                await self._try_void_abandoned(stored)
            if len(page.values) + len(page.unreadable) < _VOID_PAGE_SIZE:
                return
            seen.update(page.unreadable, (stored.payment.payment_id for stored in page.values))

    async def _try_void_abandoned(self, stored: StoredPayment) -> None:
        """Void one payment. An error with it does not stop the others; a database outage stops all."""
        payment_id = stored.payment.payment_id
        try:
            await self._void_abandoned_payment(stored)
        except Refusal as refusal:
            if refusal.reason is Reason.DATABASE_UNAVAILABLE:
                raise
            _log.warning("payment %s cannot be voided yet: %s", payment_id, refusal.reason.value)
        except (UnsettledPaymentError, PermanentJobError) as stuck:
            _log.warning("payment %s cannot be settled yet: %s", payment_id, type(stuck).__name__)
        except Exception:
            _log.exception("payment %s cannot be voided yet", payment_id)

    async def _void_abandoned_payment(self, stored: StoredPayment) -> None:
        booking = await self._booking_of(stored)
        if booking is not None:
            await self._settle(booking, stored)
            return
        payment, error = await self._advance(give_up_unanswered(stored.payment, self._clock()), None)
        if payment is not stored.payment:
            await self._store.payments.save(stored, payment)
        if error is not None:
            _log.warning("payment %s cannot be voided yet: %s", payment.payment_id, type(error).__name__)

    async def _booking_of(self, stored: StoredPayment) -> Booking | None:
        references = request_references(stored.user_key, stored.request_id)
        found = await self._store.bookings.find_many(references)
        if found.unreadable:  # one of which may use the payment
            raise record_unreadable("bookings")
        return next((booking for booking in found.values() if booking.payment_id == stored.payment.payment_id), None)

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
        """Call the provider. Return its id of an authorization or refund, else an empty text. Raise PaymentError."""
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
