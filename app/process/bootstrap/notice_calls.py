"""Build what a server answers calls about notices from.

Belongs here: the use cases, with the writer and the keys that they open at their first call. Does not belong here: what workers
make and send notices with (`notice_work.py`, `notices.py`). The packages of the writer and the keys are an extra and take
memory, so that they are imported when needed.
"""

from functools import cache
from typing import TYPE_CHECKING

from app.domain.notices.reminders import QuietHours
from app.domain.notices.unsubscribe import UnsubscribeRequest
from app.domain.refusals import Reason, Refusal
from app.ports.notices import NoticeWriter
from app.process.application import Application
from app.process.bootstrap.notices import notice_mail_sender
from app.process.bootstrap.tickets import build_ticket_signer
from app.process.start_error import StartError
from app.usecases.notices.notices import NoticeUseCases
from app.usecases.notices.reading import NoticeReader

if TYPE_CHECKING:
    from app.tickets.signing import TicketSigner


def build_notice_use_cases(application: Application) -> NoticeUseCases:
    """Build the use cases around notices."""
    settings, store = application.settings, application.store
    quiet = QuietHours(settings.notice_quiet_until_hour, settings.notice_quiet_from_hour)

    @cache
    def open_writer() -> NoticeWriter:
        from app.notifications.notice_writer import open_notice_writer  # noqa: PLC0415 - its packages are an extra

        return open_notice_writer(notice_mail_sender(settings))

    @cache
    def open_signer() -> "TicketSigner | None":
        return build_ticket_signer(settings)

    def read_token(token: str) -> UnsubscribeRequest | None:
        try:
            signer = open_signer()
        except (ImportError, StartError) as error:
            raise Refusal(Reason.TICKETS_UNAVAILABLE, "this server cannot read its ticket keys; see its settings") from error
        if signer is None:
            text = "this server has no ticket key; set SEATLINE_TICKET_KEY_FILE"
            raise Refusal(Reason.TICKETS_UNAVAILABLE, text)
        return signer.keys.read_unsubscribe_token(token)

    reader = NoticeReader(store, store.preferences, quiet)
    return NoticeUseCases(store, application.clock, reader, open_writer, read_token)
