"""Tickets: files to show, sending them again, and lists to check them with.

Belongs here: the use cases around tickets. Does not belong here: drawing and signing (`app/tickets`), sending notices
(`app/usecases/notices/sending.py`), judging tickets (`app/domain/ticket/verdict.py`).
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from app.domain import limits
from app.domain.booking import Booking, BookingState, Passenger
from app.domain.notices.copies import resend_cause
from app.domain.notices.from_events import NoticeCause, make_notices
from app.domain.notices.notice import Notice, NoticeChannelName, NoticeKind, notice_id
from app.domain.notices.preferences import DEFAULT_PREFERENCES, Language
from app.domain.notices.recipients import Recipient, all_recipients_of, booker_of
from app.domain.notices.send_jobs import send_job
from app.domain.people import Caller
from app.domain.refusals import InvalidField, Reason, Refusal
from app.domain.rules.access import require_visible
from app.domain.run.train_run import run_id
from app.domain.ticket.inspection import InspectionList, ListedState, encode_list, list_tickets
from app.domain.ticket.ticket import Ticket, make_ticket
from app.ports.clock import Clock
from app.ports.notices import DocumentError, TicketDocuments, TicketFormat
from app.store.run_schedules import VersionedSchedule
from app.store.snapshots import Snapshot
from app.store.store import Store

# Documents that are made or wait for a thread at a time: with two threads, the last waits for about half a second.
DOCUMENTS_MAX = 32
_RETRY_SECONDS = 1.0
# What clients accept by default in one message, less the signature and the keys. 5,000 tickets have 0.7 MB, with the longest
# names and numbers 1.1 MB. Only a train that is sold leg by leg, or cancelled by thousands, comes near.
INSPECTION_LIST_BYTES_MAX = 4 * 2**20 - 16 * 2**10
_MEDIA_TYPES: Mapping[TicketFormat, str] = {
    TicketFormat.PDF: "application/pdf",
    TicketFormat.PNG: "image/png",
    TicketFormat.ICS: "text/calendar; charset=utf-8",
}


class PublicKeys(Protocol):
    """The public keys that check signatures."""

    @property
    def public_keys(self) -> Mapping[str, bytes]:
        """Public keys of 32 bytes, by id."""


class Signer(Protocol):
    """What signs tickets and lists."""

    key_id: str

    @property
    def keys(self) -> PublicKeys:
        """All public keys, the signer's own first."""

    def sign(self, content: bytes) -> bytes:
        """Return the signature of bytes."""

    def ticket_code(self, ticket: Ticket) -> str:
        """Return the text of a ticket's code."""


@dataclass(frozen=True, slots=True)
class TicketParts:
    """What makes tickets: documents and signer. `organizer` is the address that calendar entries come from."""

    documents: TicketDocuments
    signer: Signer
    organizer: str


# Builds the parts at the first call; None in a process that makes no tickets. May be called often.
OpenParts = Callable[[], Awaitable[TicketParts | None]]


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A ticket as a file, with its media type, a name for the file, and the code of its QR."""

    content: bytes
    content_type: str
    filename: str
    code: str


@dataclass(frozen=True, slots=True)
class SignedList:
    """The list of a run's tickets, its bytes and their signature, and the public keys by id."""

    inspection: InspectionList
    content: bytes
    signature: bytes
    public_keys: Mapping[str, bytes]


