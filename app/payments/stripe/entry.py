"""Stripe in the registry of payment providers: its settings and its factory.

Belongs here: the variables `SEATLINE_PAYMENTS_STRIPE_*`, and making the provider from them. Does not belong here: calls to
Stripe (`provider.py`). This module is imported by every process, also where the extra `[stripe]` is not installed.
"""

import re
from pathlib import Path

from pydantic import Field, SecretStr

from app.payments.bounded import BoundedProvider
from app.payments.registry import (
    ProviderEntry,
    ProviderNotInstalledError,
    ProviderParts,
    ProviderSettings,
    ProviderSettingsError,
)
from app.payments.stripe import NAME
from app.ports.payment_provider import Provider

_KEY = "SEATLINE_PAYMENTS_STRIPE_KEY"
_KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"
# Secret and restricted keys, live or test. A publishable key (pk_…) may not call what the provider needs.
_KEY_FORM = re.compile(r"(sk|rk)_(test|live)_[A-Za-z0-9_]+")
# The HTTP client gives up a little later than the caller that waits for it, so that the caller's error is the one reported.
_HTTP_SECONDS_MORE = 2.0


class StripeSettings(ProviderSettings):
    """The settings of Stripe."""

    payments_stripe_key: SecretStr = Field(
        SecretStr(""), repr=False, description="Stripe's secret key, sk_… or rk_…; needed with stripe. Never logged."
    )
    payments_stripe_key_file: str = Field("", description="A file that holds the key instead, as secrets are mounted.")
    payments_stripe_api_base: str = Field(
        "https://api.stripe.com", description="The base URL of Stripe's API. Tests set another one."
    )

    def checked(self) -> "StripeSettings":
        """Return the settings with the key from the environment or its file. Raise ProviderSettingsError.

        The error never repeats the key.
        """
        name, key = self._read_key()
        if not _KEY_FORM.fullmatch(key):
            what = "a publishable key, which may take no payments" if key.startswith("pk_") else "no key of Stripe"
            raise ProviderSettingsError(
                f"{name}: holds {what}; needs a secret key: sk_test_…, sk_live_…, rk_test_… or rk_live_…"
            )
        return self.model_copy(update={"payments_stripe_key": SecretStr(key)})

    def _read_key(self) -> tuple[str, str]:
        """Return the variable that the key comes from, and the key."""
        key = self.payments_stripe_key.get_secret_value().strip()
        if key:
            return _KEY, key
        if not self.payments_stripe_key_file:
            raise ProviderSettingsError(f"{_KEY}: is needed, or {_KEY_FILE}, with stripe")
        try:
            return _KEY_FILE, Path(self.payments_stripe_key_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ProviderSettingsError(f"{_KEY_FILE}: cannot be read: {error}") from None
        except UnicodeDecodeError:  # its text would repeat a byte of the file
            raise ProviderSettingsError(f"{_KEY_FILE}: holds no text") from None


def make_stripe(settings: StripeSettings, parts: ProviderParts) -> Provider:
    """Make the provider, asked within the bounds. Raise ProviderNotInstalledError, and ValueError for an unusable API base."""
    try:
        from app.payments.stripe.provider import StripeProvider  # noqa: PLC0415 - 0.3 s and 27 MB, and an extra
    except ImportError as error:
        raise ProviderNotInstalledError(
            "SEATLINE_PAYMENTS_PROVIDER: stripe needs the extra [stripe] to be installed"
        ) from error
    provider = StripeProvider(
        settings.payments_stripe_key,
        timeout_seconds=parts.bounds.timeout_seconds + _HTTP_SECONDS_MORE,
        api_base=settings.payments_stripe_api_base,
    )
    return BoundedProvider(provider, parts.bounds)


STRIPE = ProviderEntry(NAME, StripeSettings, make_stripe)
