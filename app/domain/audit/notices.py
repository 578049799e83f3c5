"""Rules about notices: each against its booking, its event, its job and its own progress.

Belongs here: ids, states, attempts, addressees, causes and due times of notices, and notices that nobody sends any more. Does
not belong here: what the sender decides (`app/domain/notices/sending.py`), the preferences (`notification_preferences.py`).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.domain.booking import Booking
from app.domain.events import Event, EventType, commit_id, commit_of
from app.domain.jobs import JobState
from app.domain.limits import DELAY_MINUTES_MAX
from app.domain.notices.copies import first_cause, is_pdf, is_resend, thread_of
from app.domain.notices.from_events import kind_of
from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import WHOLE_BOOKING, Notice, NoticeKind, NoticeState, NoticeThread, SkipReason, notice_id
from app.domain.notices.recipients import find_recipient
from app.domain.notices.sending import ATTEMPTS_KEPT_MAX, PDF_RETRY_PAUSE
from app.domain.passenger import all_passengers
from app.domain.people import email_key
from app.domain.values import value

# The clocks of two servers differ by less.
_CLOCKS_DIFFER_MAX = timedelta(seconds=1)
_REMINDERS = (NoticeKind.DEPARTURE_REMINDER, NoticeKind.ARRIVAL_REMINDER)
# The kinds that follow from a cancellation after which others stay; the recipient decides which one.
_LEAVING_KINDS = (NoticeKind.PASSENGERS_CANCELLED, NoticeKind.BOOKING_CANCELLED)


@value(frozen=True, slots=True)
class AuditedNotice:
    """A notice with what it is compared with, all read later than the notice.

    `booking` is None if it is missing; `is_booking_unreadable` says that it cannot be read. `event` is the one that caused the
    notice, None where another cause did or it is not stored any more. `run_version` is None where the run is not stored.
    `job_state` is that of the job that sends the notice; it is None where there is no such job, or the notice is final. What
    was due before `before` is late; `now` is the present time.
    """

    notice: Notice
    booking: Booking | None
    is_booking_unreadable: bool
    event: Event | None
    run_version: int | None
    job_state: JobState | None
    before: datetime
    now: datetime


def event_id_of(notice: Notice) -> str:
    """Return the id of the event that caused a notice; empty for a notice with another cause."""
    if is_resend(notice):
        return ""
    cause = first_cause(notice)
    # A PDF that follows any mail is of the kind TICKET. The cause of a delay or a reminder has no commit of the run.
    return cause if commit_of(cause).startswith(f"{notice.run_id}:") else ""


def wrong_notice_id(record: AuditedNotice) -> Iterator[str]:
    """Find an id that does not follow from the fields: another notice may have said the same."""
    notice = record.notice
    if notice.notice_id != notice_id(notice.kind, notice.reference, notice.addressee, notice.cause, notice.channel):
        yield "has the id of another kind, booking, addressee, cause or channel"


def wrong_notice_state(record: AuditedNotice) -> Iterator[str]:
    """Compare the state of a notice with its other fields."""
    notice, state = record.notice, record.notice.state
    if (state is NoticeState.SKIPPED) != (notice.skip_reason is not None):
        yield f"is {state}, and its reason to be skipped says otherwise"
    if notice.is_final != (notice.final_time is not None):
        yield f"is {state}, and its final time says otherwise"
    if notice.skip_reason is SkipReason.SHORT and notice.kind is not NoticeKind.ARRIVAL_REMINDER:
        yield "is skipped for a short journey, and reminds of no arrival"
    if (state is NoticeState.SENT) != (notice.content_revision > 0):
        yield f"is {state}, and the revision of its content says otherwise"
    if state is NoticeState.SENT and notice.content_revision < notice.revision:
        yield "was sent with content that is older than its cause"
    if (notice.kind is NoticeKind.DELAYED) != (notice.told_minutes is not None) or (notice.told_minutes or 0) < 0:
        yield "tells an impossible delay, none although its train is late, or one although it is about something else"


def wrong_notice_attempts(record: AuditedNotice) -> Iterator[str]:
    """Find attempts that contradict the state, their number or the times."""
    notice = record.notice
    times = [attempt.time for attempt in notice.attempts]
    if len(times) != min(notice.attempt_count, ATTEMPTS_KEPT_MAX) or notice.attempt_count < 0:
        yield f"counts {notice.attempt_count} attempts, and has {len(times)}"
    first = notice.create_time - _CLOCKS_DIFFER_MAX
    if times != sorted(times) or (times and times[0] < first):
        yield "was tried before it was made, or its attempts are out of order"
    if notice.state in (NoticeState.SENT, NoticeState.FAILED):
        if not times:
            yield f"is {notice.state} without an attempt"
        elif notice.final_time != times[-1]:
            yield f"became {notice.state} at another time than that of its last attempt"
    if notice.final_time is not None and not first <= notice.final_time <= record.now + _CLOCKS_DIFFER_MAX:
        yield "became final before it was made, or in the future"


def wrong_notice_booking(record: AuditedNotice) -> Iterator[str]:
    """Compare a notice with the booking that it is about."""
    notice, booking = record.notice, record.booking
    if record.is_booking_unreadable:
        return
    if booking is None:
        yield f"is about booking {notice.reference}, which is not stored"
        return
    if notice.run_id != booking.journey.run_id:
        yield f"is of run {notice.run_id}, and booking {notice.reference} of run {booking.journey.run_id}"
    if notice.create_time < booking.create_time - _CLOCKS_DIFFER_MAX:
        yield f"is from before booking {notice.reference} was made"
    known = {passenger.number for passenger in all_passengers(booking)}
    numbers = notice.passenger_numbers
    if not numbers or list(numbers) != sorted(set(numbers)) or not known.issuperset(numbers):
        yield f"is about passengers {list(numbers)}, and booking {notice.reference} has {sorted(known)}"


def wrong_notice_recipient(record: AuditedNotice) -> Iterator[str]:
    """Find an addressee or an address that is not one of the booking."""
    notice, booking = record.notice, record.booking
    if "@" not in notice.recipient_key or email_key(notice.recipient_key) != notice.recipient_key:
        yield "goes to something that is no address as the service compares it"
    if booking is None:
        return
    numbers = {str(passenger.number) for passenger in all_passengers(booking)}
    if notice.addressee != WHOLE_BOOKING and notice.addressee not in numbers:
        yield f"goes to passenger {notice.addressee}, who is not on booking {notice.reference}"
        return
    if notice.addressee != WHOLE_BOOKING and not _is_unchanged_since(booking, notice):
        return  # a passenger may have another address by now
    recipient = find_recipient(booking, notice.addressee)
    if recipient is None or recipient.email_key != notice.recipient_key:
        yield "goes to another address than its addressee has"
    elif not {*recipient.passenger_numbers, *recipient.cancelled_numbers}.issuperset(notice.passenger_numbers):
        yield "is about passengers for whom its addressee does not stand"


def _is_unchanged_since(booking: Booking, notice: Notice) -> bool:
    """Whether the last change of the booking was before the notice, or caused it. The revision of a refund counts refunds."""
    return KIND_POLICIES[notice.kind].thread is not NoticeThread.REFUND and booking.revision <= notice.revision


def wrong_notice_event(record: AuditedNotice) -> Iterator[str]:
    """Compare a notice with the event that caused it."""
    notice, event = record.notice, record.event
    if event is None:
        return
    if (event.subject, event.run_id) != (notice.reference, notice.run_id):
        yield f"is about booking {notice.reference}, and its event {event.event_id} about {event.subject}"
    if notice.trace_parent != event.trace_parent:
        yield "has another trace than its event"
    if notice.create_time < event.time - _CLOCKS_DIFFER_MAX:
        yield f"is from before its event {event.event_id}"
    if is_pdf(notice):
        return
    if notice.kind not in _kinds_of(event):
        yield f"is {notice.kind}, which does not follow from {event.event_type}"
    if notice.due_time != event.time + timedelta(seconds=KIND_POLICIES[notice.kind].gather_seconds):
        yield "is due at another time than its event says"


def _kinds_of(event: Event) -> tuple[NoticeKind | None, ...]:
    """Return the kinds of notices that an event may cause; it depends on the recipient after a cancellation."""
    return (kind_of(event), *_LEAVING_KINDS) if event.event_type is EventType.BOOKING_CANCELLED else (kind_of(event),)


def wrong_notice_cause(record: AuditedNotice) -> Iterator[str]:
    """Find a cause that no notice of the kind has, and a revision that the cause or the run contradicts."""
    notice, booking, thread = record.notice, record.booking, KIND_POLICIES[record.notice.kind].thread
    if event_id_of(notice) and commit_of(event_id_of(notice)) != commit_id(notice.run_id, notice.revision):
        yield f"is of revision {notice.revision}, and its event is of another one"
    if (is_resend(notice) or is_pdf(notice)) and notice.kind is not NoticeKind.TICKET:
        yield f"is a copy, and its kind is {notice.kind}"
    elif thread_of(notice) is NoticeThread.BOOKING and not event_id_of(notice):
        yield "is caused by no event of its run"
    elif thread is NoticeThread.DELAY and not notice.cause.startswith("delay "):
        yield "is caused by no report of a delay"
    elif notice.kind in _REMINDERS and notice.cause != notice.run_id.rpartition(":")[2]:
        yield "reminds of another day than that of its run"
    if thread is not NoticeThread.REFUND:
        newest = record.run_version
        if notice.revision < 1 or (newest is not None and max(notice.revision, notice.content_revision) > newest):
            yield f"is of revision {notice.revision}, or tells one that is newer than its run: {newest}"
    elif booking is not None:
        refund_ids = [refund.refund_id for refund in booking.refunds]
        if notice.cause not in refund_ids or not 1 <= max(notice.revision, notice.content_revision) <= len(refund_ids):
            yield f"is about a refund that booking {notice.reference} does not have"


def wrong_due_time(record: AuditedNotice) -> Iterator[str]:
    """Find a due time that no notice of the cause has. Those of events are compared with the event."""
    notice = record.notice
    if notice.kind in _REMINDERS:
        latest = None if record.booking is None else record.booking.journey.arrive + timedelta(minutes=DELAY_MINUTES_MAX)
        is_early = notice.due_time < notice.create_time - _CLOCKS_DIFFER_MAX
        if is_early or (latest is not None and notice.due_time > max(latest, notice.create_time)):
            yield "reminds before it was made, or long after the journey"
        return
    waited = notice.due_time - notice.create_time
    gathering = timedelta(seconds=KIND_POLICIES[notice.kind].gather_seconds)
    # The PDF of a ticket that was sent again follows later, too.
    brings_pdf = first_cause(notice) != notice.cause
    if event_id_of(notice) and not brings_pdf:
        if waited > gathering + _CLOCKS_DIFFER_MAX:
            yield "is due later than notices of its kind wait"
    elif waited != gathering and not (brings_pdf and waited == PDF_RETRY_PAUSE):
        yield "is due at another time than when it was made and had waited"


def lost_notice(record: AuditedNotice) -> Iterator[str]:
    """Find a notice that is due, and that no job sends."""
    notice = record.notice
    if notice.is_final or record.job_state is JobState.PENDING or max(notice.due_time, notice.create_time) >= record.before:
        return
    job = "there is no job for it" if record.job_state is None else f"its job is {record.job_state}"
    yield f"is {notice.state} and due since {notice.due_time:%Y-%m-%d %H:%M:%S}, and nobody sends it: {job}"
