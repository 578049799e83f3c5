"""Verification of notices and of notification preferences.

Belongs here: the way through both collections, and the records that notices are compared with. Does not belong here: the rules
(`app/domain/audit`), or the jobs by themselves (`records.py`).

A notice is read before its booking, its run and its job. One that is sent in between looks as if its job were done too soon, so
notices without a pending job are read again.
"""

from collections.abc import Sequence

from app.domain.audit.check import run_rules
from app.domain.audit.notices import AuditedNotice, event_id_of
from app.domain.audit.notification_preferences import AuditedPreferences
from app.domain.audit.rules import NOTICE_RULES, NOTIFICATION_PREFERENCES_RULES
from app.domain.jobs import Job, JobState
from app.domain.notices.notice import Notice
from app.domain.notices.send_jobs import send_job
from app.store.derived_fields import differing_fields
from app.store.jobs import job_from
from app.store.notice_documents import NOTICE, notice_document, notice_from
from app.store.notification_preferences import preferences_from
from app.usecases.verification.report import AuditContext


async def verify_notices(audit: AuditContext) -> None:
    """Check each notice: itself, its booking, its event, and whether somebody sends it."""
    async for documents in audit.pages("notices", "create_time"):
        page = audit.report.decode_readable("notices", documents, notice_from)
        for document, notice in page:
            differing = differing_fields(document, notice_document(notice), NOTICE)
            audit.report.add_differing("notices", notice.notice_id, differing)
        await _verify_page(audit, [notice for _, notice in page])


async def _verify_page(audit: AuditContext, page: Sequence[Notice]) -> None:
    bookings = await audit.records.bookings(notice.reference for notice in page)
    events = await audit.records.find_events(event_id for notice in page if (event_id := event_id_of(notice)))
    versions = await audit.records.run_versions(notice.run_id for notice in page)
    jobs = await _find_jobs(audit, page)
    now, before = audit.clock(), audit.before
    for notice in await _as_of_now(audit, page, jobs):
        job = jobs.get(send_job(notice).job_id)
        booking = bookings.get(notice.reference)
        record = AuditedNotice(
            notice=notice,
            booking=booking,
            is_booking_unreadable=booking is None and notice.reference in bookings,
            event=events.get(event_id_of(notice)),
            run_version=versions.get(notice.run_id),
            job_state=None if job is None else job.state,
            before=before,
            now=now,
        )
        audit.report.add(run_rules(NOTICE_RULES, f"notice {notice.notice_id}", record))


async def _find_jobs(audit: AuditContext, page: Sequence[Notice]) -> dict[str, Job]:
    """Find the jobs that send those notices which are not final, by id."""
    return await audit.records.find("jobs", [send_job(notice).job_id for notice in page if not notice.is_final], job_from)


async def _as_of_now(audit: AuditContext, page: Sequence[Notice], jobs: dict[str, Job]) -> list[Notice]:
    """Leave out the notices without a pending job that have become final, or were deleted, since the page was read."""
    pending = {job_id for job_id, job in jobs.items() if job.state is JobState.PENDING}
    suspects = [notice.notice_id for notice in page if not notice.is_final and send_job(notice).job_id not in pending]
    again = await audit.records.find("notices", suspects, notice_from)
    ended = {notice_id for notice_id in suspects if notice_id not in again or again[notice_id].is_final}
    return [notice for notice in page if notice.notice_id not in ended]


async def verify_notification_preferences(audit: AuditContext) -> None:
    """Check the preferences of each person who ever chose."""
    async for documents in audit.pages("notification_preferences", "update_time"):
        for document, preferences in audit.report.decode_readable("notification_preferences", documents, preferences_from):
            record = AuditedPreferences(document["_id"], preferences, document["update_time"], audit.clock())
            subject = f"notification preferences {document['_id']}"
            audit.report.add(run_rules(NOTIFICATION_PREFERENCES_RULES, subject, record))
