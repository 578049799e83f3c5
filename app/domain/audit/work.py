"""What holds of each event, job, webhook and delivery by itself, and of one against the others.

Belongs here: events against bookings, jobs and deliveries against events. Does not: bookings against events
(`bookings.py`).
"""

import base64
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from app.domain.audit.seats import Check, Finding
from app.domain.booking import BookingState
from app.domain.deliveries import Delivery, DeliveryState, OutcomeKind
from app.domain.events import Event, EventType, commit_id, version_of
from app.domain.jobs import PERIODIC_TASK_PREFIX, Job, JobState
from app.domain.refusals import InvalidField
from app.domain.values import value
from app.domain.webhooks import PREVIOUS_SECRET_LIFETIME, Webhook, check_event_types, check_url, make_webhook

_TRACE_PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_PREFIX_OF_SECRETS = "whsec_"
# An unreadable job is put off by a minute (`app/store/jobs.py`).
_PUT_OFF_MAX = timedelta(minutes=1)
_BOOKING_GROUP, _HOLD_GROUP = "booking", "hold"
_CONFIRMED, _WAITLISTED = BookingState.CONFIRMED.value, BookingState.WAITLISTED.value
_CANCELLED, _EXPIRED = BookingState.CANCELLED.value, BookingState.EXPIRED.value
_LIVE = (_CONFIRMED, _WAITLISTED)
# In which state a booking may be after an event of each type; a group is cancelled in parts.
_STATES = {
    EventType.BOOKING_CONFIRMED: (_CONFIRMED,),
    EventType.BOOKING_WAITLISTED: (_WAITLISTED,),
    EventType.BOOKING_PROMOTED: (_CONFIRMED,),
    EventType.BOOKING_CHANGED: (_CONFIRMED, _WAITLISTED, _CANCELLED, _EXPIRED),
    EventType.BOOKING_CANCELLED: (_CANCELLED, _CONFIRMED, _WAITLISTED),
    EventType.BOOKING_EXPIRED: (_EXPIRED,),
}
_FIRST = (EventType.BOOKING_CONFIRMED, EventType.BOOKING_WAITLISTED)


@value(frozen=True, slots=True)
class BookingOutline:
    """Of a booking, what its events say as well."""

    run_id: str
    payment_id: str
    currency: str
    create_time: datetime
    update_time: datetime


# -- events


def check_commit(commit_name: str, is_counted: int, events: list[Event], run_version: int | None) -> list[Finding]:
    """What is wrong with the events of one commit as such. `run_version` is None where there is no such run."""
    subject = f"events {commit_name}"
    first = events[0] if events else None
    texts: list[str] = []
    if first is None or is_counted != len(events):
        texts.append(f"counts {is_counted} events, and has {len(events)}")
    if first is not None:
        version = version_of(first.sequence)
        if commit_name != commit_id(first.run_id, version):
            texts.append(f"says that it is of version {version} of run {first.run_id}")
        if run_version is None:
            texts.append(f"is of run {first.run_id}, which is not there")
        elif version > run_version or version < 2:
            texts.append(f"is of version {version}, and the run's last is {run_version}")
    if any(event.trace_parent and not _TRACE_PARENT.fullmatch(event.trace_parent) for event in events):
        texts.append("has a malformed trace context")
    return [Finding(Check.HISTORY, subject, text) for text in texts]


def check_event(event: Event, bookings: Mapping[str, BookingOutline], before: datetime) -> list[Finding]:
    """Where an event contradicts the booking that it is about. Bookings were read after the events."""
    texts = [*_wrong_data(event)]
    booking = bookings.get(event.subject)
    if event.event_type.group == _BOOKING_GROUP and booking is None and event.time < before:
        texts.append(f"is about booking {event.subject}, which is not there")
    if event.event_type.group == _BOOKING_GROUP and booking is not None:
        texts += _contradictions(event, booking)
    return [Finding(Check.HISTORY, f"event {event.event_id}", text) for text in texts]


