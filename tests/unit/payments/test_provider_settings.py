"""The registry of payment providers: names, settings from the environment, and keys that are never repeated."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from pydantic import Field

from app.payments.bounded import BoundedProvider, RetryBounds
from app.payments.ledger import LEDGER, LedgerProvider
from app.payments.registry import ProviderEntry, ProviderParts, ProviderRegistry, ProviderSettings, ProviderSettingsError
from app.payments.stripe.entry import STRIPE, StripeSettings
from app.ports.ledger_store import LedgerStore
from app.ports.payment_provider import Provider
from app.process.payment_providers import PAYMENT_PROVIDERS, setting_fields
from tests.support.scripted_provider import ScriptedProvider

KEY = "SEATLINE_PAYMENTS_STRIPE_KEY"
KEY_FILE = "SEATLINE_PAYMENTS_STRIPE_KEY_FILE"


class CashSettings(ProviderSettings):
    payments_cash_desks: int = Field(1, ge=1, le=9, description="How many desks there are.")


class CashProvider(ScriptedProvider):
    def __init__(self, desks: int) -> None:
        super().__init__()
        self.desks = desks


def make_cash(settings: CashSettings, parts: ProviderParts) -> Provider:
    return CashProvider(settings.payments_cash_desks)


CASH = ProviderEntry("cash", CashSettings, make_cash)


@pytest.fixture(autouse=True)
def _no_provider_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STRIPE_KEY", "STRIPE_KEY_FILE", "STRIPE_API_BASE", "CASH_DESKS"):
        monkeypatch.delenv(f"SEATLINE_PAYMENTS_{name}", raising=False)


def parts() -> ProviderParts:
    """What a factory may use; no test here makes the ledger write anything."""
    return ProviderParts(cast(LedgerStore, None), RetryBounds())


def stripe_key() -> str:
    settings = PAYMENT_PROVIDERS.load_settings("stripe")
    assert isinstance(settings, StripeSettings)
    return settings.payments_stripe_key.get_secret_value()


# -- the registry


def test_a_new_provider_is_one_entry_with_its_name_settings_and_factory(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = ProviderRegistry((LEDGER, CASH))
    monkeypatch.setenv("SEATLINE_PAYMENTS_CASH_DESKS", "3")
    provider = registry.make("cash", registry.load_settings("cash"), parts())
    assert registry.names == ("ledger", "cash")
    assert list(registry.setting_fields) == ["payments_cash_desks"]
    assert registry.setting_schemas["payments_cash_desks"]["maximum"] == 9
    assert isinstance(provider, CashProvider)
    assert provider.desks == 3


def test_an_unknown_provider_is_refused_with_the_names_of_all_providers() -> None:
    with pytest.raises(ProviderSettingsError, match=r"^SEATLINE_PAYMENTS_PROVIDER: 'barter' is not one of ledger, cash$"):
        ProviderRegistry((LEDGER, CASH)).load_settings("barter")


def test_a_bad_setting_of_a_provider_is_refused_in_one_line_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_PAYMENTS_CASH_DESKS", "thirteen")
    with pytest.raises(ProviderSettingsError, match=r"^SEATLINE_PAYMENTS_CASH_DESKS: .*integer") as refused:
        ProviderRegistry((CASH,)).load_settings("cash")
    assert "thirteen" not in str(refused.value)


def test_two_providers_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        ProviderRegistry((CASH, CASH))


def test_settings_of_providers_that_were_not_chosen_are_not_needed() -> None:
    assert PAYMENT_PROVIDERS.load_settings("ledger") == ProviderSettings()


def test_the_ledger_is_asked_directly_and_stripe_within_the_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.payments.stripe.provider.HttpConnections", lambda seconds: None)
    stripe_settings = StripeSettings.model_validate({"payments_stripe_key": "sk_test_1"})
    assert isinstance(LEDGER.make(ProviderSettings(), parts()), LedgerProvider)
    provider = STRIPE.make(stripe_settings, parts())
    assert isinstance(provider, BoundedProvider)
    assert provider.name == "stripe"


# -- the key of Stripe


@pytest.mark.parametrize(
    "key",
    ["nonsense", "pk_live_51Hsecret", "sk_secret", "sk_test_", "sk_live_sec ret", "sk_live_…", "whsec_secret", "SK_TEST_1"],
)
@pytest.mark.parametrize("in_file", [False, True])
def test_a_text_that_is_no_secret_key_of_stripe_is_refused_and_not_repeated(
    key: str, in_file: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = KEY_FILE if in_file else KEY
    (tmp_path / "key").write_text(f"{key}\n")
    monkeypatch.setenv(name, str(tmp_path / "key") if in_file else key)
    with pytest.raises(ProviderSettingsError, match=f"^{name}: holds .* needs a secret key") as refused:
        stripe_key()
    assert key not in str(refused.value).partition(" needs ")[0]


@pytest.mark.parametrize("key", ["sk_test_4eC39HqLyjWDarjtT1zdp7dc", "rk_live_51Habc", "  sk_live_51Habc\n"])
def test_a_secret_or_restricted_key_of_stripe_is_taken_without_the_blanks_around_it(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY, key)
    assert stripe_key() == key.strip()


def test_a_key_file_that_holds_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"sk_test_\xff")
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "key"))
    with pytest.raises(ProviderSettingsError, match="holds no text"):
        stripe_key()


def test_stripe_needs_a_key_from_the_environment_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ProviderSettingsError, match=f"{KEY}: is needed"):
        stripe_key()
    stored = tmp_path / "key"
    stored.write_text("sk_test_from_a_file\n")
    monkeypatch.setenv(KEY_FILE, str(stored))
    assert stripe_key() == "sk_test_from_a_file"
    assert "from_a_file" not in repr(PAYMENT_PROVIDERS.load_settings("stripe"))
    monkeypatch.setenv(KEY_FILE, str(tmp_path / "missing"))
    with pytest.raises(ProviderSettingsError, match=f"{KEY_FILE}: cannot be read"):
        stripe_key()


def test_the_setting_that_chooses_a_provider_names_each() -> None:
    description = setting_fields()["payments_provider"].description or ""
    assert [name for name in PAYMENT_PROVIDERS.names if f"`{name}`" not in description] == []
