"""The mail of a notice: headers and parts.

Belongs here: making an `EmailMessage` of a message, and the addresses that end a notice. Does not belong here: words
(`notice_writer.py`), SMTP (`email_channel.py`).

    multipart/mixed
        multipart/alternative
            text/plain, text/html
            text/calendar      where there is exactly one calendar entry, so that mail programs offer it
        attachments            the calendar entries among them
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTPUTF8, Policy
from email.utils import format_datetime
from urllib.parse import quote

from app.domain.notices.notice import message_id
from app.domain.people import domain_key
from app.ports.notices import Attachment, NoticeMessage

# Control characters, and the separators that some programs take for the end of a line.
_LINE_ENDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# RFC 5322 section 2.1.1 allows 998 characters a line; the longest words are a subject with two station names.
_HEADER_LENGTH_MAX = 300
_TOKEN_IN_URL = "{token}"  # noqa: S105 - the place in the setting's address
_CALENDAR = "text/calendar"
_ENCODED_WORD = "=?"  # how RFC 2047 marks encoded words: a text that has it is encoded itself


@dataclass(frozen=True, slots=True)
class MailSender:
    """Who mails come from: address and name.

    `unsubscribe_url` is the https address of a gateway that calls UnsubscribeByToken, with "{token}" in it; empty for none.
    """

    address: str
    name: str
    unsubscribe_url: str = ""

    @property
    def domain(self) -> str:
        """The domain of the address, in ASCII."""
        return domain_key(self.address.rpartition("@")[2])


@dataclass(frozen=True, slots=True)
class UnsubscribeLinks:
    """The addresses that end a notice: by mail always, by https where there is a gateway, else empty."""

    mailto: str
    https: str


def unsubscribe_links(sender: MailSender, token: str) -> UnsubscribeLinks:
    """Return the addresses that end what the token names."""
    local = sender.address.rpartition("@")[0]
    mailto = f"mailto:{quote(local)}@{sender.domain}?subject={quote(f'unsubscribe {token}')}"
    return UnsubscribeLinks(mailto, sender.unsubscribe_url.replace(_TOKEN_IN_URL, quote(token, safe="")))


def build_mail(message: NoticeMessage, now: datetime, *, sender: MailSender) -> EmailMessage:
    """Return the mail of a message, with `now` as its Date.

    Everything but the Date and the boundaries is the same for each attempt, the Message-ID too. No header has line ends,
    whatever the message has. All parts are in seven bits; only a recipient's address may need SMTPUTF8.
    """
    mail = EmailMessage(policy=SMTPUTF8)
    for header in _headers(message, now, sender):
        mail.set_raw(header.name, header)
    mail.set_content(message.text.plain, cte="quoted-printable")
    mail.add_alternative(message.text.html, subtype="html", cte="base64")
    _add_attachments(mail, message.attachments)
    return mail


def header_text(text: str) -> str:
    """Return a text as a header may have it: in one line, with single blanks, and not too long."""
    line = " ".join(_LINE_ENDS.sub(" ", text).split())
    return line if len(line) <= _HEADER_LENGTH_MAX else f"{line[: _HEADER_LENGTH_MAX - 1]}…"


class _WireHeader(str):
    """A header's value as it is sent, folded already.

    `email.policy` leaves headers that fold themselves as they are. Its own folding cuts quoted names in pieces, and encodes
    links that are longer than a line, which mail programs do not read then.
    """

    name: str

    def __new__(cls, name: str, *lines: str) -> "_WireHeader":
        header = super().__new__(cls, "\n ".join(lines))
        header.name = name
        return header

    def fold(self, *, policy: Policy) -> str:
        """Return the whole header with the policy's line ends."""
        return f"{self.name}: {self}\n".replace("\n", policy.linesep)


def _headers(message: NoticeMessage, now: datetime, sender: MailSender) -> Iterator[_WireHeader]:
    yield _WireHeader("From", *_address_lines(sender.name, sender.address))
    yield _WireHeader("To", *_address_lines(message.to_name, message.to))
    yield _WireHeader("Subject", *_word_lines(header_text(message.text.subject), "Subject"))
    yield _WireHeader("Date", format_datetime(now))
    yield _WireHeader("Message-ID", message_id(message.notice_id, sender.domain))
    yield _WireHeader("Auto-Submitted", "auto-generated")  # RFC 3834: nothing answers it by itself
    yield _WireHeader("Content-Language", message.language.value)
    if message.unsubscribe_token:
        links = unsubscribe_links(sender, message.unsubscribe_token)
        found = [f"<{header_text(link)}>" for link in (links.https, links.mailto) if link]
        yield _WireHeader("List-Unsubscribe", *(f"{link}," for link in found[:-1]), found[-1])
        if links.https:
            yield _WireHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")


def _word_lines(text: str, header_name: str) -> list[str]:
    """Return a text as words of a header: as it is where it is ASCII, else encoded (RFC 2047), folded to lines."""
    is_plain = text.isascii() and _ENCODED_WORD not in text
    return Header(text, "us-ascii" if is_plain else "utf-8", header_name=header_name).encode(linesep="\n").split("\n ")


def _address_lines(name: str, address: str) -> list[str]:
    local, _, domain = address.rpartition("@")
    spec = Address("", _LINE_ENDS.sub("", local), _LINE_ENDS.sub("", domain_key(domain))).addr_spec
    name = header_text(name)
    if not name:
        return [spec]
    if name.isascii() and _ENCODED_WORD not in name:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        return [f'"{quoted}" <{spec}>']
    return [*_word_lines(name, "From"), f"<{spec}>"]


def _add_attachments(mail: EmailMessage, attachments: Sequence[Attachment]) -> None:
    calendars = [attachment for attachment in attachments if attachment.content_type == _CALENDAR]
    if len(calendars) == 1:
        params = {"method": calendars[0].method}
        mail.add_alternative(calendars[0].content.decode(), subtype="calendar", params=params, cte="base64")
    for attachment in attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        mail.add_attachment(
            attachment.content,
            maintype=maintype,
            subtype=subtype,
            filename=header_text(attachment.filename),
            params={"method": attachment.method} if attachment.method else None,
        )
