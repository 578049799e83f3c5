"""Ticket documents: the implementation of `TicketDocuments`.

Belongs here: the threads in which documents are made, and what goes wrong there. Does not belong here: how a page looks
(`drawing.py`), calendar entries (`calendar.py`).
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.ports.notices import DocumentError
from app.tickets.calendar import build_calendar
from app.tickets.drawing import TicketPainter
from app.tickets.fonts import FontSet, load_fonts
from app.tickets.signing import TicketSigner

_T = TypeVar("_T")


class ThreadedTicketDocuments:
    """Makes ticket documents in at most `threads_max` threads, each with its own compiler. Implements `TicketDocuments`."""

    def __init__(self, signer: TicketSigner, fonts: FontSet, seller_name: str, threads_max: int) -> None:
        self._signer = signer
        self._fonts = fonts
        self._seller_name = seller_name
        self._threads = ThreadPoolExecutor(threads_max, thread_name_prefix="tickets")
        self._painters = threading.local()

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        """Return one PDF, a page for each ticket. Raises DocumentError."""
        return await self._made("PDF", lambda: self._painter().pdf(tickets, language))

    async def png(self, ticket: Ticket, language: Language) -> bytes:
        """Return the ticket as a picture. Raises DocumentError."""
        return await self._made("PNG", lambda: self._painter().png(ticket, language))

    async def calendar(
        self, tickets: Sequence[Ticket], language: Language, *, cancelled: bool, organizer: str, attendee: str = ""
    ) -> bytes:
        """Return an iCalendar object: METHOD:REQUEST, or METHOD:CANCEL for withdrawn tickets. Raises DocumentError.

        `organizer` is the sender's address, `attendee` that of passengers without one of their own: the booker's.
        """

        def make() -> bytes:
            return build_calendar(tickets, language, cancelled=cancelled, organizer=organizer, attendee=attendee)

        return await self._made("ICS", make)

    async def close(self) -> None:
        """End the threads, after the documents that they are making."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def _made(self, document: str, make: Callable[[], _T]) -> _T:
        """Make a document in one of the threads. Raises DocumentError, with the fault as its cause."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, _translate_faults, document, make)

    def _painter(self) -> TicketPainter:
        """Return this thread's painter."""
        painter: TicketPainter | None = getattr(self._painters, "painter", None)
        if painter is None:
            painter = self._painters.painter = TicketPainter(self._signer, self._fonts, self._seller_name)
        return painter


def _translate_faults(document: str, make: Callable[[], _T]) -> _T:
    """Call `make`. Whatever goes wrong raises DocumentError: a panic of typst, which is written in Rust, is a BaseException.

    The text names the fault's type alone, because its own text may have names of people in it.
    """
    try:
        return make()
    except BaseException as error:
        raise DocumentError(f"{document} not made: {type(error).__name__}") from None


def open_ticket_documents(
    signer: TicketSigner, *, fonts_dir: Path | None, threads_max: int, seller_name: str
) -> ThreadedTicketDocuments:
    """Return the documents of this process. Raises FontError for a font folder that cannot be used."""
    return ThreadedTicketDocuments(signer, load_fonts(fonts_dir), seller_name, threads_max)
