"""The payment provider Stripe: PaymentIntents that are confirmed at once and captured later.

Belongs here: the calls to Stripe through its own SDK, and what its answers mean. Does not belong here: retries
(`app/payments/bounded.py`; the SDK's own retries are off, so that one place bounds them), the SDK's errors (`sdk.py`), or the
amounts that Stripe accepts (`amounts.py`).

    operation     call to Stripe                          done when
    -----------   -------------------------------------   ------------------------------------------
    authorize     create a PaymentIntent and confirm it   its status is requires_capture
    capture       capture it                              its status is succeeded, with that amount
    void          cancel it                               its status is canceled
    refund        create a Refund of it                   the Refund's status is succeeded

Stripe saves the answer to a key for a day or more and repeats it, also when it was an error of its servers. After such an
answer, or one that says the intent is in another state than the call needs, the intent itself is read: its state counts, not
the answer. Before a new refund is made, the refunds of the intent are searched for the key in their metadata. So a refund that
is repeated after days is not made twice, and one that failed afterwards is made again.

A payer who would have to authenticate (3-D Secure) cannot do so here: that counts as declined, and the intent is cancelled.
"""

import logging
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import stripe
from pydantic import SecretStr

from app.domain.money import Money
from app.payments.request_check import require_valid_request
from app.payments.stripe import NAME
from app.payments.stripe.amounts import STRIPE_AMOUNTS, stripe_amount
from app.payments.stripe.sdk import HttpConnections, SavedFault, WrongState, translate_errors
from app.ports.payment_provider import Declined, ProviderUnavailable, Rejected

# Parameters and answers change with Stripe's version; the tests are for this one.
API_VERSION = "2026-10-28.endive"
API_BASE = "https://api.stripe.com"
# The field of Stripe's metadata with the key that an object was made under.
KEY_METADATA = "seatline_key"

