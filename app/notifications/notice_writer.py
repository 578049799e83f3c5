"""The notice writer: notices in words, as page, plain text and SMS.

Belongs here: filling the templates. Does not belong here: which texts a notice has (`notice_page.py`), headers and attachments
(`mail_message.py`), when the bare facts are sent instead (`app/usecases/notices/composing.py`).
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, select_autoescape
from markupsafe import Markup, escape

from app.domain.notices.notice import NoticeKind
from app.notifications.mail_message import MailSender, unsubscribe_links
from app.notifications.notice_page import NoticePage, make_page
from app.notifications.plain_facts import plain_facts
from app.notifications.wording import Wording, wording
from app.ports.notices import DocumentError, NoticeContent, NoticeText

TEMPLATES_FOLDER = Path(__file__).parent / "templates"
SHORT_TEXT_LENGTH_MAX = 320  # characters: what the contract allows, two or three SMS
# Bars above the heading. The heading says the same in words.
_COLOURS: Mapping[str, str] = MappingProxyType({"good": "#1e8e5a", "warning": "#d98200", "bad": "#c0392b"})


class TemplateNoticeWriter:
    """Writes notices with the templates of this package. Implements `NoticeWriter`."""

    def __init__(self, sender: MailSender) -> None:
        self._sender = sender
        templates = _environment()
        self._html, self._plain = templates.get_template("mail.html.jinja"), templates.get_template("mail.txt.jinja")

    def write(self, content: NoticeContent) -> NoticeText:
        """Return the words of a notice. Whatever goes wrong raises DocumentError."""
        try:
            return self._write(content)
        except Exception as error:
            # The error's own text may quote a name.
            raise DocumentError(f"{type(error).__name__} in the texts of {content.kind.value}") from error

    def write_facts(self, content: NoticeContent) -> NoticeText:
        """Return the bare facts of a notice in plain words, made without templates, for when `write` fails. Does not raise."""
        return plain_facts(content, self._sender.name)

    def _write(self, content: NoticeContent) -> NoticeText:
        words = wording(content.language)
        page = make_page(content, words, self._sender.name)
        context = self._context(content, page, words)
        return NoticeText(
            subject=page.subject,
            plain=_filled(self._plain, context, page.greeting.format(name=page.recipient_name)),
            html=_filled(self._html, context, _html_greeting(page)),
            short=clipped(page.short, SHORT_TEXT_LENGTH_MAX),
        )

    def _context(self, content: NoticeContent, page: NoticePage, words: Wording) -> dict[str, object]:
        token = content.unsubscribe_token
        links = unsubscribe_links(self._sender, token) if token else None
        label = "common.unsubscribe_delays" if content.kind is NoticeKind.DELAYED else "common.unsubscribe"
        return {
            "page": page,
            "say": words.text,
            "seller": self._sender.name,
            "language": content.language.value,
            "colour": _COLOURS[page.tone],
            "unsubscribe_url": (links.https or links.mailto) if links else "",
            "unsubscribe_label": words.text(label),
        }


def open_notice_writer(sender: MailSender) -> TemplateNoticeWriter:
    """Return the writer of notices from a sender. The texts of all languages are read at the first notice."""
    return TemplateNoticeWriter(sender)


def clipped(text: str, length_max: int) -> str:
    """Return a text of at most `length_max` characters; what is cut off is marked."""
    return text if len(text) <= length_max else f"{text[: length_max - 1]}…"


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES_FOLDER),
        # Plain text is not escaped: in it, "&lt;" would be read as it stands.
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def _filled(template: Template, context: Mapping[str, object], greeting: str) -> str:
    return template.render(context, greeting=greeting)


def _html_greeting(page: NoticePage) -> Markup:
    """Return the greeting with the name in a direction of its own: an Arabic name does not turn the line around."""
    return escape(page.greeting).format(name=Markup("<bdi>{}</bdi>").format(page.recipient_name))
