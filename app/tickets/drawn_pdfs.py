"""PDFs that were drawn a moment ago: several channels send the same tickets, and they are drawn once.

Belongs here: which drawings are the same, and how many are kept. Does not belong here: drawing (`drawing.py`), threads
(`documents.py`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.ports.notices import TicketDocuments

# Channels send a batch of 100 notices side by side, and fall behind each other by no more than some batches. A PDF has 30 kB.
PDF_BYTES_KEPT_MAX = 8 * 2**20

# Everything that a PDF shows: booking, revision, seats, names, times of each ticket, and the language.
_Key = tuple[tuple[Ticket, ...], Language]


class DrawnPdfs:
    """Ticket documents that draw each PDF once, also for callers at a time. Implements `TicketDocuments`.

    The PDFs that were asked for last are kept, up to `bytes_kept_max` bytes. A fault is not kept.
    """

    def __init__(self, documents: TicketDocuments, *, bytes_kept_max: int = PDF_BYTES_KEPT_MAX) -> None:
        self._documents, self._bytes_kept_max = documents, bytes_kept_max
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._bytes_kept = 0
        self._in_work: dict[_Key, asyncio.Task[bytes]] = {}

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        """Return one PDF, a page for each ticket. Raises DocumentError."""
        key = _key_of(tickets, language)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        drawing = self._in_work.get(key)
        if drawing is None:
            drawing = self._in_work[key] = asyncio.create_task(self._draw(key, tickets, language))
        return await asyncio.shield(drawing)  # a caller who leaves takes it from nobody else

    async def png(self, ticket: Ticket, language: Language) -> bytes:
        """Return the ticket as a picture. Raises DocumentError."""
        return await self._documents.png(ticket, language)

    async def calendar(
        self, tickets: Sequence[Ticket], language: Language, *, cancelled: bool, organizer: str, attendee: str = ""
    ) -> bytes:
        """Return an iCalendar object, as `TicketDocuments` says. Raises DocumentError."""
        return await self._documents.calendar(tickets, language, cancelled=cancelled, organizer=organizer, attendee=attendee)

    async def _draw(self, key: _Key, tickets: Sequence[Ticket], language: Language) -> bytes:
        try:
            content = await self._documents.pdf(tickets, language)
        finally:
            del self._in_work[key]
        self._kept[key] = content
        self._bytes_kept += len(content)
        while self._bytes_kept > self._bytes_kept_max:
            _, oldest = self._kept.popitem(last=False)
            self._bytes_kept -= len(oldest)
        return content


def _key_of(tickets: Sequence[Ticket], language: Language) -> _Key:
    """Return what the PDF shows. Only calendar entries have the sequence, which rises with every commit on the run."""
    return tuple(replace(ticket, sequence=0) for ticket in tickets), language
