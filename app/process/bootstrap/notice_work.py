"""Build the background work of notices.

Belongs here: everything between an event and the channels that send its notices. Does not belong here: the channels
(`notices.py`), nor the work of a process without notices (`work.py`).

Without a channel nothing of this is built: no jobs, no notices, and no library of the extra seatline[mail] is imported.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.domain.events import Event
from app.domain.jobs import Job
from app.domain.notices.notice import NoticeChannelName
from app.domain.notices.reminders import QuietHours
from app.domain.notices.send_jobs import SEND_KINDS
from app.jobs.handlers import JobHandler
from app.ports.closable import Closable
from app.ports.notice_observer import NoticeObserver, NullNoticeObserver
from app.ports.notices import NoticeChannel, TicketDocuments
from app.process.application import Application
from app.process.bootstrap.notices import build_notice_channels, notice_mail_sender
from app.process.bootstrap.tickets import build_ticket_documents, build_ticket_signer
from app.tickets.drawn_pdfs import DrawnPdfs
from app.usecases.notices.composing import NoticeComposer
from app.usecases.notices.delay_announcements import DelayAnnouncements
from app.usecases.notices.reading import NoticeReader
from app.usecases.notices.refund_notices import RefundNotices
from app.usecases.notices.reminders import Reminders
from app.usecases.notices.sending import NoticeSender, SenderParts
from app.usecases.notices.writing import ANNOUNCE_DELAY, WRITE_NOTICES, NoticeWriting, notice_jobs
from app.usecases.payment_jobs import AfterRefunds


@dataclass(frozen=True, slots=True)
class NoticeParts:
    """What notices add to the work of a process.

    `make_jobs` makes the jobs of events. `after_refunds` is called when refunds may have been returned. `closables` are closed
    in this order once the work has stopped.
    """

    make_jobs: Callable[[Sequence[Event], datetime], list[Job]]
    handlers: Mapping[str, JobHandler]
    after_refunds: AfterRefunds
    closables: tuple[Closable, ...]


def build_notice_parts(application: Application) -> NoticeParts | None:
    """Build the work of notices; None where the settings name no channel. Raise StartError."""
    channels = build_notice_channels(application)
    if not channels:
        return None
    settings, store, clock = application.settings, application.store, application.clock
    enabled = tuple(channel.name for channel in channels)
    quiet = QuietHours(settings.notice_quiet_until_hour, settings.notice_quiet_from_hour)
    reminders = Reminders(store, clock, enabled, quiet)
    senders, closables = _build_senders(application, channels, quiet)
    handlers = {
        WRITE_NOTICES: NoticeWriting(store, enabled, reminders, clock).handle,
        ANNOUNCE_DELAY: DelayAnnouncements(store, enabled, reminders, clock).handler(),
        **reminders.handlers(),
        **senders,
    }
    return NoticeParts(notice_jobs, handlers, RefundNotices(store, enabled, clock).after_settlement, closables)


def _build_senders(
    application: Application, channels: Sequence[NoticeChannel], quiet: QuietHours
) -> tuple[dict[str, JobHandler], tuple[Closable, ...]]:
    """Build the handlers of the jobs that send, by kind of job, and what is closed after them."""
    from app.notifications.notice_writer import open_notice_writer  # noqa: PLC0415 - its packages are an extra

    settings, store, clock = application.settings, application.store, application.clock
    signer = build_ticket_signer(settings)
    documents = None if signer is None else build_ticket_documents(settings, signer)
    sender, observer = notice_mail_sender(settings), _build_observer(application, channels)
    sign = None if signer is None else signer.unsubscribe_token
    shared = _drawn_once(documents, channels)
    composer = NoticeComposer(open_notice_writer(sender), shared, sign, observer, organizer=sender.address)
    parts = SenderParts(
        reader=NoticeReader(store, store.preferences, quiet),
        composer=composer,
        notices=store.notices,
        jobs=store.jobs,
        clock=clock,
        observer=observer,
    )
    handlers: dict[str, JobHandler] = {SEND_KINDS[channel.name]: NoticeSender(channel, parts).handle for channel in channels}
    return handlers, (*channels, *(() if documents is None else (documents,)))


def _drawn_once(documents: TicketDocuments | None, channels: Sequence[NoticeChannel]) -> TicketDocuments | None:
    """Let channels that send the same PDFs share them. One channel alone sends few twice; SMS have none."""
    with_pdf = [channel for channel in channels if channel.name is not NoticeChannelName.SMS]
    return DrawnPdfs(documents) if documents is not None and len(with_pdf) > 1 else documents


def _build_observer(application: Application, channels: Sequence[NoticeChannel]) -> NoticeObserver:
    if application.metrics is None:
        return NullNoticeObserver()
    return application.metrics.observe_notices([channel.name for channel in channels])
