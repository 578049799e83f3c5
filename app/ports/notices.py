"""What notices need of the store, of channels and of documents.

Belongs here: the protocols, and the message that a channel sends. Does not belong here: statements (`app/store`), channels and
words (`app/notifications`), documents (`app/tickets`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from app.domain.booking import Booking, Passenger, RefundDue
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind
from app.domain.notices.preferences import Language, NotificationPreferences
from app.domain.run.run_schedule import RunSchedule
from app.domain.ticket.ticket import Ticket

# -- the store


class NoticeStore(Protocol):
    """Stored notices. Every method refuses DATABASE_UNAVAILABLE."""

    async def insert_if_absent(self, notices: Sequence[Notice]) -> int:
        """Insert the notices whose ids are not stored yet, in whatever state; return their number."""

    async def find(self, notice_ids: Collection[str]) -> Mapping[str, Notice]:
        """Return the readable notices with these ids."""

    async def begin(self, notice_id: str) -> Notice | None:
        """Make a SCHEDULED or SENDING notice SENDING and return it; None for one that is final or unknown."""

    async def supersede_older(self, notice: Notice, content_revision: int, now: datetime) -> Sequence[NoticeKind]:
        """Skip the SCHEDULED notices of the same recipient, booking, channel and thread up to this revision, except `notice`.

        Return the kind of each.
        """

    async def has_newer(self, notice: Notice, revision: int) -> bool:
        """Whether a notice of the same recipient, booking, channel and thread is being or was sent with newer content.

        Newer is: SENT with a `content_revision` of at least `revision`; or SENDING with a higher revision than the notice's.
        """

    async def record(self, notice: Notice) -> bool:
        """Write the state, the last attempt and what else an attempt changed. Return False where it is final or gone."""

    async def last_told_minutes(self, reference: str, recipient_keys: Collection[str]) -> Mapping[str, int]:
        """Return the delay that each recipient of a booking was last told, or will be by a SCHEDULED or SENDING notice."""


class PreferenceStore(Protocol):
    """Stored preferences, by address as compared. Every method refuses DATABASE_UNAVAILABLE."""

    async def find(self, email_keys: Collection[str]) -> Mapping[str, NotificationPreferences]:
        """Return the preferences of those who ever chose; DEFAULT_PREFERENCES hold for the others."""

    async def replace(self, email_key: str, changed: NotificationPreferences, now: datetime) -> bool:
        """Store changed preferences in place of the version before. Return False where that is not the newest any more."""


# -- what a notice is made of


@dataclass(frozen=True, slots=True)
class NoticeContent:
    """Everything that words and documents are made of, read when the notice is sent.

    `passengers` are those whom the notice is about: present ones, or for a cancellation the cancelled ones. `tickets` are those
    of its passengers with seats. `refunds` are what a refund or cancellation returns. `unsubscribe_token` is empty for
    essential notices. `schedule` has the expected times. `has_pdf` says whether the tickets are attached as a PDF; where that
    could not be made, `pdf_follows`: another mail brings it.
    """

    kind: NoticeKind
    booking: Booking
    passengers: tuple[Passenger, ...]
    is_whole_booking: bool
    recipient_name: str
    schedule: RunSchedule
    train_number: str
    travel_date: str
    content_revision: int
    language: Language
    tickets: tuple[Ticket, ...] = ()
    refunds: tuple[RefundDue, ...] = ()
    waitlist_position: int = 0
    unsubscribe_token: str = ""
    has_pdf: bool = True
    pdf_follows: bool = False


@dataclass(frozen=True, slots=True)
class NoticeText:
    """The words of a notice, in one language: for mail, and for SMS (at most 320 characters)."""

    subject: str
    plain: str
    html: str
    short: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail. `content_type` is such as `application/pdf`; `method` is a calendar's METHOD, else empty."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)
    method: str = ""


@dataclass(frozen=True, slots=True)
class NoticeMessage:
    """A message as a channel sends it. `to` is an address, or a phone number for SMS.

    `unsubscribe_token` is empty for essential notices; a mail makes List-Unsubscribe of it.
    """

    notice_id: str
    kind: NoticeKind
    to: str = field(repr=False)
    to_name: str = field(repr=False)
    text: NoticeText = field(repr=False)
    language: Language = Language.ENGLISH
    attachments: tuple[Attachment, ...] = ()
    unsubscribe_token: str = ""


class TicketFormat(StrEnum):
    """The formats of a ticket."""

    PDF = "PDF"
    PNG = "PNG"
    ICS = "ICS"


class DocumentError(Exception):
    """A document could not be made; the text says why, without anything personal."""


class TicketDocuments(Protocol):
    """Makes ticket documents. Each call takes milliseconds of processor time in a bounded number of threads."""

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        """Return one PDF, a page for each ticket. Raises DocumentError."""

    async def png(self, ticket: Ticket, language: Language) -> bytes:
        """Return the ticket as a picture. Raises DocumentError."""

    async def calendar(
        self, tickets: Sequence[Ticket], language: Language, *, cancelled: bool, organizer: str, attendee: str = ""
    ) -> bytes:
        """Return an iCalendar object: METHOD:REQUEST, or METHOD:CANCEL for withdrawn tickets. Raises DocumentError.

        `organizer` is the sender's address, `attendee` that of passengers without one of their own: the booker's.
        """


class NoticeWriter(Protocol):
    """Puts notices into words."""

    def write(self, content: NoticeContent) -> NoticeText:
        """Return the words of a notice. Whatever goes wrong raises DocumentError."""

    def write_facts(self, content: NoticeContent) -> NoticeText:
        """Return the bare facts of a notice in plain words, made without templates, for when `write` fails. Does not raise."""


# -- channels


class NoticeOutcomeKind(StrEnum):
    """How an attempt ended: accepted; refused for this recipient or message for good; or failed, to be tried again."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class NoticeOutcome:
    """The outcome of one attempt. `status` is the SMTP or HTTP code, 0 without an answer. `detail` has no address.

    `is_provider_fault` says whether a failure counts against the provider's circuit: a time-out, a refused login, 421, 5xx of
    HTTP; not a single mailbox that is busy (450).
    """

    kind: NoticeOutcomeKind
    status: int = 0
    detail: str = ""
    is_provider_fault: bool = False
    retry_after_seconds: float = 0.0


class NoticeChannel(Protocol):
    """One way of sending notices. A new channel is a module in `app/notifications` and an entry of `build_notice_channels`."""

    @property
    def name(self) -> NoticeChannelName:
        """The channel's name."""

    @property
    def sends_max(self) -> int:
        """How many messages may be sent at a time."""

    @property
    def per_second_max(self) -> float:
        """How many messages a second this process may send."""

    async def send(self, message: NoticeMessage, now: datetime) -> NoticeOutcome:
        """Send a message once. Whatever goes wrong outside is an outcome, not an exception."""

    async def probe(self) -> bool:
        """Whether the provider answers; asked while the circuit is open. May not raise."""

    async def close(self) -> None:
        """Close all connections."""
