"""Ticket documents: the implementation of `TicketDocuments`.

Belongs here: the threads in which documents are made, and what goes wrong there. Does not belong here: how a page looks
(`drawing.py`), calendar entries (`calendar.py`).
"""

from collections.abc import Sequence
from pathlib import Path

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.tickets.signing import TicketSigner


class ThreadedTicketDocuments:
    """Makes ticket documents in at most `threads_max` threads. Implements `TicketDocuments`."""

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        """Return one PDF, a page for each ticket. Raises DocumentError."""
        raise NotImplementedError

    async def png(self, ticket: Ticket, language: Language) -> bytes:
        """Return the ticket as a picture. Raises DocumentError."""
        raise NotImplementedError

    async def calendar(self, tickets: Sequence[Ticket], language: Language, *, cancelled: bool, organizer: str) -> bytes:
        """Return an iCalendar object: METHOD:REQUEST, or METHOD:CANCEL for withdrawn tickets. Raises DocumentError."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the threads."""
        raise NotImplementedError


def open_ticket_documents(
    signer: TicketSigner, *, fonts_dir: Path | None, threads_max: int, seller_name: str
) -> ThreadedTicketDocuments:
    """Return the documents of this process. Raises FontError for a font folder that cannot be used."""
    raise NotImplementedError
