"""Rules about notices, notification preferences, and the jobs and events that notices follow from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.domain.audit.check import run_rules
from app.domain.audit.events import AuditedEvent
from app.domain.audit.jobs import AuditedJob
from app.domain.audit.notices import AuditedNotice
from app.domain.audit.notification_preferences import AuditedPreferences
from app.domain.audit.rules import EVENT_RULES, JOB_RULES, NOTICE_RULES, NOTIFICATION_PREFERENCES_RULES
from app.domain.booking import Booking
from app.domain.events import Event, EventType
from app.domain.jobs import Job, JobState
from app.domain.notices.copies import pdf_cause, resend_cause
from app.domain.notices.from_events import NoticeCause, make_notices, notices_for
from app.domain.notices.notice import Notice, NoticeAttempt, NoticeChannelName, NoticeKind, NoticeState, SkipReason, notice_id
from app.domain.notices.preferences import DEFAULT_PREFERENCES, NotificationPreferences
from app.domain.notices.recipients import all_recipients_of
from app.domain.notices.sending import PDF_RETRY_PAUSE
from app.domain.rules.cancel_booking import cancel_booking
from app.domain.rules.create_booking import create_booking
from app.domain.rules.decisions import decide
from app.usecases.notices.writing import notice_jobs
from tests.support.builders import NOW, a_run, an_address, asks_for_seats, asks_to_cancel, sell
from tests.support.delay_reports import asks_to_delay

MINUTE, EMAIL = timedelta(minutes=1), NoticeChannelName.EMAIL
LATER = NOW + timedelta(hours=1)
ATTEMPT = NoticeAttempt(NOW + MINUTE, 250, "accepted")


def sold() -> tuple[Booking, Event, tuple[Notice, ...]]:
    """Return a booking of Ann with Bob, its event, and the tickets to Ann and to Bob."""
    run = a_run("A9")
    booking = create_booking(run, asks_for_seats("ann", "bob"), NOW, {})
    event = next(event for event in run.change_set.events if event.event_type is EventType.BOOKING_CONFIRMED)
    return booking, event, tuple(notices_for(event, booking, {}, [EMAIL], NOW))


BOOKING, EVENT, (TICKET, OTHER) = sold()
SENT = replace(
    TICKET,
    state=NoticeState.SENT,
    attempts=(ATTEMPT,),
    attempt_count=1,
    content_revision=TICKET.revision,
    final_time=ATTEMPT.time,
)
SKIPPED = replace(TICKET, state=NoticeState.SKIPPED, skip_reason=SkipReason.SUPERSEDED, final_time=NOW)


def caused(kind: NoticeKind, cause: str, due: timedelta = timedelta(0), told: int | None = None) -> Notice:
    """Return a notice to the booker with a cause that is no event."""
    said = NoticeCause(kind, cause, BOOKING.revision, NOW + due, told)
    booker = all_recipients_of(BOOKING)[0]
    return make_notices(said, BOOKING, booker, booker.passenger_numbers, DEFAULT_PREFERENCES, [EMAIL], NOW)[0]


DELAYED = caused(NoticeKind.DELAYED, f"delay {NOW.isoformat()}", told=20)
REMINDER = caused(NoticeKind.DEPARTURE_REMINDER, BOOKING.journey.travel_date, 5 * MINUTE)
RESENT = caused(NoticeKind.TICKET, resend_cause("r1"))
PDF = caused(NoticeKind.TICKET, pdf_cause(EVENT.event_id), PDF_RETRY_PAUSE)
PDF_OF_RESENT = caused(NoticeKind.TICKET, pdf_cause(resend_cause("r1")), PDF_RETRY_PAUSE)


def named(notice: Notice) -> Notice:
    """Return a notice with the id that follows from its fields."""
    made = notice_id(notice.kind, notice.reference, notice.addressee, notice.cause, notice.channel)
    return replace(notice, notice_id=made)


def problems(notice: Notice, **chosen: Any) -> list[str]:
    """Return what the rules find in a notice that is audited an hour later, with a pending job."""
    found: dict[str, Any] = {
        "booking": BOOKING,
        "is_booking_unreadable": False,
        "event": EVENT if EVENT.event_id in notice.cause else None,
        "run_version": BOOKING.revision,
        "job_state": None if notice.is_final else JobState.PENDING,
        "before": LATER,
        "now": LATER,
    }
    return [finding.text for finding in run_rules(NOTICE_RULES, "notice", AuditedNotice(notice=notice, **(found | chosen)))]


@pytest.mark.parametrize(
    "notice",
    [TICKET, OTHER, SENT, SKIPPED, DELAYED, REMINDER, RESENT, PDF, PDF_OF_RESENT, replace(TICKET, state=NoticeState.SENDING)],
    ids=lambda notice: f"{notice.kind} {notice.state} {notice.cause}",
)
def test_notices_as_the_service_makes_them_give_no_finding(notice: Notice) -> None:
    assert problems(notice) == []


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (replace(TICKET, notice_id="n1"), "has the id of another"),
        (replace(TICKET, addressee="2"), "has the id of another"),
        (replace(SKIPPED, skip_reason=None), "its reason to be skipped says otherwise"),
        (replace(SENT, skip_reason=SkipReason.LATE), "its reason to be skipped says otherwise"),
        (replace(SKIPPED, skip_reason=SkipReason.SHORT), "reminds of no arrival"),
        (replace(SENT, final_time=None), "its final time says otherwise"),
        (replace(TICKET, final_time=NOW), "its final time says otherwise"),
        (replace(SENT, content_revision=0), "the revision of its content says otherwise"),
        (replace(SENT, content_revision=TICKET.revision - 1), "content"),
        (replace(SENT, content_revision=TICKET.revision + 1), "newer than its run"),
        (replace(SENT, attempts=(), attempt_count=0), "without an attempt"),
        (replace(SENT, final_time=LATER), "became SENT at another time than that of its last attempt"),
        (replace(SENT, attempt_count=2), "counts 2 attempts, and has 1"),
        (replace(SENT, attempts=(replace(ATTEMPT, time=NOW - MINUTE),)), "was tried before it was made"),
        (replace(SKIPPED, final_time=NOW - MINUTE), "became final before it was made"),
        (replace(SKIPPED, final_time=LATER + MINUTE), "in the future"),
        (replace(DELAYED, told_minutes=None), "tells an impossible delay"),
        (replace(TICKET, told_minutes=5), "tells an impossible delay"),
        (replace(TICKET, due_time=NOW + MINUTE), "is due at another time than its event says"),
        (replace(DELAYED, due_time=NOW + MINUTE), "is due at another time than when it was made"),
        (replace(REMINDER, due_time=NOW + timedelta(days=400)), "long after the journey"),
        (replace(TICKET, run_id="es1:2026-01-01"), "is of run es1:2026-01-01"),
        (replace(TICKET, create_time=NOW - MINUTE, due_time=NOW - MINUTE), "is from before booking"),
        (replace(TICKET, passenger_numbers=()), "is about passengers []"),
        (replace(TICKET, passenger_numbers=(1, 3)), "is about passengers [1, 3]"),
        (replace(TICKET, passenger_numbers=(2, 1)), "is about passengers [2, 1]"),
        (replace(OTHER, passenger_numbers=(1,)), "for whom its addressee does not stand"),
        (replace(TICKET, recipient_key=OTHER.recipient_key), "goes to another address"),
        (replace(OTHER, recipient_key=TICKET.recipient_key), "goes to another address"),
        (replace(TICKET, recipient_key="Ann@EXAMPLE.com"), "no address as the service compares it"),
        (named(replace(OTHER, addressee="7")), "goes to passenger 7"),
        (named(replace(TICKET, kind=NoticeKind.WAITLISTED)), "does not follow from booking.confirmed"),
        (replace(TICKET, trace_parent="00-1"), "has another trace"),
        (replace(TICKET, revision=TICKET.revision + 1), "its event is of another one"),
        (named(replace(TICKET, cause="somebody")), "is caused by no event"),
        (named(replace(DELAYED, cause="somebody")), "is caused by no report"),
        (named(replace(REMINDER, cause="2026-01-01")), "reminds of another day"),
        (named(replace(RESENT, kind=NoticeKind.PROMOTED)), "is a copy"),
        (caused(NoticeKind.REFUNDED, "another", MINUTE), "is about a refund that booking"),
    ],
)
def test_a_notice_that_the_service_cannot_have_made_is_found(broken: Notice, text: str) -> None:
    assert any(text in problem for problem in problems(broken)), problems(broken)


def test_a_notice_of_a_missing_booking_is_found_and_one_of_an_unreadable_booking_is_found_there() -> None:
    assert problems(TICKET, booking=None) == [f"is about booking {BOOKING.reference}, which is not stored"]
    assert problems(TICKET, booking=None, is_booking_unreadable=True) == []


def test_a_passenger_may_have_another_address_since_the_notice() -> None:
    changed = replace(BOOKING, revision=BOOKING.revision + 1)
    assert problems(replace(OTHER, recipient_key="former@example.com"), booking=changed, run_version=changed.revision) == []


@pytest.mark.parametrize("state", [NoticeState.SCHEDULED, NoticeState.SENDING])
@pytest.mark.parametrize(("job_state", "why"), [(None, "there is no job"), (JobState.DONE, "DONE"), (JobState.DEAD, "DEAD")])
def test_a_notice_that_is_due_and_that_no_job_sends_is_found(state: NoticeState, job_state: JobState | None, why: str) -> None:
    (problem,) = problems(replace(TICKET, state=state), job_state=job_state)
    assert "nobody sends it" in problem
    assert why in problem
    assert problems(replace(TICKET, state=state), job_state=job_state, before=NOW) == []


@pytest.mark.parametrize(
    ("key", "chosen", "text"),
    [
        (an_address("ann"), {}, ""),
        ("Ann@EXAMPLE.com", {}, "no address as the service compares it"),
        ("ann", {}, "no address as the service compares it"),
        (an_address("ann"), {"version": 0}, "version of somebody who never chose"),
        (an_address("ann"), {"phone": "12"}, "E.164"),
        (an_address("ann"), {"channels": ()}, "at least one channel"),
        (an_address("ann"), {"channels": (NoticeChannelName.SMS,)}, "required for the channel SMS"),
        (an_address("ann"), {"channels": (EMAIL, EMAIL)}, "a channel twice"),
        (an_address("ann"), {"channels": (NoticeChannelName.LOG,)}, "nobody can choose"),
    ],
)
def test_preferences_that_nobody_can_have_stored_are_found(key: str, chosen: Mapping[str, Any], text: str) -> None:
    preferences = NotificationPreferences(**({"version": 1} | dict(chosen)))
    found = run_rules(NOTIFICATION_PREFERENCES_RULES, "p", AuditedPreferences(key, preferences, NOW, LATER))
    assert [text in finding.text for finding in found] == ([True] if text else [])


def test_preferences_of_the_future_are_found() -> None:
    record = AuditedPreferences(an_address("ann"), NotificationPreferences(version=1), LATER + MINUTE, LATER)
    assert [finding.text for finding in run_rules(NOTIFICATION_PREFERENCES_RULES, "p", record)] == ["was changed in the future"]


# -- jobs


def a_delay() -> Event:
    """Return the event of a delay."""
    run = a_run("A9")
    decide(run, asks_to_delay(20), NOW, {})
    return next(event for event in run.change_set.events if event.event_type is EventType.RUN_DELAYED)


DELAY = a_delay()
WRITE, ANNOUNCE = notice_jobs([DELAY], NOW)
NEXT_PAGE = replace(ANNOUNCE, job_id=f"{ANNOUNCE.job_id} 200", payload={**ANNOUNCE.payload, "after": 200})


def job_problems(job: Job, event: Event | None = DELAY) -> list[str]:
    return [finding.text for finding in run_rules(JOB_RULES, "job", AuditedJob(job, job.ready_time, None, event))]


@pytest.mark.parametrize("job", [WRITE, ANNOUNCE, NEXT_PAGE], ids=["write", "announce", "next page"])
def test_jobs_of_a_delay_as_they_are_made_give_no_finding(job: Job) -> None:
    assert job_problems(job) == []


def test_the_jobs_of_a_delay_that_is_read_late_are_not_due_before_they_are_made() -> None:
    assert [problem for job in notice_jobs([DELAY], LATER) for problem in job_problems(job)] == []


@pytest.mark.parametrize(
    ("job", "changes"),
    [
        (WRITE, {"event_id": "another"}),
        (ANNOUNCE, {"report": "another"}),
        (ANNOUNCE, {"run_id": "another"}),
        (ANNOUNCE, {"after": 200}),
        (NEXT_PAGE, {"after": 400}),
        (NEXT_PAGE, {"run_id": "another"}),
        (Job("send email n1", "send email", {"notice_id": "n1"}, NOW, NOW), {"notice_id": "n2"}),
        (Job("remind arrival es9 2", "remind arrival", {"run_id": "es9", "stop": 2}, NOW, NOW), {"stop": 3}),
    ],
)
def test_a_job_of_notices_that_is_about_something_else_is_found(job: Job, changes: Mapping[str, Any]) -> None:
    event = DELAY if job.kind in (WRITE.kind, ANNOUNCE.kind) else None
    assert job_problems(job, event) == []
    assert job_problems(replace(job, payload={**job.payload, **changes}), event) != []


def test_a_delay_is_announced_after_a_delay_only() -> None:
    arrived = replace(DELAY, event_type=EventType.RUN_ARRIVED)
    assert job_problems(ANNOUNCE, arrived) == [f"announces a delay, and its event {DELAY.event_id} is run.arrived"]


# -- events


def event_problems(event: Event, **data: object) -> list[str]:
    changed = replace(event, data={**event.data, **data})  # type: ignore[dict-item]  # whatever was stored
    return [finding.text for finding in run_rules(EVENT_RULES[:1], "event", AuditedEvent(changed, None, False, True, NOW))]


def a_cancellation() -> Event:
    """Return the event by which Bob, number 2, leaves Ann."""
    run = a_run("A9")
    booking = sell(run, asks_for_seats("ann", "bob"))
    run.committed()
    cancel_booking(run, asks_to_cancel(booking, "bob"), NOW)
    return next(iter(run.change_set.events))


@pytest.mark.parametrize("numbers", [[], [0], [2, 2], ["2"], "2", [1], [1, 2]])
def test_passengers_whom_a_cancellation_cannot_have_changed_are_found(numbers: object) -> None:
    event = a_cancellation()
    assert event.data["changed_passenger_numbers"] == [2]
    assert event_problems(event) == []
    assert event_problems(event, changed_passenger_numbers=numbers) != []


def test_a_new_booking_changes_no_passengers() -> None:
    assert event_problems(EVENT) == []
    assert event_problems(EVENT, changed_passenger_numbers=[1]) == ["makes a booking, and names passengers whom it changes"]
