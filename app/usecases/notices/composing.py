"""Composing: what a notice says, as a message that a channel sends.

Belongs here: joining words (`app/notifications`) and documents (`app/tickets`), and what a message is sent with where a part
cannot be made. Does not belong here: whether a notice is sent (`app/domain/notices/sending.py`), sending it (`sending.py`).

No fault of a renderer holds back the facts. Without a PDF the mail says that it follows, and another notice brings it. Without
a template the mail has bare facts. Without a calendar entry it has none.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.domain.booking import Passenger
from app.domain.notices.choices import is_essential
from app.domain.notices.copies import is_pdf
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeChannelName, NoticeKind
from app.domain.notices.sending import Send, SendingFacts
from app.domain.notices.unsubscribe import UnsubscribeRequest
from app.domain.people import Person
from app.domain.ticket.ticket import Ticket, make_ticket
from app.ports.notice_observer import NoticeObserver, NoticePart
from app.ports.notices import (
    Attachment,
    DocumentError,
    NoticeContent,
    NoticeMessage,
    NoticeText,
    NoticeWriter,
    TicketDocuments,
)

_log = logging.getLogger(__name__)

_PDF, _CALENDAR = "application/pdf", "text/calendar"

# Signs what an unsubscribe link asks for; returns its token.
TokenSigner = Callable[[UnsubscribeRequest], str]


@dataclass(frozen=True, slots=True)
class Composition:
    """A message to send. `lacks_pdf`: the PDF could not be made, and has to follow."""

    message: NoticeMessage
    lacks_pdf: bool = False


class NoticeComposer:
    """Composes messages.

    `documents` and `sign` are None in a process without a signing key: then mails have no tickets and no unsubscribe links.
    `organizer` is the address that calendar entries come from.
    """

    def __init__(
        self,
        writer: NoticeWriter,
        documents: TicketDocuments | None,
        sign: TokenSigner | None,
        observer: NoticeObserver,
        *,
        organizer: str,
    ) -> None:
        self._writer, self._documents, self._sign, self._observer = writer, documents, sign, observer
        self._organizer = organizer

    async def compose(self, notice: Notice, facts: SendingFacts, send: Send) -> Composition:
        """Return the message of a notice. Raises DocumentError where it is only there to bring a PDF that cannot be made."""
        content = notice_content(notice, facts, send)
        is_mail = notice.channel is not NoticeChannelName.SMS
        pdf = await self._pdf(notice, content) if is_mail else None
        wants_pdf = self._documents is not None and _has_pdf(notice, content)
        content = replace(
            content,
            has_pdf=pdf is not None,
            pdf_follows=is_mail and wants_pdf and pdf is None,
            unsubscribe_token=self._token(notice, send),
        )
        calendars = await self._calendars(notice, facts, send, content) if is_mail else ()
        message = NoticeMessage(
            notice_id=notice.notice_id,
            kind=notice.kind,
            to=send.recipient.person.email if is_mail else facts.preferences.phone,
            to_name=content.recipient_name,
            text=self._text(content),
            language=content.language,
            attachments=(*(() if pdf is None else (pdf,)), *calendars),
            unsubscribe_token=content.unsubscribe_token,
        )
        return Composition(message, lacks_pdf=content.pdf_follows)

    def _token(self, notice: Notice, send: Send) -> str:
        if self._sign is None or is_essential(notice.kind, send.late_minutes):
            return ""
        return self._sign(UnsubscribeRequest(notice.kind, notice.reference, notice.addressee))

    def _text(self, content: NoticeContent) -> NoticeText:
        try:
            return self._writer.write(content)
        except DocumentError as error:
            self._report(NoticePart.TEXT, content, error)
            return self._writer.write_facts(content)

    async def _pdf(self, notice: Notice, content: NoticeContent) -> Attachment | None:
        """Return the tickets; None where there are none to send, or they cannot be made."""
        if self._documents is None or not _has_pdf(notice, content):
            return None
        try:
            document = await self._documents.pdf(content.tickets, content.language)
        except DocumentError as error:
            self._report(NoticePart.PDF, content, error)
            if is_pdf(notice):
                raise
            return None
        return Attachment(f"{notice.reference}.pdf", _PDF, document)

    async def _calendars(
        self, notice: Notice, facts: SendingFacts, send: Send, content: NoticeContent
    ) -> tuple[Attachment, ...]:
        """Return the calendar entries of those who travel, and the withdrawal of those who do not any more.

        Each is a file of its own: an object with a METHOD has one UID (RFC 5546 section 3.2).
        """
        made: list[Attachment | None] = []
        if KIND_POLICIES[notice.kind].has_tickets:
            made += [await self._calendar(content, ticket, cancelled=False) for ticket in content.tickets]
        if send.withdrawn:
            withdrawn = _tickets(facts, send.withdrawn)
            made += [await self._calendar(content, ticket, cancelled=True) for ticket in withdrawn]
        return tuple(attachment for attachment in made if attachment is not None)

    async def _calendar(self, content: NoticeContent, ticket: Ticket, *, cancelled: bool) -> Attachment | None:
        if self._documents is None:
            return None
        try:
            document = await self._documents.calendar(
                (ticket,),
                content.language,
                cancelled=cancelled,
                organizer=self._organizer,
                attendee=content.booking.user.email,
            )
        except DocumentError as error:
            self._report(NoticePart.CALENDAR, content, error)
            return None
        name = f"{ticket.reference}-{ticket.passenger_number}{'-cancelled' if cancelled else ''}.ics"
        return Attachment(name, _CALENDAR, document, method="CANCEL" if cancelled else "REQUEST")

    def _report(self, part: NoticePart, content: NoticeContent, error: DocumentError) -> None:
        self._observer.part_failed(part)
        _log.error("the %s of a notice %s cannot be made: %s", part.value, content.kind.value, error)


def notice_content(notice: Notice, facts: SendingFacts, send: Send) -> NoticeContent:
    """Return what a notice says, without token and documents."""
    booking, journey = facts.booking, facts.booking.journey
    return NoticeContent(
        kind=notice.kind,
        booking=booking,
        passengers=send.passengers,
        is_whole_booking=notice.addressee == WHOLE_BOOKING,
        recipient_name=full_name(send.recipient.person),
        schedule=facts.schedule,
        train_number=journey.train_number,
        travel_date=journey.travel_date,
        content_revision=send.content_revision,
        language=facts.preferences.language,
        tickets=_tickets(facts, send.seated),
        refunds=facts.done_refunds if notice.kind is NoticeKind.REFUNDED else booking.refunds,
        waitlist_position=facts.waitlist_position,
    )


def _tickets(facts: SendingFacts, passengers: Sequence[Passenger]) -> tuple[Ticket, ...]:
    """Return the tickets of passengers with seats. Their sequence rises with each change of booking or run."""
    booking, newest = facts.booking, max(facts.booking.revision, facts.run_version)
    number = booking.journey.train_number
    return tuple(make_ticket(booking, passenger, facts.schedule, number, newest) for passenger in passengers)


def _has_pdf(notice: Notice, content: NoticeContent) -> bool:
    return KIND_POLICIES[notice.kind].has_tickets and bool(content.tickets)


def full_name(person: Person) -> str:
    """Return the whole name, as it is written; empty for a person whose name is not known."""
    return f"{person.first_name} {person.last_name}".strip()
