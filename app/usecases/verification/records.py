"""Verification records that stand by themselves: events, jobs, webhooks, deliveries, trains and users.

Belongs here: the way through their collections, and look-ups of what they refer to. Does not: what has to hold of them
(`app/domain/audit/work.py`, `app/domain/audit/runs.py`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from app.domain.audit.runs import check_stored_train, check_user
from app.domain.audit.seats import Check, Finding
from app.domain.audit.work import BookingOutline, check_commit, check_delivery, check_event, check_job, check_webhook
from app.domain.events import Event
from app.domain.jobs import PERIODIC_TASK_PREFIX, Job, JobState
from app.domain.timetable import stop_form, stop_forms
from app.domain.train import StoredTrain
from app.domain.webhooks import WEBHOOKS_MAX
from app.store.deliveries import delivery_from
from app.store.derived_fields import differing_fields
from app.store.event_documents import events_from
from app.store.jobs import job_from
from app.store.train_documents import TRAIN, train_document, train_from
from app.store.users import user_from
from app.store.webhooks import webhook_from
from app.usecases.verification.report import PAGE, AuditContext

Document = Mapping[str, Any]


async def verify_events(audit: AuditContext) -> None:
    """Look at each commit's events: themselves, the bookings that they are about, and whether they are followed up."""
    after, match = "", audit.scope.match("time")
    while documents := await audit.records.list_documents("events", after, PAGE, match):
        audit.report.events += len(documents)
        page = audit.report.readable("events", documents, events_from)
        events = [event for _, commit in page for event in commit]
        versions = await audit.records.run_versions(event.run_id for event in events)
        outlines = await audit.records.outlines(event.subject for event in events if event.event_type.group == "booking")
        readable = {reference: outline for reference, outline in outlines.items() if outline is not None}
        for document, commit in page:
            version = versions.get(document["run_id"])
            audit.report.add(check_commit(document["_id"], document["event_count"], commit, version))
            _verify_followed_up(audit, document, commit)
            _verify_subjects(audit, commit, readable, unreadable=outlines.keys() - readable.keys())
        after = documents[-1]["_id"]
        audit.progress("events", audit.report.events)


def _verify_followed_up(audit: AuditContext, document: Document, commit: Sequence[Event]) -> None:
    before = audit.before
    for event in commit:
        if event.time < before and (document.get("is_new") or document.get("is_unreadable")):
            since = f"{event.time:%Y-%m-%d %H:%M:%S}"
            text = f"{event.event_type} of {event.subject} is not followed up since {since}; is a worker running?"
            audit.report.add([Finding(Check.EVENTS, f"event {event.event_id}", text)])


def _verify_subjects(
    audit: AuditContext, commit: Sequence[Event], bookings: Mapping[str, BookingOutline], *, unreadable: Any
) -> None:
    before = audit.before
    for event in commit:
        if event.subject not in unreadable:
            audit.report.add(check_event(event, bookings, before))


async def verify_jobs(audit: AuditContext) -> None:
    """Look at each job: its progress, and the event that it follows from."""
    after, match = "", audit.scope.match("create_time")
    while documents := await audit.records.list_documents("jobs", after, PAGE, match):
        audit.report.jobs += len(documents)
        page = audit.report.readable("jobs", documents, job_from)
        events = await audit.records.find_events(event_id for _, job in page if (event_id := _event_of(job)))
        for document, job in page:
            event = events.get(_event_of(job))
            audit.report.add(check_job(job, document["ready_time"], document.get("purge_time"), event))
            if job.state is JobState.DEAD:
                text = f"is dead after {job.attempts} attempts: {job.last_error}"
                audit.report.add([Finding(Check.JOBS, f"job {job.job_id}", text, is_warning=True)])
        after = documents[-1]["_id"]
        audit.progress("jobs", audit.report.jobs)


def _event_of(job: Job) -> str:
    """The event that a job follows from, by its name; empty for one that comes round."""
    if job.kind.startswith(PERIODIC_TASK_PREFIX) or not job.job_id.startswith(f"{job.kind} "):
        return ""
    return job.job_id.removeprefix(f"{job.kind} ")


async def verify_others(audit: AuditContext) -> None:
    """Look at trains, users, webhooks and their deliveries."""
    await _verify_trains(audit)
    await _verify_users(audit)
    await _verify_webhooks(audit)
    await _verify_deliveries(audit)


async def _verify_trains(audit: AuditContext) -> None:
    after, done = "", 0
    while documents := await audit.records.list_documents("trains", after, PAGE):
        for document, kept in audit.report.readable("trains", documents, train_from):
            audit.report.add(check_stored_train(kept))
            differing = differing_fields(document, train_document(kept), TRAIN, but_for=("stop_forms", "terms"))
            audit.report.add_differing("trains", document["_id"], [*differing, *_wrong_forms(document, kept)])
        after, done = documents[-1]["_id"], done + len(documents)
        audit.progress("trains", done)


def _wrong_forms(document: Document, kept: StoredTrain) -> list[str]:
    """Stops may be stored in a form by which an earlier version compared them."""
    forms = frozenset().union(*map(stop_forms, kept.train.stops))
    return [] if {stop_form(form) for form in document["stop_forms"]} == forms else ["stop_forms"]


async def _verify_users(audit: AuditContext) -> None:
    after, done = "", 0
    while documents := await audit.records.list_documents("users", after, PAGE, audit.scope.match("create_time")):
        for document, user in audit.report.readable("users", documents, user_from):
            audit.report.add(check_user(document["_id"], user, document["create_time"], document.get("update_time")))
        after, done = documents[-1]["_id"], done + len(documents)
        audit.progress("users", done)


async def _verify_webhooks(audit: AuditContext) -> None:
    documents = await audit.records.list_documents("webhooks", "", WEBHOOKS_MAX * 2)
    for document, webhook in audit.report.readable("webhooks", documents, webhook_from):
        audit.report.add(check_webhook(webhook, document.get("slot"), WEBHOOKS_MAX))
    audit.progress("webhooks", len(documents))


async def _verify_deliveries(audit: AuditContext) -> None:
    after, done, match = "", 0, audit.scope.match("event_time")
    while documents := await audit.records.list_documents("webhook_deliveries", after, PAGE, match):
        page = audit.report.readable("webhook_deliveries", documents, delivery_from)
        events = await audit.records.find_events(delivery.event_id for _, delivery in page)
        webhook_ids = sorted({delivery.receiver_id for _, delivery in page})
        webhooks = await audit.records.find("webhooks", webhook_ids, webhook_from)
        for _, delivery in page:
            found = check_delivery(delivery, events.get(delivery.event_id), webhooks.get(delivery.receiver_id))
            audit.report.add(found)
        after, done = documents[-1]["_id"], done + len(documents)
        audit.progress("webhook_deliveries", done)
