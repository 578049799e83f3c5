"""The log channel keeps each notice as files to open, each once, and the newest ones only."""

from __future__ import annotations

import os
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from app.notifications.log_channel import MAIL_NAME, PAGE_NAME, LogChannel, notice_folder_name
from app.ports.notices import Attachment, NoticeOutcomeKind
from tests.support.notice_messages import KIM, NOW, a_message, plain_mail

TICKET = Attachment("ticket.pdf", "application/pdf", b"%PDF-1.7 a ticket")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_notice_is_a_folder_with_the_mail_its_page_and_its_attachments(tmp_path: Path) -> None:
    message = a_message(attachments=(TICKET,))
    assert (await LogChannel(tmp_path / "notices", plain_mail).send(message, NOW)).kind is NoticeOutcomeKind.ACCEPTED
    (folder,) = (tmp_path / "notices").iterdir()
    assert folder.name.startswith("ticket-ABC123-")
    assert sorted(file.name for file in folder.iterdir()) == [MAIL_NAME, PAGE_NAME, "ticket.pdf"]
    mail = message_from_bytes((folder / MAIL_NAME).read_bytes(), policy=policy.default)
    assert (mail["To"], mail["Subject"]) == (KIM, message.text.subject)
    assert (folder / PAGE_NAME).read_text() == message.text.html
    assert (folder / "ticket.pdf").read_bytes() == TICKET.content


async def test_the_same_notice_is_kept_once(tmp_path: Path) -> None:
    channel = LogChannel(tmp_path, plain_mail)
    for message in (a_message(), a_message(), a_message("TICKET ABC123 1 event-1 email")):
        await channel.send(message, NOW)
    assert len(names_in(tmp_path)) == 2


async def test_only_the_owner_may_read_notices(tmp_path: Path) -> None:
    await LogChannel(tmp_path / "notices", plain_mail).send(a_message(attachments=(TICKET,)), NOW)
    paths = [tmp_path / "notices", *(tmp_path / "notices").rglob("*")]
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


async def test_the_newest_notices_are_kept(tmp_path: Path) -> None:
    channel = LogChannel(tmp_path, plain_mail, kept_max=3)
    for number in range(60):
        message = a_message(f"TICKET R{number} - event email")
        await channel.send(message, NOW)
        os.utime(tmp_path / notice_folder_name(message.notice_id), (number, number))
    kept = sorted(int(name.split("-")[1].removeprefix("R")) for name in names_in(tmp_path))
    assert kept[-3:] == [57, 58, 59]
    assert len(kept) < 20


@pytest.mark.parametrize("name", ["../../outside.pdf", "/etc/outside.pdf", "..", ".hidden", "a\x00b.pdf"])
async def test_names_of_attachments_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "notices"
    attachment = Attachment(name, "application/pdf", b"%PDF")
    outcome = await LogChannel(folder, plain_mail).send(a_message(attachments=(attachment,)), NOW)
    assert outcome.kind is NoticeOutcomeKind.ACCEPTED
    assert names_in(tmp_path) == ["notices"]
    (notice,) = names_in(folder)
    assert len(names_in(folder / notice)) == 3


async def test_a_folder_that_cannot_be_made_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "notices").write_text("a file")
    channel = LogChannel(tmp_path / "notices", plain_mail)
    outcome = await channel.send(a_message(), NOW)
    assert (outcome.kind, outcome.is_provider_fault) == (NoticeOutcomeKind.FAILED, True)
    assert outcome.detail == "cannot write: File exists"
    assert not await channel.probe()


@pytest.mark.parametrize("notice_id", ["TICKET ../.. - e log", "TICKET " + "R" * 300 + " - e log", "é", ""])
def test_every_id_is_a_usable_name(notice_id: str) -> None:
    name = notice_folder_name(notice_id)
    assert "/" not in name
    assert not name.startswith(".")
    assert len(name) < 120
