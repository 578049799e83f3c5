"""Notices as people and operators ask about them: lists, preferences, unsubscribing, previews.

Belongs here: the calls of NoticeService, without messages. Does not belong here: making and sending notices (the other modules
of this folder), sending a ticket again (`app/usecases/tickets.py`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.domain.notices.choices import SWITCHES
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeChannelName, NoticeKind
from app.domain.notices.preferences import DEFAULT_PREFERENCES, Language, NotificationPreferences, check_preferences
from app.domain.notices.recipients import booker_of, find_recipient
from app.domain.notices.sending import what_to_send
from app.domain.notices.unsubscribe import UnsubscribeRequest
from app.domain.people import Caller, email_key, require_identified, require_operator, require_self_or_operator
from app.domain.refusals import InvalidField, Reason, Refusal
from app.ports.clock import Clock
from app.ports.notices import DocumentError, NoticeContent, NoticeText, NoticeWriter
from app.store.notices import NoticeKey, notice_key
from app.store.store import Store
from app.usecases.notices.composing import notice_content
from app.usecases.notices.reading import NoticeReader
from app.usecases.notices.samples import sample_content

_UPDATE_ATTEMPTS_MAX = 5  # preferences are changed by hand; more conflicts in a row do not happen by chance

# Opens the writer of notices; raises ImportError where the packages of seatline[mail] are not installed.
WriterOpener = Callable[[], NoticeWriter]
# Returns what a token asks for; None where no key of this service signed it. Refuses TICKETS_UNAVAILABLE without a key.
TokenReader = Callable[[str], UnsubscribeRequest | None]


class NoticeUseCases:
    """The use cases around notices. `open_writer` and `read_token` are called at the first preview and token."""

    def __init__(
        self, store: Store, clock: Clock, reader: NoticeReader, open_writer: WriterOpener, read_token: TokenReader
    ) -> None:
        self._store, self._clock, self._reader = store, clock, reader
        self._open_writer, self._read_token = open_writer, read_token

    async def list_page(
        self, caller: Caller, email: str, reference: str, after: NoticeKey | None, limit: int
    ) -> tuple[list[Notice], NoticeKey | None]:
        """Return at most `limit` notices, the newest first, and the key after which the next page begins.

        Without an address: the caller's own; of operators with a reference, those of all recipients. Refuses NOT_PERMITTED.
        """
        recipient_key = self._recipient_key(caller, email, reference)
        found = await self._store.notices.list_page(recipient_key, reference, after, limit + 1)
        return found[:limit], notice_key(found[limit - 1]) if len(found) > limit else None

    def _recipient_key(self, caller: Caller, email: str, reference: str) -> str:
        own = require_identified(caller)
        if email:
            require_self_or_operator(caller, email)
            return email_key(email)
        if not caller.is_operator:
            return email_key(own)
        if not reference:
            raise InvalidField("email", "is required without a reference: say whose notices, or of which booking")
        return ""

    async def get_preferences(self, caller: Caller, email: str) -> tuple[str, NotificationPreferences]:
        """Return an address, the caller's by default, and what that person wants. Refuses NOT_PERMITTED."""
        address = email or require_identified(caller)
        require_self_or_operator(caller, address)
        return address, await self._preferences_of(email_key(address))

    async def update_preferences(
        self, caller: Caller, email: str, changes: Mapping[str, Any], etag: str
    ) -> tuple[str, NotificationPreferences]:
        """Change these fields of a person's preferences. Refuses NOT_PERMITTED, INVALID_FIELD, ETAG_STALE."""
        address = email or require_identified(caller)
        require_self_or_operator(caller, address)
        return address, await self._change(email_key(address), changes, etag)

    async def unsubscribe(self, token: str) -> NoticeKind:
        """End what a token names, for its recipient; again, nothing changes. Refuses INVALID_FIELD, TICKETS_UNAVAILABLE."""
        request = await asyncio.to_thread(self._read_token, token)
        if request is None or request.kind not in SWITCHES:
            raise InvalidField("token", "is not a token of this service; copy the whole link of the mail")
        booking = (await self._store.bookings.find_many([request.reference])).get(request.reference)
        recipient = None if booking is None else find_recipient(booking, request.addressee)
        if recipient is None:
            raise InvalidField("token", "names a booking or a passenger that does not exist any more")
        await self._change(recipient.email_key, {SWITCHES[request.kind]: False}, "")
        return request.kind

    async def preview(self, caller: Caller, kind: NoticeKind, reference: str, language: Language) -> NoticeText:
        """Return the words of a notice to the booker, of a sample without a reference. Nothing is sent.

        Refuses NOT_PERMITTED, BOOKING_NOT_FOUND, TICKETS_UNAVAILABLE.
        """
        require_operator(caller)
        content = await self._content(kind, reference) if reference else sample_content(kind, self._clock())
        try:
            # The first call reads templates and texts; a notice takes less than a millisecond.
            writer = await asyncio.to_thread(self._open_writer)
            return writer.write(replace(content, language=language))
        except ImportError as error:
            text = "this server lacks the packages of seatline[mail]; install them to preview notices"
            raise Refusal(Reason.TICKETS_UNAVAILABLE, text) from error
        except DocumentError as error:
            raise Refusal(Reason.TICKETS_UNAVAILABLE, f"the notice cannot be written: {error}") from error

    async def _content(self, kind: NoticeKind, reference: str) -> NoticeContent:
        booking = (await self._store.bookings.find_many([reference])).get(reference)
        if booking is None:
            raise _not_found(reference)
        now = self._clock()
        notice = Notice(
            notice_id="preview",
            kind=kind,
            channel=NoticeChannelName.EMAIL,
            reference=reference,
            run_id=booking.journey.run_id,
            addressee=WHOLE_BOOKING,
            passenger_numbers=(),
            recipient_key=booking.user_key,
            cause="preview",
            revision=booking.revision,
            due_time=now,
            create_time=now,
        )
        facts = await self._reader.read(notice)
        if facts is None:
            raise _not_found(reference)
        return notice_content(notice, facts, what_to_send(notice, booker_of(facts.booking), facts))

    async def _preferences_of(self, key: str) -> NotificationPreferences:
        return (await self._store.preferences.find([key])).get(key, DEFAULT_PREFERENCES)

    async def _change(self, key: str, changes: Mapping[str, Any], etag: str) -> NotificationPreferences:
        for _ in range(_UPDATE_ATTEMPTS_MAX):
            known = await self._preferences_of(key)
            if etag and etag != known.etag:
                raise Refusal(Reason.ETAG_STALE, "the preferences have changed since that etag; read them again")
            changed = replace(known, **changes)
            check_preferences(changed, "preferences")
            if changed == known:
                return known
            changed = replace(changed, version=known.version + 1)
            if await self._store.preferences.replace(key, changed, self._clock()):
                return changed
        raise Refusal(Reason.ETAG_STALE, "the preferences keep changing; read them again")


def _not_found(reference: str) -> Refusal:
    return Refusal(Reason.BOOKING_NOT_FOUND, f"there is no booking {reference}", resource=("booking", reference))
