"""Drawing tickets: from tickets to PDF and PNG.

Belongs here: the compiler. Does not belong here: where things stand on the page (`ticket.typ`), what stands there
(`ticket_pages.py`), threads (`documents.py`).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import typst

from app.domain.notices.preferences import Language
from app.domain.ticket.ticket import Ticket
from app.tickets.fonts import FontSet
from app.tickets.signing import TicketSigner
from app.tickets.ticket_pages import TicketPages

_TEMPLATE = Path(__file__).with_name("ticket.typ")
_PIXELS_PER_INCH = 200  # a module of the QR has 10 pixels, and the picture about 100 kB
_STANDARD: Literal["ua-1"] = "ua-1"  # PDF/UA: screen readers find language, headings, and a text in place of the QR


class TicketPainter:
    """Draws tickets. For one thread: its compiler keeps what did not change since the ticket before."""

    def __init__(self, signer: TicketSigner, fonts: FontSet, seller_name: str) -> None:
        self._signer = signer
        self._pages = {language: TicketPages(fonts, seller_name, language) for language in Language}
        self._compiler = typst.Compiler(
            input=str(_TEMPLATE), root=str(_TEMPLATE.parent), font_paths=fonts.typst_fonts, ignore_system_fonts=True
        )

    def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        """Return one tagged PDF, a page for each ticket."""
        compiled = self._compiler.compile(format="pdf", sys_inputs=self._inputs(tickets, language), pdf_standards=_STANDARD)
        if not isinstance(compiled, bytes):
            raise TypeError("typst returned no PDF")
        return compiled

    def png(self, ticket: Ticket, language: Language) -> bytes:
        """Return a picture of a ticket."""
        inputs = self._inputs((ticket,), language)
        compiled = self._compiler.compile(format="png", ppi=_PIXELS_PER_INCH, sys_inputs=inputs)
        if not isinstance(compiled, bytes):
            raise TypeError("typst returned no picture, or several")
        return compiled

    def _inputs(self, tickets: Sequence[Ticket], language: Language) -> dict[str, str]:
        codes = [self._signer.ticket_code(ticket) for ticket in tickets]
        return {"document": json.dumps(self._pages[language].document(tickets, codes))}
