"""Settings of notices that lack or contradict each other are refused, each in a line that names its variable."""

from __future__ import annotations

import pytest

from app.config import ENVIRONMENT_PREFIX, Settings, SettingsError, load_settings
from app.process.payment_providers import setting_fields

EMAIL = {"NOTICE_CHANNELS": "email", "NOTICE_SENDER": "tickets@rail.example", "SMTP_HOST": "mail.rail.example"}
SMS = {"NOTICE_CHANNELS": "sms", "SMS_ACCOUNT": "AC0123", "SMS_TOKEN_FILE": "/run/token", "SMS_SENDER": "+15550100"}
LOGIN = {"SMTP_USERNAME": "seatline", "SMTP_PASSWORD_FILE": "/run/password"}


@pytest.fixture(autouse=True)
def _no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_fields():
        monkeypatch.delenv(f"{ENVIRONMENT_PREFIX}{name.upper()}", raising=False)


def settings_of(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Settings:
    for name, setting in environment.items():
        monkeypatch.setenv(f"{ENVIRONMENT_PREFIX}{name}", setting)
    return load_settings()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"NOTICE_CHANNELS": "log"},
        EMAIL,
        EMAIL | LOGIN,
        EMAIL | LOGIN | {"SMTP_HOST": "127.0.0.1", "SMTP_SECURITY": "none"},
        EMAIL | {"SMTP_HOST": "2001:db8::1", "SMTP_SECURITY": "none"},
        EMAIL | {"NOTICE_UNSUBSCRIBE_URL": "https://rail.example/stop?token={token}"},
        EMAIL | SMS | {"NOTICE_CHANNELS": "email, sms,log"},
        SMS | {"SMS_SENDER": "Seatline"},
        SMS | {"SMS_URL": "http://127.0.0.1:8080"},
        EMAIL | {"MONGODB_URI": "mongodb://db", "TICKET_KEY_FILE": "/run/key.pem"},
    ],
)
def test_settings_that_fit_are_accepted(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    settings_of(monkeypatch, environment)


@pytest.mark.parametrize(
    ("environment", "refused"),
    [
        (EMAIL | {"NOTICE_SENDER": ""}, ["NOTICE_SENDER"]),
        (EMAIL | {"SMTP_HOST": ""}, ["SMTP_HOST"]),
        ({"NOTICE_CHANNELS": "sms"}, ["SMS_ACCOUNT", "SMS_TOKEN_FILE", "SMS_SENDER"]),
        (EMAIL | {"SMTP_USERNAME": "seatline"}, ["SMTP_PASSWORD_FILE"]),
        (EMAIL | {"SMTP_PASSWORD_FILE": "/run/password"}, ["SMTP_USERNAME"]),
        (EMAIL | LOGIN | {"SMTP_SECURITY": "none"}, ["SMTP_SECURITY"]),
        (EMAIL | {"MONGODB_URI": "mongodb://db"}, ["TICKET_KEY_FILE"]),
    ],
)
def test_what_lacks_or_contradicts_is_named(
    environment: dict[str, str], refused: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError) as raised:
        settings_of(monkeypatch, environment)
    lines = str(raised.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == [f"{ENVIRONMENT_PREFIX}{name}" for name in refused]


def test_an_empty_path_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(monkeypatch, {"SMTP_PASSWORD_FILE": "", "TICKET_KEY_FILE": ""}).smtp_password_file is None


def test_a_channel_that_is_named_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of(monkeypatch, EMAIL | {"NOTICE_CHANNELS": " log,email,,log "}).notice_channel_names == ("log", "email")
