"""Settings of notices and tickets.

Belongs here: channels, the mail server, the SMS provider, the keys and fonts of tickets; and which of them need each other.
Does not belong here: reading the files that they name (`app/process/bootstrap/notices.py`).
"""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, StringConstraints, field_validator
from pydantic_settings import BaseSettings

PORT_MAX = 65_535
NOTICE_CHANNELS = ("email", "sms", "log")
# Local parts of senders are plain in practice; the domain may be international.
_SENDER = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[^\s@<>\"(),:;]+\.[^\s@<>\"(),:;]+")

# An empty variable is the same as none: ConfigMaps and compose files write it so.
OptionalPath = Annotated[Path | None, BeforeValidator(lambda path: None if path == "" else path)]


class NoticeSettings(BaseSettings):
    """The settings of notices and tickets; `Settings` adds the others."""

    notice_channels: str = Field(
        "",
        description="How people get notices about their bookings, separated by commas: email, sms, log. `log` keeps each "
        "notice as files, for trials. Empty: there are no notices. Needs the packages of seatline[mail] in workers.",
    )
    notice_sender: str = Field("", description="Address that mails come from, such as tickets@example.com. Required for email.")
    notice_sender_name: Annotated[str, StringConstraints(pattern=r"^[^\r\n]{1,100}$")] = Field(
        "Seatline", description="The name that mails and SMS come from, and that tickets show."
    )
    notice_unsubscribe_url: str = Field(
        "",
        description="The https address of your gateway that calls UnsubscribeByToken; {token} in it is the token. Empty: "
        "mails offer unsubscribing by mail alone.",
    )
    notice_quiet_until_hour: int = Field(
        6, ge=0, le=12, description="No reminder is sent before this hour, local to the origin, unless the train leaves soon."
    )
    notice_quiet_from_hour: int = Field(
        22,
        ge=13,
        le=23,
        description="Reminders of trains that leave in the quiet hours are sent at this hour the evening before.",
    )
    notice_log_dir: OptionalPath = Field(
        None, description="The directory where the channel log keeps notices. Empty: notices in SEATLINE_DATA_DIR."
    )
    smtp_host: Annotated[
        str, StringConstraints(pattern=r"^([A-Za-z0-9._-]{1,253}|[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*)?$")
    ] = Field("", description="The mail server: a name, an IPv4 or an IPv6 address. Required for email.")
    smtp_port: int = Field(587, ge=1, le=PORT_MAX, description="Its port.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How the connection is secured: starttls, tls from the start, or none."
    )
    smtp_username: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,256}$")] = Field(
        "", description="The login name. Empty: no login."
    )
    smtp_password_file: OptionalPath = Field(None, description="The file with the password.")
    smtp_ca_file: OptionalPath = Field(None, description="Certificates to trust instead of the system's, in PEM.")
    smtp_connections_max: int = Field(4, ge=1, le=50, description="Connections of a worker to the mail server.")
    smtp_per_second_max: float = Field(
        20.0, gt=0, le=1_000, description="Mails a second of a worker. Providers throttle or block who sends more than agreed."
    )
    # A whole mail may take twice as long, and the sender waits 45 seconds for it.
    smtp_timeout_seconds: float = Field(15.0, gt=0, le=20, description="The longest time to wait for the mail server's answer.")
    sms_url: str = Field("https://api.twilio.com", description="The SMS provider, with Twilio's API.")
    sms_account: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{0,64}$")] = Field(
        "", description="The account's SID. Required for sms."
    )
    sms_token_file: OptionalPath = Field(None, description="The file with the account's token. Required for sms.")
    sms_sender: Annotated[
        str, StringConstraints(pattern=r"^(\+[1-9][0-9]{6,14}|[0-9]{3,8}|[A-Za-z0-9 ]{1,11}|MG[0-9a-fA-F]{32})?$")
    ] = Field(
        "",
        description="The phone number (E.164), short code, name, or messaging service that SMS come from. Required for sms.",
    )
    sms_per_second_max: float = Field(10.0, gt=0, le=1_000, description="SMS a second of a worker.")
    ticket_key_file: OptionalPath = Field(
        None,
        description="The Ed25519 private key that signs tickets, in PEM, the same for all servers and workers. Empty: with "
        "Seatline's own MongoDB, one is made in SEATLINE_DATA_DIR; with yours, there are no tickets.",
    )
    ticket_old_keys_file: OptionalPath = Field(
        None, description="Public keys that signed tickets before, in PEM, which are still valid."
    )
    ticket_fonts_dir: OptionalPath = Field(
        None,
        description="A folder of further fonts (TTF, OTF) for names in scripts beyond Latin, Greek, Cyrillic and Vietnamese.",
    )
    ticket_threads_max: int = Field(
        2, ge=1, le=16, description="Threads that draw tickets, each with 30 MB. A ticket takes about 20 ms of a processor."
    )

    @field_validator("notice_channels")
    @classmethod
    def _are_channels(cls, channels: str) -> str:
        unknown = [name for name in _words(channels) if name not in NOTICE_CHANNELS]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(NOTICE_CHANNELS)}")
        return channels

    @field_validator("notice_sender")
    @classmethod
    def _is_sender(cls, sender: str) -> str:
        if sender and not _SENDER.fullmatch(sender):
            raise ValueError("needs an address without a name, such as tickets@example.com")
        return sender

    @field_validator("notice_unsubscribe_url")
    @classmethod
    def _has_a_token(cls, url: str) -> str:
        if url and not (_is_url(url, "https") and url.count("{token}") == 1):
            raise ValueError("needs an https URL with {token} in it, once")
        return url

    @field_validator("sms_url")
    @classmethod
    def _is_secure(cls, url: str) -> str:
        if not (_is_url(url, "https") or (_is_url(url, "http") and is_loopback(urlsplit(url).hostname or ""))):
            raise ValueError("needs an https URL; http would send the account's token unprotected")
        if {"?", "#", "@"} & set(url):
            raise ValueError("needs an https URL without login, query and fragment")
        return url

    @property
    def notice_channel_names(self) -> tuple[str, ...]:
        """The channels of notices, each once."""
        return tuple(dict.fromkeys(_words(self.notice_channels)))

    def notice_problems(self) -> Iterator[str]:
        """Yield what is missing or contradicts, one line for each, with the variable first."""
        channels = self.notice_channel_names
        required: dict[str, dict[str, object]] = {
            "email": {"NOTICE_SENDER": self.notice_sender, "SMTP_HOST": self.smtp_host},
            "sms": {"SMS_ACCOUNT": self.sms_account, "SMS_TOKEN_FILE": self.sms_token_file, "SMS_SENDER": self.sms_sender},
        }
        for channel, settings in required.items():
            for name, setting in settings.items():
                if channel in channels and not setting:
                    yield f"SEATLINE_{name}: is required with {channel} in SEATLINE_NOTICE_CHANNELS"
        if self.smtp_username and self.smtp_password_file is None:
            yield "SEATLINE_SMTP_PASSWORD_FILE: is required with SEATLINE_SMTP_USERNAME"
        if self.smtp_password_file and not self.smtp_username:
            yield "SEATLINE_SMTP_USERNAME: is required with SEATLINE_SMTP_PASSWORD_FILE"
        if self.smtp_username and self.smtp_security == "none" and not is_loopback(self.smtp_host):
            yield (
                "SEATLINE_SMTP_SECURITY: none would send the password unprotected; use starttls or tls, or leave "
                "SEATLINE_SMTP_USERNAME empty"
            )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine for certain. A name other than localhost may resolve to any address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _is_url(url: str, scheme: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == scheme and bool(parts.hostname) and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        return False