class TicketUseCases:
    """The use cases around tickets. `channels` are those by which this service sends notices."""

    def __init__(self, store: Store, clock: Clock, open_parts: OpenParts, channels: Collection[NoticeChannelName]) -> None:
        self._store, self._clock, self._open_parts, self._channels = store, clock, open_parts, channels
        self._in_work = 0

    async def get(
        self, caller: Caller, reference: str, number: int, ticket_format: TicketFormat, language: Language | None
    ) -> TicketFile:
        """Return a passenger's ticket; without a `language`, in the caller's.

        Booker, operators and the passenger may have it. Refuses NOT_PERMITTED, INVALID_FIELD for a passenger that the booking
        has not, BOOKING_CANCELLED, BOOKING_WAITLISTED without a seat, TICKETS_UNAVAILABLE, TOO_MANY_CALLS.
        """
        booking, run = await self._read(caller, reference)
        passenger = _find_passenger(booking, number)
        _require_own(booking, passenger, caller)
        _require_seat(booking, passenger)
        parts = await self._parts()
        chosen = language or (await self._language(caller))
        ticket = make_ticket(booking, passenger, run.schedule, booking.journey.train_number, max(booking.revision, run.version))
        content = await self._make(parts, ticket, ticket_format, chosen, booking.user.email)
        filename = f"{booking.reference}-{passenger.number}.{ticket_format.value.lower()}"
        return TicketFile(content, _MEDIA_TYPES[ticket_format], filename, parts.signer.ticket_code(ticket))

    async def resend(self, caller: Caller, reference: str, number: int, request: str) -> list[Notice]:
        """Send tickets again: all to the booker, or with a number those of that passenger's address. Return the notices.

        The same request sends once. Refuses as `get`, and NOTICES_OFF, REQUEST_ID_REUSED, TOO_MANY_RESENDS.
        """
        if not self._channels:
            raise Refusal(Reason.NOTICES_OFF, "this service sends no notices: it has no channel for them")
        booking, _ = await self._read(caller, reference)
        recipient = _recipient(booking, number, caller)
        now = self._clock()
        await self._take_slot(reference, recipient, request, now)
        notices = await self._resent(reference, recipient, resend_cause(request))
        if not notices:
            notices = await self._make_again(booking, recipient, resend_cause(request), now)
            await self._store.notices.insert_if_absent(notices)
        # Of a repeated request, too: the server that took the first one may have died before this line.
        await self._store.jobs.insert_if_absent([send_job(notice) for notice in notices if not notice.is_final])
        return notices

    async def inspect(self, train_id: str, travel_date: str) -> SignedList:
        """Return the signed list of a run's tickets as of one moment.

        It is at most INSPECTION_LIST_BYTES_MAX: a longer one is without cancelled tickets and those without a seat, which an
        inspector then sees as unknown. So is a booking that cannot be read. Refuses TRAIN_RUN_NOT_FOUND, and
        TICKETS_UNAVAILABLE, also for a list that is too long even so.
        """
        run_key, parts = run_id(train_id, travel_date), await self._parts()

        async def of_one_moment(snapshot: Snapshot) -> tuple[VersionedSchedule | None, list[Booking]]:
            run = await self._store.run_schedules.find_versioned(snapshot, run_key)
            return run, await self._store.bookings.list_all(snapshot, run_key)

        issue_time = self._clock()  # before reading: the list has everything that was sold until then
        run, bookings = await self._store.snapshots.read(of_one_moment)
        if run is None:
            raise Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"train {train_id} does not run on {travel_date}")
        tickets = list_tickets(bookings)
        inspection = InspectionList(train_id, travel_date, run.version, issue_time, parts.signer.key_id, tickets)
        inspection, content = await asyncio.to_thread(encode_bounded, inspection)
        return SignedList(inspection, content, parts.signer.sign(content), parts.signer.keys.public_keys)

    async def _read(self, caller: Caller, reference: str) -> tuple[Booking, VersionedSchedule]:
        async def of_one_moment(snapshot: Snapshot) -> tuple[Booking, VersionedSchedule | None]:
            found = await self._store.bookings.find(snapshot, reference)
            booking = require_visible(found, caller, reference)
            return booking, await self._store.run_schedules.find_versioned(snapshot, booking.journey.run_id)

        booking, run = await self._store.snapshots.read(of_one_moment)
        if not booking.is_live:
            raise Refusal(Reason.BOOKING_CANCELLED, f"booking {reference} is {booking.state.value}; it has no tickets")
        if run is None:
            raise Refusal(Reason.TRAIN_RUN_NOT_FOUND, f"the run of booking {reference} does not exist any more")
        return booking, run

    async def _parts(self) -> TicketParts:
        parts = await self._open_parts()
        if parts is None:
            raise Refusal(Reason.TICKETS_UNAVAILABLE, "this server makes no tickets: it has no key, or not the packages")
        return parts

    async def _language(self, caller: Caller) -> Language:
        found = await self._store.preferences.find([caller.key]) if caller.key else {}
        return found.get(caller.key, DEFAULT_PREFERENCES).language if caller.key else Language.ENGLISH

    async def _make(
        self, parts: TicketParts, ticket: Ticket, ticket_format: TicketFormat, language: Language, attendee: str
    ) -> bytes:
        if self._in_work >= DOCUMENTS_MAX:
            raise Refusal(Reason.TOO_MANY_CALLS, "too many tickets are being made", retry_seconds=_RETRY_SECONDS)
        self._in_work += 1
        # A document that is being drawn goes on when its caller leaves, and counts until it is done.
        drawing = asyncio.create_task(_document(parts, ticket, ticket_format, language, attendee))
        drawing.add_done_callback(self._document_done)
        try:
            return await asyncio.shield(drawing)
        except DocumentError as error:
            raise Refusal(Reason.TICKETS_UNAVAILABLE, "this ticket cannot be made at present") from error

    def _document_done(self, drawing: asyncio.Task[bytes]) -> None:
        self._in_work -= 1
        if not drawing.cancelled():
            drawing.exception()  # retrieved, so that asyncio does not log the error of a caller who has left

    async def _take_slot(self, reference: str, recipient: Recipient, request: str, now: datetime) -> None:
        """Refuse a request beyond the day's bound, and one whose id was sent with another recipient."""
        slots = limits.TICKET_RESENDS_PER_DAY_MAX
        addressee = await self._store.ticket_resends.take(reference, recipient.addressee, request, now, slots)
        if addressee is None:
            midnight = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
            wait = (midnight - now).total_seconds()
            raise Refusal(Reason.TOO_MANY_RESENDS, "these tickets were sent again often enough today", retry_seconds=wait)
        if addressee != recipient.addressee:
            raise Refusal(Reason.REQUEST_ID_REUSED, "request_id was sent with another passenger_number; choose a new one")

    async def _resent(self, reference: str, recipient: Recipient, cause: str) -> list[Notice]:
        """Return the notices that an earlier request with this cause made, by channel."""
        ids = [notice_id(NoticeKind.TICKET, reference, recipient.addressee, cause, channel) for channel in NoticeChannelName]
        found = await self._store.notices.find(ids)
        return [found[each] for each in ids if each in found]

    async def _make_again(self, booking: Booking, recipient: Recipient, cause: str, now: datetime) -> list[Notice]:
        found = await self._store.preferences.find([recipient.email_key])
        preferences, numbers = found.get(recipient.email_key, DEFAULT_PREFERENCES), recipient.passenger_numbers
        ticket = NoticeCause(NoticeKind.TICKET, cause, booking.revision, now)
        return make_notices(ticket, booking, recipient, numbers, preferences, self._channels, now)