def _wrong_data(event: Event) -> Iterator[str]:
    """What an event says that no event of its type says."""
    data, seats = event.data, event.data.get("seats")
    if not isinstance(seats, list) or not all(isinstance(seat, str) for seat in seats):
        yield "says no seats"
        return
    if event.event_type.group == _HOLD_GROUP:
        if data.get("hold_id") != event.subject or not seats or not _is_time(data.get("expire_time")):
            yield "says another hold, no seats or no end of it"
    elif event.event_type.group == _BOOKING_GROUP:
        counts = [data.get(name) for name in ("passenger_count", "price_minor", "refunded_minor")]
        if (
            any(not isinstance(count, int) or count < 0 for count in counts)
            or data.get("state") not in _STATES[event.event_type]
        ):
            yield "says a state, a price or a number of passengers that cannot be"
        numbers = data.get("passenger_numbers", [])
        if not isinstance(numbers, list) or not all(type(number) is int and number > 0 for number in numbers):
            yield "says numbers of passengers that are none"
        wanted = 0 if data.get("state") == _WAITLISTED else data.get("passenger_count")
        if data.get("state") in _LIVE and len(seats) != wanted:
            yield f"says {len(seats)} seats of {wanted}"


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _contradictions(event: Event, booking: BookingOutline) -> Iterator[str]:
    if event.run_id != booking.run_id:
        yield f"is of run {event.run_id}, and booking {event.subject} of run {booking.run_id}"
    if event.data.get("payment_id") != booking.payment_id or event.data.get("currency") != booking.currency:
        yield f"says another payment or currency than booking {event.subject}"
    if event.event_type in _FIRST and event.time != booking.create_time:
        yield f"says that booking {event.subject} was made at another time than the booking does"
    if not booking.create_time <= event.time <= booking.update_time:
        yield f"is from before booking {event.subject} was made, or after its last change"


# -- jobs


def check_job(job: Job, ready_time: datetime, purge_time: datetime | None, event: Event | None) -> list[Finding]:
    """What is wrong with a job as such, and against the event that it follows from, where that is kept."""
    subject = f"job {job.job_id}"
    texts = [*_wrong_progress(job, ready_time, purge_time)]
    if job.kind.startswith(PERIODIC_TASK_PREFIX):
        if job.job_id != job.kind or job.payload or job.state is not JobState.PENDING:
            texts.append("comes round for ever, and has another name, a payload or an end")
    elif event is not None and job.payload.get("reference") != event.subject:
        texts.append(f"is about booking {job.payload.get('reference')}, and its event about {event.subject}")
    trace_parent = job.payload.get("trace_parent", "")
    if trace_parent and (event is not None and trace_parent != event.trace_parent):
        texts.append("goes on with another trace than its event")
    return [Finding(Check.JOB_FIELDS, subject, text) for text in texts]


def _wrong_progress(job: Job, ready_time: datetime, purge_time: datetime | None) -> Iterator[str]:
    is_done = job.state is JobState.DONE
    if is_done != (job.done_time is not None) or is_done != (purge_time is not None):
        yield f"is {job.state}, and says the opposite of when it was done or may be deleted"
    if job.done_time is not None and (job.done_time < job.create_time or (purge_time or job.done_time) < job.done_time):
        yield "was done before it was made, or deleted before it was done"
    if bool(job.lease_owner) != (job.lease_until is not None) or (job.lease_owner and job.state is not JobState.PENDING):
        yield "is held by nobody until some time, by somebody for ever, or although it is over"
    if job.state is JobState.PENDING and not timedelta() <= ready_time - job.ready_time <= _PUT_OFF_MAX:
        yield "may be taken at another time than it is due or given back"
    if job.state is not JobState.PENDING and ready_time < job.create_time:
        yield "was ready before it was made"
    if job.attempts < 0 or (is_done and (job.last_error or not job.attempts)):
        yield "is done without an attempt or with an error, or was tried less than never"
    if job.state is JobState.DEAD and not job.last_error:
        yield "is dead, and does not say why"
    if job.due_time < job.create_time:
        yield "was due before it was made"


# -- webhooks


