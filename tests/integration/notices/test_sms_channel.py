"""SMS are posted to a real HTTP server as Twilio's API has it; a server that is slow, down, or lies is a failure."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest

from app.domain.notices.notice import NoticeChannelName
from app.notifications.sms_channel import SmsAccount, SmsChannel
from app.ports.notices import NoticeOutcome, NoticeOutcomeKind
from tests.support.notice_messages import NOW, a_message
from tests.support.webhook_receiver import Answer, Receiver, answering, never_ending, running_receiver, saying

ACCEPTED, REFUSED, FAILED = NoticeOutcomeKind
NUMBER, ACCOUNT, TOKEN = "+33612345678", "AC0123456789", "the-token-of-the-account"
SHORT_SECONDS = 0.3  # far more than loopback takes, and soon over where nothing comes
CREATED = answering(201, b'{"sid": "SM0123456789abcdef"}')


@asynccontextmanager
async def sms_channel(
    answer: Answer, *, sender: str = "+15550100", timeout_seconds: float = 20.0
) -> AsyncIterator[tuple[SmsChannel, Receiver]]:
    async with running_receiver(answer) as server:
        account = SmsAccount(f"http://127.0.0.1:{server.port}/", ACCOUNT, TOKEN, sender)
        channel = SmsChannel(account, per_second_max=10, timeout_seconds=timeout_seconds)
        try:
            yield channel, server
        finally:
            await channel.close()


async def send(channel: SmsChannel) -> NoticeOutcome:
    return await channel.send(a_message(to=NUMBER), NOW)


async def test_an_sms_is_posted_with_number_sender_and_text() -> None:
    async with sms_channel(CREATED) as (channel, server):
        assert await send(channel) == NoticeOutcome(ACCEPTED, 201)
        assert channel.name is NoticeChannelName.SMS
    (request,) = server.received
    assert request.line == f"POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1"
    assert parse_qs(request.body.decode()) == {"To": [NUMBER], "From": ["+15550100"], "Body": [a_message().text.short]}
    assert request.headers["authorization"] == f"Basic {base64.b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}"


async def test_a_messaging_service_stands_for_the_sender() -> None:
    service = f"MG{'0' * 32}"
    async with sms_channel(CREATED, sender=service) as (channel, server):
        await send(channel)
    assert parse_qs(server.received[0].body.decode())["MessagingServiceSid"] == [service]


@pytest.mark.parametrize(
    "answer",
    [
        saying(),
        never_ending(b""),
        never_ending(b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n", b" "),
    ],
    ids=["says nothing", "trickles nothing", "trickles a body"],
)
async def test_a_slow_provider_fails_in_time(answer: Answer) -> None:
    async with asyncio.timeout(20), sms_channel(answer, timeout_seconds=SHORT_SECONDS) as (channel, _):
        outcome = await send(channel)
        assert not await channel.probe()
    assert outcome == NoticeOutcome(FAILED, detail="no answer within 0.3 s", is_provider_fault=True)


@pytest.mark.parametrize("broken", [b"garbage\r\n\r\n", b"HTTP/1.1 201 Created\r\ncontent-length: x\r\n\r\n"])
async def test_a_provider_that_speaks_no_http_is_a_failure(broken: bytes) -> None:
    async with sms_channel(saying(broken)) as (channel, _):
        outcome = await send(channel)
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 0, True)


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    endless = never_ending(b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n", b"2000\r\n" + b" " * 8_192 + b"\r\n")
    async with asyncio.timeout(20), sms_channel(endless) as (channel, _):
        outcome = await send(channel)
    assert (outcome.kind, outcome.status) == (FAILED, 201)


async def test_a_provider_that_is_down_is_a_failure() -> None:
    async with sms_channel(CREATED) as (channel, server):
        pass
    channel = SmsChannel(SmsAccount(f"http://127.0.0.1:{server.port}", ACCOUNT, TOKEN, "Rail"), per_second_max=10)
    outcome = await send(channel)
    assert not await channel.probe()
    await channel.close()
    assert outcome == NoticeOutcome(FAILED, detail="Connection refused", is_provider_fault=True)


async def test_redirects_are_not_followed() -> None:
    async with sms_channel(answering(307, location="http://127.0.0.1:1/")) as (channel, server):
        outcome = await send(channel)
    assert (outcome.kind, outcome.status, outcome.is_provider_fault) == (FAILED, 307, True)
    assert len(server.received) == 1


async def test_the_probe_asks_for_the_account() -> None:
    async with sms_channel(answering(200, b'{"sid": "AC0123456789"}')) as (channel, server):
        assert await channel.probe()
    assert server.received[0].line == f"GET /2010-04-01/Accounts/{ACCOUNT}.json HTTP/1.1"
    for lie in (answering(200, b"<html>"), answering(401, b'{"code": 20003}')):
        async with sms_channel(lie) as (channel, _):
            assert not await channel.probe()
