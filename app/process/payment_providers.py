"""The payment providers of this program.

Belongs here: the list, and everything that is made from it. A new provider is a module or folder in `app/payments` and its
entry here. Does not belong here: building the chosen provider (`bootstrap/`).
"""

from copy import copy

from pydantic.fields import FieldInfo

from app.config import Settings, SettingsError
from app.payments.ledger import LEDGER
from app.payments.registry import ProviderRegistry, ProviderSettings, ProviderSettingsError
from app.payments.stripe.entry import STRIPE

PAYMENT_PROVIDERS = ProviderRegistry((LEDGER, STRIPE))


def setting_fields() -> dict[str, FieldInfo]:
    """Return every setting by field name: those of the process, then those of each payment provider.

    The settings page and the chart's schema are made from them.
    """
    provider = copy(Settings.model_fields["payments_provider"])
    provider.description = f"{provider.description} One of {', '.join(f'`{name}`' for name in PAYMENT_PROVIDERS.names)}."
    inherited = {name for name in Settings.model_fields if name not in Settings.__annotations__}
    own = {name: field for name, field in Settings.model_fields.items() if name not in inherited}
    notices = {name: Settings.model_fields[name] for name in Settings.model_fields if name in inherited}
    return {**own, "payments_provider": provider, **notices, **PAYMENT_PROVIDERS.setting_fields}


def load_provider_settings(settings: Settings) -> ProviderSettings:
    """Read the settings of the chosen payment provider from the environment. Raise SettingsError."""
    try:
        return PAYMENT_PROVIDERS.load_settings(settings.payments_provider)
    except ProviderSettingsError as error:
        raise SettingsError(str(error)) from None
