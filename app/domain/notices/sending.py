"""What the sender decides about a notice that is due, and what an attempt makes of it.

Belongs here: whether a notice is still true and wanted, whom it is about, when it is tried again, and when it is given up. Does
not belong here: reading and sending (`app/usecases/notices/sending.py`), which notices replace each other (`copies.py`,
`app/store/notices.py`), when a reminder is due (`reminders.py`).

The sender decides about the booking as it is at that moment, not as it was when the notice was made. So the first notice that
is due tells the last state, and those that it makes superfluous are skipped.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from app.domain.booking import Booking, BookingState, Passenger, RefundDue
from app.domain.notices.choices import is_wanted
from app.domain.notices.delays import told_minutes_of
from app.domain.notices.kinds import KIND_POLICIES, BookingNeed
from app.domain.notices.notice import (
    Notice,
    NoticeAttempt,
    NoticeChannelName,
    NoticeKind,
    NoticeState,
    NoticeThread,
    SkipReason,
)
from app.domain.notices.preferences import NotificationPreferences
from app.domain.notices.recipients import Recipient, find_recipient
from app.domain.notices.reminders import REMINDER_JOBS, is_too_late, reminded_moment
from app.domain.passenger import all_passengers
from app.domain.retry import RetrySchedule
from app.domain.run.run_schedule import RunSchedule
from app.domain.values import value

# Greylisting servers accept after five minutes; an outage of a provider lasts hours. After a day the news is stale, and the
# traveller has found it in the app or at the station.
NOTICE_RETRIES = RetrySchedule(
    pauses_seconds=(30.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0),
    jitter_factors=(0.8, 1.2),
    lifetime=timedelta(days=1),
)
# Attempts that a notice keeps: the first, from which its lifetime counts, and the last ones.
ATTEMPTS_KEPT_MAX = 10
# How long after its mail a PDF that could not be made is tried again: the fault may be a full disk or a lack of memory.
PDF_RETRY_PAUSE = timedelta(minutes=5)


@value(frozen=True, slots=True)
class SendingFacts:
    """What the sender reads about a due notice, booking and run as of one moment.

    `run_version` is that of the run as read. `reminder_time` is when a reminder is due by the present expected times; None for
    other notices, and for a train that does not remind any more. `waitlist_position` is 0 unless passengers wait.
    `done_refunds` are those that the provider has made.
    """

    booking: Booking
    schedule: RunSchedule
    run_version: int
    preferences: NotificationPreferences
    reminder_time: datetime | None = None
    waitlist_position: int = 0
    done_refunds: tuple[RefundDue, ...] = ()


@value(frozen=True, slots=True)
class Skip:
    """The notice is not sent."""

    reason: SkipReason


@value(frozen=True, slots=True)
class Postpone:
    """The notice is due later: its train is."""

    due_time: datetime


@value(frozen=True, slots=True)
class Send:
    """The notice is sent to `recipient`. `passengers` are those whom it is about.

    `seated` are those of the recipient who travel on a seat: their tickets are attached where the kind has tickets.
    `withdrawn` are those whose calendar entries are withdrawn. `content_revision` says how new the content is, as `revision` of
    the kind's notices does. `late_minutes` is the delay that travellers hear of.
    """

    recipient: Recipient
    passengers: tuple[Passenger, ...]
    seated: tuple[Passenger, ...]
    withdrawn: tuple[Passenger, ...]
    content_revision: int
    late_minutes: int


Decision = Send | Skip | Postpone


def decide(notice: Notice, facts: SendingFacts, now: datetime) -> Decision:
    """Decide whether a notice that is due is sent, skipped or postponed."""
    recipient = find_recipient(facts.booking, notice.addressee)
    if recipient is None:
        return Skip(SkipReason.CANCELLED)
    reason = _reason_to_skip(notice, recipient, facts, now)
    if reason is not None:
        return Skip(reason)
    if facts.reminder_time is not None and facts.reminder_time > now:
        return Postpone(facts.reminder_time)
    return what_to_send(notice, recipient, facts)


def following_expected_times(notice: Notice, facts: SendingFacts) -> Notice:
    """Return a notice due when its reminder is due by the present expected times, if that is later than it was.

    A train may get later while the reminder waits for a worker or for the provider. The lateness counts from the later time.
    """
    if facts.reminder_time is None or facts.reminder_time <= notice.due_time:
        return notice
    return replace(notice, due_time=facts.reminder_time)


def what_to_send(notice: Notice, recipient: Recipient, facts: SendingFacts) -> Send:
    """Return whom a notice is about, from the booking as it is.

    All passengers of the recipient are, since the first of several notices stands for the others, too.
    """
    policy, booking = KIND_POLICIES[notice.kind], facts.booking
    present, cancelled = _present(recipient, booking), _cancelled(recipient, booking)
    return Send(
        recipient=recipient,
        passengers=(cancelled if policy.withdraws_tickets else present) or (*present, *cancelled),
        seated=tuple(passenger for passenger in present if passenger.seat is not None),
        withdrawn=tuple(passenger for passenger in cancelled if passenger.seat is not None) if policy.withdraws_tickets else (),
        content_revision=_content_revision(policy.thread, facts),
        late_minutes=told_minutes_of(facts.schedule, booking.journey),
    )


def _content_revision(thread: NoticeThread, facts: SendingFacts) -> int:
    """Return how new the content is: the version of the run up to which it is complete; for refunds, their number."""
    return len(facts.done_refunds) if thread is NoticeThread.REFUND else max(facts.booking.revision, facts.run_version)


# -- reasons to skip


def _reason_to_skip(notice: Notice, recipient: Recipient, facts: SendingFacts, now: datetime) -> SkipReason | None:
    if not _is_true(notice, recipient, facts):
        is_gone = facts.booking.state is BookingState.CANCELLED or not _present(recipient, facts.booking)
        return SkipReason.CANCELLED if is_gone or _is_without_train(facts) else SkipReason.SUPERSEDED
    if not _is_still_wanted(notice, facts.preferences):
        return SkipReason.UNSUBSCRIBED
    return SkipReason.LATE if _is_late(notice.kind, facts, now) else None


def _is_true(notice: Notice, recipient: Recipient, facts: SendingFacts) -> bool:
    """Whether the booking still is what the kind needs."""
    need = KIND_POLICIES[notice.kind].needs
    if need is BookingNeed.ANY:
        return True
    if _is_without_train(facts):
        return False
    present = _present(recipient, facts.booking)
    if need is BookingNeed.WAITING:
        return any(passenger.seat is None for passenger in present)
    if need is BookingNeed.SEATED:
        return any(passenger.seat is not None for passenger in present)
    return bool(present)


def _is_without_train(facts: SendingFacts) -> bool:
    """Whether the run's cancellation takes the journey: its booking is cancelled a moment later."""
    return facts.schedule.misses(facts.booking.journey.legs)


