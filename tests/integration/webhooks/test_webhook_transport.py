"""Sending to webhooks over real connections: what receivers get, and the outcomes of slow, broken or hostile ones."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from standardwebhooks import Webhook as Verifier

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.webhooks import Webhook, make_webhook
from app.notifications.secrets import make_secret
from app.notifications.webhook_sender import DETAIL_LENGTH_MAX, WebhookSender
from tests.support.webhook_receiver import (
    LOOPBACK,
    Answer,
    Receiver,
    answering,
    never_ending,
    running_receiver,
    saying,
)
from tests.support.world import eventually

SECRET = make_secret(bytes(range(32)))
EVENT_ID = "es9014:2026-09-01:12:0"
BODY = '{"id":"es9014:2026-09-01:12:0","data":{"name":"Žofie"}}'.encode()
# Time enough for an answer over loopback on a busy machine, and little enough to wait for its end.
SHORT_SECONDS = 0.3
MODERATE_SECONDS = 20.0


def a_webhook(receiver: Receiver, path: str = "/hook?token=quiet") -> Webhook:
    return make_webhook("w1", f"http://{LOOPBACK}:{receiver.port}{path}", (), SECRET, datetime.now(UTC))


def a_sender(**chosen: Any) -> WebhookSender:
    return WebhookSender(**{"allow_private_addresses": True, "timeout_seconds": MODERATE_SECONDS, **chosen})


async def sent(sender: WebhookSender, receiver: Receiver) -> SendOutcome:
    return await sender.send(a_webhook(receiver), EVENT_ID, BODY, datetime.now(UTC))


async def sent_to(answer: Answer, **chosen: Any) -> SendOutcome:
    """Return the outcome of sending once to a receiver that answers like this."""
    async with running_receiver(answer) as receiver, a_sender(**chosen) as sender:
        return await sent(sender, receiver)


@pytest_asyncio.fixture
async def accepting() -> AsyncIterator[Receiver]:
    """A receiver that accepts everything."""
    async with running_receiver(answering(200, b"thanks")) as receiver:
        yield receiver


# -- what receivers get


async def test_a_receiver_gets_the_event_with_a_signature_that_it_can_verify(accepting: Receiver) -> None:
    async with a_sender() as sender:
        outcome = await sent(sender, accepting)
    assert outcome == SendOutcome(OutcomeKind.DELIVERED, 200, "thanks")
    (request,) = accepting.received
    assert request.line == "POST /hook?token=quiet HTTP/1.1"
    assert request.body == BODY
    assert request.headers["content-type"] == "application/cloudevents+json"
    assert request.headers["host"] == f"{LOOPBACK}:{accepting.port}"
    assert request.headers["webhook-id"] == EVENT_ID
    assert Verifier(SECRET).verify(request.body, request.headers)["data"] == {"name": "Žofie"}


async def test_several_events_to_one_receiver_share_a_connection(accepting: Receiver) -> None:
    async with a_sender() as sender:
        for _ in range(5):
            assert (await sent(sender, accepting)).kind is OutcomeKind.DELIVERED
    assert len(accepting.received) == 5
    assert accepting.connections == 1


async def test_a_receiver_that_closes_after_each_answer_gets_the_next_event() -> None:
    async with running_receiver(answering(204, connection="close")) as receiver, a_sender() as sender:
        assert [(await sent(sender, receiver)).status for _ in range(3)] == [204] * 3
        assert receiver.connections == 3


async def test_cookies_of_a_receiver_are_not_sent_back() -> None:
    async with running_receiver(answering(200, set_cookie="a=b; Path=/")) as receiver, a_sender() as sender:
        await sent(sender, receiver)
        await sent(sender, receiver)
        assert ["cookie" in request.headers for request in receiver.received] == [False, False]


async def test_proxies_of_the_environment_are_not_used(accepting: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running_receiver(answering(200)) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://{LOOPBACK}:{proxy.port}")
        async with a_sender() as sender:
            assert (await sent(sender, accepting)).kind is OutcomeKind.DELIVERED
        assert proxy.connections == 0


async def test_addresses_of_receivers_are_not_logged(accepting: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with a_sender() as sender:
        await sent(sender, accepting)
    assert "token" not in caplog.text


# -- what receivers answer


async def test_a_receiver_that_answers_410_is_gone() -> None:
    outcome = await sent_to(answering(410, b"no longer here"))
    assert outcome == SendOutcome(OutcomeKind.GONE, 410, "no longer here")


@pytest.mark.parametrize("status", [400, 404, 429, 500, 503])
async def test_a_receiver_that_fails_may_be_tried_again(status: int) -> None:
    outcome = await sent_to(answering(status, b"out of\norder"))
    assert outcome == SendOutcome(OutcomeKind.FAILED, status, "out of order")


async def test_a_receiver_may_ask_for_a_pause() -> None:
    assert (await sent_to(answering(503, retry_after="120"))).retry_after_seconds == 120


async def test_a_redirect_is_not_followed(accepting: Receiver) -> None:
    location = f"http://{LOOPBACK}:{accepting.port}/moved"
    outcome = await sent_to(answering(307, location=location))
    assert outcome == SendOutcome(OutcomeKind.FAILED, 307, f"redirects are not followed; to {location}")
    assert accepting.connections == 0


async def test_only_the_beginning_of_an_endless_answer_is_read() -> None:
    head = b"HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n"
    started = time.monotonic()
    outcome = await sent_to(never_ending(head, b"10000\r\n" + b"x" * 65_536 + b"\r\n"))
    assert time.monotonic() - started < MODERATE_SECONDS
    assert (outcome.status, outcome.detail) == (500, "x" * (DETAIL_LENGTH_MAX - 1) + "…")


async def test_a_compressed_answer_is_not_decompressed() -> None:
    outcome = await sent_to(answering(500, gzip.compress(b"word " * 1_000_000), content_encoding="gzip"))
    assert outcome.status == 500
    assert "word word" not in outcome.detail


# -- receivers that are slow


@pytest.mark.parametrize(
    "answer",
    [never_ending(b""), never_ending(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), never_ending(b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["silent", "never done with its headers", "continuing for ever"],
)
async def test_a_receiver_that_does_not_answer_in_time_fails(answer: Answer) -> None:
    outcome = await sent_to(answer, timeout_seconds=SHORT_SECONDS)
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, 0)
    assert outcome.detail == "no answer within 0.3 s"


async def test_an_answer_counts_by_its_status_even_if_its_body_drips() -> None:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    started = time.monotonic()
    outcome = await sent_to(never_ending(head, b"1\r\ny\r\n"), timeout_seconds=SHORT_SECONDS)
    assert (outcome.kind, outcome.status) == (OutcomeKind.DELIVERED, 200)
    assert time.monotonic() - started < MODERATE_SECONDS


async def test_receivers_that_do_not_answer_free_their_slots(accepting: Receiver) -> None:
    async with running_receiver(never_ending(b"")) as silent, a_sender(sends_max=2, timeout_seconds=SHORT_SECONDS) as sender:
        failed = await asyncio.gather(*(sent(sender, silent) for _ in range(6)))
        assert {outcome.kind for outcome in failed} == {OutcomeKind.FAILED}
        assert (await sent(sender, accepting)).kind is OutcomeKind.DELIVERED


async def test_waiting_for_a_slot_does_not_use_up_the_timeout(accepting: Receiver) -> None:
    async with running_receiver(never_ending(b"")) as silent, a_sender(sends_max=1, timeout_seconds=SHORT_SECONDS) as sender:
        slow, *others = await asyncio.gather(*(sent(sender, receiver) for receiver in (silent, accepting, accepting)))
    assert slow.kind is OutcomeKind.FAILED
    assert [outcome.kind for outcome in others] == [OutcomeKind.DELIVERED] * 2


async def test_concurrent_sends_are_bounded() -> None:
    open_gate = asyncio.Event()
    waiting = [0, 0]  # now, most

    async def answer(writer: asyncio.StreamWriter) -> None:
        waiting[:] = waiting[0] + 1, max(waiting[1], waiting[0] + 1)
        if waiting[0] == 3:
            open_gate.set()
        await open_gate.wait()
        waiting[0] -= 1
        await answering(204)(writer)

    async with running_receiver(answer) as receiver, a_sender(sends_max=3) as sender:
        found = await asyncio.gather(*(sent(sender, receiver) for _ in range(12)))
        assert {outcome.status for outcome in found} == {204}
        assert waiting[1] == 3
        assert receiver.connections <= 3


async def test_a_cancelled_send_frees_its_slot(accepting: Receiver) -> None:
    async with running_receiver(never_ending(b"")) as silent, a_sender(sends_max=1) as sender:
        task = asyncio.create_task(sent(sender, silent))

        async def arrived() -> bool:
            return bool(silent.received)

        await eventually(arrived)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sent(sender, accepting)).kind is OutcomeKind.DELIVERED


async def test_a_send_in_progress_fails_when_the_sender_closes() -> None:
    async with running_receiver(never_ending(b"")) as silent, a_sender() as sender:
        task = asyncio.create_task(sent(sender, silent))

        async def arrived() -> bool:
            return bool(silent.received)

        await eventually(arrived)
        await sender.close()
        outcome = await task
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, 0)


# -- receivers that are missing or broken


async def test_a_send_without_a_receiver_fails(accepting: Receiver) -> None:
    async with running_receiver(answering(200)) as gone:
        pass
    async with a_sender() as sender:
        outcome = await sent(sender, gone)
    assert outcome == SendOutcome(OutcomeKind.FAILED, 0, "Connection refused")


@pytest.mark.parametrize(
    "answer",
    [
        saying(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        saying(b"HTTP/1.1 banana\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n"),
        saying(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000 + b"\r\n\r\n"),
        saying(b"\x15\x03\x01\x00\x02\x02\x50"),
    ],
    ids=["ssh", "no status", "a length below nothing", "an endless header", "tls"],
)
async def test_an_answer_that_is_not_http_fails(answer: Answer) -> None:
    outcome = await sent_to(answer, timeout_seconds=SHORT_SECONDS)
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, 0)
    assert 0 < len(outcome.detail) <= DETAIL_LENGTH_MAX


async def test_an_answer_that_breaks_off_counts_by_its_status() -> None:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oops\r\ncontent-length: 100\r\n\r\nhalf of")
        await writer.drain()
        writer.close()

    assert await sent_to(answer) == SendOutcome(OutcomeKind.FAILED, 500, "half of")
