"""The job that sends a notice.

Belongs here: its kind and its id. Does not belong here: what it does (`app/usecases/notices/sending.py`).

Each channel has a kind of its own, since each kind has its own slots in a worker: so a slow channel stops no other.
"""

from collections.abc import Mapping
from types import MappingProxyType

from app.domain.jobs import Job
from app.domain.notices.notice import Notice, NoticeChannelName

SEND_KINDS: Mapping[NoticeChannelName, str] = MappingProxyType(
    {channel: f"send {channel.value}" for channel in NoticeChannelName}
)


def send_job(notice: Notice) -> Job:
    """Return the job that sends a notice, due when the notice is. Its payload has `notice_id`."""
    kind = SEND_KINDS[notice.channel]
    payload = {"notice_id": notice.notice_id}
    due_time = max(notice.due_time, notice.create_time)  # a notice at once is due when its event happened
    return Job(f"{kind} {notice.notice_id}", kind, payload, due_time, notice.create_time)
