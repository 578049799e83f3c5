"""A server with a worker, built from its settings, mails the ticket of a booking and keeps it as files."""

from __future__ import annotations

from pathlib import Path

from app.store.in_memory import connect_in_memory
from tests.support.clients import ApiClient
from tests.support.mail_server import LOOPBACK, running_mail_server
from tests.support.server_processes import a_run
from tests.support.world import eventually, running_server, settings_for


def files_below(folder: Path) -> list[str]:
    """Return the names of all files, in order."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_a_booking_becomes_a_mail_with_ticket_and_calendar_and_a_folder_of_files(tmp_path: Path) -> None:
    async with running_mail_server() as mail_server:
        settings = settings_for(
            with_worker=True,
            data_dir=tmp_path,
            notice_channels="email,log",
            notice_sender="tickets@rail.example",
            smtp_host=LOOPBACK,
            smtp_port=mail_server.port,
            smtp_security="none",
        )
        async with running_server(settings, connect_in_memory()) as world:
            booking = await ApiClient(world.channel, "jane").book(await a_run(world.channel, "A4"), "jane")

            async def both_are_done() -> bool:
                return bool(mail_server.mails) and "mail.eml" in files_below(tmp_path / "notices")

            await eventually(both_are_done)
    (mail,) = mail_server.mails
    attached = [f"{booking.reference}-1.ics", f"{booking.reference}.pdf"]
    assert mail.recipient == "jane@example.com"
    assert booking.reference in str(mail.message["Subject"])
    assert sorted(str(part.get_filename()) for part in mail.message.iter_attachments()) == attached
    assert files_below(tmp_path / "notices") == [*attached, "mail.eml", "mail.html"]
    assert mail_server.commands == ["QUIT"]  # the worker that stops closes its connections
