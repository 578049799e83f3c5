"""Verification of events, jobs, webhooks, deliveries, trains and users.

Belongs here: the way through their collections, and look-ups of what they refer to. Does not belong here: the rules
(`app/domain/audit`).
"""

from collections.abc import Sequence

from app.domain.audit.check import run_rules
from app.domain.audit.events import BOOKING_GROUP, AuditedCommit, AuditedEvent, BookingOutline
from app.domain.audit.jobs import AuditedJob
from app.domain.audit.layout_jobs import AuditedNewLayoutJob
from app.domain.audit.rules import (
    COMMIT_RULES,
    DELIVERY_RULES,
    EVENT_RULES,
    JOB_RULES,
    NEW_LAYOUT_JOB_RULES,
    TRAIN_RULES,
    USER_RULES,
    WEBHOOK_RULES,
)
from app.domain.audit.users import AuditedUser
from app.domain.audit.webhooks import AuditedDelivery, AuditedWebhook
from app.domain.events import Event
from app.domain.jobs import PERIODIC_TASK_PREFIX, Job
from app.domain.timetable import stop_form, stop_forms
from app.domain.train import StoredTrain
from app.domain.webhooks import WEBHOOKS_MAX
from app.store.deliveries import delivery_from
from app.store.derived_fields import differing_fields
from app.store.event_documents import events_from
from app.store.jobs import job_from
from app.store.layout_job_documents import layout_job_from
from app.store.train_documents import TRAIN, train_document, train_from
from app.store.users import user_from
from app.store.webhooks import webhook_from
from app.usecases.verification.report import AuditContext, Document


async def verify_events(audit: AuditContext) -> None:
    """Check the events of each commit: themselves, the bookings that they are about, and whether they are processed."""
    async for documents in audit.pages("events", "time"):
        audit.report.events += len(documents)
        page = audit.report.decode_readable("events", documents, events_from)
        events = [event for _, commit in page for event in commit]
        versions = await audit.records.run_versions(event.run_id for event in events)
        outlines = await audit.records.outlines(event.subject for event in events if event.event_type.group == BOOKING_GROUP)
        for document, commit in page:
            record = AuditedCommit(document["_id"], document["event_count"], commit, versions.get(document["run_id"]))
            audit.report.add(run_rules(COMMIT_RULES, f"events {document['_id']}", record))
            _verify_commit(audit, document, commit, outlines)


def _verify_commit(
    audit: AuditContext, document: Document, commit: Sequence[Event], outlines: dict[str, BookingOutline | None]
) -> None:
    """Check each event of a commit. `outlines` has None for bookings that cannot be read."""
    is_processed = not (document.get("is_new") or document.get("is_unreadable"))
    for event in commit:
        outline = outlines.get(event.subject)
        is_unreadable = outline is None and event.subject in outlines
        record = AuditedEvent(event, outline, is_unreadable, is_processed, audit.before)
        audit.report.add(run_rules(EVENT_RULES, f"event {event.event_id}", record))


async def verify_jobs(audit: AuditContext) -> None:
    """Check each job: its progress, and the event that it follows from."""
    async for documents in audit.pages("jobs", "create_time"):
        audit.report.jobs += len(documents)
        page = audit.report.decode_readable("jobs", documents, job_from)
        events = await audit.records.find_events(event_id for _, job in page if (event_id := _event_id_of(job)))
        for document, job in page:
            record = AuditedJob(job, document["ready_time"], document.get("purge_time"), events.get(_event_id_of(job)))
            audit.report.add(run_rules(JOB_RULES, f"job {job.job_id}", record))


def _event_id_of(job: Job) -> str:
    """Return the id of the event that a job follows from; empty for a periodic task.

    The job of a further page of bookings says it in its payload.
    """
    if isinstance(report := job.payload.get("report"), str):
        return report
    if job.kind.startswith(PERIODIC_TASK_PREFIX) or not job.job_id.startswith(f"{job.kind} "):
        return ""
    return job.job_id.removeprefix(f"{job.kind} ")


async def verify_trains(audit: AuditContext) -> None:
    """Check each train."""
    async for documents in audit.pages("trains"):
        for document, stored in audit.report.decode_readable("trains", documents, train_from):
            audit.report.add(run_rules(TRAIN_RULES, f"train {stored.train.train_id}", stored))
            _verify_new_layout_jobs(audit, document, stored)
            differing = differing_fields(document, train_document(stored), TRAIN, but_for=("stop_forms", "terms"))
            audit.report.add_differing("trains", document["_id"], [*differing, *wrong_stop_forms(document, stored)])


def _verify_new_layout_jobs(audit: AuditContext, document: Document, stored: StoredTrain) -> None:
    """Check the layout jobs that are still in the document of their train."""
    new = document.get("new_layout_jobs", [])
    for _, layout_job in audit.report.decode_readable("layout_jobs", new, layout_job_from):
        record = AuditedNewLayoutJob(layout_job, stored, audit.before)
        audit.report.add(run_rules(NEW_LAYOUT_JOB_RULES, f"layout job {layout_job.layout_job_id}", record))


def wrong_stop_forms(document: Document, stored: StoredTrain) -> list[str]:
    """Compare the stored forms of stop names; an earlier version may have stored other spellings of the same forms."""
    forms = frozenset().union(*map(stop_forms, stored.train.stops))
    return [] if {stop_form(form) for form in document["stop_forms"]} == forms else ["stop_forms"]


async def verify_users(audit: AuditContext) -> None:
    """Check each user."""
    async for documents in audit.pages("users", "create_time"):
        for document, user in audit.report.decode_readable("users", documents, user_from):
            record = AuditedUser(document["_id"], user, document["create_time"], document.get("update_time"))
            audit.report.add(run_rules(USER_RULES, f"user {document['_id']}", record))


async def verify_webhooks(audit: AuditContext) -> None:
    """Check each webhook."""
    async for documents in audit.pages("webhooks"):
        for document, webhook in audit.report.decode_readable("webhooks", documents, webhook_from):
            record = AuditedWebhook(webhook, document.get("slot"), WEBHOOKS_MAX)
            audit.report.add(run_rules(WEBHOOK_RULES, f"webhook {webhook.webhook_id}", record))


async def verify_deliveries(audit: AuditContext) -> None:
    """Check each delivery, its event and its webhook."""
    async for documents in audit.pages("webhook_deliveries", "event_time"):
        page = audit.report.decode_readable("webhook_deliveries", documents, delivery_from)
        events = await audit.records.find_events(delivery.event_id for _, delivery in page)
        webhook_ids = sorted({delivery.receiver_id for _, delivery in page})
        webhooks = await audit.records.find("webhooks", webhook_ids, webhook_from)
        for _, delivery in page:
            record = AuditedDelivery(delivery, events.get(delivery.event_id), webhooks.get(delivery.receiver_id))
            audit.report.add(run_rules(DELIVERY_RULES, f"webhook delivery {delivery.delivery_id}", record))
