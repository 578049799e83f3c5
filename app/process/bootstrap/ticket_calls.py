"""Build what the calls of TicketService need.

Belongs here: the use cases, and opening signer and documents at the first call that needs them: their packages are an extra and
take memory. Does not belong here: the documents of workers (`notice_work.py`).
"""

import asyncio

from app.domain.notices.notice import NoticeChannelName
from app.domain.refusals import Reason, Refusal
from app.process.application import Application
from app.process.bootstrap.notices import notice_mail_sender
from app.process.bootstrap.tickets import build_ticket_documents, build_ticket_signer
from app.process.start_error import StartError
from app.usecases.tickets import TicketParts, TicketUseCases


class LazyTicketParts:
    """Opens signer and documents once, in a thread, at the first call."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._lock = asyncio.Lock()
        self._parts: TicketParts | None = None

    async def open(self) -> TicketParts | None:
        """Return the parts; None without a key. Refuses TICKETS_UNAVAILABLE where they cannot be built."""
        async with self._lock:
            if self._parts is None:
                try:
                    self._parts = await asyncio.to_thread(self._build)
                except (ImportError, StartError) as error:
                    raise Refusal(Reason.TICKETS_UNAVAILABLE, "this server cannot make tickets; see its settings") from error
        return self._parts

    def _build(self) -> TicketParts | None:
        settings = self._application.settings
        signer = build_ticket_signer(settings)
        if signer is None:
            return None
        documents = build_ticket_documents(settings, signer)
        self._application.open_resources.push_async_callback(documents.close)
        return TicketParts(documents, signer, notice_mail_sender(settings).address)


def build_ticket_use_cases(application: Application) -> TicketUseCases:
    """Build the use cases around tickets."""
    channels = tuple(NoticeChannelName(name) for name in application.settings.notice_channel_names)
    return TicketUseCases(application.store, application.clock, LazyTicketParts(application).open, channels)