def _is_still_wanted(notice: Notice, preferences: NotificationPreferences) -> bool:
    """Whether the recipient has not unsubscribed, or removed the phone, since the notice was made.

    Who wants to hear of a delay was decided then, by what the recipient had been told before.
    """
    if notice.channel is NoticeChannelName.SMS and not preferences.phone:
        return False
    return notice.kind is NoticeKind.DELAYED or is_wanted(notice.kind, preferences)


def _is_late(kind: NoticeKind, facts: SendingFacts, now: datetime) -> bool:
    """Whether the notice would arrive too late to be of use."""
    journey = facts.schedule.expected_journey(facts.booking.journey)
    if kind in REMINDER_JOBS:
        return is_too_late(kind, reminded_moment(kind, journey), now)
    return kind is NoticeKind.DELAYED and now > journey.arrive


# -- passengers


def _present(recipient: Recipient, booking: Booking) -> tuple[Passenger, ...]:
    """Return the recipient's passengers of a live booking; none of any other."""
    return _numbered(booking.passengers, recipient.passenger_numbers) if booking.is_live else ()


def _cancelled(recipient: Recipient, booking: Booking) -> tuple[Passenger, ...]:
    """Return the recipient's passengers who do not travel any more, by number."""
    gone = recipient.cancelled_numbers if booking.is_live else (*recipient.passenger_numbers, *recipient.cancelled_numbers)
    return _numbered(all_passengers(booking), gone)


def _numbered(passengers: Collection[Passenger], numbers: Collection[int]) -> tuple[Passenger, ...]:
    return tuple(sorted((found for found in passengers if found.number in numbers), key=lambda found: found.number))


# -- after an attempt


def after_skip(notice: Notice, reason: SkipReason, now: datetime) -> Notice:
    """Return a notice that is not sent."""
    return replace(notice, state=NoticeState.SKIPPED, skip_reason=reason, final_time=now)


def after_acceptance(notice: Notice, attempt: NoticeAttempt, sent: Send) -> Notice:
    """Return a notice that the channel accepted."""
    told = sent.late_minutes if KIND_POLICIES[notice.kind].thread is NoticeThread.DELAY else notice.told_minutes
    return replace(
        _with_attempt(notice, attempt),
        state=NoticeState.SENT,
        content_revision=sent.content_revision,
        told_minutes=told,
        final_time=attempt.time,
    )


def after_refusal(notice: Notice, attempt: NoticeAttempt) -> Notice:
    """Return a notice that was refused for good."""
    return replace(_with_attempt(notice, attempt), state=NoticeState.FAILED, final_time=attempt.time)


def after_failure(
    notice: Notice, attempt: NoticeAttempt, jitter: float, asked_pause_seconds: float = 0.0
) -> tuple[Notice, datetime | None]:
    """Return a notice whose attempt failed, and when it is tried again; FAILED and None where it is given up.

    `jitter` is a random number in [0, 1]. `asked_pause_seconds` is how long the provider asked to be left alone.
    """
    failed = _with_attempt(notice, attempt)
    next_time = NOTICE_RETRIES.next_attempt_time(
        failed.attempt_count, failed.attempts[0].time, attempt.time, jitter, asked_pause_seconds
    )
    return (failed, next_time) if next_time is not None else (after_refusal(notice, attempt), None)


def _with_attempt(notice: Notice, attempt: NoticeAttempt) -> Notice:
    attempts = (*notice.attempts, attempt)
    if len(attempts) > ATTEMPTS_KEPT_MAX:
        attempts = (attempts[0], *attempts[-(ATTEMPTS_KEPT_MAX - 1) :])
    return replace(notice, attempts=attempts, attempt_count=notice.attempt_count + 1)
