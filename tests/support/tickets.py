"""Builders of tickets, keys and inspection lists for tests.

Belongs here: values made from what a test states. Does not belong here: assertions.
"""

from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.domain.booking import Booking
from app.domain.people import Person
from app.domain.run.train_run import TrainRun
from app.domain.ticket.inspection import InspectionList, list_tickets
from app.domain.ticket.ticket import Ticket, make_tickets
from app.tickets.documents import ThreadedTicketDocuments, open_ticket_documents
from app.tickets.signing import TicketSigner
from tests.support.builders import NOW, a_run, book


@cache
def a_signer(name: str = "present") -> TicketSigner:
    """Return a signer; each name has a key of its own, the same in each run of the tests."""
    return TicketSigner(Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0")))


def tickets_of(run: TrainRun, booking: Booking) -> tuple[Ticket, ...]:
    """Return the tickets of a booking on a run."""
    return make_tickets(booking, run.schedule, run.number, booking.revision)


def a_ticket(*who: str | Person) -> Ticket:
    """Return the ticket of the first of these passengers, Jane by default, from London to Paris."""
    run = a_run("A9")
    return tickets_of(run, book(run, *who))[0]


def a_list(run: TrainRun, signer: TicketSigner | None = None) -> InspectionList:
    """Return the inspection list of a run at this moment."""
    tickets = list_tickets(run.bookings.values())
    return InspectionList(run.train_id, run.travel_date, run.version, NOW, (signer or a_signer()).key_id, tickets)


def open_documents(fonts_dir: Path | None = None, seller_name: str = "Seatline") -> ThreadedTicketDocuments:
    """Return ticket documents with one thread. To be closed."""
    return open_ticket_documents(a_signer(), fonts_dir=fonts_dir, threads_max=1, seller_name=seller_name)
