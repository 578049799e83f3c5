"""Storing notices with the jobs that send them.

Belongs here: the order of both. Does not belong here: which notices there are (`writing.py`, `delay_announcements.py`,
`reminders.py`).
"""

from collections.abc import Sequence

from app.domain.notices.notice import Notice, NoticeState
from app.domain.notices.send_jobs import send_job
from app.store.store import Store


async def schedule_notices(store: Store, notices: Sequence[Notice]) -> None:
    """Store notices, and insert the jobs that send those which are SCHEDULED. Refuses DATABASE_UNAVAILABLE.

    A job whose notice were not stored yet would find nothing to send, so the notices come first. Who dies in between is
    followed by another call with the same notices: all ids follow from what caused them.
    """
    if notices:
        await store.notices.insert_if_absent(notices)
        await store.jobs.insert_if_absent([send_job(notice) for notice in notices if notice.state is NoticeState.SCHEDULED])
