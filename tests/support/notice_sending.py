"""A sender of notices over a store: a channel with a script, words and documents that can fail, and a clock.

Belongs here: these, and the jobs of notices as a worker runs them. Does not belong here: assertions, real channels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.booking import Booking
from app.domain.jobs import Job, PostponedJob
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeChannelName, NoticeKind, notice_id
from app.domain.notices.preferences import Language
from app.domain.notices.reminders import DEFAULT_QUIET_HOURS
from app.domain.notices.send_jobs import send_job
from app.domain.ticket.ticket import Ticket
from app.ports.notice_observer import NoticeResult, NullNoticeObserver
from app.ports.notices import DocumentError, NoticeContent, NoticeMessage, NoticeOutcome, NoticeOutcomeKind, NoticeText
from app.process.clock import utc_now
from app.store.store import Store
from app.tickets.drawn_pdfs import DrawnPdfs
from app.usecases.notices.composing import NoticeComposer
from app.usecases.notices.reading import NoticeReader
from app.usecases.notices.sending import NoticeSender, SenderParts

ACCEPTED = NoticeOutcome(NoticeOutcomeKind.ACCEPTED, 250)
REFUSED = NoticeOutcome(NoticeOutcomeKind.REFUSED, 550, "550 at RCPT TO")
BUSY = NoticeOutcome(NoticeOutcomeKind.FAILED, 450, "450 at RCPT TO")
DOWN = NoticeOutcome(NoticeOutcomeKind.FAILED, 0, "no answer", is_provider_fault=True)
_STEPS_MAX = 10_000  # of a simulated day; more say that jobs are postponed for ever


class FakeChannel:
    """A channel that answers as `answer` says, and remembers what it was sent."""

    def __init__(self, name: NoticeChannelName = NoticeChannelName.EMAIL) -> None:
        self.name, self.sends_max, self.per_second_max = name, 4, 10_000.0
        self.answer: Callable[[NoticeMessage], NoticeOutcome] = lambda message: ACCEPTED
        self.sent: list[NoticeMessage] = []
        self.attempts = self.probes = 0

    async def send(self, message: NoticeMessage, now: datetime) -> NoticeOutcome:
        self.attempts += 1
        outcome = self.answer(message)
        if outcome.kind is NoticeOutcomeKind.ACCEPTED:
            self.sent.append(message)
        return outcome

    async def probe(self) -> bool:
        self.probes += 1
        return self.answer(NoticeMessage("", NoticeKind.TICKET, "", "", NoticeText("", "", "", ""))) is not DOWN

    async def close(self) -> None:
        pass


class FakeWriter:
    """Writes what a test has to see: the kind, the seats, and where the PDF is. `fails` makes the template fail."""

    def __init__(self) -> None:
        self.fails = False

    def write(self, content: NoticeContent) -> NoticeText:
        if self.fails:
            raise DocumentError("a template is broken")
        pdf = "attached" if content.has_pdf else "follows" if content.pdf_follows else "none"
        seats = " ".join(ticket.seat.label for ticket in content.tickets)
        return NoticeText(f"{content.kind.value}: {seats}; pdf {pdf}", "plain", "html", "short")

    def write_facts(self, content: NoticeContent) -> NoticeText:
        return NoticeText(f"facts of {content.kind.value}", "plain", "html", "short")


class FakeDocuments:
    """Makes documents of few bytes. `fails` makes the PDF fail; `pdf_count` counts those that were drawn."""

    def __init__(self) -> None:
        self.fails, self.pdf_count = False, 0

    async def pdf(self, tickets: Sequence[Ticket], language: Language) -> bytes:
        if self.fails:
            raise DocumentError("no memory")
        self.pdf_count += 1
        return b"%PDF"

    async def png(self, ticket: Ticket, language: Language) -> bytes:
        return b"PNG"

    async def calendar(
        self, tickets: Sequence[Ticket], language: Language, *, cancelled: bool, organizer: str, attendee: str = ""
    ) -> bytes:
        return b"ICS"


class RecordingObserver(NullNoticeObserver):
    """Counts how handling notices ended, by kind, and remembers how late each notice was accepted."""

    def __init__(self) -> None:
        self.results: Counter[tuple[NoticeKind, NoticeResult]] = Counter()
        self.late_seconds: list[float] = []

    def notice_handled(self, channel: NoticeChannelName, kind: NoticeKind, result: NoticeResult) -> None:
        self.results[kind, result] += 1

    def notice_sent(self, channel: NoticeChannelName, late_seconds: float) -> None:
        self.late_seconds.append(late_seconds)


class SendingWorld:
    """Senders over a store, and a clock that a test advances."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, utc_now()
        self.writer, self.documents, self.observer = FakeWriter(), FakeDocuments(), RecordingObserver()
        self._due: dict[str, tuple[Job, datetime]] = {}
        drawn = DrawnPdfs(self.documents)
        composer = NoticeComposer(self.writer, drawn, None, NullNoticeObserver(), organizer="tickets@example.com")
        reader = NoticeReader(store, store.preferences, DEFAULT_QUIET_HOURS)
        self.parts = SenderParts(reader, composer, store.notices, self, lambda: self.now, self.observer)
        self._senders: dict[str, NoticeSender] = {}

    def add_channel(self, channel: FakeChannel) -> FakeChannel:
        """Send the notices of the channel's name by this channel."""
        sender = NoticeSender(channel, self.parts, jitter=lambda: 0.5, timer=self._seconds)
        self._senders[f"send {channel.name.value}"] = sender
        return channel

    def _seconds(self) -> float:
        return self.now.timestamp()

    async def insert_if_absent(self, jobs: Sequence[Job]) -> int:
        """Take jobs, as the store does."""
        for job in jobs:
            self._due.setdefault(job.job_id, (job, job.due_time))
        return len(jobs)

    async def schedule(self, *notices: Notice) -> None:
        """Store notices with their jobs."""
        await self.store.notices.insert_if_absent(notices)
        await self.insert_if_absent([send_job(notice) for notice in notices])

    async def work_until(self, end: datetime) -> None:
        """Run all jobs that are due until then, each at its time; the clock shows `end` after that."""
        for _ in range(_STEPS_MAX):
            first = min((due for _, due in self._due.values()), default=end)
            if first >= end:
                break
            self.now = max(self.now, first)
            await self._run([job for job, due in self._due.values() if due <= self.now])
        else:
            raise AssertionError("jobs are postponed for ever")
        self.now = end

    async def work(self, **time: float) -> None:
        """Run what is due within that time."""
        await self.work_until(self.now + timedelta(**time))

    async def _run(self, jobs: Sequence[Job]) -> None:
        for kind in {job.kind for job in jobs}:
            of_kind = [job for job in jobs if job.kind == kind]
            for job_id, outcome in (await self._senders[kind].handle(of_kind)).items():
                if isinstance(outcome, PostponedJob):
                    self._due[job_id] = (self._due[job_id][0], outcome.due_time)
                elif outcome is not None:
                    raise outcome
                else:
                    del self._due[job_id]

    def notice(self, booking: Booking, kind: NoticeKind = NoticeKind.TICKET, **chosen: object) -> Notice:
        """Return a notice to the booker of a booking, due now."""
        cause = str(chosen.pop("cause", "event"))
        channel = NoticeChannelName(str(chosen.pop("channel", NoticeChannelName.EMAIL)))
        made = Notice(
            notice_id=notice_id(kind, booking.reference, WHOLE_BOOKING, cause, channel),
            kind=kind,
            channel=channel,
            reference=booking.reference,
            run_id=booking.journey.run_id,
            addressee=WHOLE_BOOKING,
            passenger_numbers=tuple(passenger.number for passenger in booking.passengers),
            recipient_key=booking.user_key,
            cause=cause,
            revision=booking.revision,
            due_time=self.now,
            create_time=self.now,
        )
        return replace(made, **chosen)  # type: ignore[arg-type]  # fields of a notice, by name
