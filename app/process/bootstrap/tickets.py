"""Build what tickets are signed and drawn with.

Belongs here: the signer and the documents, from the settings. Does not belong here: channels of notices (`notices.py`), and
when a server builds them (`edge.py`). Their packages are an extra and take memory, so that they are imported when needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.process.start_error import StartError

if TYPE_CHECKING:
    from app.tickets.documents import ThreadedTicketDocuments
    from app.tickets.signing import TicketSigner

_OWN_KEY = "ticket-key.pem"  # in the data directory


def own_ticket_key_file(settings: Settings) -> Path | None:
    """Return where Seatline keeps a ticket key of its own: beside its own MongoDB; None with a MongoDB of yours."""
    return None if settings.mongodb_uri else settings.data_dir / _OWN_KEY


def build_ticket_signer(settings: Settings) -> "TicketSigner | None":
    """Build the signer of tickets; None where there is no key, and so there are no tickets. Raise StartError."""
    from app.tickets.signing import KeyFileError, open_signer  # noqa: PLC0415

    key_file, old_keys_file = settings.ticket_key_file, settings.ticket_old_keys_file
    try:
        return open_signer(key_file, old_keys_file, own_ticket_key_file(settings))
    except KeyFileError as error:  # its text begins with the file
        variable = "SEATLINE_TICKET_KEY_FILE" if key_file else "SEATLINE_DATA_DIR"
        if old_keys_file and str(error).startswith(f"{old_keys_file}: "):
            variable = "SEATLINE_TICKET_OLD_KEYS_FILE"
        raise StartError(f"{variable}: {error}") from None


def build_ticket_documents(settings: Settings, signer: "TicketSigner") -> "ThreadedTicketDocuments":
    """Build what draws tickets; it reads all fonts, which takes time. Close it. Raise StartError."""
    from app.tickets.documents import open_ticket_documents  # noqa: PLC0415
    from app.tickets.fonts import FontError  # noqa: PLC0415

    try:
        return open_ticket_documents(
            signer,
            fonts_dir=settings.ticket_fonts_dir,
            threads_max=settings.ticket_threads_max,
            seller_name=settings.notice_sender_name,
        )
    except FontError as error:
        raise StartError(f"SEATLINE_TICKET_FONTS_DIR: {error}") from None


def check_fonts(settings: Settings) -> None:
    """Raise StartError where the folder of further fonts cannot be used."""
    from app.tickets.fonts import FontError, load_fonts  # noqa: PLC0415

    try:
        load_fonts(settings.ticket_fonts_dir)
    except FontError as error:
        raise StartError(f"SEATLINE_TICKET_FONTS_DIR: {error}") from None