# One page. A booking has nine passengers at most, and each can be refunded once.
_REFUNDS_MAX = 100
_FAILED_REFUND = {"failed", "canceled"}
_KEY_FORM = re.compile(r"[A-Za-z0-9_]{1,255}")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class StripeProvider:
    """The provider over a Stripe account. A token is the id of a PaymentMethod (pm_…) that Stripe has given the payer."""

    name = NAME
    needs_token = True
    amounts = STRIPE_AMOUNTS

    def __init__(self, api_key: SecretStr, *, timeout_seconds: float = 10.0, api_base: str = API_BASE) -> None:
        """Raise ValueError for a malformed key, or an `api_base` that would send the key unencrypted over a network.

        `timeout_seconds` bounds one request to Stripe; a call here makes one or two. Make the provider in the event loop that
        uses it.
        """
        secret = api_key.get_secret_value()
        if (
            _KEY_FORM.fullmatch(secret) is None
        ):  # such as one with a line end, which the error of a malformed header would repeat
            raise ValueError("a Stripe key consists of letters, digits and _")
        base = urlsplit(api_base)
        if base.scheme != "https" and (base.scheme != "http" or base.hostname not in _LOOPBACK):
            raise ValueError(f"{api_base} needs to be https://…")
        _quieten_sdk()
        self._http = HttpConnections(timeout_seconds)
        client = stripe.StripeClient(
            secret,
            stripe_version=API_VERSION,
            base_addresses={"api": api_base},
            max_network_retries=0,
            http_client=self._http,
        )
        self._intents = client.v1.payment_intents
        self._refunds = client.v1.refunds

    def can_defer(self, token: str) -> bool:
        """Never: any card may be refused."""
        return False

    async def authorize(self, key: str, amount: Money, token: str, description: str, metadata: Mapping[str, str]) -> str:
        """Create an intent that holds the amount."""
        require_valid_request(key, amount)
        if not token:
            raise Declined("a token of a means of payment is needed")
        try:
            with translate_errors():
                intent = await self._intents.create_async(
                    {
                        "amount": stripe_amount(amount),
                        "currency": amount.currency.lower(),
                        "payment_method": token,
                        "capture_method": "manual",
                        "confirm": True,
                        # The payer cannot be sent to a bank's page.
                        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
                        "description": description,
                        "metadata": {**metadata, KEY_METADATA: key},
                    },
                    {"idempotency_key": key},
                )
        except SavedFault:
            found = await self._search(key)
            if found is None:
                raise
            intent = found
        return await self._authorized(key, intent)

    async def capture(self, key: str, authorization_id: str, amount: Money) -> None:
        """Capture the intent with that amount."""
        require_valid_request(key, amount)
        captured = stripe_amount(amount)
        try:
            with translate_errors():
                intent = await self._intents.capture_async(
                    authorization_id, {"amount_to_capture": captured}, {"idempotency_key": key}
                )
        except (WrongState, SavedFault):
            intent = await self._read(authorization_id)
            if not _is_captured(intent, captured, amount.currency):
                raise
        if not _is_captured(intent, captured, amount.currency):
            raise Rejected(f"{amount} cannot be captured: the intent is {intent.status}")

    async def void(self, key: str, authorization_id: str) -> None:
        """Cancel the intent."""
        require_valid_request(key)
        try:
            with translate_errors():
                intent = await self._intents.cancel_async(authorization_id, {}, {"idempotency_key": key})
        except (WrongState, SavedFault):
            intent = await self._read(authorization_id)
            if intent.status != "canceled":
                raise
        if intent.status != "canceled":
            raise Rejected(f"the intent cannot be cancelled: it is {intent.status}")

    async def refund(self, key: str, authorization_id: str, amount: Money) -> str:
        """Find or create the refund."""
        require_valid_request(key, amount)
        with translate_errors():
            listed = await self._refunds.list_async({"payment_intent": authorization_id, "limit": _REFUNDS_MAX})
        ours = [refund for refund in listed.data if refund.metadata and refund.metadata.to_dict().get(KEY_METADATA) == key]
        for refund in ours:
            if refund.status not in _FAILED_REFUND:
                return _done_refund(refund, amount)
        with translate_errors():
            refund = await self._refunds.create_async(
                {"payment_intent": authorization_id, "amount": stripe_amount(amount), "metadata": {KEY_METADATA: key}},
                # After a failed refund, Stripe still repeats the answer to its key.
                {"idempotency_key": f"{key}:{len(ours) + 1}" if ours else key},
            )
        return _done_refund(refund, amount)

    async def close(self) -> None:
        """Close the connections to Stripe."""
        await self._http.close_async()

    async def _authorized(self, key: str, intent: stripe.PaymentIntent) -> str:
        if intent.status == "processing":  # which Stripe repeats for the same key from then on
            intent = await self._read(intent.id)
        if intent.status in ("requires_capture", "succeeded"):
            return intent.id
        if intent.status == "processing":
            raise ProviderUnavailable("the authorization is being processed")
        if intent.status == "canceled":
            raise Declined("the authorization was cancelled")
        await self.void(f"{key}:cancel", intent.id)
        if intent.status == "requires_action":
            raise Declined(
                "the card asks its holder to authenticate, which cannot be done here", detail="authentication_required"
            )
        raise Declined("the card was declined")

    async def _read(self, authorization_id: str) -> stripe.PaymentIntent:
        with translate_errors():
            return await self._intents.retrieve_async(authorization_id)

    async def _search(self, key: str) -> stripe.PaymentIntent | None:
        """Search the intent that was made under that key. Stripe finds it after a minute, in an incident after an hour."""
        with translate_errors():
            found = await self._intents.search_async({"query": f"metadata['{KEY_METADATA}']:'{key}'", "limit": 1})
        return found.data[0] if found.data else None


def _is_captured(intent: stripe.PaymentIntent, amount: int, currency: str) -> bool:
    return intent.status == "succeeded" and (intent.amount_received, intent.currency) == (amount, currency.lower())


def _done_refund(refund: stripe.Refund, amount: Money) -> str:
    """Return the id of a refund that is done."""
    if (refund.amount, refund.currency) != (stripe_amount(amount), amount.currency.lower()):
        raise Rejected("the key stands for another refund")
    if refund.status == "succeeded":
        return refund.id
    if refund.status in _FAILED_REFUND:
        raise Rejected(f"the refund {refund.status}: {getattr(refund, 'failure_reason', 'no reason given')}")
    raise ProviderUnavailable(f"the refund is {refund.status}", passes_soon=False)


def _quieten_sdk() -> None:
    # Its telemetry writes a file in the home directory and reports timings; there is no switch for one client.
    stripe.enable_telemetry = False
    # At DEBUG the SDK logs requests and answers with the payer's token; at INFO, a line for each request.
    logging.getLogger("stripe").setLevel(logging.WARNING)
