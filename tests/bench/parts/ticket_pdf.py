"""How long does a ticket take to draw?

Belongs here: PDFs with their QR, one after another in one thread. Does not belong here: mails (`ticket_mails.py`).
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median
from time import process_time

from app.domain.notices.preferences import Language
from app.tickets.drawing import TicketPainter
from app.tickets.fonts import load_fonts
from tests.bench.results import Results
from tests.support.tickets import a_signer, a_ticket

_TICKETS = 200


def measure_ticket_pdf(results: Results) -> None:
    """Measure the processor time of different PDFs, threads of typst included; the first one loads the fonts."""
    painter = TicketPainter(a_signer(), load_fonts(None), "Seatline")
    ticket = a_ticket()
    taken: list[float] = []
    for number in range(_TICKETS + 1):
        begin = process_time()
        painter.pdf((replace(ticket, revision=number, fare=replace(ticket.fare, minor=number)),), Language.ENGLISH)
        taken.append((process_time() - begin) * 1e3)
    results.add("ticket_pdf_first", taken[0], "ms")
    results.add("ticket_pdf_p50", median(taken[1:]), "ms")
