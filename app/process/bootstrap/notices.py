"""Build the channels of notices.

Belongs here: the channels that the settings name, and the checks of what they need outside: packages, files, certificates. Does
not belong here: what is sent and when (`work.py`), nor checks that need the settings alone (`app/config`).
"""

import ssl
from collections.abc import Callable, Mapping
from datetime import datetime
from email.message import EmailMessage
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.domain.notices.notice import NoticeChannelName
from app.ports.notices import NoticeChannel, NoticeMessage
from app.process.application import Application
from app.process.bootstrap.tickets import build_ticket_signer, check_fonts
from app.process.start_error import StartError

if TYPE_CHECKING:
    from app.notifications.mail_message import MailSender

_NOTICES_FOLDER = "notices"  # in the data directory
_SECRET_BYTES_MAX = 4_096  # a password or token is far shorter; a path of a wrong, large file is noticed
# Mails that only the channel log keeps need no real sender (RFC 6761: `invalid` never exists).
_LOG_SENDER = "tickets@seatline.invalid"


# What the extra seatline[mail] installs, by the names to import. `find_spec` looks for them without loading them.
MAIL_PACKAGES = ("aiosmtplib", "anyascii", "babel", "cryptography", "fontTools", "icalendar", "jinja2", "typst", "zxingcpp")


def build_notice_channels(application: Application) -> list[NoticeChannel]:
    """Build the channels that the settings name, without connecting. Raise StartError where one cannot be built."""
    return make_channels(application.settings)


def check_notices(settings: Settings) -> None:
    """Raise StartError where a package, secret, certificate, key or font that notices need is missing or bad.

    A process that works asks this before it opens its database.
    """
    make_channels(settings)
    if not settings.notice_channel_names:
        return
    if settings.ticket_key_file is not None:
        build_ticket_signer(settings)
    if settings.ticket_fonts_dir is not None:
        check_fonts(settings)


def make_channels(settings: Settings) -> list[NoticeChannel]:
    """Build the channels that the settings name. A new channel is a module in `app/notifications` and one more entry."""
    makers: Mapping[str, Callable[[Settings], NoticeChannel]] = {
        NoticeChannelName.EMAIL: _email_channel,
        NoticeChannelName.SMS: _sms_channel,
        NoticeChannelName.LOG: _log_channel,
    }
    if settings.notice_channel_names:
        _require_packages()
    return [makers[name](settings) for name in settings.notice_channel_names]


def _require_packages() -> None:
    missing = [name for name in MAIL_PACKAGES if find_spec(name) is None]
    if missing:
        raise StartError(
            "SEATLINE_NOTICE_CHANNELS: notices need the packages of the extra seatline[mail] in workers; not installed: "
            f"{', '.join(missing)}"
        )


def _email_channel(settings: Settings) -> NoticeChannel:
    from app.notifications.email_channel import EmailChannel  # noqa: PLC0415 - its packages are an extra
    from app.notifications.smtp_pool import SmtpPool, SmtpSecurity, SmtpServer  # noqa: PLC0415

    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=SmtpSecurity(settings.smtp_security),
        hello_name=settings.notice_sender.rpartition("@")[2],
        tls=_smtp_tls(settings.smtp_ca_file),
        username=settings.smtp_username,
        password=_read_secret("SEATLINE_SMTP_PASSWORD_FILE", settings.smtp_password_file) if settings.smtp_username else "",
        timeout_seconds=settings.smtp_timeout_seconds,
    )
    return EmailChannel(
        SmtpPool(server, connections_max=settings.smtp_connections_max),
        _build_mail(settings),
        sender=settings.notice_sender,
        sends_max=settings.smtp_connections_max,
        per_second_max=settings.smtp_per_second_max,
        timeout_seconds=settings.smtp_timeout_seconds,
    )


def _sms_channel(settings: Settings) -> NoticeChannel:
    from app.notifications.sms_channel import SmsAccount, SmsChannel  # noqa: PLC0415 - its HTTP client takes memory

    token = _read_secret("SEATLINE_SMS_TOKEN_FILE", settings.sms_token_file)
    account = SmsAccount(settings.sms_url, settings.sms_account, token, settings.sms_sender)
    return SmsChannel(account, per_second_max=settings.sms_per_second_max)


def _log_channel(settings: Settings) -> NoticeChannel:
    from app.notifications.log_channel import LogChannel  # noqa: PLC0415 - as the others

    folder = settings.notice_log_dir or settings.data_dir / _NOTICES_FOLDER
    return LogChannel(folder, _build_mail(settings))


def _build_mail(settings: Settings) -> Callable[[NoticeMessage, datetime], EmailMessage]:
    from app.notifications.mail_message import build_mail  # noqa: PLC0415 - its packages are an extra

    return partial(build_mail, sender=notice_mail_sender(settings))


def notice_mail_sender(settings: Settings) -> "MailSender":
    """Return whom mails come from. For the channel log alone, no real address is needed."""
    from app.notifications.mail_message import MailSender  # noqa: PLC0415 - its packages are an extra

    return MailSender(
        address=settings.notice_sender or _LOG_SENDER,
        name=settings.notice_sender_name,
        unsubscribe_url=settings.notice_unsubscribe_url,
    )


def _smtp_tls(authorities: Path | None) -> ssl.SSLContext:
    """Return the TLS context for the mail server: the certificates of a file, or those of the system. Raise StartError."""
    if authorities is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(authorities))
    except ssl.SSLError:
        raise StartError(f"SEATLINE_SMTP_CA_FILE: {authorities} holds no certificates in PEM") from None
    except OSError as error:
        raise StartError(f"SEATLINE_SMTP_CA_FILE: cannot be read: {error}") from None


def _read_secret(variable: str, path: Path | None) -> str:
    """Return the secret that a file holds, on one line. Raise StartError; its text never repeats the secret."""
    if path is None:
        raise StartError(f"{variable}: is required")
    try:
        with path.open("rb") as file:
            content = file.read(_SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise StartError(f"{variable}: cannot be read: {error}") from None
    try:
        secret = content.decode().strip()
    except UnicodeDecodeError:  # its text would repeat a byte of the file
        raise StartError(f"{variable}: {path} holds no text") from None
    if not secret or len(content) > _SECRET_BYTES_MAX or not secret.isprintable():
        raise StartError(f"{variable}: {path} has to hold one line, the secret")
    return secret
