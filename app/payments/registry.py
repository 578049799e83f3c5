"""Payment providers by name: the settings of each and the factory that makes it.

Belongs here: what an entry of the registry is, and how settings and providers are made from one. Does not belong here: which
providers there are (`app/process/payment_providers.py` lists them), or any single provider (a module or folder of its own
beside this one).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.payments.bounded import RetryBounds
from app.ports.ledger_store import LedgerStore
from app.ports.payment_provider import Provider

ENVIRONMENT_PREFIX = "SEATLINE_"
PROVIDER_VARIABLE = "SEATLINE_PAYMENTS_PROVIDER"


class ProviderSettingsError(Exception):
    """A provider is unknown, or a setting of it cannot be used; the text names the variable, in one line."""


class ProviderNotInstalledError(Exception):
    """The chosen provider needs a library that is not installed; the text says which, in one line."""


class ProviderSettings(BaseSettings):
    """Settings of one provider. Field `payments_x_y` is the environment variable `SEATLINE_PAYMENTS_X_Y`.

    Name the fields `payments_<provider>_…`. A secret is a `SecretStr` with a second field `…_file`, so that it can be mounted
    as a file. Every field has a default and a description: the settings page and the chart's schema are made from them.
    """

    model_config = SettingsConfigDict(env_prefix=ENVIRONMENT_PREFIX, frozen=True, hide_input_in_errors=True)

    def checked(self) -> "ProviderSettings":
        """Return the settings as the factory needs them, with secrets read from files. Raise ProviderSettingsError."""
        return self


SettingsT = TypeVar("SettingsT", bound=ProviderSettings)


@dataclass(frozen=True, slots=True)
class ProviderParts:
    """What a factory may use: the store of the ledger, and how long and how often a provider is asked."""

    ledger_store: LedgerStore
    bounds: RetryBounds


@dataclass(frozen=True, slots=True)
class ProviderEntry(Generic[SettingsT]):
    """One provider: its name in `SEATLINE_PAYMENTS_PROVIDER` and in stored payments, its settings, and its factory.

    The factory raises ProviderNotInstalledError where a library is missing, and ValueError for settings it cannot use.
    """

    name: str
    settings: type[SettingsT]
    make: Callable[[SettingsT, ProviderParts], Provider]


class ProviderRegistry:
    """All payment providers of this program, by name."""

    def __init__(self, entries: Sequence[ProviderEntry[Any]]) -> None:
        """Raise ValueError for two entries with one name."""
        self._entries = {entry.name: entry for entry in entries}
        if len(self._entries) < len(entries):
            raise ValueError("two payment providers have one name")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all providers, in the order of their entries."""
        return tuple(self._entries)

    @property
    def setting_fields(self) -> Mapping[str, FieldInfo]:
        """The settings of all providers by field name, for the settings page."""
        return {name: field for entry in self._entries.values() for name, field in entry.settings.model_fields.items()}

    @property
    def setting_schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """The JSON schemas of the settings of all providers, by field name."""
        schemas = [entry.settings.model_json_schema().get("properties", {}) for entry in self._entries.values()]
        return {name: schema for properties in schemas for name, schema in properties.items()}

    def load_settings(self, name: str) -> ProviderSettings:
        """Read the settings of one provider from the environment. Raise ProviderSettingsError."""
        entry = self._entries.get(name)
        if entry is None:
            raise ProviderSettingsError(f"{PROVIDER_VARIABLE}: {name!r} is not one of {', '.join(self._entries)}")
        try:
            settings: ProviderSettings = entry.settings()
        except ValidationError as error:
            raise ProviderSettingsError("\n".join(_error_line(dict(detail)) for detail in error.errors())) from None
        return settings.checked()

    def make(self, name: str, settings: ProviderSettings, parts: ProviderParts) -> Provider:
        """Make the provider of that name. Raise ProviderNotInstalledError or ValueError."""
        return self._entries[name].make(settings, parts)


def _error_line(error: Mapping[str, object]) -> str:
    """Name the variable and what is wrong with it. The value is left out: it may be a secret."""
    location = error["loc"]
    name = str(location[0] if isinstance(location, tuple) and location else "")
    return f"{ENVIRONMENT_PREFIX}{name.upper()}: {error['msg']}"
