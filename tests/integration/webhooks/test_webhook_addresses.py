"""Addresses of webhooks: those of private networks are refused, and connections go to the address that was checked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
import trustme

from app.domain.deliveries import OutcomeKind, SendOutcome
from app.domain.webhooks import make_webhook
from app.notifications.addresses import SystemResolver
from app.notifications.http_transport import ADDRESSES_TRIED_MAX
from app.notifications.secrets import make_secret
from app.notifications.webhook_sender import WebhookSender
from tests.support.webhook_receiver import (
    LOOPBACK,
    AllToLoopback,
    Names,
    Receiver,
    answering,
    certified,
    running_receiver,
    saying,
    trusting,
)
from tests.support.world import eventually

SECRET = make_secret(bytes(range(32)))
HOST = "hooks.example.com"
PUBLIC, OTHER_PUBLIC, PUBLIC_IPV6 = "93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"
NOT_PUBLIC = f"{HOST} has an address that is not public"


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver that closes after each answer, so that each event needs a connection of its own."""
    async with running_receiver(answering(204, connection="close")) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def sent(url: str, *, times: int = 1, **chosen: Any) -> list[SendOutcome]:
    """Return the outcomes of sending to a URL several times with one sender."""
    webhook = make_webhook("w1", url, (), SECRET, datetime.now(UTC))
    async with WebhookSender(**chosen) as sender:
        return [await sender.send(webhook, "e1", b"{}", datetime.now(UTC)) for _ in range(times)]


# -- addresses that are refused


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "[::]", "localhost"],  # noqa: S104
)
async def test_the_address_of_this_machine_is_refused_in_every_notation(receiver: Receiver, host: str) -> None:
    (outcome,) = await sent(f"http://{host}:{receiver.port}/")
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, 0)
    assert receiver.connections == 0


@pytest.mark.parametrize("address", ["10.1.2.3", "169.254.169.254", "100.64.0.1", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"])
async def test_a_name_with_a_private_address_is_refused(receiver: Receiver, address: str) -> None:
    network = AllToLoopback()
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=Names([address]), connect=network)
    assert outcome == SendOutcome(OutcomeKind.FAILED, 0, NOT_PUBLIC)
    assert network.called == []


@pytest.mark.parametrize("addresses", [[PUBLIC, LOOPBACK], [PUBLIC_IPV6, PUBLIC, OTHER_PUBLIC, "8.8.8.8", "fe80::1%eth0"]])
async def test_one_private_address_among_others_is_enough_to_refuse(receiver: Receiver, addresses: list[str]) -> None:
    network = AllToLoopback()
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=Names(addresses), connect=network)
    assert outcome.detail == NOT_PUBLIC
    assert network.called == []


async def test_private_addresses_may_be_allowed(receiver: Receiver) -> None:
    (outcome,) = await sent(f"http://localhost:{receiver.port}/", allow_private_addresses=True)
    assert outcome.status == 204


# -- connections go to the checked address


async def test_a_name_whose_address_changes_after_the_check_is_connected_to_the_checked_one(receiver: Receiver) -> None:
    names, network = Names([PUBLIC], [LOOPBACK]), AllToLoopback()
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=names, connect=network)
    assert outcome.status == 204
    assert names.asked == [(HOST, receiver.port)]
    assert network.called == [PUBLIC]


async def test_a_name_is_checked_again_for_each_connection(receiver: Receiver) -> None:
    names, network = Names([PUBLIC], [LOOPBACK]), AllToLoopback()
    first, second = await sent(f"http://{HOST}:{receiver.port}/", times=2, resolve=names, connect=network)
    assert (first.status, second.detail) == (204, NOT_PUBLIC)
    assert network.called == [PUBLIC]


async def test_addresses_that_do_not_answer_are_skipped(receiver: Receiver) -> None:
    network = AllToLoopback(silent=[PUBLIC_IPV6])
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=Names([PUBLIC_IPV6, PUBLIC]), connect=network)
    assert outcome.status == 204
    assert network.called == [PUBLIC_IPV6, PUBLIC]


