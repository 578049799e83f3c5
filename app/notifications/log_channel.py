"""The log channel: notices as files to open, for trials.

Belongs here: writing one notice into the folder, and how many are kept. Does not belong here: the mail (`mail_message.py`).

    <folder>/<kind>-<reference>-<digest>/mail.eml      the mail as it would be sent
                                         mail.html     its page, for a browser
                                         ticket.pdf …  its attachments
"""

import asyncio
import hashlib
import os
import re
import shutil
from collections.abc import Callable
from datetime import datetime
from email import policy
from email.message import EmailMessage
from pathlib import Path

from app.domain.notices.notice import NoticeChannelName
from app.ports.notices import NoticeMessage, NoticeOutcome, NoticeOutcomeKind

# A trial needs the last ones. Each has about 130 kB, so that the folder stays below 40 MB: a pod has 64 MB in /tmp.
NOTICES_KEPT_MAX = 300
# Written by one disk; more at a time would not be faster.
SENDS_MAX = 4
PER_SECOND_MAX = 200.0  # a day's run of 800 passengers in seconds, without holding up the loop
MAIL_NAME, PAGE_NAME = "mail.eml", "mail.html"
_DIGEST_LENGTH = 12
_NAME_LENGTH_MAX = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_SUPERFLUOUS_CHECKED = 50  # notices written between two looks at how many there are


class LogChannel:
    """Writes each notice into a folder of its own in `folder`. `build_mail` makes the mail of a message."""

    name = NoticeChannelName.LOG
    sends_max = SENDS_MAX
    per_second_max = PER_SECOND_MAX

    def __init__(
        self, folder: Path, build_mail: Callable[[NoticeMessage, datetime], EmailMessage], *, kept_max: int = NOTICES_KEPT_MAX
    ) -> None:
        self._folder, self._build_mail, self._kept_max = folder, build_mail, kept_max
        self._written = 0

    async def send(self, message: NoticeMessage, now: datetime) -> NoticeOutcome:
        """Write a notice. The same notice is written to the same place again."""
        try:
            await asyncio.to_thread(self._write, message, now)
        except OSError as error:
            detail = f"cannot write: {os.strerror(error.errno) if error.errno else type(error).__name__}"
            return NoticeOutcome(NoticeOutcomeKind.FAILED, detail=detail, is_provider_fault=True)
        return NoticeOutcome(NoticeOutcomeKind.ACCEPTED)

    async def probe(self) -> bool:
        """Whether the folder can be written to."""
        try:
            await asyncio.to_thread(_make_folder, self._folder)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _write(self, message: NoticeMessage, now: datetime) -> None:
        mail = self._build_mail(message, now)
        folder = self._folder / notice_folder_name(message.notice_id)
        _make_folder(self._folder)
        _make_folder(folder)
        for attachment in message.attachments:
            _replace_file(folder / _file_name(attachment.filename), attachment.content)
        _replace_file(folder / PAGE_NAME, message.text.html.encode())
        # The mail is last: where it is, the notice is complete.
        _replace_file(folder / MAIL_NAME, mail.as_bytes(policy=policy.SMTPUTF8))
        self._written += 1
        if self._written % _SUPERFLUOUS_CHECKED == 1:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        folders = sorted((entry for entry in self._folder.iterdir() if entry.is_dir()), key=lambda entry: entry.stat().st_mtime)
        for folder in folders[: max(len(folders) - self._kept_max, 0)]:
            shutil.rmtree(folder, ignore_errors=True)


def notice_folder_name(notice_id: str) -> str:
    """Return the name of a notice's folder: readable, valid everywhere, and different for different notices."""
    kind, _, rest = notice_id.partition(" ")
    reference = rest.partition(" ")[0]
    digest = hashlib.sha256(notice_id.encode()).hexdigest()[:_DIGEST_LENGTH]
    readable = _UNSAFE.sub("_", f"{kind.lower()}-{reference}").lstrip(".")[:_NAME_LENGTH_MAX]
    return f"{readable}-{digest}"


def _file_name(name: str) -> str:
    return _UNSAFE.sub("_", name).lstrip(".")[:_NAME_LENGTH_MAX] or "attachment"


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # the mails name people


def _replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees all of it or the one before."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    partial.replace(path)
