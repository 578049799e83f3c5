"""Under Stripe's SDK, HTTP; over it, and what its errors mean.

Belongs here: connections, and the table from the SDK's errors to ours. Does not: calls (`stripe.py`), amounts
(`stripe_amounts.py`).

    Stripe's answer                                       ours
    ---------------------------------------------------   -------------------------------------------------
    402 card_error                                        Declined
    400 no such PaymentMethod                             Declined: the payer's token is wrong
    400 payment_intent_unexpected_state                   WrongState, a Rejected
    400, 404 otherwise; 400 idempotency_error             Rejected
    401, 403                                              ProviderUnavailable, until somebody corrects our key
    409 (the same key is under way), 429, 5xx             ProviderUnavailable
    5xx that is an answer kept from earlier               SavedFault, a ProviderUnavailable
    no connection, no answer, an answer that is no JSON   ProviderUnavailable

Reasons and details quote Stripe's one line for people and its request id. The SDK's errors also carry whole answers and
headers; they are not chained to ours, so that none of that gets into a log.
"""

import logging
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import stripe
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.ports.payment_provider import Declined, PaymentError, ProviderUnavailable, Rejected

_log = logging.getLogger(__name__)

_REASON_LENGTH_MAX = 200  # characters
_SERVER_ERROR = 500

# Stripe takes a hundred requests a second of an account.
_CONNECTIONS_MAX = 100


class WrongState(Rejected):
    """The intent is in another state than the call needs, perhaps because what was asked is done already."""


class SavedFault(ProviderUnavailable):
    """The first call with this key ended in an error of Stripe's servers, which is the answer to the key for a day."""


class HttpConnections(stripe.HTTPClient):
    """What the SDK sends its requests through; to be made and used in one event loop.

    The SDK's own clients will not do: that for httpx takes milliseconds of processor time for a request among many, in the loop
    that sells trains, and that for aiohttp lets errors through that come while an answer is read. `timeout_seconds` bounds a
    request in all. What finds no connection free waits for one.
    """

    name = "aiohttp"

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__()
        trusted = ssl.create_default_context(cafile=stripe.ca_bundle_path)  # as the SDK's own clients do
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            connector=aiohttp.TCPConnector(limit=_CONNECTIONS_MAX, ssl=trusted),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=True,  # a proxy, where one is configured
        )

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Body, status and headers of the answer. Raises the SDK's APIConnectionError where there is none."""
        headers = dict(headers)
        TraceContextTextMapPropagator().inject(headers)
        try:
            # Nobody but Stripe is to see the key, whatever a redirection says.
            async with self._session.request(method, url, headers=headers, data=post_data, allow_redirects=False) as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            # Only the kind of error: its text may quote what was sent.
            raise stripe.APIConnectionError(type(error).__name__) from None  # type: ignore[no-untyped-call]  # theirs is

    async def close_async(self) -> None:
        """Closes the connections."""
        await self._session.close()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns the SDK's errors into ours, as the table says."""
    try:
        yield
    except stripe.StripeError as error:
        raise _translate(error) from None


def _translate(error: stripe.StripeError) -> PaymentError:
    reason = _reason(error)
    match error:
        case stripe.CardError():  # whose message is meant for the payer
            return Declined(error.user_message or "the card was declined", detail=reason)
        case stripe.InvalidRequestError() if error.code == "resource_missing" and error.param == "payment_method":
            return Declined("no means of payment has such a token", detail=reason)
        case stripe.InvalidRequestError() if error.code == "payment_intent_unexpected_state":
            return WrongState(reason)
        case stripe.InvalidRequestError() | stripe.IdempotencyError():
            return Rejected(reason)
    return _unavailable(error, reason)


def _unavailable(error: stripe.StripeError, reason: str) -> ProviderUnavailable:
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        _log.error("Stripe does not accept our key (HTTP status %s, request %s)", error.http_status, error.request_id)
        return ProviderUnavailable("the provider does not accept our key", passes_soon=False)
    headers = error.headers or {}
    if (error.http_status or 0) >= _SERVER_ERROR and headers.get("idempotent-replayed") == "true":
        return SavedFault(reason, passes_soon=False)
    return ProviderUnavailable(reason, retry_after_seconds=_seconds(headers.get("retry-after")))


def _reason(error: stripe.StripeError) -> str:
    """One line: Stripe's code, its sentence for people, and the request's id."""
    if isinstance(error, stripe.APIConnectionError):
        return f"no answer from Stripe: {error.user_message}"
    if error.error is None:
        return f"Stripe answered with HTTP status {error.http_status} and nothing that can be read"
    # The SDK's objects have the fields that were sent, and no others.
    said = (getattr(error.error, name, None) for name in ("decline_code", "code", "type"))
    code = next(filter(None, said), error.http_status)
    text = " ".join(f"{code}: {error.user_message or ''}".split())[:_REASON_LENGTH_MAX]
    return f"{text} ({error.request_id})" if error.request_id else text


def _seconds(text: str | None) -> float | None:
    """What a Retry-After header asks for; the form with a date is not one that Stripe uses."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
