"""Build what tickets are signed with.

Belongs here: the signer, from the settings. Does not belong here: channels of notices (`notices.py`), and when a server builds
it (`edge.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

from app.config import Settings
from app.process.start_error import StartError

if TYPE_CHECKING:
    from app.tickets.signing import TicketSigner

_OWN_KEY = "ticket-key.pem"  # in the data directory


def own_ticket_key_file(settings: Settings) -> Path | None:
    """Return where Seatline keeps a ticket key of its own: beside its own MongoDB; None with a MongoDB of yours."""
    return None if settings.mongodb_uri else settings.data_dir / _OWN_KEY


def build_ticket_signer(settings: Settings) -> "TicketSigner | None":
    """Build the signer of tickets; None where there is no key, and so there are no tickets. Raise StartError."""
    from app.tickets.signing import KeyFileError, open_signer  # noqa: PLC0415 - its package is an extra, and takes memory

    key_file, old_keys_file = settings.ticket_key_file, settings.ticket_old_keys_file
    try:
        return open_signer(key_file, old_keys_file, own_ticket_key_file(settings))
    except KeyFileError as error:  # its text begins with the file
        variable = "SEATLINE_TICKET_KEY_FILE" if key_file else "SEATLINE_DATA_DIR"
        if old_keys_file and str(error).startswith(f"{old_keys_file}: "):
            variable = "SEATLINE_TICKET_OLD_KEYS_FILE"
        raise StartError(f"{variable}: {error}") from None
