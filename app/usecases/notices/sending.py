"""The sender: sends notices that are due, over one channel.

Belongs here: the handler of the jobs that send, and the order of its steps. Does not belong here: what is decided
(`app/domain/notices/sending.py`), what a notice says (`composing.py`), the provider's circuit and rate (`provider_gate.py`).

The steps: begin the notice; read the booking as it is; decide; skip it where newer content was or is being sent; skip the older
notices that this one replaces; look again for newer content; compose; send; record. Each of two notices that replace each other
begins before it looks for the other. So one of them finds the other, and the newer one is sent.

A worker that dies between the provider's acceptance and the record sends the notice again, under the same Message-ID: SMTP
offers nothing better.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.jobs import Job, PermanentJobError, PostponedJob
from app.domain.notices.copies import pdf_cause
from app.domain.notices.notice import Notice, NoticeAttempt, NoticeKind, NoticeState, SkipReason, notice_id
from app.domain.notices.send_jobs import send_job
from app.domain.notices.sending import (
    PDF_RETRY_PAUSE,
    Postpone,
    Send,
    SendingFacts,
    Skip,
    after_acceptance,
    after_failure,
    after_refusal,
    after_skip,
    decide,
    following_expected_times,
)
from app.domain.refusals import Reason, Refusal
from app.ports.clock import Clock
from app.ports.jobs import JobSink
from app.ports.notice_observer import NoticeObserver, NoticeResult
from app.ports.notices import DocumentError, NoticeChannel, NoticeMessage, NoticeOutcome, NoticeOutcomeKind, NoticeStore
from app.telemetry.tracing.work import notice_span, record_notice_outcome
from app.usecases.notices.composing import Composition, NoticeComposer
from app.usecases.notices.provider_gate import ProviderGate
from app.usecases.notices.reading import NoticeReader

_log = logging.getLogger(__name__)

# A batch begins no notice after this time, so that it ends within the job worker's time for a batch (120 s), whose end would
# cancel mails halfway. What is left is due again at once.
BATCH_SECONDS_MAX = 60.0
# Longer than any channel takes by its own time-outs: it ends what hangs in spite of them.
SEND_SECONDS_MAX = 45.0
# A notice that was accepted and is not recorded is sent again. An election of MongoDB takes some ten seconds.
_RECORD_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0)


@dataclass(frozen=True, slots=True)
class SenderParts:
    """What the senders of all channels share. `clock` returns the present moment."""

    reader: NoticeReader
    composer: NoticeComposer
    notices: NoticeStore
    jobs: JobSink
    clock: Clock
    observer: NoticeObserver


class NoticeSender:
    """Sends the notices of one channel. `jitter` returns random numbers in [0, 1], `timer` seconds."""

    def __init__(
        self,
        channel: NoticeChannel,
        parts: SenderParts,
        *,
        jitter: Callable[[], float] = random.random,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._channel, self._reader, self._composer = channel, parts.reader, parts.composer
        self._notices, self._jobs, self._clock, self._observer = parts.notices, parts.jobs, parts.clock, parts.observer
        self._jitter, self._timer = jitter, timer
        self._gate = ProviderGate(channel, parts.clock, jitter, parts.observer, timer)
        self._slots = asyncio.Semaphore(channel.sends_max)

    async def handle(self, jobs: Sequence[Job], /) -> Mapping[str, Exception | None]:
        """Send the notices of these jobs; the handler of the channel's kind of job. A fault of one affects no other."""
        end = self._timer() + BATCH_SECONDS_MAX

        async def handle_one(job: Job) -> Exception | None:
            async with self._slots:
                try:
                    return await self._handle_job(job, end)
                except Exception as error:  # it is this job's outcome
                    if not isinstance(error, Refusal):
                        _log.exception("a notice of the channel %s cannot be sent", self._channel.name.value)
                    return error

        outcomes = await asyncio.gather(*map(handle_one, jobs))
        return {job.job_id: outcome for job, outcome in zip(jobs, outcomes, strict=True)}

    async def _handle_job(self, job: Job, end: float) -> PostponedJob | None:
        found_id = job.payload.get("notice_id")
        if not isinstance(found_id, str):
            raise PermanentJobError("its payload has no notice_id")
        if self._timer() >= end:
            return PostponedJob(self._clock())
        come_again = await self._gate.pass_through(end - self._timer())
        if come_again is not None:
            return PostponedJob(come_again)
        notice = await self._notices.begin(found_id)
        return None if notice is None else await self._handle_notice(notice)

    async def _handle_notice(self, notice: Notice) -> PostponedJob | None:
        """Send, skip or postpone a notice that has begun."""
        facts = await self._reader.read(notice)
        if facts is None:
            return await self._skip(notice, SkipReason.CANCELLED)
        notice = following_expected_times(notice, facts)
        decision = decide(notice, facts, self._clock())
        if isinstance(decision, Skip):
            return await self._skip(notice, decision.reason)
        if isinstance(decision, Postpone):
            await self._notices.record(replace(notice, state=NoticeState.SCHEDULED, due_time=decision.due_time))
            return PostponedJob(decision.due_time)
        if await self._is_superseded(notice, decision):
            return await self._skip(notice, SkipReason.SUPERSEDED)
        return await self._send(notice, facts, decision)

    async def _is_superseded(self, notice: Notice, send: Send) -> bool:
        """Skip the older notices that this one replaces, unless newer content makes this one superfluous, and say so.

        A notice that is superfluous already may skip no others: what was sent may be older than they are. One that looks again
        finds only those that began after its own reading, and so have read at least as much, or content as new as its own.
        """
        if await self._notices.has_newer(notice, notice.revision):
            return True
        for kind in await self._notices.supersede_older(notice, send.content_revision, self._clock()):
            self._observer.notice_handled(self._channel.name, kind, NoticeResult.SKIPPED)
        return await self._notices.has_newer(notice, send.content_revision)

    async def _send(self, notice: Notice, facts: SendingFacts, send: Send) -> PostponedJob | None:
        """Make one attempt, and record it."""
        try:
            composition = await self._composer.compose(notice, facts, send)
        except DocumentError:
            return await self._retry(notice, NoticeOutcome(NoticeOutcomeKind.FAILED, detail="the PDF cannot be made"))
        with notice_span(notice) as span:
            outcome = await self._ask_channel(composition.message)
            record_notice_outcome(span, outcome)
        self._gate.report(outcome)
        if outcome.kind is NoticeOutcomeKind.FAILED:
            return await self._retry(notice, outcome)
        attempt = self._attempt(outcome)
        if outcome.kind is NoticeOutcomeKind.REFUSED:
            return await self._end(after_refusal(notice, attempt), NoticeResult.FAILED)
        return await self._record_acceptance(after_acceptance(notice, attempt, send), composition)

    async def _ask_channel(self, message: NoticeMessage) -> NoticeOutcome:
        try:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                return await self._channel.send(message, self._clock())
        except TimeoutError:
            detail = f"no answer within {SEND_SECONDS_MAX:g} s"
            return NoticeOutcome(NoticeOutcomeKind.FAILED, detail=detail, is_provider_fault=True)

    def _attempt(self, outcome: NoticeOutcome) -> NoticeAttempt:
        return NoticeAttempt(self._clock(), outcome.status, outcome.detail)

    # -- outcomes

    async def _retry(self, notice: Notice, outcome: NoticeOutcome) -> PostponedJob | None:
        """Record a failed attempt; return when the next one is made, None where the notice is given up."""
        failed, next_time = after_failure(notice, self._attempt(outcome), self._jitter(), outcome.retry_after_seconds)
        if next_time is None:
            return await self._end(failed, NoticeResult.FAILED)
        await self._notices.record(failed)
        self._observe(failed, NoticeResult.RETRIED)
        return PostponedJob(next_time)

    async def _skip(self, notice: Notice, reason: SkipReason) -> PostponedJob | None:
        return await self._end(after_skip(notice, reason, self._clock()), NoticeResult.SKIPPED)

    async def _end(self, notice: Notice, result: NoticeResult) -> PostponedJob | None:
        """Record a notice that is not sent. Its job is done."""
        await self._notices.record(notice)
        self._observe(notice, result)
        if result is NoticeResult.FAILED:
            detail = notice.attempts[-1].detail
            _log.warning("notice %s failed after %d attempts: %s", notice.notice_id, notice.attempt_count, detail)
        return None

    async def _record_acceptance(self, sent: Notice, composition: Composition) -> PostponedJob | None:
        """Record a notice that was accepted. Try for some seconds without a database: otherwise it is sent again."""
        for pause_seconds in (*_RECORD_PAUSES_SECONDS, None):
            try:
                if composition.lacks_pdf:
                    await self._let_pdf_follow(sent)
                await self._notices.record(sent)
                break
            except Refusal as refusal:
                if pause_seconds is None or refusal.reason is not Reason.DATABASE_UNAVAILABLE:
                    raise
            await asyncio.sleep(pause_seconds)
        self._observe(sent, NoticeResult.SENT)
        self._observer.notice_sent(self._channel.name, max(0.0, (self._clock() - sent.due_time).total_seconds()))
        return None

    async def _let_pdf_follow(self, sent: Notice) -> None:
        """Make the notice that brings the PDF which this one lacked, and its job. It says no more than that."""
        cause, kind, now = pdf_cause(sent.cause), NoticeKind.TICKET, self._clock()
        following = replace(
            sent,
            kind=kind,
            notice_id=notice_id(kind, sent.reference, sent.addressee, cause, sent.channel),
            cause=cause,
            due_time=now + PDF_RETRY_PAUSE,
            create_time=now,
            state=NoticeState.SCHEDULED,
            attempts=(),
            attempt_count=0,
            content_revision=0,
            told_minutes=None,
            final_time=None,
        )
        await self._notices.insert_if_absent([following])
        await self._jobs.insert_if_absent([send_job(following)])

    def _observe(self, notice: Notice, result: NoticeResult) -> None:
        self._observer.notice_handled(self._channel.name, notice.kind, result)