async def test_of_many_silent_addresses_only_a_few_are_tried(receiver: Receiver) -> None:
    addresses = [f"93.184.216.{number}" for number in range(1, 100)]
    network = AllToLoopback(silent=addresses)
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=Names(addresses), connect=network)
    assert outcome.kind is OutcomeKind.FAILED
    assert network.called == addresses[:ADDRESSES_TRIED_MAX]


async def test_a_name_without_an_address_fails(receiver: Receiver) -> None:
    (outcome,) = await sent(f"http://{HOST}:{receiver.port}/", resolve=Names([]))
    assert outcome == SendOutcome(OutcomeKind.FAILED, 0, f"the name {HOST} has no address")


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 64}.invalid", "a..invalid", "[::::]"])
async def test_an_unknown_name_fails(host: str) -> None:
    (outcome,) = await sent(f"http://{host}/")
    assert (outcome.kind, outcome.status) == (OutcomeKind.FAILED, 0)
    assert outcome.detail


async def test_the_system_resolver_knows_this_machine() -> None:
    resolver = SystemResolver(1)
    assert LOOPBACK in await resolver("localhost", 80)
    resolver.close()


# -- TLS


async def test_tls_uses_the_name_over_a_connection_to_the_checked_address(authority: trustme.CA) -> None:
    async with running_receiver(answering(204), certified(authority, HOST)) as receiver:
        names, network = Names([PUBLIC]), AllToLoopback()
        url = f"https://{HOST}:{receiver.port}/hook"
        (outcome,) = await sent(url, resolve=names, connect=network, tls=trusting(authority))
    assert outcome == SendOutcome(OutcomeKind.DELIVERED, 204)
    assert network.called == [PUBLIC]
    assert receiver.server_names == [HOST]
    assert receiver.received[0].headers["host"] == f"{HOST}:{receiver.port}"


async def test_a_certificate_for_another_name_is_refused_before_anything_is_sent(authority: trustme.CA) -> None:
    async with running_receiver(answering(204), certified(authority, "other.example.com", PUBLIC, LOOPBACK)) as receiver:
        url = f"https://{HOST}:{receiver.port}/"
        (outcome,) = await sent(url, resolve=Names([PUBLIC]), connect=AllToLoopback(), tls=trusting(authority))
    said = f"the certificate is not accepted: Hostname mismatch, certificate is not valid for '{HOST}'."
    assert outcome == SendOutcome(OutcomeKind.FAILED, 0, said)
    assert receiver.received == []


async def test_a_certificate_of_an_unknown_authority_is_refused(authority: trustme.CA) -> None:
    async with running_receiver(answering(204), certified(authority, HOST)) as receiver:
        url = f"https://{HOST}:{receiver.port}/"
        (outcome,) = await sent(url, resolve=Names([PUBLIC]), connect=AllToLoopback())
    assert outcome.detail.startswith("the certificate is not accepted: ")
    assert receiver.received == []


async def test_a_receiver_that_never_starts_tls_fails_and_its_connection_is_closed() -> None:
    async with running_receiver(saying()) as receiver:
        url = f"https://{LOOPBACK}:{receiver.port}/"
        (outcome,) = await sent(url, allow_private_addresses=True, timeout_seconds=0.3)
        assert outcome == SendOutcome(OutcomeKind.FAILED, 0, "no answer within 0.3 s")

        async def closed() -> bool:
            return receiver.connections == receiver.closed == 1

        await eventually(closed)


async def test_two_names_at_one_address_share_no_connection(authority: trustme.CA) -> None:
    tls = certified(authority, HOST, "other.example.com")
    async with (
        running_receiver(answering(204), tls) as receiver,
        WebhookSender(resolve=Names([PUBLIC]), connect=AllToLoopback(), tls=trusting(authority)) as sender,
    ):
        for host in (HOST, "other.example.com", HOST):
            webhook = make_webhook("w1", f"https://{host}:{receiver.port}/", (), SECRET, datetime.now(UTC))
            assert (await sender.send(webhook, "e1", b"{}", datetime.now(UTC))).status == 204
        assert receiver.server_names == [HOST, "other.example.com"]