def check_webhook(webhook: Webhook, slot: object, slots_max: int) -> list[Finding]:
    """What the service would not have stored of a webhook."""
    texts: list[str] = []
    try:
        check_url(webhook.url, "url")
        check_event_types(webhook.event_types, "event_types")
    except InvalidField as refusal:
        texts.append(refusal.message)
    if not _is_secret(webhook.secret) or (webhook.previous_secret and not _is_secret(webhook.previous_secret)):
        texts.append("has a malformed secret")
    if bool(webhook.previous_secret) != (webhook.previous_secret_expire_time is not None):
        texts.append("has an earlier secret without an end, or an end without one")
    end = webhook.previous_secret_expire_time
    if end is not None and not webhook.create_time < end <= webhook.update_time + PREVIOUS_SECRET_LIFETIME:
        texts.append("has an earlier secret for longer than a day")
    if webhook.version < 1 or webhook.update_time < webhook.create_time:
        texts.append("has an invalid version, or was changed before it was made")
    if webhook.version == 1 and not _is_as_made(webhook):
        texts.append("was never changed, and is not as it was made")
    if webhook.version > 1 and webhook.update_time == webhook.create_time:
        texts.append("was changed at the time at which it was made")
    if not isinstance(slot, int) or not 0 <= slot < slots_max:
        texts.append(f"has a slot outside 0 to {slots_max - 1}")
    return [Finding(Check.SHAPE, f"webhook {webhook.webhook_id}", text) for text in texts]


def _is_as_made(webhook: Webhook) -> bool:
    made = make_webhook(webhook.webhook_id, webhook.url, webhook.event_types, webhook.secret, webhook.create_time)
    return made == webhook


def _is_secret(secret: str) -> bool:
    try:
        return secret.startswith(_PREFIX_OF_SECRETS) and bool(
            base64.b64decode(secret.removeprefix(_PREFIX_OF_SECRETS), validate=True)
        )
    except ValueError:
        return False


def check_delivery(delivery: Delivery, event: Event | None, webhook: Webhook | None) -> list[Finding]:
    """What is wrong with a delivery as such, and against its event and webhook, where these are kept."""
    texts = [*_wrong_attempts(delivery)]
    if delivery.delivery_id != f"{delivery.event_id}:{delivery.receiver_id}":
        texts.append("is named after another event or webhook")
    if event is not None and (event.event_type.value, event.time) != (delivery.event_type, delivery.event_time):
        texts.append("says another type or time than its event")
    if webhook is not None and delivery.event_time < webhook.create_time:
        texts.append("tells a webhook of what happened before it was made")
    return [Finding(Check.DELIVERIES, f"webhook delivery {delivery.delivery_id}", text) for text in texts]


def _wrong_attempts(delivery: Delivery) -> Iterator[str]:
    is_pending = delivery.state is DeliveryState.PENDING
    if is_pending != (delivery.next_attempt_time is not None):
        yield f"is {delivery.state}, and is or is not to be tried again"
    outcomes = [attempt.outcome for attempt in delivery.attempts]
    if any(outcome is not OutcomeKind.FAILED for outcome in outcomes[:-1]):
        yield "was tried again after an attempt that was the last one"
    last = outcomes[-1] if outcomes else None
    if (delivery.state is DeliveryState.DELIVERED) != (last is OutcomeKind.DELIVERED):
        yield f"is {delivery.state}, and its last attempt says {last}"
    if (is_pending and last is OutcomeKind.GONE) or (delivery.state is DeliveryState.FAILED and last is None):
        yield f"is {delivery.state}, and its last attempt says {last}"
    times = [delivery.event_time, *(attempt.time for attempt in delivery.attempts)]
    if times != sorted(times):
        yield "was tried before its event, or its attempts are out of order"
    if delivery.next_attempt_time is not None and delivery.next_attempt_time < times[-1]:
        yield "is to be tried before its last attempt"
    for attempt in delivery.attempts:
        is_success = 200 <= attempt.status < 300
        if not 0 <= attempt.status < 600 or (is_success != (attempt.outcome is OutcomeKind.DELIVERED)):
            yield f"says {attempt.outcome} of an answer with status {attempt.status}"
