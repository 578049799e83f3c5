"""Which payment provider this process asks.

Belongs here: making the provider that the settings name. Does not: any provider.
"""

from pydantic import SecretStr

from app.payments.bounded import BoundedProvider, RetryBounds
from app.payments.ledger import NAME as LEDGER
from app.payments.ledger import LedgerProvider, LedgerStore
from app.payments.provider import Provider

STRIPE = "stripe"

# The connection gives up a little later than who waits for it.
_CONNECTION_SECONDS_MORE = 2.0


class ProviderNotInstalledError(Exception):
    """The provider that is asked for cannot be used here; the text says why in a line."""


def make_provider(
    name: str, ledger_store: LedgerStore, bounds: RetryBounds, *, stripe_key: SecretStr, stripe_api_base: str
) -> Provider:
    """The provider of that name. Raises ProviderNotInstalledError where a part of it is not installed."""
    if name == LEDGER:
        return LedgerProvider(ledger_store)
    try:
        from app.payments.stripe import StripeProvider  # noqa: PLC0415 - it takes 0.3 seconds and 27 MB, and may not be there
    except ImportError as error:
        raise ProviderNotInstalledError(
            "SEATLINE_PAYMENTS_PROVIDER: stripe needs the extra [stripe] to be installed"
        ) from error
    timeout_seconds = bounds.timeout_seconds + _CONNECTION_SECONDS_MORE
    return BoundedProvider(StripeProvider(stripe_key, timeout_seconds=timeout_seconds, api_base=stripe_api_base), bounds)
