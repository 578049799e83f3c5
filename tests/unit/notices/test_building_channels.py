"""A process that cannot send notices does not start, and says which setting to change."""

from __future__ import annotations

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.config import Settings
from app.domain.notices.notice import NoticeChannelName
from app.process.bootstrap import build_worker_process, notices
from app.process.bootstrap.notices import MAIL_PACKAGES, check_notices, make_channels
from app.process.start_error import StartError

ROOT = Path(__file__).resolve().parents[3]
EMAIL = {"notice_channels": "email", "notice_sender": "tickets@rail.example", "smtp_host": "mail.rail.example"}
SMS = {"notice_channels": "sms", "sms_account": "AC0123", "sms_sender": "+15550100"}
HIDDEN = "a-secret-that-no-message-repeats"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Files that settings may name, by what they hold."""
    contents = {
        "secret": f"{HIDDEN}\n".encode(),
        "empty": b"\n",
        "lines": f"{HIDDEN}\nmore".encode(),
        "binary": b"\xff\xfe" + HIDDEN.encode(),
        "large": b"a" * 5_000,
        "pem": trustme.CA().cert_pem.bytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "broken.ttf").write_bytes(b"no font")
    return {name: tmp_path / name for name in (*contents, "fonts", "missing")}


def settings_with(files: dict[str, Path], fields: dict[str, Any]) -> Settings:
    """Return settings; a field that ends in _file or _dir names one of the files."""
    found: dict[str, Any] = {
        name: files.get(field, field) if name.endswith(("_file", "_dir")) else field for name, field in fields.items()
    }
    return Settings(**found)


async def test_each_channel_is_built_from_its_settings(files: dict[str, Path], tmp_path: Path) -> None:
    login = {"smtp_username": "seatline", "smtp_password_file": "secret", "smtp_ca_file": "pem"}
    every = {"notice_channels": "email,sms,log", "sms_token_file": "secret", "data_dir": tmp_path, "smtp_per_second_max": 7.0}
    channels = make_channels(settings_with(files, EMAIL | login | SMS | every))
    assert [channel.name for channel in channels] == [*NoticeChannelName]
    assert (channels[0].sends_max, channels[0].per_second_max) == (4, 7.0)
    for channel in channels:
        await channel.close()


def test_without_channels_nothing_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "find_spec", lambda name: None)
    assert make_channels(Settings()) == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (SMS | {"sms_token_file": "missing"}, "SEATLINE_SMS_TOKEN_FILE: cannot be read: .*No such file"),
        (SMS | {"sms_token_file": "empty"}, "SEATLINE_SMS_TOKEN_FILE: .* has to hold one line"),
        (SMS | {"sms_token_file": "lines"}, "SEATLINE_SMS_TOKEN_FILE: .* has to hold one line"),
        (SMS | {"sms_token_file": "large"}, "SEATLINE_SMS_TOKEN_FILE: .* has to hold one line"),
        (SMS | {"sms_token_file": "binary"}, "SEATLINE_SMS_TOKEN_FILE: .* holds no text"),
        (SMS, "SEATLINE_SMS_TOKEN_FILE: is required"),
        (EMAIL | {"smtp_username": "a", "smtp_password_file": "missing"}, "SEATLINE_SMTP_PASSWORD_FILE: cannot be read"),
        (EMAIL | {"smtp_ca_file": "missing"}, "SEATLINE_SMTP_CA_FILE: cannot be read"),
        (EMAIL | {"smtp_ca_file": "secret"}, "SEATLINE_SMTP_CA_FILE: .* holds no certificates in PEM"),
        (EMAIL | {"smtp_ca_file": "empty"}, "SEATLINE_SMTP_CA_FILE: .* holds no certificates in PEM"),
        (EMAIL | {"ticket_key_file": "missing"}, "SEATLINE_TICKET_KEY_FILE: .* cannot be read"),
        (EMAIL | {"ticket_key_file": "pem"}, "SEATLINE_TICKET_KEY_FILE: .* is no private key"),
        (EMAIL | {"ticket_fonts_dir": "missing"}, "SEATLINE_TICKET_FONTS_DIR: .* is no folder"),
        (EMAIL | {"ticket_fonts_dir": "fonts"}, "SEATLINE_TICKET_FONTS_DIR: .* has no font that can be read"),
    ],
)
async def test_what_is_missing_or_bad_is_named_before_the_database_is_opened(
    files: dict[str, Path], fields: dict[str, Any], said: str
) -> None:
    settings = settings_with(files, fields)
    with pytest.raises(StartError, match=said) as raised:
        check_notices(settings)
    assert HIDDEN not in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(StartError, match=said):
        await build_worker_process(settings)


def test_missing_packages_are_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "find_spec", lambda name: None if name in ("typst", "aiosmtplib") else object())
    with pytest.raises(StartError, match=r"SEATLINE_NOTICE_CHANNELS: .*seatline\[mail\].*: aiosmtplib, typst$"):
        make_channels(Settings(notice_channels="log"))


def test_the_packages_are_those_of_the_extra() -> None:
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]["mail"]
    required = {requirement.partition(">=")[0].lower() for requirement in extra}
    distributions = packages_distributions()
    assert {distributions[name][0].lower() for name in MAIL_PACKAGES} == required
