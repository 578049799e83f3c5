"""Settings: each has a description and a default, and the error of a bad value names its variable in one line."""

from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from app.config import ENVIRONMENT_PREFIX, Settings, SettingsError, load_settings
from app.process.payment_providers import setting_fields

BAD_VALUES = [
    ("SEATLINE_LISTEN", "50051"),
    ("SEATLINE_LISTEN", "127.0.0.1:"),
    ("SEATLINE_LISTEN", "127.0.0.1:65536"),
    ("SEATLINE_LISTEN", "127.0.0.1:-1"),
    ("SEATLINE_LISTEN", "::1:50051"),
    ("SEATLINE_LISTEN", "http://127.0.0.1:50051"),
    ("SEATLINE_LISTEN", "unix:"),
    ("SEATLINE_TRUST_CALLER_METADATA", "perhaps"),
    ("SEATLINE_MONGODB_URI", "localhost:27017"),
    ("SEATLINE_MONGODB_URI", "mongodb://"),
    ("SEATLINE_MONGODB_URI", "http://localhost"),
    ("SEATLINE_MONGODB_DATABASE", "a.b"),
    ("SEATLINE_MONGODB_DATABASE", ""),
    ("SEATLINE_MONGODB_CONNECTIONS_MAX", "1"),
    ("SEATLINE_MONGODB_OPERATION_SECONDS_MAX", "0"),
    ("SEATLINE_MONGODB_SELECTION_SECONDS_MAX", "61"),
    ("SEATLINE_LOG_LEVEL", "LOUD"),
    ("SEATLINE_LOG_FORMAT", "xml"),
    ("SEATLINE_LOG_CALL_LINES_PER_SECOND_MAX", "0"),
    ("SEATLINE_METRICS_LISTEN", "9464"),
    ("SEATLINE_METRICS_LISTEN", "127.0.0.1:65536"),
    ("SEATLINE_METRICS_LISTEN", "unix:/run/metrics.sock"),
    ("SEATLINE_SURVEY_SECONDS", "0"),
    ("SEATLINE_MESSAGE_BYTES_MAX", "1"),
    ("SEATLINE_MESSAGE_BYTES_MAX", "1MB"),
    ("SEATLINE_REQUEST_SECONDS_MAX", "0"),
    ("SEATLINE_CONNECTIONS_MAX", "7"),
    ("SEATLINE_CONNECTION_CALLS_MAX", "0"),
    ("SEATLINE_CALLS_IN_FLIGHT_MAX", "0"),
    ("SEATLINE_CALL_SECONDS_MAX", "nan"),
    ("SEATLINE_CALL_SECONDS_MAX", "inf"),
    ("SEATLINE_DRAIN_SECONDS", "-1"),
    ("SEATLINE_DRAIN_DELAY_SECONDS", "61"),
    ("SEATLINE_CONNECTION_SECONDS_MAX", "3601"),
    ("SEATLINE_HEALTH_INTERVAL_SECONDS", "0"),
    ("SEATLINE_LANE_BATCH_MAX", "0"),
    ("SEATLINE_LANE_COMMITS_MAX", "0"),
    ("SEATLINE_LANE_QUEUE_MAX", "many"),
    ("SEATLINE_LANE_COMMIT_ATTEMPTS_MAX", "0"),
    ("SEATLINE_LANE_CACHED_PASSENGERS_MAX", "-1"),
    ("SEATLINE_PAYMENTS_PROVIDER", "no name"),
    ("SEATLINE_PAYMENTS_TIMEOUT_SECONDS", "0"),
    ("SEATLINE_PAYMENTS_ATTEMPTS_MAX", "0"),
    ("SEATLINE_PAYMENTS_RETRY_SECONDS", "-1"),
    ("SEATLINE_PAYMENTS_RETRY_SECONDS_MAX", "0"),
    ("SEATLINE_WITH_WORKER", "perhaps"),
    ("SEATLINE_JOB_BATCH_MAX", "0"),
    ("SEATLINE_JOB_BATCHES_MAX", "0"),
    ("SEATLINE_JOB_LEASE_SECONDS", "1"),
    ("SEATLINE_JOB_POLL_SECONDS", "0"),
    ("SEATLINE_JOB_ATTEMPTS_MAX", "0"),
    ("SEATLINE_JOB_KEPT_SECONDS", "60"),
    ("SEATLINE_WEBHOOK_TIMEOUT_SECONDS", "31"),
    ("SEATLINE_WEBHOOK_SENDS_MAX", "0"),
    ("SEATLINE_WEBHOOK_ALLOW_PRIVATE_ADDRESSES", "perhaps"),
    ("SEATLINE_NOTICE_CHANNELS", "pigeon"),
    ("SEATLINE_NOTICE_CHANNELS", "email;sms"),
    ("SEATLINE_NOTICE_SENDER", "Rail <tickets@rail.example>"),
    ("SEATLINE_NOTICE_SENDER", "tickets"),
    ("SEATLINE_NOTICE_SENDER", "a@rail.example, b@rail.example"),
    ("SEATLINE_NOTICE_SENDER_NAME", "Rail\nBcc: all@rail.example"),
    ("SEATLINE_NOTICE_UNSUBSCRIBE_URL", "https://rail.example/stop"),
    ("SEATLINE_NOTICE_UNSUBSCRIBE_URL", "http://rail.example/{token}"),
    ("SEATLINE_NOTICE_QUIET_UNTIL_HOUR", "13"),
    ("SEATLINE_NOTICE_QUIET_FROM_HOUR", "24"),
    ("SEATLINE_SMTP_HOST", "smtp://mail.rail.example"),
    ("SEATLINE_SMTP_HOST", "mail.rail.example:587"),
    ("SEATLINE_SMTP_PORT", "0"),
    ("SEATLINE_SMTP_SECURITY", "ssl"),
    ("SEATLINE_SMTP_USERNAME", "seat\nline"),
    ("SEATLINE_SMTP_CONNECTIONS_MAX", "0"),
    ("SEATLINE_SMTP_PER_SECOND_MAX", "0"),
    ("SEATLINE_SMTP_TIMEOUT_SECONDS", "21"),
    ("SEATLINE_SMS_URL", "http://sms.example"),
    ("SEATLINE_SMS_URL", "https://me:secret@sms.example"),
    ("SEATLINE_SMS_URL", "sms.example"),
    ("SEATLINE_SMS_ACCOUNT", "AC1/../AC2"),
    ("SEATLINE_SMS_SENDER", "a name of more than eleven"),
    ("SEATLINE_SMS_PER_SECOND_MAX", "-1"),
    ("SEATLINE_TICKET_THREADS_MAX", "0"),
]
# Nothing is wrong with a path until it is opened.
PATHS = {
    "SEATLINE_DATA_DIR",
    "SEATLINE_NOTICE_LOG_DIR",
    "SEATLINE_SMTP_PASSWORD_FILE",
    "SEATLINE_SMTP_CA_FILE",
    "SEATLINE_SMS_TOKEN_FILE",
    "SEATLINE_TICKET_KEY_FILE",
    "SEATLINE_TICKET_OLD_KEYS_FILE",
    "SEATLINE_TICKET_FONTS_DIR",
}