async def _document(
    parts: TicketParts, ticket: Ticket, ticket_format: TicketFormat, language: Language, attendee: str
) -> bytes:
    if ticket_format is TicketFormat.PDF:
        return await parts.documents.pdf([ticket], language)
    if ticket_format is TicketFormat.PNG:
        return await parts.documents.png(ticket, language)
    return await parts.documents.calendar([ticket], language, cancelled=False, organizer=parts.organizer, attendee=attendee)


def encode_bounded(inspection: InspectionList) -> tuple[InspectionList, bytes]:
    """Return a list that one answer can hold, and its bytes: the list, or else the one of the tickets with seats alone."""
    seated = tuple(ticket for ticket in inspection.tickets if ticket.state is ListedState.CONFIRMED)
    for candidate in (inspection, replace(inspection, tickets=seated)):
        content = encode_list(candidate)
        if len(content) <= INSPECTION_LIST_BYTES_MAX:
            return candidate, content
    raise Refusal(Reason.TICKETS_UNAVAILABLE, f"a list of {len(seated)} tickets is too large for one answer")


def _find_passenger(booking: Booking, number: int) -> Passenger:
    if not number and len(booking.passengers) == 1:
        return booking.passengers[0]
    for passenger in booking.passengers:
        if passenger.number == number:
            return passenger
    present = ", ".join(str(passenger.number) for passenger in booking.passengers)
    raise InvalidField("passenger_number", f"needs one of {present}")


def _require_own(booking: Booking, passenger: Passenger, caller: Caller) -> None:
    if caller.is_operator or caller.key in (booking.user_key, passenger.email_key):
        return
    raise Refusal(Reason.NOT_PERMITTED, "this is another passenger's ticket")


def _require_seat(booking: Booking, passenger: Passenger) -> None:
    if booking.state is not BookingState.CONFIRMED or passenger.seat is None:
        raise Refusal(Reason.BOOKING_WAITLISTED, f"passenger {passenger.number} has no seat yet")


def _recipient(booking: Booking, number: int, caller: Caller) -> Recipient:
    """Return who receives tickets again. Refuses NOT_PERMITTED, INVALID_FIELD, and BOOKING_WAITLISTED without any seat."""
    if not number:
        if not caller.is_operator and caller.key != booking.user_key:
            raise Refusal(Reason.NOT_PERMITTED, "these are the booker's tickets; give your own passenger_number")
        if booking.state is not BookingState.CONFIRMED:
            raise Refusal(Reason.BOOKING_WAITLISTED, "nobody on this booking has a seat yet")
        return booker_of(booking)
    passenger = _find_passenger(booking, number)
    _require_own(booking, passenger, caller)
    _require_seat(booking, passenger)
    if passenger.email_key == booking.user_key:
        return booker_of(booking)
    return next(found for found in all_recipients_of(booking) if passenger.email_key == found.email_key)
