"""The mail of a notice: headers that every program reads, and parts in the right order."""

from email import policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

import pytest

from app.notifications.mail_message import MailSender, build_mail, unsubscribe_links
from app.ports.notices import Attachment, NoticeText
from tests.support.notice_messages import NOW, a_message

SENDER = MailSender("tickets@rail.example", "Rail")
GATEWAY = MailSender("tickets@rail.example", "Rail", "https://rail.example/stop?token={token}")
TOKEN = "A1-_" * 34
SEVEN_BITS = policy.SMTP.clone(cte_type="7bit")
ENTRY = Attachment("trip.ics", "text/calendar", b"BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n", "REQUEST")
PDF = Attachment("tickets.pdf", "application/pdf", b"%PDF-1.7")
# Ten scripts, and names that break headers which are put together without care.
NAMES = (
    "Zoë Müller",
    "Νίκος Παπαδόπουλος",
    "Дмитрий Шостакович",
    "Nguyễn Thị Minh",
    "محمد علي",
    "שרה כהן",
    "हिन्दी " * 12 + "शर्मा",
    "สมชาย ใจดี",
    "山田 太郎",
    "김민준",
    'O\'Neil, "Bob" (Jr.) <x@evil.example>;',
    'Öl, Ä; ö: "x" <y@evil.example> ' * 3 + "Ö",
    "=?utf-8?q?hidden?=",
    "back\\slash",
)


def sent(sender: MailSender = SENDER, **changed: Any) -> EmailMessage:
    """Return a mail as its recipient's program reads it."""
    wire = build_mail(a_message(**changed), NOW, sender=sender).as_bytes(policy=SEVEN_BITS)
    assert wire.isascii()
    assert max(map(len, wire.split(b"\r\n"))) < 998
    return BytesParser(_class=EmailMessage, policy=policy.default).parsebytes(wire)


def decoded(header: str) -> str:
    """Decode the words of a raw header by the older, independent parser."""
    return str(make_header(decode_header(header)))


@pytest.mark.parametrize("name", NAMES)
def test_a_mail_goes_to_one_address_whatever_the_name(name: str) -> None:
    mail = sent(to_name=name)

    assert [address.addr_spec for address in mail["To"].addresses] == ["kim@example.com"]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.isascii()])
def test_a_name_is_read_as_it_was_written(name: str) -> None:
    wire = build_mail(a_message(to_name=name), NOW, sender=SENDER).as_string(policy=SEVEN_BITS)
    raw = wire.split("\r\nTo: ")[1].split("\r\nSubject")[0].rpartition("<")[0]

    assert decoded(raw).strip() == name


@pytest.mark.parametrize("subject", ["Vos billets : Paris, à 10 h 24", "Tickets " + "для поездки " * 9, "=?utf-8?q?x?= y"])
def test_a_subject_is_read_as_it_was_written(subject: str) -> None:
    assert sent(text=NoticeText(subject, "p", "h", "s"))["Subject"] == subject.strip()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x85", "\u2028", "\x00"])
def test_no_text_starts_a_header_of_its_own(end: str) -> None:
    attack = f"Kim{end}Bcc: spy@evil.example"

    mail = sent(
        MailSender(f"tickets{end}@rail.example", attack),
        to_name=attack,
        text=NoticeText(attack, "plain", "html", "short"),
        attachments=(Attachment(f"a{end}X-Evil: 1.pdf", "application/pdf", b""),),
    )

    assert mail["Bcc"] is None
    assert mail["X-Evil"] is None
    assert mail["Subject"] == "Kim Bcc: spy@evil.example"


def test_the_message_id_is_the_notices_and_stays_with_each_attempt() -> None:
    assert sent()["Message-ID"] == sent()["Message-ID"]
    assert sent()["Message-ID"] != sent(notice_id="TICKET ABC123 2 event-1 email")["Message-ID"]
    assert sent()["Message-ID"].endswith("@rail.example>")


def test_nothing_answers_a_mail_by_itself() -> None:
    assert sent()["Auto-Submitted"] == "auto-generated"


def test_an_essential_mail_cannot_be_unsubscribed() -> None:
    assert sent(GATEWAY)["List-Unsubscribe"] is None
    assert sent(GATEWAY)["List-Unsubscribe-Post"] is None


def test_a_mail_without_a_gateway_is_unsubscribed_by_mail() -> None:
    mail = sent(unsubscribe_token=TOKEN)

    assert mail["List-Unsubscribe"] == f"<mailto:tickets@rail.example?subject=unsubscribe%20{TOKEN}>"
    assert mail["List-Unsubscribe-Post"] is None


def test_a_mail_with_a_gateway_is_unsubscribed_by_one_click() -> None:
    wire = build_mail(a_message(unsubscribe_token=TOKEN), NOW, sender=GATEWAY).as_string(policy=SEVEN_BITS)

    assert f"\r\nList-Unsubscribe: <https://rail.example/stop?token={TOKEN}>,\r\n <mailto:" in wire
    assert "\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in wire


def test_an_international_domain_is_sent_in_ascii() -> None:
    mail = sent(MailSender("tickets@bücher.example", "Rail"), to="kim@bücher.example", unsubscribe_token=TOKEN)

    assert mail["From"].addresses[0].addr_spec == "tickets@xn--bcher-kva.example"
    assert mail["To"].addresses[0].addr_spec == "kim@xn--bcher-kva.example"
    assert "mailto:tickets@xn--bcher-kva.example?" in mail["List-Unsubscribe"]


def test_an_international_mailbox_is_sent_in_utf8() -> None:
    mail = build_mail(a_message(to="κιμ@example.com"), NOW, sender=SENDER)

    assert 'To: "Kim Lee" <κιμ@example.com>\r\n'.encode() in mail.as_bytes(policy=policy.SMTPUTF8)


def test_a_mailbox_with_special_characters_is_quoted() -> None:
    assert sent(to='"kim lee"@example.com'.replace('"', ""))["To"].addresses[0].username == "kim lee"
    assert unsubscribe_links(MailSender("a?b@rail.example", ""), "t").mailto.startswith("mailto:a%3Fb@rail.example?")


def test_a_single_calendar_entry_is_offered_and_attached() -> None:
    mail = sent(attachments=(PDF, ENTRY))

    alternative = next(part for part in mail.walk() if part.get_content_type() == "multipart/alternative")
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    assert [part.get_filename() for part in mail.iter_attachments()][-2:] == ["tickets.pdf", "trip.ics"]
    calendars = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert [part.get_param("method") for part in calendars] == ["REQUEST", "REQUEST"]


def test_several_calendar_entries_are_attached_only() -> None:
    mail = sent(attachments=(ENTRY, ENTRY))

    alternative = next(part for part in mail.walk() if part.get_content_type() == "multipart/alternative")
    assert [part.get_content_type() for part in alternative.iter_parts()] == ["text/plain", "text/html"]


def test_a_pdf_arrives_as_it_was() -> None:
    mail = sent(attachments=(PDF,))

    assert next(part for part in mail.walk() if part.get_filename() == "tickets.pdf").get_content() == PDF.content