@pytest.fixture(autouse=True)
def _no_environment_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in setting_fields():
        monkeypatch.delenv(f"{ENVIRONMENT_PREFIX}{name.upper()}", raising=False)


@pytest.mark.parametrize("name", setting_fields())
def test_every_setting_has_a_description_and_a_default(name: str) -> None:
    field = setting_fields()[name]
    assert field.description is not None
    assert field.description.endswith(".")
    assert "|" not in field.description, "it stands in a table"
    assert field.default is not PydanticUndefined


def test_the_defaults_are_valid() -> None:
    settings = load_settings()
    assert (settings.listen, settings.mongodb_uri) == ("127.0.0.1:50051", "")
    assert settings.data_dir == Path(".seatline")
    assert settings == Settings.model_validate(settings.model_dump())


def test_the_environment_overrides_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_LISTEN", "unix:/run/seatline.sock")
    monkeypatch.setenv("SEATLINE_MONGODB_URI", "mongodb+srv://cluster.example.net/?w=majority")
    monkeypatch.setenv("SEATLINE_DRAIN_SECONDS", "2.5")
    monkeypatch.setenv("SEATLINE_LANE_BATCH_MAX", "64")
    settings = load_settings()
    assert (settings.listen, settings.drain_seconds, settings.lane_batch_max) == ("unix:/run/seatline.sock", 2.5, 64)
    assert settings.mongodb_uri.startswith("mongodb+srv://cluster")


