"""Messages of notices, as the sender gives them to a channel.

Belongs here: building one, and a plain mail of it. Does not belong here: words and documents.
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from app.domain.notices.notice import NoticeKind, message_id
from app.ports.notices import NoticeMessage, NoticeText

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KIM = "kim@example.com"


def a_message(notice_id: str = "TICKET ABC123 - event-1 email", **changed: Any) -> NoticeMessage:
    """Return a message to Kim, with the fields that a test changes."""
    text = NoticeText("Your ticket", "Your seat is A-1.", "<p>Your seat is A-1.</p>", "Your seat is A-1.")
    fields: dict[str, Any] = {"notice_id": notice_id, "kind": NoticeKind.TICKET, "to": KIM, "to_name": "Kim Lee", "text": text}
    return NoticeMessage(**(fields | changed))


def plain_mail(message: NoticeMessage, now: datetime) -> EmailMessage:
    """Return a mail with the parts of a message that channels care for."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "tickets@rail.example", message.to, message.text.subject
    mail["Date"], mail["Message-ID"] = format_datetime(now), message_id(message.notice_id, "rail.example")
    mail.set_content(message.text.plain)
    mail.add_alternative(message.text.html, subtype="html")
    for attachment in message.attachments:
        maintype, _, subtype = attachment.content_type.partition("/")
        mail.add_attachment(attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename)
    return mail
