"""Stripe's SDK: the HTTP connections below it, and the translation of its errors.

Belongs here: connections, and the table from the SDK's errors to ours. Does not belong here: calls (`provider.py`), amounts
(`amounts.py`).

    Stripe's answer                                       ours
    ---------------------------------------------------   -------------------------------------------------
    402 card_error                                        Declined
    400 no such PaymentMethod                             Declined: the payer's token is wrong
    400 payment_intent_unexpected_state                   WrongState, a Rejected
    400, 404 otherwise; 400 idempotency_error             Rejected
    401, 403                                              ProviderUnavailable, until an operator corrects our key
    409 (the same key is under way), 429, 5xx             ProviderUnavailable
    5xx that is a saved answer                            SavedFault, a ProviderUnavailable
    no connection, no answer, an answer that is no JSON   ProviderUnavailable

Reasons and details quote Stripe's one line for people and its request id. The SDK's errors also contain whole answers and
headers; they are not chained to ours, so that nothing of that reaches a log.
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

# Stripe accepts a hundred requests a second from an account.
_CONNECTIONS_MAX = 100


class WrongState(Rejected):
    """The intent is in another state than the call needs, perhaps because the operation is done already."""


class SavedFault(ProviderUnavailable):
    """The first call with this key ended in an error of Stripe's servers, which Stripe repeats for a day."""


class HttpConnections(stripe.HTTPClient):
    """The HTTP client of the SDK. Make and use it in one event loop.

    The SDK's own clients are no alternative: the one for httpx takes milliseconds of processor time for each of many requests,
    in the loop that sells trains, and the one for aiohttp does not translate errors that occur while an answer is read.
    `timeout_seconds` bounds a whole request. A request that finds no free connection waits for one.
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
        """Return body, status and headers of the answer. Raise the SDK's APIConnectionError if there is none."""
        headers = dict(headers)
        TraceContextTextMapPropagator().inject(headers)
        try:
            # Only Stripe may see the key, whatever a redirection says.
            async with self._session.request(method, url, headers=headers, data=post_data, allow_redirects=False) as answer:
                return await answer.read(), answer.status, answer.headers
        except (aiohttp.ClientError, TimeoutError) as error:
            # Only the type of the error: its text may quote the request.
            raise stripe.APIConnectionError(type(error).__name__) from None  # type: ignore[no-untyped-call]  # theirs is

    async def close_async(self) -> None:
        """Close the connections."""
        await self._session.close()


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate the SDK's errors into ours, by the table above."""
    try:
        yield
    except stripe.StripeError as error:
        raise _translate(error) from None


def _translate(error: stripe.StripeError) -> PaymentError:
    reason = _reason(error)
    match error:
        case stripe.CardError():  # its message is meant for the payer
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
    """Make one line of Stripe's code, its sentence for people, and the request id."""
    if isinstance(error, stripe.APIConnectionError):
        return f"no answer from Stripe: {error.user_message}"
    if error.error is None:
        return f"Stripe answered with HTTP status {error.http_status} and nothing that can be read"
    # The SDK's objects have only the fields that were sent.
    said = (getattr(error.error, name, None) for name in ("decline_code", "code", "type"))
    code = next(filter(None, said), error.http_status)
    text = " ".join(f"{code}: {error.user_message or ''}".split())[:_REASON_LENGTH_MAX]
    return f"{text} ({error.request_id})" if error.request_id else text


def _seconds(text: str | None) -> float | None:
    """Read a Retry-After header. Stripe does not use its form with a date."""
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