def test_settings_are_immutable() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.listen = "127.0.0.1:1"  # type: ignore[misc]


@pytest.mark.parametrize(("variable", "value"), BAD_VALUES)
def test_a_bad_value_is_refused_in_one_line_that_names_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    line = str(raised.value)
    assert line.startswith(f"{variable}:")
    assert "\n" not in line
    assert len(line) < 300
    assert "pydantic" not in line


def test_every_setting_with_bounds_is_tried_with_a_bad_value() -> None:
    tried = {variable for variable, _ in BAD_VALUES}
    # The settings of payment providers are checked when their provider is chosen.
    assert {f"{ENVIRONMENT_PREFIX}{name.upper()}" for name in Settings.model_fields} == tried | PATHS


def test_all_bad_values_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_LANE_BATCH_MAX", "0")
    monkeypatch.setenv("SEATLINE_LOG_LEVEL", "LOUD")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert sorted(line.split(":")[0] for line in str(raised.value).splitlines()) == [
        "SEATLINE_LANE_BATCH_MAX",
        "SEATLINE_LOG_LEVEL",
    ]


@pytest.mark.parametrize("uri", ["mongo://seat:s3cret@db", "seat:s3cret@db:27017", " mongodb://seat:s3cret@db"])
def test_the_password_of_a_bad_connection_string_is_not_repeated(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_MONGODB_URI", uri)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_the_password_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_MONGODB_URI", "mongodb://seat:s3cret@db")
    monkeypatch.setenv("SEATLINE_LANE_BATCH_MAX", "0")
    with pytest.raises(SettingsError) as raised:
        load_settings()
    assert "s3cret" not in str(raised.value)
    monkeypatch.delenv("SEATLINE_LANE_BATCH_MAX")
    assert "s3cret" not in repr(load_settings())
    assert "s3cret" not in str(load_settings())


@pytest.mark.parametrize("listen", ["0.0.0.0:50051", "[::]:50051", "10.0.0.7:50051", "seatline:50051", "[fe80::1]:1"])
def test_listening_beyond_loopback_needs_the_explicit_setting(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_LISTEN", listen)
    with pytest.raises(SettingsError, match="SEATLINE_TRUST_CALLER_METADATA=true") as raised:
        load_settings()
    assert str(raised.value).startswith("SEATLINE_LISTEN:")
    assert "\n" not in str(raised.value)
    monkeypatch.setenv("SEATLINE_TRUST_CALLER_METADATA", "true")
    assert load_settings().listen == listen


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.1.2.3:50051", "localhost:50051", "[::1]:50051", "unix:/tmp/x.sock"])
def test_listening_on_loopback_needs_no_further_setting(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_LISTEN", listen)
    assert load_settings().listens_on_loopback


@pytest.mark.parametrize("listen", ["127.example.com:50051", "127.0.0.1.example.com:50051", "localhost.example.com:1"])
def test_a_host_name_that_looks_like_loopback_is_not_loopback(listen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATLINE_LISTEN", listen)
    with pytest.raises(SettingsError, match="SEATLINE_TRUST_CALLER_METADATA"):
        load_settings()
