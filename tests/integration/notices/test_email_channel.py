"""Mails reach a real SMTP server once, and each fault of it is the outcome that the retries need."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage
from functools import partial
from typing import Any

import pytest
import trustme

from app.notifications.email_channel import BuildMail, EmailChannel
from app.notifications.mail_message import MailSender, build_mail
from app.notifications.smtp_pool import SmtpPool, SmtpSecurity, SmtpServer
from app.ports.notices import Attachment, NoticeMessage, NoticeOutcome, NoticeOutcomeKind, NoticeText
from tests.support.mail_server import (
    CLOSES_AFTER_ACCEPTING,
    CLOSES_BEFORE_ACCEPTING,
    PASSWORD,
    USERNAME,
    MailFault,
    MailServer,
    Step,
    refusing,
    running_mail_server,
    stalling,
)
from tests.support.notice_messages import KIM, NOW, a_message, plain_mail
from tests.support.webhook_receiver import certified, trusting

ACCEPTED, REFUSED, FAILED = NoticeOutcomeKind
SENDER = "tickets@rail.example"
SHORT_SECONDS = 0.3  # far more than loopback takes, and soon over where nothing comes
PATIENT_SECONDS = 20.0


@asynccontextmanager
async def email_channel(
    server: MailServer, *, timeout_seconds: float = PATIENT_SECONDS, made: BuildMail = plain_mail, **changed: Any
) -> AsyncIterator[EmailChannel]:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": server.port,
        "security": SmtpSecurity.NONE,
        "hello_name": "rail.example",
        "tls": ssl.create_default_context(),
        "timeout_seconds": timeout_seconds,
    }
    pool = SmtpPool(SmtpServer(**(fields | changed)), connections_max=2)
    channel = EmailChannel(pool, made, sender=SENDER, sends_max=2, per_second_max=20, timeout_seconds=timeout_seconds)
    try:
        yield channel
    finally:
        await channel.close()


async def outcome_with(fault: MailFault, timeout_seconds: float = PATIENT_SECONDS) -> tuple[NoticeOutcome, MailServer]:
    """Send one mail to a server with this fault. The next mail has to arrive."""
    async with running_mail_server() as server, email_channel(server, timeout_seconds=timeout_seconds) as channel:
        server.faults.append(fault)
        outcome = await channel.send(a_message(), NOW)
        accepted = len(server.mails)
        assert (await channel.send(a_message("TICKET OTHER1 - event-2 email"), NOW)).kind is ACCEPTED
        assert len(server.mails) == accepted + 1
        return outcome, server


async def test_a_mail_arrives_with_its_sender_recipient_and_message_id() -> None:
    async with running_mail_server() as server, email_channel(server) as channel:
        assert await channel.send(a_message(), NOW) == NoticeOutcome(ACCEPTED, 250)
    (mail,) = server.mails
    assert (mail.sender, mail.recipient) == (SENDER, KIM)
    assert mail.message_id == str(plain_mail(a_message(), NOW)["Message-ID"])


ANSWERS = [
    (Step.EHLO, "421 4.3.2 closing", FAILED, True),
    (Step.MAIL, "421 4.3.2 closing", FAILED, True),
    (Step.RCPT, "421 4.3.2 closing", FAILED, True),
    (Step.DATA, "421 4.3.2 closing", FAILED, True),
    (Step.MAIL, "451 4.3.0 try again", FAILED, True),
    (Step.MAIL, "550 5.7.1 sender not verified", FAILED, True),
    (Step.MAIL, "552 5.3.4 too large", REFUSED, False),
    (Step.RCPT, "450 4.2.1 mailbox busy", FAILED, False),
    (Step.RCPT, "452 4.2.2 mailbox full", FAILED, False),
    (Step.RCPT, f"550 5.1.1 <{KIM}>: no such mailbox", REFUSED, False),
    (Step.RCPT, "530 5.7.0 login required", FAILED, True),
    (Step.DATA, "451 4.7.1 greylisted", FAILED, True),
    (Step.DATA, "552 5.2.3 too large", REFUSED, False),
    (Step.DATA, "554 5.6.0 not accepted", REFUSED, False),
]


@pytest.mark.parametrize(
    ("step", "reply", "kind", "is_fault"), ANSWERS, ids=[f"{step}-{text[:3]}" for step, text, *_ in ANSWERS]
)
async def test_each_answer_is_an_outcome(step: Step, reply: str, kind: NoticeOutcomeKind, is_fault: bool) -> None:
    outcome, _ = await outcome_with(refusing(step, reply))
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (kind, int(reply[:3]), is_fault)
    assert "kim" not in outcome.detail.lower()


async def test_a_refused_recipient_leaves_the_connection_for_the_next_mail() -> None:
    outcome, server = await outcome_with(refusing(Step.RCPT, "550 5.1.1 no such user"))
    assert outcome.detail == "550 5.1.1 at RCPT TO"
    assert server.connections == 1


@pytest.mark.parametrize(("fault", "accepted"), [(CLOSES_BEFORE_ACCEPTING, 1), (CLOSES_AFTER_ACCEPTING, 2)])
async def test_a_connection_that_ends_after_data_fails_and_may_have_delivered(fault: MailFault, accepted: int) -> None:
    outcome, server = await outcome_with(fault)
    assert outcome == NoticeOutcome(FAILED, detail="the server closed the connection at DATA", is_provider_fault=True)
    assert len(server.mails) == accepted


async def test_a_mail_that_is_sent_again_has_the_same_message_id() -> None:
    async with running_mail_server() as server, email_channel(server) as channel:
        server.faults.append(CLOSES_AFTER_ACCEPTING)
        assert (await channel.send(a_message(), NOW)).kind is FAILED
        assert (await channel.send(a_message(), NOW)).kind is ACCEPTED
    assert len({mail.message_id for mail in server.mails}) == 1
    assert len(server.mails) == 2


@pytest.mark.parametrize("step", list(Step))
async def test_a_server_that_stalls_fails_in_time(step: Step) -> None:
    async with asyncio.timeout(PATIENT_SECONDS):
        outcome, _ = await outcome_with(stalling(step), timeout_seconds=SHORT_SECONDS)
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 0, True)
    assert "no answer within" in outcome.detail


async def test_a_server_that_is_away_fails() -> None:
    async with running_mail_server() as server:
        pass
    async with email_channel(server) as channel:
        outcome = await channel.send(a_message(), NOW)
        assert not await channel.probe()
    assert outcome == NoticeOutcome(FAILED, detail="Connection refused while connecting", is_provider_fault=True)


async def test_a_server_that_greets_with_421_fails_until_it_is_back() -> None:
    async with running_mail_server() as server, email_channel(server) as channel:
        server.is_down = True
        outcome = await channel.send(a_message(), NOW)
        assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 421, True)
        assert not await channel.probe()
        server.is_down = False
        assert await channel.probe()
        assert (await channel.send(a_message(), NOW)).kind is ACCEPTED


# -- TLS and login


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def test_login_needs_the_right_password(authority: trustme.CA) -> None:
    login: dict[str, Any] = {
        "host": "localhost",
        "security": SmtpSecurity.STARTTLS,
        "tls": trusting(authority),
        "username": USERNAME,
    }
    async with running_mail_server(starttls=certified(authority, "localhost"), needs_login=True) as server:
        async with email_channel(server, **login, password=PASSWORD) as channel:
            assert (await channel.send(a_message(), NOW)).kind is ACCEPTED
        async with email_channel(server, **login, password="wrong") as channel:
            outcome = await channel.send(a_message(), NOW)
            assert not await channel.probe()
        assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 535, True)
        async with email_channel(server, **login | {"username": ""}) as channel:
            outcome = await channel.send(a_message(), NOW)
        assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 530, True)
    assert len(server.mails) == 1


async def test_tls_from_the_start_is_spoken(authority: trustme.CA) -> None:
    async with (
        running_mail_server(tls=certified(authority, "localhost")) as server,
        email_channel(server, host="localhost", security=SmtpSecurity.TLS, tls=trusting(authority)) as channel,
    ):
        assert (await channel.send(a_message(), NOW)).kind is ACCEPTED


@pytest.mark.parametrize("security", [SmtpSecurity.TLS, SmtpSecurity.STARTTLS])
async def test_a_certificate_of_another_name_or_authority_is_not_accepted(
    authority: trustme.CA, security: SmtpSecurity
) -> None:
    context = certified(authority, "other.example")
    secured: dict[str, Any] = {"tls": context} if security is SmtpSecurity.TLS else {"starttls": context}
    async with running_mail_server(**secured) as server:
        for trusted in (trusting(authority), ssl.create_default_context()):
            async with email_channel(server, host="localhost", security=security, tls=trusted) as channel:
                outcome = await channel.send(a_message(), NOW)
            assert (outcome.kind, outcome.is_provider_fault) == (FAILED, True)
            assert "certificate is not accepted" in outcome.detail
    assert not server.mails


async def test_nothing_is_sent_where_the_server_offers_no_starttls(authority: trustme.CA) -> None:
    async with (
        running_mail_server() as server,
        email_channel(server, host="localhost", security=SmtpSecurity.STARTTLS, tls=trusting(authority)) as channel,
    ):
        outcome = await channel.send(a_message(), NOW)
    assert (outcome.kind, outcome.is_provider_fault, server.mails) == (FAILED, True, [])
    assert "STARTTLS" in outcome.detail


# -- addresses


async def test_an_address_outside_ascii_is_sent_by_smtputf8() -> None:
    async with running_mail_server() as server, email_channel(server) as channel:
        assert (await channel.send(a_message(to="żółć@bücher.example"), NOW)).kind is ACCEPTED
        assert (await channel.send(a_message(to="kim@bücher.example"), NOW)).kind is ACCEPTED
    assert [mail.recipient for mail in server.mails] == ["żółć@xn--bcher-kva.example", "kim@xn--bcher-kva.example"]
    assert [("SMTPUTF8" in mail.options) for mail in server.mails] == [True, False]


async def test_an_address_that_the_server_cannot_take_is_refused_alone() -> None:
    async with running_mail_server(enable_SMTPUTF8=False) as server, email_channel(server) as channel:
        outcome = await channel.send(a_message(to="żółć@example.com"), NOW)
        assert (outcome.kind, outcome.is_provider_fault) == (REFUSED, False)
        assert (await channel.send(a_message(to="kim@example.com\r\nRCPT TO:<eve@example.com>"), NOW)).kind is REFUSED
        assert (await channel.send(a_message(), NOW)).kind is ACCEPTED
    assert [mail.recipient for mail in server.mails] == [KIM]


# -- the mail of a notice


async def test_the_mail_of_a_notice_arrives_whole_in_seven_bits() -> None:
    pdf = bytes(range(256)) * 200
    message = a_message(
        to_name="Жук\r\nBcc: eve@example.com",
        text=NoticeText("Votre billet — Zürich", "Ligne\n.\nfin é", "<p>é</p>", "é"),
        attachments=(Attachment("ABC123-1.pdf", "application/pdf", pdf),),
        unsubscribe_token="a-token",
    )
    made = partial(build_mail, sender=MailSender(SENDER, "Rail", "https://rail.example/stop?token={token}"))
    async with running_mail_server() as server, email_channel(server, made=made) as channel:
        assert (await channel.send(message, NOW)).kind is ACCEPTED
        assert (await channel.send(replace(message, to="żółć@example.com"), NOW)).kind is ACCEPTED
    mail = server.mails[0].message
    assert server.mails[0].content.isascii()
    assert mail["Bcc"] is None
    assert (mail["Subject"], mail["Auto-Submitted"]) == (message.text.subject, "auto-generated")
    assert "https://rail.example/stop?token=a-token" in mail["List-Unsubscribe"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == ["Ligne", ".", "fin", "é"]
    assert [attachment.get_content() for attachment in mail.iter_attachments()] == [pdf]
    assert [mail.recipient for mail in server.mails] == [KIM, "żółć@example.com"]
    assert server.mails[0].message_id == server.mails[1].message_id


async def test_the_loop_goes_on_while_mails_are_built_one_at_a_time() -> None:
    """The first mail is built until the loop says that it went on. Another build meanwhile would be noticed."""
    begun, went_on, building = threading.Event(), threading.Event(), threading.Lock()

    def build(message: NoticeMessage, now: datetime) -> EmailMessage:
        assert building.acquire(blocking=False)
        begun.set()
        assert went_on.wait(PATIENT_SECONDS)
        building.release()
        return plain_mail(message, now)

    async with running_mail_server() as server, email_channel(server, made=build) as channel:
        sending = asyncio.gather(*(channel.send(a_message(f"TICKET AAAAA{n} - e email"), NOW) for n in range(3)))
        assert await asyncio.to_thread(begun.wait, PATIENT_SECONDS)
        went_on.set()
        assert [outcome.kind for outcome in await sending] == [ACCEPTED] * 3
