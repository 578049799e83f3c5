"""What the sender decides about a notice that is due, and what an attempt makes of it.

Belongs here: whether a notice is still true and wanted, whom it is about, when it is tried again, and when it is given up. Does
not belong here: reading and sending (`app/usecases/notices/sending.py`), which notices replace each other (`copies.py`,
`app/store/notices.py`), when a reminder is due (`reminders.py`).

The sender decides about the booking as it is at that moment, not as it was when the notice was made. So the first notice that
is due tells the last state, and those that it makes superfluous are skipped.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType

from app.domain.booking import Booking, BookingState, Passenger
from app.domain.notices.kinds import ESSENTIAL_DELAY_MINUTES, KIND_POLICIES, BookingNeed
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeAttempt, NoticeKind, NoticeState, NoticeThread, SkipReason
from app.domain.notices.preferences import NotificationPreferences
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
# A departure reminder that arrives later than this before the departure finds its reader on the way to the train.
DEPARTURE_REMINDER_USEFUL_UNTIL = timedelta(minutes=30)
# How long after its mail a PDF that could not be made is tried again: the fault may be a full disk or a lack of memory.
PDF_RETRY_PAUSE = timedelta(minutes=5)


@value(frozen=True, slots=True)
class SendingFacts:
    """What the sender reads about a due notice, booking and run as of one moment.

    `run_version` is that of the run as read. `reminder_time` is when a reminder is due by the present expected times; None for
    other notices, and for a train that does not remind any more.
    """

    booking: Booking
    schedule: RunSchedule
    run_version: int
    preferences: NotificationPreferences
    reminder_time: datetime | None = None


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
    """The notice is sent. `passengers` are those whom it is about.

    `seated` are those of the recipient who travel on a seat: their tickets are attached where the kind has tickets.
    `withdrawn` are those whose calendar entries are withdrawn. `content_revision` is the version of the run up to which the
    content is complete. `late_minutes` is the delay at the destination.
    """

    passengers: tuple[Passenger, ...]
    seated: tuple[Passenger, ...]
    withdrawn: tuple[Passenger, ...]
    content_revision: int
    late_minutes: int


Decision = Send | Skip | Postpone


def decide(notice: Notice, facts: SendingFacts, now: datetime) -> Decision:
    """Decide whether a notice that is due is sent, skipped or postponed."""
    reason = _reason_to_skip(notice, facts, now)
    if reason is not None:
        return Skip(reason)
    if facts.reminder_time is not None and facts.reminder_time > now:
        return Postpone(facts.reminder_time)
    return what_to_send(notice, facts)


def what_to_send(notice: Notice, facts: SendingFacts) -> Send:
    """Return whom a notice is about, from the booking as it is."""
    policy, booking = KIND_POLICIES[notice.kind], facts.booking
    present, cancelled = _present(notice, booking), _cancelled(notice, booking)
    # A booking is newer than the version that was read with it only where both were not read as of one moment.
    newest = facts.run_version if policy.thread is NoticeThread.DELAY else max(booking.revision, facts.run_version)
    return Send(
        passengers=(cancelled if policy.withdraws_tickets else present) or _all_of(notice, booking),
        seated=tuple(passenger for passenger in present if passenger.seat is not None),
        withdrawn=cancelled if policy.withdraws_tickets else (),
        content_revision=newest,
        late_minutes=facts.schedule.late_minutes(booking.journey),
    )


def can_be_unsubscribed(kind: NoticeKind, late_minutes: int) -> bool:
    """Whether the recipient may end notices such as this one."""
    return not KIND_POLICIES[kind].is_essential or (kind is NoticeKind.DELAYED and late_minutes < ESSENTIAL_DELAY_MINUTES)


# -- reasons to skip


def _reason_to_skip(notice: Notice, facts: SendingFacts, now: datetime) -> SkipReason | None:
    is_wanted = _IS_WANTED.get(notice.kind)
    if not _is_true(notice, facts):
        is_gone = facts.booking.state is BookingState.CANCELLED or not _present(notice, facts.booking)
        return SkipReason.CANCELLED if is_gone or _is_without_train(facts) else SkipReason.SUPERSEDED
    if is_wanted is not None and not is_wanted(facts.preferences):
        return SkipReason.UNSUBSCRIBED
    useful_until = _useful_until(notice.kind, facts)
    return SkipReason.LATE if useful_until is not None and now > useful_until else None


def _is_true(notice: Notice, facts: SendingFacts) -> bool:
    """Whether the booking still is what the kind needs."""
    need = KIND_POLICIES[notice.kind].needs
    if need is BookingNeed.ANY:
        return True
    if not facts.booking.is_live or _is_without_train(facts):
        return False
    present = _present(notice, facts.booking)
    if need is BookingNeed.WAITING:
        return any(passenger.seat is None for passenger in present)
    if need is BookingNeed.SEATED:
        return any(passenger.seat is not None for passenger in present)
    return bool(present)


def _is_without_train(facts: SendingFacts) -> bool:
    """Whether the run's cancellation takes the journey: its booking is cancelled a moment later."""
    return facts.schedule.misses(facts.booking.journey.legs)


def _useful_until(kind: NoticeKind, facts: SendingFacts) -> datetime | None:
    """Return when a notice becomes useless; None for never."""
    thread = KIND_POLICIES[kind].thread
    journey = facts.schedule.expected_journey(facts.booking.journey)
    if thread is NoticeThread.DEPARTURE:
        return journey.depart - DEPARTURE_REMINDER_USEFUL_UNTIL
    return journey.arrive if thread in (NoticeThread.ARRIVAL, NoticeThread.DELAY) else None


# The preferences that a kind follows at the last moment. Who wants to hear of small delays is asked when the notice is made.
_IS_WANTED: Mapping[NoticeKind, Callable[[NotificationPreferences], bool]] = MappingProxyType(
    {
        NoticeKind.DEPARTURE_REMINDER: lambda preferences: preferences.departure_reminders,
        NoticeKind.ARRIVAL_REMINDER: lambda preferences: preferences.arrival_reminders,
    }
)


# -- passengers


def _present(notice: Notice, booking: Booking) -> tuple[Passenger, ...]:
    """Return the recipient's passengers of a live booking."""
    return tuple(passenger for passenger in booking.passengers if _is_for(notice, passenger)) if booking.is_live else ()


def _cancelled(notice: Notice, booking: Booking) -> tuple[Passenger, ...]:
    """Return the recipient's passengers who do not travel any more."""
    gone = booking.cancelled_passengers if booking.is_live else all_passengers(booking)
    return tuple(passenger for passenger in gone if _is_for(notice, passenger))


def _all_of(notice: Notice, booking: Booking) -> tuple[Passenger, ...]:
    return tuple(passenger for passenger in all_passengers(booking) if _is_for(notice, passenger))


def _is_for(notice: Notice, passenger: Passenger) -> bool:
    return notice.addressee == WHOLE_BOOKING or passenger.email_key == notice.recipient_key


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
