"""Connections to the mail server are shared, checked, bounded and closed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from app.notifications import smtp_pool
from app.notifications.email_channel import EmailChannel
from app.notifications.smtp_pool import SmtpPool, SmtpSecurity, SmtpServer
from app.ports.notices import NoticeMessage, NoticeOutcome, NoticeOutcomeKind
from tests.support.mail_server import LOOPBACK, MailServer, Step, refusing, running_mail_server, stalling
from tests.support.notice_messages import NOW, a_message, plain_mail
from tests.support.world import eventually

PATIENT_SECONDS = 20.0


class SetClock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def mailing(
    server: MailServer, *, connections_max: int = 2, clock: SetClock | None = None, timeout_seconds: float = PATIENT_SECONDS
) -> AsyncIterator[tuple[EmailChannel, SmtpPool]]:
    settings = SmtpServer(
        LOOPBACK, server.port, SmtpSecurity.NONE, "rail.example", ssl.create_default_context(), timeout_seconds=timeout_seconds
    )
    pool = SmtpPool(settings, connections_max=connections_max, monotonic=clock or SetClock())
    channel = EmailChannel(
        pool, plain_mail, sender="tickets@rail.example", sends_max=2, per_second_max=20, timeout_seconds=timeout_seconds
    )
    try:
        yield channel, pool
    finally:
        await channel.close()


async def until(holds: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return holds()

    await eventually(asked)


def messages(count: int) -> list[NoticeMessage]:
    return [a_message(f"TICKET R{number} - event email") for number in range(count)]


async def send_all(channel: EmailChannel, sent: list[NoticeMessage]) -> None:
    outcomes = await asyncio.gather(*(channel.send(message, NOW) for message in sent))
    assert {outcome.kind for outcome in outcomes} == {NoticeOutcomeKind.ACCEPTED}


async def test_mails_share_connections_up_to_the_bound() -> None:
    async with running_mail_server() as server:
        async with mailing(server, connections_max=3) as (channel, pool):
            await send_all(channel, messages(30))
            assert (server.connections, pool.idle_connections) == (3, 3)
        assert len({mail.message_id for mail in server.mails}) == 30
        assert server.commands.count("QUIT") == 3


async def test_a_connection_ends_after_its_share_of_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_pool, "MAILS_MAX", 2)
    async with running_mail_server() as server, mailing(server) as (channel, _):
        for message in messages(5):
            await send_all(channel, [message])
    assert [mail.connection for mail in server.mails] == [1, 1, 2, 2, 3]


async def test_an_idle_connection_is_checked_before_it_is_used_again() -> None:
    clock = SetClock()
    async with running_mail_server() as server, mailing(server, clock=clock) as (channel, _):
        await send_all(channel, messages(1))
        clock.seconds += smtp_pool.CHECK_AFTER_SECONDS
        await send_all(channel, messages(1))
        assert server.commands == []
        clock.seconds += smtp_pool.CHECK_AFTER_SECONDS + 0.1
        await send_all(channel, messages(1))
        assert (server.commands, server.connections) == (["NOOP"], 1)


async def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp_pool, "IDLE_SECONDS_MAX", 0.05)
    async with running_mail_server() as server, mailing(server) as (channel, pool):
        await send_all(channel, messages(1))
        assert pool.idle_connections == 1
        await until(lambda: "QUIT" in server.commands)
        assert pool.idle_connections == 0


@pytest.mark.parametrize("idle_seconds", [0.0, smtp_pool.CHECK_AFTER_SECONDS * 2])
async def test_connections_that_the_server_closed_while_idle_cost_no_failure(idle_seconds: float) -> None:
    clock = SetClock()
    async with running_mail_server() as server, mailing(server, clock=clock) as (channel, _):
        await send_all(channel, messages(2))
        server.drop_connections()
        clock.seconds += idle_seconds
        await send_all(channel, messages(1))
        server.faults.append(refusing(Step.MAIL, "421 4.4.2 idle for too long"))
        await send_all(channel, messages(1))
    assert len(server.mails) == 4


async def test_a_send_that_is_cancelled_gives_its_connection_up() -> None:
    async with running_mail_server() as server, mailing(server, connections_max=1) as (channel, pool):
        server.faults.append(stalling(Step.DATA))
        sending = asyncio.create_task(channel.send(a_message(), NOW))
        await until(lambda: not server.faults)
        sending.cancel()
        await asyncio.wait([sending])
        assert sending.cancelled()
        assert pool.idle_connections == 0
        await send_all(channel, messages(1))


async def test_a_connection_in_use_is_closed_after_its_mail_once_the_pool_is_closed() -> None:
    async with running_mail_server() as server, mailing(server) as (channel, pool):
        async with pool.lease() as lease:
            await channel.close()
            assert lease.client.is_connected
        assert pool.idle_connections == 0
        await until(lambda: "QUIT" in server.commands)


async def test_a_new_connection_takes_the_room_of_an_idle_one() -> None:
    async with running_mail_server() as server, mailing(server, connections_max=2) as (channel, pool):
        async with pool.lease(), pool.lease():
            pass
        assert pool.idle_connections == 2
        assert await channel.probe()
        assert (pool.idle_connections, server.connections) == (2, 3)
        await until(lambda: server.commands.count("QUIT") == 1)


async def test_a_mail_that_takes_too_long_in_all_is_a_failure() -> None:
    async with (
        running_mail_server() as server,
        mailing(server, connections_max=1, timeout_seconds=0.2) as (channel, pool),
        pool.lease(),  # all connections are in use for longer than a mail may take
    ):
        outcome = await channel.send(a_message(), NOW)
    assert outcome == NoticeOutcome(
        NoticeOutcomeKind.FAILED, detail="the mail was not accepted within 0.4 s", is_provider_fault=True
    )
